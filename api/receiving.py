"""Bodies of captures, from the socket to the disk: never whole in memory, never on the event loop.

uvicorn stops reading from a connection while a piece of its body waits here, so one upload holds a
buffer of `BATCH_BYTES` and what the kernel has for its socket, however fast the client sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from fastapi import Request
from starlette.requests import ClientDisconnect

from analyzer.intake import IntakeLimits, TooLarge
from api.errors import Problem
from api.settings import ServiceSettings

BATCH_BYTES = 1024 * 1024
"""Written at once: fewer, larger steps between the event loop and its threads."""

FIRST_BYTES = 64 * 1024
"""Written first, so that what is no capture is refused before more of it is sent."""

IDLE_S = 30.0
"""How long a client may send nothing."""

LINGER_BYTES = 64 * BATCH_BYTES
LINGER_S = 3.0
"""How much of a refused body is still read, so that the client gets to see why."""

THREADS = 16
"""Beside those of other routes, which a slow disk must not hold up."""

MAX_LENGTH_DIGITS = 18

_threads: RunVar[CapacityLimiter] = RunVar("outgate_intake_threads")

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Does something slow beside the event loop, of which there is one limiter each."""
    try:
        limiter = _threads.get()
    except LookupError:
        limiter = CapacityLimiter(THREADS)
        _threads.set(limiter)
    return await to_thread.run_sync(work, limiter=limiter)


async def pour(request: Request, write: Callable[[bytes], object]) -> None:
    """Hands a request's body on in pieces, as it arrives; what arrived before a cut as well.

    Raises:
        Problem: The client hung up, or sent nothing for `IDLE_S`.
        OutgateError: Whatever `write` objects to.
    """
    batch = bytearray()
    enough = FIRST_BYTES
    clock = asyncio.get_running_loop().time

    async def flush() -> None:
        data = bytes(batch)
        batch.clear()
        await in_thread(lambda: write(data))

    try:
        async with asyncio.timeout(IDLE_S) as patience:
            async for chunk in request.stream():
                batch += chunk
                if len(batch) >= enough:
                    patience.reschedule(None)
                    await flush()
                    enough = BATCH_BYTES
                patience.reschedule(clock() + IDLE_S)
    except TimeoutError as error:
        await flush()
        raise Problem(
            "body-too-slow", detail=f"cannot wait longer: nothing came for {IDLE_S:g} s"
        ) from error
    except ClientDisconnect as error:
        await flush()
        raise Problem("bad-request", detail="cannot read the body: the client hung up") from error
    if batch:
        await flush()


async def linger(request: Request) -> None:
    """Reads on for a moment before a refusal, and throws away what comes.

    A connection closed with unread bytes is reset, and the client may never see the answer. One
    that waits for `100 Continue` has sent nothing and sees it anyway.
    """
    if request.headers.get("expect", "").lower() == "100-continue":
        return
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER_S):
            async for chunk in request.stream():
                left -= len(chunk)
                if left <= 0:
                    return
    except (TimeoutError, ClientDisconnect, RuntimeError):
        return  # it was read to its end before, or nobody is there any more


def announced_bytes(request: Request) -> int | None:
    """The length of a body by its header, where there is one."""
    text = request.headers.get("content-length", "")
    if not text.isascii() or not text.isdigit():
        return None
    return int(text) if len(text) <= MAX_LENGTH_DIGITS else 10**MAX_LENGTH_DIGITS


def media_type_of(request: Request) -> str:
    """The body's media type without its parameters, in lower case; "" if there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def limits_of(settings: ServiceSettings) -> IntakeLimits:
    """The operator's bounds of what is taken in."""
    return IntakeLimits(max_bytes=settings.max_upload, min_free_bytes=settings.min_free)


def check_length(length: int | None, settings: ServiceSettings, *, overhead_bytes: int = 0) -> None:
    """Refuses what is announced as too large, before a byte is read.

    Raises:
        TooLarge: Names the limit.
    """
    if length is not None and length > settings.max_upload + overhead_bytes:
        raise TooLarge(settings.max_upload)
