"""Builds the large captures that speed is measured on: the same bytes every time, never committed.

usage: python -m bench.corpus KIND [--packets N] [--captures FOLDER] --output FILE

The three generated kinds share one writer. Flows live side by side, a few thousand at a time, and
each sends its scripted packets in order: a TCP handshake, the beginning of a protocol, filler, and
a close. Lengths and the choice of the next flow come from a seeded generator. TCP and UDP checksums
are zero, as on captures taken before a card fills them in; the IP header's are right.
"""

import argparse
import itertools
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import payloads
from bench.real import repeated_frames

SNAPLEN = 262_144
PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAPLEN, 1)
ETHERNET = bytes.fromhex("0200000000020200000000010800")
DOCUMENTATION = (b"\xc0\x00\x02", b"\xc6\x33\x64", b"\xcb\x00\x71")  # RFC 5737
FIRST_SECOND = 1_767_225_600  # 2026-01-01T00:00:00Z
MEAN_GAP_US = 100
SYN, SYN_ACK, ACK, PUSH_ACK, FIN_ACK = 0x02, 0x12, 0x10, 0x18, 0x11
WRITE_BLOCK = 4096

Step = tuple[bool, int, bytes]  # up, TCP flags, payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What makes one kind of corpus."""

    packets: int
    packets_per_flow: int
    side_by_side: int
    filler: Callable[[random.Random], int]
    opening: Callable[[random.Random], payloads.Opening]


def mixed_filler(rng: random.Random) -> int:
    """Most filler fills a segment, some is short: frames of 0.8 kB on average."""
    return 1443 if rng.random() < 0.75 else rng.randrange(1, 400)


SHAPES = {
    "mix": Shape(
        packets=1_000_000,
        packets_per_flow=20,
        side_by_side=2_000,
        filler=mixed_filler,
        opening=payloads.any_opening,
    ),
    "small": Shape(
        packets=2_000_000,
        packets_per_flow=10,
        side_by_side=20_000,
        filler=lambda rng: rng.randrange(10, 47),
        opening=payloads.no_opening,
    ),
    "bulk": Shape(
        packets=700_000,
        packets_per_flow=44_000,
        side_by_side=16,
        filler=lambda _: 1363,
        opening=payloads.tls_opening,
    ),
}
KINDS = (*SHAPES, "real")


class Flow:
    """One conversation: its addresses, its sequence numbers and what it has yet to send."""

    def __init__(self, number: int, shape: Shape, rng: random.Random) -> None:
        """Take addresses from the flow's number, the rest from the generator."""
        self.opening = shape.opening(rng)
        self.source = struct.pack(">I", 0x0A000000 | (1 + number % 65_000))
        self.target = DOCUMENTATION[number % 3] + bytes([number * 7919 % 253 + 1])
        self.ports = (1025 + number * 31 % 64_000, self.opening.port)
        self.sequence = [rng.randrange(1 << 32), rng.randrange(1 << 32)]
        self.steps = self.script(shape, rng)

    def script(self, shape: Shape, rng: random.Random) -> Iterator[Step]:
        """Yield the packets of the conversation in order."""
        if self.opening.udp:
            yield from ((up, 0, data) for up, data in self.opening.messages)
            return
        yield from ((True, SYN, b""), (False, SYN_ACK, b""), (True, ACK, b""))
        yield from ((up, PUSH_ACK, data) for up, data in self.opening.messages)
        rest = shape.packets_per_flow - 5 - len(self.opening.messages)
        for _ in range(rng.randrange(1, max(2, 2 * rest))):
            size = shape.filler(rng)
            offset = rng.randrange(len(payloads.NOISE) - size)
            noise = payloads.NOISE[offset : offset + size]
            if self.opening.records:
                noise = payloads.RECORD + struct.pack(">H", size) + noise
            yield (rng.random() < 0.3, PUSH_ACK, noise)
        yield from ((True, FIN_ACK, b""), (False, FIN_ACK, b""))

    def next_frame(self) -> bytes | None:
        """Return the next Ethernet frame, or nothing when the conversation is over."""
        step = next(self.steps, None)
        if step is None:
            return None
        up, flags, data = step
        ends = (self.source, self.target) if up else (self.target, self.source)
        ports = self.ports if up else self.ports[::-1]
        if self.opening.udp:
            transport = struct.pack(">HHHH", *ports, 8 + len(data), 0)
            return ETHERNET + ipv4(17, *ends, len(transport) + len(data)) + transport + data
        mine, theirs = (0, 1) if up else (1, 0)
        acknowledged = self.sequence[theirs] if flags & ACK else 0
        transport = struct.pack(
            ">HHIIBBHHH", *ports, self.sequence[mine], acknowledged, 0x50, flags, 64_240, 0, 0
        )
        consumed = len(data) + (1 if flags & (SYN | FIN_ACK & ~ACK) else 0)
        self.sequence[mine] = (self.sequence[mine] + consumed) & 0xFFFFFFFF
        return ETHERNET + ipv4(6, *ends, len(transport) + len(data)) + transport + data


def ipv4(protocol: int, source: bytes, target: bytes, payload_bytes: int) -> bytes:
    """Return an IPv4 header without options (RFC 791)."""
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + payload_bytes, 0, 0x4000, 64, protocol, 0)
    total = sum(struct.unpack(">10H", head + source + target))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return head[:10] + struct.pack(">H", checksum) + source + target


def generated_frames(shape: Shape, packets: int) -> Iterator[tuple[int, bytes]]:
    """Yield time in microseconds and frame: flows side by side, chosen at random, until enough."""
    rng = random.Random(20_260_101)
    numbers = itertools.count()
    active = [Flow(next(numbers), shape, rng) for _ in range(shape.side_by_side)]
    micros = FIRST_SECOND * 1_000_000
    written = 0
    while written < packets:
        place = rng.randrange(len(active))
        frame = active[place].next_frame()
        if frame is None:
            active[place] = Flow(next(numbers), shape, rng)
            continue
        micros += rng.randrange(2 * MEAN_GAP_US)
        yield micros, frame
        written += 1


def write_pcap(path: Path, frames: Iterator[tuple[int, bytes]]) -> int:
    """Write a microsecond pcap; return the number of packets. A cut file is never left behind."""
    partial = path.with_suffix(".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with partial.open("wb") as out:
        out.write(PCAP_HEADER)
        while block := list(itertools.islice(frames, WRITE_BLOCK)):
            out.write(b"".join(map(record, block)))
            written += len(block)
    partial.replace(path)
    return written


def record(timed: tuple[int, bytes]) -> bytes:
    """Return a frame with its pcap record header."""
    micros, frame = timed
    seconds, rest = divmod(micros, 1_000_000)
    return struct.pack("<IIII", seconds, rest, len(frame), len(frame)) + frame


def build(kind: str, path: Path, *, packets: int | None, captures: Path) -> int:
    """Write one corpus and return its number of packets.

    Raises:
        FileNotFoundError: The real kind is asked for and `captures` holds none.
    """
    if kind == "real":
        return write_pcap(path, repeated_frames(captures, packets=packets or 1_000_000))
    shape = SHAPES[kind]
    return write_pcap(path, generated_frames(shape, packets or shape.packets))


def main() -> None:
    """Build the corpus that the command line asks for."""
    parser = argparse.ArgumentParser(description="Build a large capture to measure speed on.")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--packets", type=int, help="how many  [default: as bench/README.md says]")
    parser.add_argument("--captures", type=Path, default=Path("../shared/captures"))
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    written = build(
        options.kind, options.output, packets=options.packets, captures=options.captures
    )
    print(f"{options.output}: {written} packets, {options.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
