"""An HTTP client for an ASGI application in the same process, without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from anyio.from_thread import start_blocking_portal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from fastapi import FastAPI

BASE_URL = "http://127.0.0.1:8000"


class AsgiTransport(httpx.BaseTransport):
    """Hands requests to an application that runs in an event loop of its own thread.

    Answers are given whole; an event stream must be asked over a socket.
    """

    def __init__(self, app: FastAPI, address: str = "127.0.0.1") -> None:
        self._transport = httpx.ASGITransport(
            app=app, raise_app_exceptions=False, client=(address, 50_000)
        )
        self._context = start_blocking_portal()
        self._portal = self._context.__enter__()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One request and its whole answer; safe from several threads."""
        request.read()

        async def ask() -> httpx.Response:
            response = await self._transport.handle_async_request(request)
            content = await response.aread()
            return httpx.Response(response.status_code, headers=response.headers, content=content)

        return self._portal.call(ask)

    def close(self) -> None:
        """Ends the thread."""
        self._context.__exit__(None, None, None)


class ApiClient(httpx.Client):
    """A client of one application."""

    def __init__(
        self,
        app: FastAPI,
        headers: Mapping[str, str] | None = None,
        *,
        address: str = "127.0.0.1",
        base_url: str = BASE_URL,
    ) -> None:
        super().__init__(
            transport=AsgiTransport(app, address), base_url=base_url, headers=dict(headers or {})
        )

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()
