"""Flows, packets, bytes and Community IDs beside those of tshark and dpkt.

`bench.oracle` compares all captures with both; here dpkt sees all of them and tshark a sample, for
it takes a quarter of a second to start. Nothing may differ that no rule explains, and the rules
themselves are tested at the end.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.shared import ROOT, captures, needs_captures

pytest.importorskip("analyzer._core", reason="the core is not built: `make build`")

from bench.flow_oracles import ACK, FIN, SYN, TCP, UDP, Packet, Piece, tally
from bench.oracle import Comparison, compare

if TYPE_CHECKING:
    from pathlib import Path

needs_tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")

SAMPLES = sorted((ROOT / "pcaps").rglob("*.pcap*"))
FOLDERS = ("benign", "malformed", "mining", "other", "tunnels")
EVERY = 60
SECOND = 10**9


def unexplained(results: list[Comparison]) -> dict[str, list[str]]:
    return {result.path.name: result.unexplained for result in results if result.unexplained}


def test_dpkt_counts_the_samples_as_the_core_does() -> None:
    results = [compare(path, "dpkt") for path in SAMPLES]

    assert unexplained(results) == {}
    assert sum(result.flows for result in results) > len(SAMPLES)


@needs_captures
@pytest.mark.captures
def test_dpkt_counts_real_captures_as_the_core_does() -> None:
    results = [compare(path, "dpkt") for path in captures(*FOLDERS)]

    assert unexplained(results) == {}
    equal = [r for r in results if not r.unreadable and not r.causes]
    assert len(equal) > len(results) * 0.7, "most captures need no rule at all"


@needs_captures
@needs_tshark
@pytest.mark.captures
@pytest.mark.tshark
def test_tshark_counts_real_captures_as_the_core_does() -> None:
    sample: list[Path] = [*captures("mining"), *captures(*FOLDERS)[::EVERY]]

    results = [compare(path, "tshark") for path in sample]

    assert unexplained(results) == {}
    equal = [r for r in results if not r.unreadable and not r.causes]
    assert len(equal) > len(results) * 0.7, "most captures need no rule at all"


def udp(at_s: float, *, up: bool = True) -> Packet:
    ends = [("10.0.0.1", 40_000), ("198.51.100.7", 9999)]
    (src, sport), (dst, dport) = ends if up else reversed(ends)
    time_ns = int(at_s * SECOND)
    return Packet(time_ns=time_ns, src=src, dst=dst, proto=UDP, ports=(sport, dport), ip_bytes=100)


def tcp(at_s: float, flags: int, seq: int, *, up: bool = True) -> Packet:
    return replace(udp(at_s, up=up), proto=TCP, flags=flags, seq=seq)


def flows_and_splits(*packets: Packet) -> tuple[int, dict[str, int]]:
    (conversation,) = tally(packets).conversations.values()
    return conversation.flows, dict(conversation.splits)


def test_both_directions_are_one_conversation() -> None:
    (conversation,) = tally([udp(0), udp(1, up=False), udp(2)]).conversations.values()

    assert conversation.sent == {("10.0.0.1", 40_000): [2, 200], ("198.51.100.7", 9999): [1, 100]}


def test_silence_splits_a_flow_only_beyond_its_limit() -> None:
    assert flows_and_splits(udp(0), udp(180)) == (1, {})
    assert flows_and_splits(udp(0), udp(180.1)) == (2, {"silent for 180 s": 1})
    ended = (tcp(0, SYN, 7), tcp(1, FIN | ACK, 8), tcp(1, FIN | ACK, 90, up=False))
    assert flows_and_splits(*ended, tcp(61, ACK, 9)) == (1, {})
    assert flows_and_splits(*ended, tcp(62, ACK, 9)) == (2, {"60 s after FIN or RST": 1})


def test_only_a_syn_with_another_number_opens_a_flow() -> None:
    assert flows_and_splits(tcp(0, SYN, 7), tcp(1, SYN, 7)) == (1, {})
    assert flows_and_splits(tcp(0, SYN, 7), tcp(1, SYN, 8)) == (2, {"new SYN": 1})
    assert flows_and_splits(tcp(0, ACK, 8), tcp(1, SYN, 7)) == (1, {})


def test_fragments_count_once_their_datagram_is_whole() -> None:
    first = Piece(group=("a", "b", UDP, 1), offset=0, length=80, more=True)
    last = Piece(group=("a", "b", UDP, 1), offset=80, length=20, more=False)
    half = [replace(udp(0), piece=first)]

    assert tally(half).conversations == {}
    (conversation,) = tally([*half, replace(udp(1), piece=last)]).conversations.values()
    assert conversation.sent == {("10.0.0.1", 40_000): [2, 200]}


def test_a_difference_no_rule_knows_is_not_explained_away(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import oracle, oracle_dpkt  # noqa: PLC0415 - modules, to give one another reader

    def one_packet_short(path: Path) -> tuple[list[Packet], int]:
        packets, frames = oracle_dpkt.read(path)
        return packets[1:], frames

    monkeypatch.setitem(oracle.READERS, "short", one_packet_short)
    assert compare(ROOT / "pcaps" / "rome-incident.pcapng", "short").unexplained
