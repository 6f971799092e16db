"""Captures as bytes: pcap and pcapng, either byte order, and gzip around them.

The formats are those of draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import gzip
import struct

from pcaps.recipes.model import Capture, Frame, Interface

PCAP_MAGIC_US = 0xA1B2C3D4
PCAP_MAGIC_NS = 0xA1B23C4D
SNAPLEN_BYTES = 262144
BLOCK_SECTION = 0x0A0D0D0A
BLOCK_INTERFACE = 1
BLOCK_ENHANCED_PACKET = 6
BYTE_ORDER_MAGIC = 0x1A2B3C4D
OPTION_COMMENT = 1
OPTION_APPLICATION = 4
OPTION_INTERFACE_NAME = 2
OPTION_INTERFACE_DESCRIPTION = 3
OPTION_TIME_RESOLUTION = 9
NANOSECOND_RESOLUTION = 9
GZIP_LEVEL = 9


def encode(capture: Capture, *, compressed: bool) -> bytes:
    """The file. The compressed form depends on the zlib in use; what is inside does not."""
    plain = _pcapng(capture) if capture.container == "pcapng" else _pcap(capture)
    return gzip.compress(plain, GZIP_LEVEL, mtime=0) if compressed else plain


def _pcap(capture: Capture) -> bytes:
    order = ">" if capture.big_endian else "<"
    magic = PCAP_MAGIC_NS if capture.nanoseconds else PCAP_MAGIC_US
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, SNAPLEN_BYTES, capture.link_type)]
    for frame in capture.frames:
        whole_s, rest_ns = divmod(frame.ts_ns, 1_000_000_000)
        fraction = rest_ns if capture.nanoseconds else rest_ns // 1000
        size = len(frame.data)
        parts.append(struct.pack(order + "IIII", whole_s, fraction, size, size) + frame.data)
    return b"".join(parts)


def _pcapng(capture: Capture) -> bytes:
    order = ">" if capture.big_endian else "<"
    section = struct.pack(order + "IHHq", BYTE_ORDER_MAGIC, 1, 0, -1)
    section += _text_option(order, OPTION_COMMENT, capture.comment)
    section += _text_option(order, OPTION_APPLICATION, "outgate pcaps/build.py")
    section += _end_of_options(order)
    interfaces = capture.interfaces or (Interface(name="any", link_type=capture.link_type),)
    blocks = [_block(order, BLOCK_SECTION, section)]
    blocks += [_interface_block(order, face) for face in interfaces]
    blocks += [_packet_block(order, frame) for frame in capture.frames]
    return b"".join(blocks)


def _interface_block(order: str, interface: Interface) -> bytes:
    body = struct.pack(order + "HHI", interface.link_type, 0, SNAPLEN_BYTES)
    body += _text_option(order, OPTION_INTERFACE_NAME, interface.name)
    body += _text_option(order, OPTION_INTERFACE_DESCRIPTION, interface.description)
    body += _option(order, OPTION_TIME_RESOLUTION, bytes([NANOSECOND_RESOLUTION]))
    return _block(order, BLOCK_INTERFACE, body + _end_of_options(order))


def _packet_block(order: str, frame: Frame) -> bytes:
    high, low = frame.ts_ns >> 32, frame.ts_ns & 0xFFFFFFFF
    size = len(frame.data)
    body = struct.pack(order + "IIIII", frame.interface, high, low, size, size)
    body += _padded(frame.data)
    if frame.comment:
        body += _text_option(order, OPTION_COMMENT, frame.comment) + _end_of_options(order)
    return _block(order, BLOCK_ENHANCED_PACKET, body)


def _block(order: str, kind: int, body: bytes) -> bytes:
    total = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + total + body + total


def _text_option(order: str, code: int, text: str) -> bytes:
    return _option(order, code, text.encode()) if text else b""


def _option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(order + "HH", code, len(value)) + _padded(value)


def _end_of_options(order: str) -> bytes:
    return struct.pack(order + "HH", 0, 0)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
