"""Stands in for the Rust core where a test is about what happens to the facts, not to bytes.

It reads only the file's magic and, for `read_frames`, classic pcap; the facts are those registered
under the file's name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import dpkt

from tests import builders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

ETHERNET = 1


class CaptureError(Exception):
    """As the core raises it: (path, offset, message)."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    number: int
    ts_ns: int
    orig_len: int
    data: bytes
    link_type: int = ETHERNET
    interface: int = 0


@dataclass(frozen=True, kw_only=True)
class Analysis:
    stats: dict[str, Any]
    tables: Mapping[str, pa.Table]

    def table(self, name: str) -> pa.Table:
        return self.tables[name]


@dataclass
class FakeCore:
    """What it will say of each file, and what it was asked."""

    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def register(
        self, name: str, *, counters: Mapping[str, Any] | None = None, **tables: Any
    ) -> None:
        """Sets the rows (flows, mining, ...) and counters of a file by its name."""
        self.facts[name] = {"counters": dict(counters or {}), "tables": tables}

    def analyze(
        self,
        paths: list[str],
        *,
        patterns: Sequence[tuple[str, bytes, str, bool]] = (),
        limits: Mapping[str, int] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Analysis:
        self.calls.append({"paths": paths, "patterns": patterns})
        data = Path(paths[0]).read_bytes()
        if data[:4] not in (b"\xd4\xc3\xb2\xa1", b"\x0a\x0d\x0d\x0a"):
            raise CaptureError(paths[0], 0, "its first bytes are no capture's")
        if progress:
            progress(len(data), len(data))
        known = self.facts.get(Path(paths[0]).name, {"counters": {}, "tables": {}})
        rows = known["tables"]
        counters = builders.stats(
            sha256=hashlib.sha256(data).hexdigest() if len(paths) == 1 else "",
            flows=len(rows.get("flows", ())),
        )
        tables = {name: builders.table(name, rows.get(name, ())) for name in builders.COLUMNS}
        return Analysis(stats=counters | known["counters"], tables=tables)

    def read_frames(self, path: str, numbers: list[int]) -> list[Frame]:
        data = Path(path).read_bytes()
        if data[:4] != b"\xd4\xc3\xb2\xa1":
            raise CaptureError(path, 0, "its first bytes are no capture's")
        with Path(path).open("rb") as file:
            packets = list(dpkt.pcap.Reader(file))
        return [
            Frame(
                number=number,
                ts_ns=round(packets[number - 1][0] * 1_000_000) * 1000,
                orig_len=len(packets[number - 1][1]),
                data=packets[number - 1][1],
            )
            for number in sorted(numbers)
            if number <= len(packets)
        ]

    def module(self) -> ModuleType:
        """Itself in the shape of the module `analyzer._core`."""
        fake = ModuleType("analyzer._core")
        for name, value in (
            ("analyze", self.analyze),
            ("read_frames", self.read_frames),
            ("CaptureError", CaptureError),
        ):
            setattr(fake, name, value)
        return fake


def write_pcap(path: Path, payloads: Sequence[bytes]) -> Path:
    """A capture of UDP datagrams with these payloads, one second apart."""
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        for place, payload in enumerate(payloads):
            udp = dpkt.udp.UDP(sport=40000, dport=9, data=payload, ulen=8 + len(payload))
            packet = dpkt.ip.IP(
                src=b"\x0a\x14\x00\x0e",
                dst=b"\xc6\x33\x64\x14",
                p=17,
                data=udp,
                len=28 + len(payload),
            )
            frame = dpkt.ethernet.Ethernet(
                dst=b"\x02\0\0\0\0\2", src=b"\x02\0\0\0\0\1", type=0x0800, data=packet
            )
            writer.writepkt(bytes(frame), ts=builders.EPOCH_NS / 1e9 + place)
        writer.close()
    return path
