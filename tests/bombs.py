"""Captures that are small on disk and large when they are read."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
BLOCK_BYTES = 1 << 24
GZIP = 31


def gzip_bomb(path: Path, size_bytes: int) -> Path:
    """A pcap.gz that decompresses to a header and zeros: sixteen make an empty frame of 1970."""
    packer = zlib.compressobj(9, zlib.DEFLATED, GZIP)
    with path.open("wb") as file:
        file.write(packer.compress(PCAP_HEADER) + packer.flush(zlib.Z_FULL_FLUSH))
        block = packer.compress(bytes(BLOCK_BYTES)) + packer.flush(zlib.Z_FULL_FLUSH)
        for _ in range(size_bytes // BLOCK_BYTES):
            file.write(block)
    return path


def pcap_of(frames: list[bytes]) -> bytes:
    """A plain pcap of Ethernet frames, a millisecond apart."""
    records = (
        struct.pack("<IIII", 1_700_000_000, number * 1000, len(frame), len(frame)) + frame
        for number, frame in enumerate(frames)
    )
    return PCAP_HEADER + b"".join(records)
