"""Requests whose bodies arrive as a test says: in pieces, slowly, cut off by a client who hangs up.

Spoken to the application directly, because an HTTP client sends what is right.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import httpx
    from fastapi import FastAPI

    from tests.asgi import ApiClient

PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + struct.pack("<IIII", 1, 0, 4, 4)
PCAP += b"data" * 100
SHA256 = hashlib.sha256(PCAP).hexdigest()
TYPE = {"Content-Type": "application/vnd.tcpdump.pcap"}

HANGS_UP = None
"""In place of a piece: the client is gone."""


@dataclass(slots=True)
class Answer:
    """What the application sent back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


def key(client: ApiClient) -> dict[str, str]:
    """The header that makes a request this client's."""
    return {"Authorization": client.headers["Authorization"]}


def send(
    client: ApiClient,
    data: bytes = PCAP,
    query: str = "",
    headers: Mapping[str, str] = TYPE,
) -> httpx.Response:
    """Sends a capture as the body."""
    return client.post(f"/v1/captures{query}", content=data, headers=TYPE | dict(headers))


def ask(
    app: FastAPI,
    method: str,
    url: str,
    headers: Mapping[str, str],
    pieces: Iterable[bytes | None],
    *,
    before_each: Callable[[int], object] = lambda _: None,
) -> Answer:
    """One request; `before_each` is called with the number of the piece that comes next."""
    return asyncio.run(ask_in_loop(app, method, url, headers, pieces, before_each=before_each))


async def ask_in_loop(
    app: FastAPI,
    method: str,
    url: str,
    headers: Mapping[str, str],
    pieces: Iterable[bytes | None],
    *,
    before_each: Callable[[int], object] = lambda _: None,
) -> Answer:
    """The same within a running event loop, for several at once."""
    answer = Answer()
    waiting = list(pieces)
    number = 0

    async def receive() -> dict[str, Any]:
        nonlocal number
        result = before_each(number)
        if asyncio.iscoroutine(result):
            await result
        number += 1
        if not waiting:
            return {"type": "http.request", "body": b"", "more_body": False}
        piece = waiting.pop(0)
        if piece is HANGS_UP:
            waiting.insert(0, HANGS_UP)
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {k.decode(): v.decode("latin-1") for k, v in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    path, _, query = url.partition("?")
    all_headers = {"host": "127.0.0.1", **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in all_headers.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)
    return answer
