"""What happens around every request, as one plain ASGI layer that never holds back a byte.

It gives each request an id, refuses what no route should see (a wrong host, NUL bytes, too many
headers), turns a fault into a problem, adds the security headers, counts, and writes one line to
the log. Bodies pass through untouched, so uploads and event streams are not buffered.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

from fastapi import Request
from starlette.datastructures import MutableHeaders

from analyzer.escape import shorten
from api.auth import SOURCE_NAME
from api.errors import Problem, problem_response
from api.settings import ServiceSettings, is_loopback
from api.source import source_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.state import ServiceState

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024
MAX_PATH_CHARS = 4096
MAX_QUERY_BYTES = 16 * 1024
REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
REQUEST_ID_BYTES = 12
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000"

log = logging.getLogger("outgate.api")
access = logging.getLogger("outgate.access")


class ServiceMiddleware:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, state: ServiceState) -> None:
        self.app = app
        self.state = state
        self._proxies = state.settings.proxies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, whatever happens inside."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})[SOURCE_NAME] = source_of(scope, self._proxies)
        exchange = Exchange(scope, send, self.state)
        with self.state.metrics.in_flight.track_inprogress():
            try:
                refused = refusal(scope, self.state.settings)
                if refused is not None:
                    await problem_response(Request(scope), refused)(scope, receive, exchange.send)
                else:
                    await self.app(scope, receive, exchange.send)
            except Exception:
                log.exception("a request failed", extra={"request_id": exchange.request_id})
                await self._fail(scope, receive, exchange)
            finally:
                exchange.finish()

    async def _fail(self, scope: Scope, receive: Receive, exchange: Exchange) -> None:
        if exchange.status:
            # The answer has begun and cannot be taken back: breaking off tells the client.
            exchange.broken = True
            raise BrokenAnswer("an answer broke off; the log has the reason")
        await problem_response(Request(scope), Problem("internal"))(scope, receive, exchange.send)


class BrokenAnswer(Exception):  # noqa: N818 - it names what the client gets
    """Makes the server close a connection whose answer cannot be finished."""


class Exchange:
    """One request and what was answered so far."""

    def __init__(self, scope: Scope, send: Send, state: ServiceState) -> None:
        self._scope = scope
        self._send = send
        self._state = state
        self._started_s = time.perf_counter()
        self.request_id = _request_id(scope)
        self.status = 0
        self.sent_bytes = 0
        self.broken = False
        scope["state"]["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        """Passes a message on, with our headers on its start."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._add_headers(MutableHeaders(scope=message))
        elif message["type"] == "http.response.body":
            self.sent_bytes += len(message.get("body", b""))
        await self._send(message)

    def _add_headers(self, headers: MutableHeaders) -> None:
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        if self._scope.get("scheme") == "https":
            headers.setdefault("Strict-Transport-Security", HSTS)
        headers["X-Request-Id"] = self.request_id
        for name, value in self._scope["state"].get("rate_headers", {}).items():
            headers[name] = value

    def finish(self) -> None:
        """Counts the request and writes its line to the log."""
        duration_s = time.perf_counter() - self._started_s
        template = route_template(self._scope)
        method = self._scope["method"] if self._scope["method"] in METHODS else "other"
        self._state.metrics.count(method, template, self.status, duration_s)
        caller = self._scope["state"].get("caller")
        access.info(
            "request",
            extra={
                "request_id": self.request_id,
                "method": method,
                "path": shorten(self._scope.get("path", "")),
                "route": template,
                "status": self.status,
                "broken": self.broken,
                "bytes": self.sent_bytes,
                "duration_ms": round(duration_s * 1000, 1),
                "caller": caller.actor.name if caller else "",
                "source": self._scope["state"][SOURCE_NAME],
            },
        )


def refusal(scope: Scope, settings: ServiceSettings) -> Problem | None:
    """Why no route shall see this request, if so."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        return Problem(
            "headers-too-large",
            detail=f"cannot take {len(headers)} headers of {size} bytes",
            hint=f"send at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes together",
        )
    path, query = scope["path"], scope.get("query_string", b"")
    if len(path) > MAX_PATH_CHARS or len(query) > MAX_QUERY_BYTES:
        return Problem("bad-request", detail="cannot take a path or query of that length")
    if "\0" in path or b"%00" in query or b"\0" in query:
        return Problem("bad-request", detail="cannot take a path or query with a NUL character")
    names = {name for name, _ in headers}
    if {b"content-length", b"transfer-encoding"} <= names:
        # Somebody on the way may take the other one for the body's length (RFC 9112 §6.1).
        return Problem(
            "bad-request",
            detail="cannot take a body with both Content-Length and Transfer-Encoding",
            headers={"Connection": "close"},
        )
    host = next((value for name, value in headers if name == b"host"), b"").decode("latin-1")
    if not is_our_host(host, settings):
        return Problem("misdirected", detail=f"cannot answer for the host {host!r}")
    return None


def is_our_host(host: str, settings: ServiceSettings) -> bool:
    """Whether the service answers for the name in a `Host` header.

    On a loopback address a page of any site could otherwise reach it, by a name of its own that
    resolves to 127.0.0.1.
    """
    name = _without_port(host).lower()
    named = {text.strip().lower() for text in settings.allowed_hosts.split(",") if text.strip()}
    if name in named:
        return True
    if settings.loopback:
        return is_loopback(name)
    return not named or is_loopback(name)


def route_template(scope: Scope) -> str:
    """The path of the matched route with its parameters by name: few values, whatever is asked."""
    route: Any = scope.get("route")
    return str(getattr(route, "path", UNMATCHED))


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if REQUEST_ID.fullmatch(given):
                return str(given)
    return secrets.token_hex(REQUEST_ID_BYTES)
