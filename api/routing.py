"""The router of every route module: who may call is settled before a body is read.

from api.routing import ServiceRouter

router = ServiceRouter(prefix="/v1/findings", tags=["findings"])
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Receive, Scope

from api import idempotency
from api.auth import Caller
from api.dependencies import Needs
from api.errors import Problem
from api.state import state_of

MAX_LENGTH_DIGITS = 20
BODY_TIMEOUT_S = 30
"""How long a body may take that is read whole; those of captures have clocks of their own."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


STREAMED = "x-outgate-streamed-body"
"""Member of a route's `openapi_extra`, true where the route reads, bounds and keeps its body itself
while it arrives."""


class StrictRequest(Request):
    """A request whose body is bounded, and whose JSON is RFC 8259 and no more."""

    def __init__(self, scope: Scope, receive: Receive, max_body_bytes: int | None) -> None:
        super().__init__(scope, receive)
        self._limit_bytes = max_body_bytes
        if max_body_bytes is not None:
            announced = self.headers.get("content-length", "")
            if announced.isdigit() and int(announced[:MAX_LENGTH_DIGITS]) > max_body_bytes:
                raise _too_large(max_body_bytes)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives.

        Raises:
            Problem: 413 when it becomes longer than this route takes.
        """
        got = 0
        async for chunk in super().stream():
            got += len(chunk)
            if self._limit_bytes is not None and got > self._limit_bytes:
                raise _too_large(self._limit_bytes)
            yield chunk

    async def body(self) -> bytes:
        """The whole body, read once.

        Raises:
            Problem: 408 when it does not arrive in time, 413 when it is too long.
        """
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                return await super().body()
        except TimeoutError as error:
            raise Problem(
                "body-too-slow",
                detail=f"cannot wait longer than {BODY_TIMEOUT_S} s for the body",
                headers={"Connection": "close"},
            ) from error

    async def json(self) -> Any:  # noqa: ANN401 - it is any JSON value
        """The body as a value.

        Raises:
            Problem: It is no JSON, too deep, holds NaN, a huge number, half surrogates or NUL.
        """
        return parse_json(await self.body())


class ServiceRoute(APIRoute):
    """A route that admits its caller first, then reads the body."""

    def get_route_handler(self) -> Handler:
        """Wraps the framework's handler."""
        handler = super().get_route_handler()
        needs = tuple(_needs_of(self.dependant))
        extra = self.openapi_extra or {}
        omit = tuple(extra.get(idempotency.OMIT, ()))
        streamed = bool(extra.get(STREAMED))

        async def handle(request: Request) -> Response:
            caller = await _admitted(request, needs) if needs else None
            bound = None if streamed else state_of(request).settings.max_body
            strict = StrictRequest(request.scope, request.receive, bound)
            if caller is None or streamed:
                return await handler(strict)

            async def answer() -> Response:
                return await handler(strict)

            store = state_of(strict).store
            return await idempotency.answered_once(strict, store, caller.actor, answer, omit)

        return handle


class ServiceRouter(APIRouter):
    """A router of such routes, each with its function's name as operation id."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - whatever APIRouter takes
        settings.setdefault("route_class", ServiceRoute)
        super().__init__(**settings)


def parse_json(body: bytes) -> Any:  # noqa: ANN401 - it is any JSON value
    """The value of a JSON text; what Python takes beyond RFC 8259 is refused.

    Raises:
        Problem: 400 malformed-body, with the reason.
    """
    try:
        text = body.decode("utf-8")
        value = json.loads(text, parse_constant=_no_constant)
        if "\\u" in text:
            _check_text(value)
    except UnicodeDecodeError as error:
        raise _malformed(f"it is not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg.lower()} at character {error.pos}") from error
    except RecursionError as error:
        raise _malformed("it is nested too deeply") from error
    except ValueError as error:
        raise _malformed("it holds a number that no program can use") from error
    return value


def _check_text(value: object) -> None:
    """Refuses NUL and half surrogates, which databases cannot keep."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str):
            if "\0" in item:
                raise _malformed("it holds a NUL character")
            if not item.isascii() and any("\ud800" <= char <= "\udfff" for char in item):
                raise _malformed("it holds half a surrogate pair")


def _no_constant(name: str) -> None:
    raise _malformed(f"{name} is no JSON number")


def _malformed(reason: str) -> Problem:
    return Problem("malformed-body", detail=f"cannot read the body as JSON: {reason}")


def _too_large(limit_bytes: int) -> Problem:
    return Problem("body-too-large", detail=f"cannot take a body of more than {limit_bytes} bytes")


def _needs_of(dependant: Dependant) -> Iterator[Needs]:
    if isinstance(dependant.call, Needs):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from _needs_of(inner)


async def _admitted(request: Request, needs: tuple[Needs, ...]) -> Caller:
    # Threads of their own: slow routes that fill the others keep nobody from being answered.
    admission = state_of(request).admission
    return await to_thread.run_sync(_admit, request, needs, limiter=admission)


def _admit(request: Request, needs: tuple[Needs, ...]) -> Caller:
    return [need.admit(request) for need in needs][-1]
