"""Conversations as tables of messages, made into small captures and judged by the detector."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import ingest, ruleset
from analyzer.detectors.base import Context
from analyzer.detectors.mining.stratum import Stratum
from analyzer.settings import AnalysisSettings
from pcaps.recipes.chance import Chance
from pcaps.recipes.files import encode
from pcaps.recipes.model import LINK_ETHERNET, NS_PER_S, Capture, Frame
from pcaps.recipes.packets import Endpoint
from pcaps.recipes.talk import Talk

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer.model import Finding

MINER = Endpoint("10.20.0.14", 40_000)
POOL_IP = "198.51.100.23"
POOL_PORT = 4444

Said = Mapping[str, Any] | str | bytes
"""A JSON message (a line end is added), a text or bytes as they are."""

Line = tuple[str, Said]
"""Who says it, `>` the end that opens the connection or `<` the other; and what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One conversation and what must be made of it.

    Attributes:
        name: What it is, for people.
        lines: What is said, in order.
        tier: `confirmed`, `attempt`, `suspect` (below alarm level) or `silent`.
        port: Where the connection goes.
        handshake: The capture has the connection's beginning.
        one_way: Only what this side says was captured; both if empty.
        snaplen_bytes: Frames are cut behind so many bytes; 0 for whole frames.
        attributes: What the finding must say, by name.
        inside: The other end is a host of the same cluster.
    """

    name: str
    lines: Sequence[Line]
    tier: str = "confirmed"
    port: int = POOL_PORT
    handshake: bool = True
    one_way: str = ""
    snaplen_bytes: int = 0
    attributes: Mapping[str, Any] | None = None
    inside: bool = False


def judge(case: Case, folder: Path) -> list[Finding]:
    """What the detector finds in the conversation, captured whole or as the case says."""
    pytest.importorskip("analyzer._core", reason="the core is not built: `make build`")
    path = folder / "talk.pcap"
    path.write_bytes(pcap(frames(case), case.snaplen_bytes))
    rules = ruleset.load()
    settings = AnalysisSettings()
    seen = ingest.load([str(path)], settings=settings, ruleset=rules)
    return list(Stratum().run(seen, Context(settings=settings, ruleset=rules)))


def frames(case: Case) -> list[Frame]:
    """The conversation as it was captured."""
    server = Endpoint("10.20.0.99" if case.inside else POOL_IP, case.port)
    talk = Talk(MINER, server, chance=Chance(case.name), handshake=case.handshake)
    for side, said in case.lines:
        talk.wait(1.0)
        if side == ">":
            talk.up(as_bytes(said), 0.01)
        else:
            talk.down(as_bytes(said), 0.01)
    found = talk.frames()
    if case.one_way:
        port = MINER.port if case.one_way == ">" else case.port
        found = [frame for frame in found if _source_port(frame.data) == port]
    return found


def pcap(captured: Sequence[Frame], snaplen_bytes: int = 0) -> bytes:
    """A capture file; with a snap length, frames are cut behind it and keep their true size."""
    if not snaplen_bytes:
        return encode(Capture(frames=tuple(captured)), compressed=False)
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snaplen_bytes, LINK_ETHERNET)]
    for frame in captured:
        whole_s, rest_ns = divmod(frame.ts_ns, NS_PER_S)
        kept = frame.data[:snaplen_bytes]
        parts.append(
            struct.pack("<IIII", whole_s, rest_ns // 1000, len(kept), len(frame.data)) + kept
        )
    return b"".join(parts)


def as_bytes(said: Said) -> bytes:
    """What goes over the wire."""
    if isinstance(said, bytes):
        return said
    return said.encode() if isinstance(said, str) else line(said)


def line(message: Mapping[str, Any]) -> bytes:
    """A JSON message and its line end."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def digits(count: int, seed: object = 0) -> str:
    """Hexadecimal digits that look random and are the same every time."""
    return hashlib.shake_256(str(seed).encode()).hexdigest((count + 1) // 2)[:count]


def post(body: Said, *, target: str = "/", agent: str = "", extra: str = "") -> bytes:
    """An HTTP request with a JSON body."""
    content = as_bytes(body)
    named = f"User-Agent: {agent}\r\n" if agent else ""
    head = f"POST {target} HTTP/1.1\r\nHost: pool.example.org\r\n{named}{extra}"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def answer(body: Said, kind: str = "application/json") -> bytes:
    """An HTTP response with a body."""
    content = as_bytes(body)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def _source_port(frame: bytes) -> int:
    """Of TCP in IPv4 without options in Ethernet."""
    return int.from_bytes(frame[34:36], "big")
