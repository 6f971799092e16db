"""Bodies pass through as they come, both ways, and what breaks off is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Request  # noqa: TC002 - FastAPI reads it at run time
from starlette.responses import StreamingResponse

from api.middleware import BrokenAnswer
from api.routing import STREAMED, ServiceRouter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping

    from fastapi import FastAPI

PIECES = 5


def scope(path: str, method: str = "POST") -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }


def test_each_piece_of_a_body_is_seen_before_the_next_one_is_asked_for(app: FastAPI) -> None:
    router = ServiceRouter()
    order: list[str] = []

    @router.post("/echo", response_model=None, openapi_extra={STREAMED: True})
    async def echo(request: Request) -> StreamingResponse:
        async def answer() -> AsyncIterator[bytes]:
            async for piece in request.stream():
                if piece:
                    yield piece

        return StreamingResponse(answer())

    app.include_router(router)

    async def receive() -> dict[str, Any]:
        asked = sum(entry == "asked" for entry in order)
        order.append("asked")
        return {"type": "http.request", "body": b"x", "more_body": asked + 1 < PIECES}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message.get("body"):
            order.append("answered")

    asyncio.run(app(scope("/echo"), receive, send))
    assert order[: 2 * PIECES] == ["asked", "answered"] * PIECES


def test_an_answer_that_breaks_off_ends_the_connection_and_is_logged(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/breaks")
    async def breaks() -> Any:
        async def answer() -> AsyncIterator[bytes]:
            yield b"begun"
            raise RuntimeError("in the middle")

        return StreamingResponse(answer())

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    with pytest.raises(BrokenAnswer):
        asyncio.run(app(scope("/breaks", "GET"), receive, send))
    assert [message.get("body") for message in sent[1:]] == [b"begun"]
    assert any(record.exc_info for record in caplog.records)
    assert caplog.records[-1].__dict__.get("broken", True)
