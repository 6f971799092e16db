"""What a suppression covers: a few fields, all of which must match.

    detector      `mining.stratum`, or `mining.*` for a family
    category      `mining`
    src, dst      an address or a network; `host` is either end
    dst_port      a port
    name          a DNS name, SNI or pool name; `*.example.com` is every name below and the apex
    wallet        a wallet or login, whole
    pool          a pool's name, operator or address, whole
    capture       a capture's SHA-256
    finding       one finding's id, or a list of them
    severity_at_most   hides nothing graver

An empty scope matches nothing: hiding everything has to be said with `severity_at_most`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from analyzer.errors import UsageError
from analyzer.model import Category, Severity

if TYPE_CHECKING:
    from analyzer.store.records import StoredFinding

MAX_VALUE_CHARS = 500
MAX_FINDINGS = 1000
"""Findings one scope may name."""

NAME_ATTRIBUTES = frozenset(
    {"sni", "host", "hosts", "dns_names", "names", "name", "pool", "domain"}
)
MAX_NAMES = 200


class Subject:
    """A finding as scopes look at it; what takes work is done once, whatever their number."""

    __slots__ = ("__dict__", "finding")

    def __init__(self, finding: StoredFinding) -> None:
        self.finding = finding

    @property
    def document(self) -> Mapping[str, Any]:
        """By contract `outgate/finding/1`."""
        return self.finding.document

    @cached_property
    def names(self) -> set[str]:
        """Every DNS-like name, lower case."""
        return names_of(self.document)

    @cached_property
    def src(self) -> _Address | None:
        """Who began the conversation."""
        return _parsed(self.document["flow"].get("src_ip"))

    @cached_property
    def dst(self) -> _Address | None:
        """Who was spoken to."""
        return _parsed(self.document["flow"].get("dst_ip"))


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Matcher = Callable[[Subject], bool]


def compile_scope(scope: Mapping[str, Any]) -> Matcher:
    """The scope as a test of findings.

    Raises:
        UsageError: A field is unknown or its value makes no sense.
    """
    if not scope:
        raise UsageError(
            "cannot use an empty scope: it would say nothing about what to hide",
            hint=f"give at least one of {', '.join(sorted(_BUILDERS))}",
        )
    tests: list[Matcher] = []
    for name, value in scope.items():
        builder = _BUILDERS.get(name)
        if builder is None:
            raise UsageError(
                f"cannot use {name[:50]!r} in a scope: there is no such field",
                hint=f"known are {', '.join(sorted(_BUILDERS))}",
            )
        tests.append(builder(name, value))
    return lambda subject: all(test(subject) for test in tests)


def names_of(document: Mapping[str, Any]) -> set[str]:
    """Every DNS-like name a finding's attributes hold, lower case."""
    found: set[str] = set()
    for value in _named(document.get("attributes") or {}, wanted=False):
        found.add(value.lower().rstrip("."))
        if len(found) >= MAX_NAMES:
            break
    return found


def _named(value: object, *, wanted: bool) -> Iterator[str]:
    if isinstance(value, str):
        if wanted:
            yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _named(item, wanted=name in NAME_ATTRIBUTES)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _named(item, wanted=wanted)


def wallet_of(document: Mapping[str, Any]) -> str:
    """The wallet or login a finding names, or ""."""
    wallet = (document.get("attributes") or {}).get("wallet")
    if isinstance(wallet, Mapping):
        wallet = wallet.get("address") or wallet.get("value") or wallet.get("text")
    return wallet if isinstance(wallet, str) else ""


def pool_of(document: Mapping[str, Any]) -> str:
    """The pool a finding names, or ""."""
    pool = (document.get("attributes") or {}).get("pool")
    if isinstance(pool, Mapping):
        pool = pool.get("name") or pool.get("operator") or pool.get("ip")
    return pool if isinstance(pool, str) else ""


def pool_names_of(document: Mapping[str, Any]) -> set[str]:
    """All that a finding calls its pool: name, operator, address."""
    pool = (document.get("attributes") or {}).get("pool")
    if isinstance(pool, Mapping):
        called = (pool.get(key) for key in ("name", "operator", "ip"))
        return {name for name in called if isinstance(name, str) and name}
    return {pool} if isinstance(pool, str) and pool else set()


