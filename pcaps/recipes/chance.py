"""Pseudo-random values that are the same on every machine and for every run."""

from __future__ import annotations

from math import log
from random import Random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = TypeVar("Item")


class Chance:
    """A source of random values, fixed by its seed.

    Only `Random.random` and `Random.getrandbits` are used: the other methods of `Random` have
    changed their algorithms between Python versions, these two have not.
    """

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)

    def bytes(self, size: int) -> bytes:
        """`size` uniform bytes."""
        return self._random.getrandbits(8 * size).to_bytes(size, "big") if size else b""

    def hex(self, size_bytes: int) -> str:
        """`size_bytes` uniform bytes as lower-case hex digits, twice as many characters."""
        return self.bytes(size_bytes).hex()

    def between(self, low: float, high: float) -> float:
        """A uniform number in `[low, high)`."""
        return low + self._random.random() * (high - low)

    def integer(self, low: int, high: int) -> int:
        """A uniform integer in `[low, high]`."""
        return low + int(self._random.random() * (high - low + 1))

    def exponential(self, mean: float) -> float:
        """A waiting time of a Poisson process with mean `mean`.

        Rounded to a millionth, so that the last bit of a platform's logarithm cannot show.
        """
        return round(-log(1.0 - self._random.random()) * mean, 6)

    def pick(self, items: Sequence[Item]) -> Item:
        """One of `items`."""
        return items[self.integer(0, len(items) - 1)]
