"""Looks at loaded rules as their maintainer would: what is stale, what fails, what it means."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from datetime import date, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from analyzer.errors import UnknownRuleError
from analyzer.ruleset.kinds import (
    Coin,
    HttpMark,
    NameRule,
    NetworkRule,
    Payload,
    PayloadTest,
    Pool,
    PoolPort,
    Relay,
    RelayPort,
    SshMark,
    UdpMark,
)

if TYPE_CHECKING:
    from analyzer.ruleset.sets import RuleSet

Rule = Pool | Relay | Coin | Payload
_Part = HttpMark | NameRule | NetworkRule | PayloadTest | PoolPort | RelayPort | SshMark | UdpMark

NAME_STALE_DAYS = 365
"""Operators keep their domains for years."""

ADDRESS_STALE_DAYS = 90
"""Cloud addresses change hands within weeks."""

_SHORTEST_LOOSE_PATTERN_BYTES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something about a rule that its maintainer should look at."""

    rule_id: str
    problem: str


def lint(rules: RuleSet, today: date) -> list[Notice]:
    """What is valid but wants attention, by rule id.

    Args:
        rules: The loaded rules.
        today: The day ages are counted to; no clock is asked.
    """
    notices: list[Notice] = []
    for pool in rules.pools:
        notices += _stale(pool.id, "checked_on", pool.checked_on, today, NAME_STALE_DAYS)
        for network in pool.networks:
            notices += _stale(pool.id, f"{network.cidr}", network.seen, today, ADDRESS_STALE_DAYS)
        if not pool.ports and not pool.closed:
            notices.append(Notice(rule_id=pool.id, problem="names no port"))
    dated: list[Relay | Payload] = [*rules.relays, *rules.payloads]
    for rule in dated:
        notices += _stale(rule.id, "checked_on", rule.checked_on, today, NAME_STALE_DAYS)
    for payload in rules.payloads:
        if not payload.at_start and len(payload.pattern) < _SHORTEST_LOOSE_PATTERN_BYTES:
            problem = f"{len(payload.pattern)} bytes anywhere in a stream will hit by chance"
            notices.append(Notice(rule_id=payload.id, problem=problem))
    return sorted(notices, key=lambda notice: (notice.rule_id, notice.problem))


def run_tests(rules: RuleSet) -> list[Notice]:
    """Runs each payload pattern against its own tests; what is returned has failed."""
    return [
        Notice(rule_id=payload.id, problem=f"tests[{index}]: {_expected(test)}")
        for payload in rules.payloads
        for index, test in enumerate(payload.tests)
        if payload.found_in(test.payload, test.direction) != test.match
    ]


def explain(rules: RuleSet, rule_id: str) -> str:
    """One rule in words, a line for each field that says something.

    Raises:
        UnknownRuleError: No rule has this id.
    """
    listed: list[Rule] = [*rules.pools, *rules.relays, *rules.coins, *rules.payloads]
    every = {rule.id: rule for rule in listed}
    rule = every.get(rule_id)
    if rule is None:
        near = difflib.get_close_matches(rule_id[:100], every, n=3)
        raise UnknownRuleError(rule_id[:100], tuple(near))
    lines = [f"{rule.id} ({type(rule).__name__.lower()})"]
    for field in fields(rule):
        text = _words(getattr(rule, field.name))
        if field.name != "id" and text:
            lines.append(f"  {field.name.replace('_', ' ')}: {text}")
    return "\n".join(lines)


def _stale(rule_id: str, what: str, then: date, today: date, days: int) -> list[Notice]:
    if today - then <= timedelta(days=days):
        return []
    problem = f"{what} is of {then}, more than {days} days before {today}"
    return [Notice(rule_id=rule_id, problem=problem)]


def _expected(test: PayloadTest) -> str:
    return "no match, but one is expected" if test.match else "a match, but none is expected"


def _words(value: object) -> str:
    """A value as a person reads it, "" for what says nothing."""
    if isinstance(value, tuple):
        return "; ".join(_words(item) for item in value)
    if isinstance(value, _Part):
        parts = {field.name: _words(getattr(value, field.name)) for field in fields(value)}
        return " ".join(f"{name}={text}" for name, text in parts.items() if text)
    if isinstance(value, bytes):
        return ascii(value)[1:] if value.isascii() else value.hex(" ")
    if isinstance(value, bool | int | float):
        return _number_words(value)
    is_text = isinstance(value, date | str | IPv4Network | IPv6Network)
    return str(value) if is_text else ""


def _number_words(value: float) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return f"{value:g}" if value else ""
