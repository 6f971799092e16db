"""What a check of a store finds, as nouns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from analyzer.store import Store

MAX_SHOWN_OF_A_KIND = 100
MAX_TEXT_CHARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is not as it should be.

    Attributes:
        kind: Which check found it: `capture.missing`.
        subject: On what: an id, a path.
        what: What is wrong.
        remedy: What to do about it.
        leftover: Whether it is only what a kill left, which the next start removes.
    """

    kind: str
    subject: str
    what: str
    remedy: str
    leftover: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check looked at and found.

    Attributes:
        problems: What is wrong, at most `MAX_SHOWN_OF_A_KIND` of each kind.
        leftovers: What a kill left; a service that starts removes it.
        not_shown: How many more of each kind there are.
        examined: How many of what were looked at.
        deep: Whether contents were read too.
        in_use: Whether a service was at work meanwhile.
    """

    problems: tuple[Problem, ...]
    leftovers: tuple[Problem, ...]
    not_shown: Mapping[str, int]
    examined: Mapping[str, int]
    deep: bool
    in_use: bool

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong; leftovers are not wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """One check on its way.

    Attributes:
        deep: Whether contents are read too.
        grace_ns: How young a file without a row may be, and a row without a file.
        examined: Counts what was looked at.
    """

    store: Store
    deep: bool
    in_use: bool
    grace_ns: int
    now_ns: int
    examined: Counter[str] = field(default_factory=Counter)

    def young(self, changed_ns: int) -> bool:
        """Whether somebody may still be at work on it."""
        return self.in_use and self.now_ns - changed_ns < self.grace_ns


def bounded(
    problems: Iterator[Problem],
) -> tuple[tuple[Problem, ...], tuple[Problem, ...], Mapping[str, int]]:
    """Problems, leftovers, and how many of each kind were too many."""
    seen: Counter[str] = Counter()
    wrong: list[Problem] = []
    left: list[Problem] = []
    for problem in problems:
        seen[problem.kind] += 1
        if seen[problem.kind] <= MAX_SHOWN_OF_A_KIND:
            (left if problem.leftover else wrong).append(problem)
    over = {
        kind: count - MAX_SHOWN_OF_A_KIND
        for kind, count in seen.items()
        if count > MAX_SHOWN_OF_A_KIND
    }
    return tuple(wrong), tuple(left), over
