"""A gzip encoder whose output never depends on the zlib that is installed.

It writes literals with the fixed Huffman codes of RFC 1951 section 3.2.6 and finds no repetition,
so it saves nothing; what matters is that the text is no longer readable in the packets.
"""

from __future__ import annotations

import struct
import zlib

GZIP_HEAD = bytes.fromhex("1f8b08000000000000ff")
LAST_BLOCK_FIXED_CODES = 0b011
HEAD_BITS = 3
FIRST_LONG_LITERAL = 144
END_OF_BLOCK_BITS = 7


def gzip_literals(data: bytes) -> bytes:
    """`data` as one gzip member (RFC 1952)."""
    value, filled = LAST_BLOCK_FIXED_CODES, HEAD_BITS
    out = bytearray()
    for byte in data:
        code, width = _literal_code(byte)
        value |= _mirrored(code, width) << filled
        filled += width
        while filled >= 8:
            out.append(value & 0xFF)
            value >>= 8
            filled -= 8
    filled += END_OF_BLOCK_BITS
    while filled > 0:
        out.append(value & 0xFF)
        value >>= 8
        filled -= 8
    return GZIP_HEAD + bytes(out) + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def _literal_code(byte: int) -> tuple[int, int]:
    if byte < FIRST_LONG_LITERAL:
        return 0b00110000 + byte, 8
    return 0b110010000 + byte - FIRST_LONG_LITERAL, 9


def _mirrored(code: int, width: int) -> int:
    """Huffman codes go into the stream with their highest bit first."""
    return int(f"{code:0{width}b}"[::-1], 2)
