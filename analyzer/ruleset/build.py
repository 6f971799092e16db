"""Makes the frozen values of `kinds.py` from checked tables; checks what spans several keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.ruleset.kinds import (
    MAX_PREFIX_BYTES,
    Coin,
    HttpMark,
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
    from analyzer.ruleset.reader import Table


def pool(table: Table) -> Pool:
    """A pool; it cannot have been checked before it was first seen."""
    values = dict(table.values)
    first, checked = values.get("first_seen"), values["checked_on"]
    if first and checked < first:
        raise table.error("checked_on", f"{checked} is before first_seen, {first}")
    values["networks"] = tuple(
        NetworkRule(**network.values) for network in table.tables("networks")
    )
    values["ports"] = tuple(_pool_port(port) for port in table.tables("ports"))
    return Pool(**values)


def relay(table: Table) -> Relay:
    """A relay; it must have at least one mark."""
    values = dict(table.values)
    values["http"] = tuple(_http_mark(mark) for mark in table.tables("http"))
    values["ssh"] = tuple(SshMark(**mark.values) for mark in table.tables("ssh"))
    values["udp"] = tuple(_udp_mark(mark) for mark in table.tables("udp"))
    values["ports"] = tuple(RelayPort(**port.values) for port in table.tables("ports"))
    marks = ("names", "query_prefixes", "alpn", "http", "ssh", "udp", "payload")
    if not any(values.get(mark) for mark in marks):
        raise table.error("names", "no mark at all", f"give at least one of {', '.join(marks)}")
    return Relay(**values)


def coin(table: Table) -> Coin:
    """A coin."""
    return Coin(**table.values)


def payload(table: Table) -> Payload:
    """A payload pattern; it needs a test of each outcome."""
    values = dict(table.values)
    values["pattern"] = _exactly_one(table)
    values.pop("text", None)
    values.pop("hex", None)
    tests = tuple(_payload_test(test) for test in table.tables("tests"))
    if {test.match for test in tests} != {True, False}:
        hint = "a pattern is only trusted with a payload that matches and one that does not"
        raise table.error("tests", "needs a test with match = true and one with false", hint)
    values["tests"] = tests
    return Payload(**values)


def _pool_port(table: Table) -> PoolPort:
    values = dict(table.values)
    values.setdefault("through", values["port"])
    if values["through"] < values["port"]:
        raise table.error("through", f"{values['through']} is below port, {values['port']}")
    return PoolPort(**values)


def _http_mark(table: Table) -> HttpMark:
    conditions = ("ws_protocol", "path", "user_agent", "upgrade")
    if not any(condition in table.values for condition in conditions):
        raise table.error("strength", "a mark without a condition", f"give {', '.join(conditions)}")
    return HttpMark(**table.values)


def _udp_mark(table: Table) -> UdpMark:
    values = dict(table.values)
    values["prefix"] = values.pop("hex")
    if len(values["prefix"]) > MAX_PREFIX_BYTES:
        raise table.error("hex", f"longer than the {MAX_PREFIX_BYTES} bytes that are kept")
    return UdpMark(**values)


def _payload_test(table: Table) -> PayloadTest:
    values = table.values
    return PayloadTest(
        payload=_exactly_one(table), direction=values["direction"], match=values["match"]
    )


def _exactly_one(table: Table) -> bytes:
    text, data = table.values.get("text"), table.values.get("hex")
    if (text is None) == (data is None):
        raise table.error("text", "needs exactly one of text and hex")
    return str(text).encode() if data is None else bytes(data)
