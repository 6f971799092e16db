"""HTTP/1.1 messages and WebSocket frames (RFC 9112, RFC 6455)."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pcaps.recipes.chance import Chance
    from pcaps.recipes.talk import Talk

WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
OPCODE_TEXT = 1
OPCODE_BINARY = 2
OPCODE_CLOSE = 8
OPCODE_PING = 9
OPCODE_PONG = 10
FINAL = 0x80
MASKED = 0x80


def request(method: str, target: str, host: str, *fields: str, body: bytes = b"") -> bytes:
    """An HTTP/1.1 request; `fields` are header lines."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def response(status: str, *fields: str, body: bytes = b"") -> bytes:
    """An HTTP/1.1 response, such as `response("200 OK", body=...)`."""
    lines = [f"HTTP/1.1 {status}", *fields]
    if not status.startswith("101"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def upgrade(
    talk: Talk, chance: Chance, host: str, target: str, *fields: str, protocol: str = ""
) -> None:
    """The exchange that turns a connection into a WebSocket."""
    key = base64.b64encode(chance.bytes(16)).decode()
    digest = hashlib.sha1((key + WEBSOCKET_GUID).encode(), usedforsecurity=False).digest()
    offered = [f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []
    chosen = [f"Sec-WebSocket-Protocol: {protocol.partition(',')[0]}"] if protocol else []
    wish = ["Upgrade: websocket", "Connection: Upgrade"]
    talk.up(
        request(
            "GET",
            target,
            host,
            *wish,
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            *offered,
            *fields,
        )
    )
    accept = f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}"
    talk.down(response("101 Switching Protocols", *wish, accept, *chosen))


def frame(payload: bytes, *, opcode: int = OPCODE_TEXT, mask: bytes = b"") -> bytes:
    """One WebSocket frame; clients give a `mask` of four bytes."""
    size = len(payload)
    flag = MASKED if mask else 0
    if size < 126:
        head = struct.pack("!BB", FINAL | opcode, flag | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", FINAL | opcode, flag | 126, size)
    else:
        head = struct.pack("!BBQ", FINAL | opcode, flag | 127, size)
    if not mask:
        return head + payload
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return head + mask + masked


def masked(chance: Chance, payload: bytes, opcode: int = OPCODE_TEXT) -> bytes:
    """A client's frame under a fresh mask."""
    return frame(payload, opcode=opcode, mask=chance.bytes(4))
