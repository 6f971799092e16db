"""Captures to upload: the real samples, and as many with other bytes and the same traffic."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

PCAPS = Path(__file__).parents[2] / "pcaps"
PCAP_MAGICS = (b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1")
PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
CUSTOM_BLOCK = 0x40000BAD
"""A pcapng block that readers pass over (draft-ietf-opsawg-pcapng section 4.7)."""

DOCUMENTATION_PEN = 32473
"""Private enterprise number for examples (RFC 5612)."""

MAX_LARGE_SHARE = 8
"""One of so many is the largest sample, whose analysis takes longest."""


@dataclass(frozen=True)
class Sample:
    name: str
    data: bytes
    sha256: str


def samples(count: int, seed: int) -> list[Sample]:
    """Captures that all differ; the same for the same seed."""
    chance = random.Random(seed)
    small = [path for path in sorted((PCAPS / "synthetic").rglob("*.pcap*")) if _is_plain(path)]
    large = PCAPS / "rome-incident.pcapng"
    made = []
    for number in range(count):
        path = large if number % MAX_LARGE_SHARE == 0 else chance.choice(small)
        data = marked(path.read_bytes(), number + 1)
        name = f"{number:04d}-{path.name}"
        made.append(Sample(name=name, data=data, sha256=sha256(data).hexdigest()))
    return made


def _is_plain(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in {*PCAP_MAGICS, PCAPNG_MAGIC}


def marked(data: bytes, number: int) -> bytes:
    """The capture with a number in a place that says nothing about its packets."""
    if data[:4] in PCAP_MAGICS:
        # The accuracy of time stamps: "in practice, all tools set it to 0", and none reads it.
        return data[:12] + struct.pack("<I", number) + data[16:]
    assert data[:4] == PCAPNG_MAGIC
    little = data[8:12] == b"\x4d\x3c\x2b\x1a"
    block = struct.pack(
        "<IIIII" if little else ">IIIII", CUSTOM_BLOCK, 20, DOCUMENTATION_PEN, number, 20
    )
    return data + block
