"""TLS as it looks from outside: hellos that parse, records that do not (RFC 8446)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pcaps.recipes.talk import UP, Talk

if TYPE_CHECKING:
    from pcaps.recipes.chance import Chance

RECORD_CHANGE_CIPHER, RECORD_HANDSHAKE, RECORD_DATA = 20, 22, 23
CLIENT_HELLO, SERVER_HELLO = 1, 2
VERSION_1_2 = 0x0303
VERSION_1_3 = 0x0304
MAX_RECORD_BYTES = 16384
SEAL_BYTES = 17
CIPHERS = (
    0x1302,
    0x1303,
    0x1301,
    0xC02C,
    0xC030,
    0xC02B,
    0xC02F,
    0xCCA9,
    0xCCA8,
    0xC00A,
    0xC014,
    0x009D,
    0x009C,
)
GROUPS = (0x001D, 0x0017, 0x001E, 0x0018)
SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601)
CERTIFICATE_FLIGHT_BYTES = 3200
CLIENT_FINISHED_BYTES = 53
TICKET_BYTES = 239


def record(kind: int, body: bytes) -> bytes:
    """One record."""
    return struct.pack("!BHH", kind, VERSION_1_2, len(body)) + body


def data(chance: Chance, size: int) -> bytes:
    """`size` bytes of application data under encryption, in as many records as it takes."""
    out = b""
    while size > 0:
        part = min(size, MAX_RECORD_BYTES)
        out += record(RECORD_DATA, chance.bytes(part + SEAL_BYTES))
        size -= part
    return out


def _extension(kind: int, body: bytes) -> bytes:
    return struct.pack("!HH", kind, len(body)) + body


def _counted(values: tuple[int, ...]) -> bytes:
    return struct.pack("!H", 2 * len(values)) + b"".join(struct.pack("!H", v) for v in values)


def _handshake(kind: int, body: bytes) -> bytes:
    return record(RECORD_HANDSHAKE, bytes([kind]) + struct.pack("!I", len(body))[1:] + body)


def client_hello(chance: Chance, name: str, alpn: tuple[str, ...]) -> bytes:
    """A TLS 1.3 ClientHello; an empty `name` leaves server_name out."""
    extensions = b""
    if name:
        entry = struct.pack("!BH", 0, len(name)) + name.encode()
        extensions += _extension(0, struct.pack("!H", len(entry)) + entry)
    extensions += _extension(11, b"\x01\x00") + _extension(10, _counted(GROUPS))
    extensions += _extension(35, b"")
    if alpn:
        names = b"".join(bytes([len(item)]) + item.encode() for item in alpn)
        extensions += _extension(16, struct.pack("!H", len(names)) + names)
    extensions += _extension(22, b"") + _extension(23, b"")
    extensions += _extension(13, _counted(SIGNATURES))
    extensions += _extension(43, struct.pack("!BHH", 4, VERSION_1_3, VERSION_1_2))
    extensions += _extension(45, b"\x01\x01")
    share = struct.pack("!HH", GROUPS[0], 32) + chance.bytes(32)
    extensions += _extension(51, struct.pack("!H", len(share)) + share)
    body = struct.pack("!H", VERSION_1_2) + chance.bytes(32) + b"\x20" + chance.bytes(32)
    body += _counted(CIPHERS) + b"\x01\x00" + struct.pack("!H", len(extensions)) + extensions
    return _handshake(CLIENT_HELLO, body)


def server_hello(chance: Chance) -> bytes:
    """A TLS 1.3 ServerHello that takes the first cipher and group."""
    share = struct.pack("!HH", GROUPS[0], 32) + chance.bytes(32)
    extensions = _extension(43, struct.pack("!H", VERSION_1_3)) + _extension(51, share)
    body = struct.pack("!H", VERSION_1_2) + chance.bytes(32) + b"\x20" + chance.bytes(32)
    body += struct.pack("!HB", CIPHERS[0], 0) + struct.pack("!H", len(extensions)) + extensions
    return _handshake(SERVER_HELLO, body)


def start(talk: Talk, chance: Chance, name: str, alpn: tuple[str, ...] = ()) -> None:
    """The whole handshake: hellos, certificate flight, finished, two tickets."""
    change = record(RECORD_CHANGE_CIPHER, b"\x01")
    talk.up(client_hello(chance, name, alpn))
    flight = record(RECORD_DATA, chance.bytes(CERTIFICATE_FLIGHT_BYTES))
    talk.down(server_hello(chance) + change + flight)
    talk.up(change + record(RECORD_DATA, chance.bytes(CLIENT_FINISHED_BYTES)))
    tickets = [record(RECORD_DATA, chance.bytes(TICKET_BYTES)) for _ in range(2)]
    talk.down(b"".join(tickets))


def exchange(talk: Talk, chance: Chance, up_bytes: int, down_bytes: int) -> None:
    """A request and its answer."""
    talk.up(data(chance, up_bytes), chance.between(0.001, 0.02))
    talk.down(data(chance, down_bytes))


def say(talk: Talk, chance: Chance, side: int, size: int, after_s: float) -> None:
    """One message of one side."""
    speak = talk.up if side == UP else talk.down
    speak(data(chance, size), after_s)
