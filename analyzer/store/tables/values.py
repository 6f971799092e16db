"""Reads the values of a filter: numbers, durations, times, addresses, patterns."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from analyzer.store.tables.filters import FilterError
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from analyzer.settings import Network
    from analyzer.store.tables.filters import Value
    from analyzer.store.tables.networks import Address

MAX_INTEGER = 2**63 - 1
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}
"""IANA numbers of the protocols people name."""

WILDCARD = "*"
MAX_WILDCARDS = 8

_COUNT_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_COUNT = re.compile(r"([0-9]{1,19})([kmgt]?)", re.IGNORECASE | re.ASCII)
_TIME_UNITS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_SECOND,
    "m": 60 * NS_PER_SECOND,
    "h": 3600 * NS_PER_SECOND,
    "d": 86_400 * NS_PER_SECOND,
}
_DURATION = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(ns|us|ms|s|m|h|d)", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|z|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)

Range = tuple[int, int]
"""The first value that is meant and the last."""


def count(text: str, value: Value) -> Range:
    """A whole number, with a unit of thousands if need be.

    Raises:
        FilterError: It is none, or needs more than 63 bits.
    """
    found = _COUNT.fullmatch(text)
    if not found:
        hint = "write a whole number, as in 1500, or 10k, 5M, 2G"
        raise FilterError(value.position, f"{shown(text)} is no whole number", hint=hint)
    number = int(found[1]) * _COUNT_UNITS[found[2].lower()]
    return (_bounded(number, text, value),) * 2


def protocol(text: str, value: Value) -> Range:
    """An IP protocol by number or name.

    Raises:
        FilterError: It is neither.
    """
    known = PROTOCOLS.get(text.lower())
    return (known, known) if known is not None else count(text, value)


def duration(text: str, value: Value) -> Range:
    """A duration as nanoseconds.

    Raises:
        FilterError: It is no number with a unit.
    """
    found = _DURATION.fullmatch(text)
    if not found:
        hint = "write it with a unit: 250ms, 10s, 5m, 2h, 1d"
        raise FilterError(value.position, f"{shown(text)} is no duration", hint=hint)
    return (_bounded(int(Decimal(found[1]) * _TIME_UNITS[found[2]]), text, value),) * 2


def moment(text: str, value: Value) -> Range:
    """The nanoseconds a time stands for: a date is its whole day, a minute the whole minute.

    Raises:
        FilterError: It is no time of RFC 3339, or outside what 64 bits of nanoseconds hold.
    """
    found = _MOMENT.fullmatch(text)
    hint = "write it as 2026-03-02T09:30:00Z, or 2026-03-02 for the whole day; times are UTC"
    if not found:
        raise FilterError(value.position, f"{shown(text)} is no time", hint=hint)
    day, minute, second, fraction, zone = found.groups()
    offset = (zone or "Z").upper().replace("Z", "+00:00")
    try:
        whole = datetime.fromisoformat(f"{day}T{minute or '00:00'}:{second or '00'}{offset}")
    except ValueError as error:
        raise FilterError(value.position, f"{shown(text)} is no time", hint=hint) from error
    since = whole - datetime(1970, 1, 1, tzinfo=UTC)
    seconds = since.days * 86_400 + since.seconds
    first = seconds * NS_PER_SECOND + int((fraction or "").ljust(9, "0"))
    last = first + _length_ns(minute, second, fraction) - 1
    if not -MAX_INTEGER <= first <= last <= MAX_INTEGER:
        raise FilterError(value.position, f"{shown(text)} is outside the years 1678 to 2262")
    return first, last


def address(text: str, value: Value) -> Address | Network:
    """An address, or a network in CIDR notation.

    Raises:
        FilterError: It is neither.
    """
    try:
        if "/" in text:
            return ipaddress.ip_network(text, strict=False)
        return ipaddress.ip_address(text.partition("%")[0])  # a zone says nothing in a capture
    except ValueError as error:
        hint = "write 10.20.0.7, 10.20.0.0/16, 2001:db8::1 or 2001:db8::/32"
        problem = f"{shown(text)} is no address and no network"
        raise FilterError(value.position, problem, hint=hint) from error


def flag(text: str, value: Value) -> bool:
    """Yes or no.

    Raises:
        FilterError: It is neither.
    """
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in known:
        raise FilterError(value.position, f"{shown(text)} is neither true nor false")
    return known[text.lower()]


def limits_of(value: Value, read: Callable[[str, Value], Range]) -> Range:
    """The smallest and the largest number a value admits: `5`, `>5`, `5..10`."""
    low_text, dots, high_text = value.text.partition("..")
    if dots and not value.is_quoted:
        if value.operator != "=":
            raise FilterError(value.position, "a range takes no operator")
        low = read(low_text, value)[0] if low_text else -MAX_INTEGER
        high = read(high_text, value)[1] if high_text else MAX_INTEGER
        if low > high:
            raise FilterError(value.position, "the range ends before it begins")
        return low, high
    first, last = read(value.text, value)
    return {
        "=": (first, last),
        ">": (min(last, MAX_INTEGER - 1) + 1, MAX_INTEGER),
        ">=": (first, MAX_INTEGER),
        "<": (-MAX_INTEGER, max(first, 1 - MAX_INTEGER) - 1),
        "<=": (-MAX_INTEGER, last),
    }[value.operator]


def literal(value: Value) -> str:
    """Text to compare with, in lower case.

    Raises:
        FilterError: It has an operator, too many wildcards, or is no text at all.
    """
    if value.operator != "=":
        problem = f"text cannot be compared with {value.operator}"
        raise FilterError(value.position, problem, hint='quote it if it is meant: ":>…"')
    if not value.is_quoted and value.text.count(WILDCARD) > MAX_WILDCARDS:
        raise FilterError(value.position, f"a value has at most {MAX_WILDCARDS} wildcards")
    if any("\ud800" <= char <= "\udfff" or char == "\0" for char in value.text):
        raise FilterError(value.position, "it holds a character that is no text")
    return value.text.lower()


def fits(text: str, value: Value) -> bool:
    """Whether a text of ours is the value or fits its wildcards, in linear time.

    Raises:
        FilterError: As for `literal`.
    """
    wanted = literal(value)
    if value.is_quoted or WILDCARD not in wanted:
        return text.lower() == wanted
    head, *middle, tail = wanted.split(WILDCARD)
    rest = text.lower()
    if len(rest) < len(head) + len(tail) or not (rest.startswith(head) and rest.endswith(tail)):
        return False
    at, end = len(head), len(rest) - len(tail)
    for part in middle:
        found = rest.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def shown(text: str) -> str:
    """A value as an error message shows it."""
    return repr(text[:40])


def _bounded(number: int, text: str, value: Value) -> int:
    if number > MAX_INTEGER:
        raise FilterError(value.position, f"{shown(text)} is larger than {MAX_INTEGER}")
    return number


def _length_ns(minute: str | None, second: str | None, fraction: str | None) -> int:
    if fraction:
        return int(10 ** (9 - len(fraction)))
    if second:
        return NS_PER_SECOND
    return 60 * NS_PER_SECOND if minute else 86_400 * NS_PER_SECOND