def _parsed(text: object) -> _Address | None:
    try:
        return ipaddress.ip_address(str(text))
    except ValueError:
        return None


def _text(field: str, value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > MAX_VALUE_CHARS:
        raise UsageError(f"cannot use {field} in a scope: it must be text of 1 to 500 characters")
    return value


def _detector(field: str, value: object) -> Matcher:
    text = _text(field, value)
    if text.endswith(".*") and len(text) > len(".*"):
        family = text[:-1]
        return lambda subject: str(subject.document["detector"]).startswith(family)
    if "*" in text:
        raise UsageError(
            f"cannot use {field} {text!r} in a scope: `.*` is allowed at the end only",
            hint="mining.* is every detector of that family",
        )
    return lambda subject: subject.document["detector"] == text


def _category(field: str, value: object) -> Matcher:
    text = _text(field, value)
    if text not in set(Category):
        raise UsageError(
            f"cannot use {field} {text!r} in a scope", hint=f"known are {', '.join(Category)}"
        )
    return lambda subject: subject.document["category"] == text


def _address(field: str, value: object) -> Matcher:
    text = _text(field, value)
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise UsageError(
            f"cannot read {field} {text!r} in a scope: {error}",
            hint="write an address or a network, as in 10.20.0.0/16",
        ) from error

    def inside(address: _Address | None) -> bool:
        return address is not None and address in network

    if field == "src":
        return lambda subject: inside(subject.src)
    if field == "dst":
        return lambda subject: inside(subject.dst)
    return lambda subject: inside(subject.src) or inside(subject.dst)


def _port(field: str, value: object) -> Matcher:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65_535:
        raise UsageError(f"cannot use {field} in a scope: it must be a port, 0 to 65535")
    return lambda subject: subject.document["flow"].get("dst_port") == value


def _name(field: str, value: object) -> Matcher:
    text = _text(field, value).lower().rstrip(".")
    if not re.fullmatch(r"(\*\.)?[^*\s]+", text):
        raise UsageError(
            f"cannot use {field} {text!r} in a scope: `*.` is allowed at the beginning only",
            hint="*.example.com is example.com and every name below it",
        )
    if not text.startswith("*."):
        return lambda subject: text in subject.names
    apex, below = text[2:], text[1:]
    return lambda subject: any(name == apex or name.endswith(below) for name in subject.names)


def _severity(field: str, value: object) -> Matcher:
    text = _text(field, value)
    if text not in set(Severity):
        raise UsageError(
            f"cannot use {field} {text!r} in a scope", hint=f"known are {', '.join(Severity)}"
        )
    rank = Severity(text).rank
    return lambda subject: Severity(subject.document["severity"]).rank <= rank


def _wallet(field: str, value: object) -> Matcher:
    text = _text(field, value)
    return lambda subject: wallet_of(subject.document) == text


def _pool(field: str, value: object) -> Matcher:
    text = _text(field, value)
    return lambda subject: text in pool_names_of(subject.document)


def _capture(field: str, value: object) -> Matcher:
    text = _text(field, value)
    return lambda subject: subject.finding.capture == text


def _finding(field: str, value: object) -> Matcher:
    listed = value if isinstance(value, list) else [value]
    if not 1 <= len(listed) <= MAX_FINDINGS:
        raise UsageError(
            f"cannot name {len(listed)} findings in a scope", hint=f"name 1 to {MAX_FINDINGS}"
        )
    wanted = frozenset(_text(field, item) for item in listed)
    return lambda subject: subject.finding.id in wanted


_BUILDERS: Mapping[str, Callable[[str, object], Matcher]] = {
    "detector": _detector,
    "category": _category,
    "src": _address,
    "dst": _address,
    "host": _address,
    "dst_port": _port,
    "name": _name,
    "wallet": _wallet,
    "pool": _pool,
    "capture": _capture,
    "finding": _finding,
    "severity_at_most": _severity,
}
