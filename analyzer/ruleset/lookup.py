"""Indexes over rule data: one dictionary access for each label of a name or length of a prefix."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Iterable, Iterator

    from analyzer.ruleset.kinds import NameRule

_T = TypeVar("_T")

ADDRESS_BITS = {4: 32, 6: 128}

MAX_NAME_CHARS = 253
"""RFC 1035 section 2.3.4, without the root's dot."""


def host_labels(name: str) -> tuple[str, ...]:
    """The labels of a host name in lower case, () for text that is too long to be one."""
    if len(name) > MAX_NAME_CHARS + 1:
        return ()
    return tuple(name.strip().lower().removesuffix(".").split("."))


class NameIndex(Generic[_T]):
    """Finds the rules whose names cover a host name, the most specific first."""

    __slots__ = ("_by_suffix",)

    def __init__(self, entries: Iterable[tuple[NameRule, _T]]) -> None:
        self._by_suffix: dict[str, list[tuple[NameRule, _T]]] = {}
        for rule, value in entries:
            self._by_suffix.setdefault(rule.suffix, []).append((rule, value))
        for rules in self._by_suffix.values():
            rules.sort(key=lambda entry: (not entry[0].exact, -entry[0].least_labels))

    def covering(self, name: str) -> Iterator[tuple[NameRule, _T]]:
        """The rules that cover a name: longest suffix first, and of one suffix the narrowest."""
        labels = host_labels(name)
        for dropped in range(len(labels)):
            for rule, value in self._by_suffix.get(".".join(labels[dropped:]), ()):
                enough = (
                    dropped == rule.least_labels if rule.exact else dropped >= rule.least_labels
                )
                if enough:
                    yield rule, value


class AddressIndex(Generic[_T]):
    """Finds the longest network that holds an address."""

    __slots__ = ("_by_length",)

    def __init__(
        self, entries: Iterable[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, _T]]
    ) -> None:
        by_length: dict[tuple[int, int], dict[int, _T]] = {}
        for network, value in entries:
            networks = by_length.setdefault((network.version, network.prefixlen), {})
            networks.setdefault(int(network.network_address), value)
        self._by_length = sorted(by_length.items(), key=lambda item: -item[0][1])

    def find(self, text: str) -> _T | None:
        """The value of the longest network that holds the address; `None` for other text."""
        version, number = _address(text)
        for (of_version, length), networks in self._by_length:
            if of_version == version:
                shift = ADDRESS_BITS[version] - length
                found = networks.get(number >> shift << shift)
                if found is not None:
                    return found
        return None


def _address(text: str) -> tuple[int, int]:
    """Version and number of an address, version 0 for other text.

    Every address of a capture comes by here, and `ipaddress` takes ten times as long.
    """
    for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        try:
            return version, int.from_bytes(socket.inet_pton(family, text))
        except (OSError, ValueError):
            continue
    return 0, 0
