"""Jobs: listed, followed, cancelled, tried again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any

from fastapi import Header, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from analyzer.store import Store
from analyzer.store.records import Job, JobEvent, JobState
from analyzer.store.records import Scope as AccessScope
from analyzer.times import rfc3339
from api.auth import Caller, still_holds
from api.dependencies import (
    CallerDep,
    CapturesReader,
    CapturesWriter,
    StateDep,
    StoreDep,
    SupervisorDep,
)
from api.errors import responses
from api.routing import ServiceRouter
from api.schemas import DEFAULT_PAGE, MAX_ID_CHARS, MAX_INTEGER, MAX_PAGE
from api.schemas_captures import JobId, JobOut, JobPage, job_out
from api.state import ServiceState

POLL_S = 0.25
SLOW_POLL_S = 1.0
"""How often a stream looks for events while they come, and while none does."""

HEARTBEAT_S = 15
SEND_TIMEOUT_S = 30
"""How long a client may leave an event unread."""

STREAM_S = 3600
"""How long a stream lasts at most; clients come back with the number of the last event."""

RECHECK_S = 30.0
"""How often a stream asks whether its caller's key still holds."""

RECONNECT_MS = 2000
EVENTS_AT_ONCE = 200

router = ServiceRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get("", summary="All jobs", responses=responses("not-found"))
def list_jobs(
    *,
    store: StoreDep,
    caller: CapturesReader,  # noqa: ARG001 - checks the scope
    state: Annotated[JobState | None, Query(description="in this state alone")] = None,
    capture: Annotated[str, Query(max_length=64, description="of this capture alone")] = "",
    after: Annotated[str, Query(max_length=MAX_ID_CHARS, description="jobs behind this one")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> JobPage:
    """Lists jobs, the newest first."""
    found = store.jobs.list(state=state, capture=capture, after=after, limit=limit)
    more = bool(found) and bool(
        store.jobs.list(state=state, capture=capture, after=found[-1].id, limit=1)
    )
    return JobPage(
        data=[job_out(job) for job in found],
        next_after=found[-1].id if found else after,
        has_more=more,
    )


@router.get("/{job_id}", summary="One job")
def read_job(job_id: JobId, store: StoreDep, caller: CapturesReader) -> JobOut:  # noqa: ARG001
    """Shows how far a job is and what became of it."""
    return job_out(store.jobs.get(job_id))


@router.delete("/{job_id}", summary="Cancel a job", responses=responses("conflict"))
def cancel_job(
    job_id: JobId, store: StoreDep, supervisor: SupervisorDep, caller: CapturesWriter
) -> JobOut:
    """Stops a job: at once if it waits, and soon if it runs; its record stays."""
    job = store.jobs.cancel(job_id, by=caller)
    if supervisor is not None:
        supervisor.wake(job_id)
    return job_out(job)


@router.post(
    "/{job_id}/retry", status_code=202, summary="Try a job again", responses=responses("conflict")
)
def retry_job(
    job_id: JobId,
    store: StoreDep,
    supervisor: SupervisorDep,
    caller: CapturesWriter,
    response: Response,
) -> JobOut:
    """Queues a job that has ended again."""
    job = job_out(store.jobs.retry(job_id, by=caller))
    if supervisor is not None:
        supervisor.wake()
    response.headers["Location"] = job.links.self
    return job


@router.get(
    "/{job_id}/events",
    summary="Follow a job",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "Events `state`, `progress`, `warning`, `finding` and `done`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        204: {"description": "The job has ended and the last event is known."},
    },
)
async def follow_job(
    *,
    job_id: JobId,
    request: Request,
    state: StateDep,
    caller: CapturesReader,  # noqa: ARG001 - checks the scope
    known: CallerDep,
    last_event_id: Annotated[
        int, Query(ge=0, le=MAX_INTEGER, description="events behind this one")
    ] = 0,
    last_event_id_header: Annotated[
        int | None, Header(alias="Last-Event-ID", ge=0, le=MAX_INTEGER)
    ] = None,
) -> Response:
    """Streams what happens to a job (server-sent events) and ends with it.

    The number of an event is its `id`; a client that comes back with `Last-Event-ID` misses none.
    """
    seen = last_event_id if last_event_id_header is None else last_event_id_header
    job = await run_in_threadpool(state.store.jobs.get, job_id)
    if job.state.ended and job.last_event <= seen:
        return Response(status_code=204)
    events = _events(state, job_id, seen, whole=known.may(AccessScope.FINDINGS_READ))
    held = _while_known(events, request, state, known)
    return JobStream(held, state.reception.watching(known.actor.name))


class JobStream(EventSourceResponse):
    """A stream that holds one of the places there are for as long as it lasts."""

    def __init__(
        self, events: AsyncIterator[ServerSentEvent], place: AbstractContextManager[None]
    ) -> None:
        super().__init__(
            events,
            ping=HEARTBEAT_S,
            ping_message_factory=lambda: ServerSentEvent(comment="still here", sep="\n"),
            send_timeout=SEND_TIMEOUT_S,
            sep="\n",
        )
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Streams.

        Raises:
            Problem: 503, when there is no place.
        """
        with self._place:
            await super().__call__(scope, receive, send)


async def _while_known(
    events: AsyncIterator[ServerSentEvent | None],
    request: Request,
    state: ServiceState,
    caller: Caller,
) -> AsyncIterator[ServerSentEvent]:
    """The events, until the caller's key, session or token does not hold any more."""
    checked_s = time.monotonic()
    async for event in events:
        if time.monotonic() - checked_s >= RECHECK_S:
            if not await run_in_threadpool(still_holds, request, state, caller):
                return
            checked_s = time.monotonic()
        if event is not None:
            yield event


async def _events(
    state: ServiceState, job_id: str, seen: int, *, whole: bool
) -> AsyncIterator[ServerSentEvent | None]:
    """Events behind number `seen` until the job has ended, an hour is over, or the service ends.

    None is a look at which there was nothing new.
    """
    yield ServerSentEvent(retry=RECONNECT_MS, sep="\n")
    pause_s, until = POLL_S, time.monotonic() + STREAM_S
    while not state.stopping.is_set() and time.monotonic() < until:
        job, events = await run_in_threadpool(_look, state.store, job_id, seen)
        for event in events:
            yield _sent(event, whole=whole)
            seen = event.number
        if job.state.ended and (seen >= job.last_event or not events):
            return
        if len(events) < EVENTS_AT_ONCE:
            pause_s = POLL_S if events else min(SLOW_POLL_S, pause_s * 1.5)
            await asyncio.sleep(pause_s)
            yield None


def _look(store: Store, job_id: str, seen: int) -> tuple[Job, Sequence[JobEvent]]:
    """One row by its key each time; events only when there are new ones."""
    job = store.jobs.get(job_id)
    if job.last_event <= seen:
        return job, ()
    return job, store.jobs.events(job_id, after=seen, limit=EVENTS_AT_ONCE)


def _sent(event: JobEvent, *, whole: bool) -> ServerSentEvent:
    """An event on the wire; what a finding says is for those who may read findings."""
    data: dict[str, Any] = {"job": event.job_id, "at": rfc3339(event.at_ns), **event.data}
    if event.kind == "finding" and not whole:
        data = {name: data[name] for name in ("job", "at", "id") if name in data}
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return ServerSentEvent(text, event=event.kind, id=str(event.number), sep="\n")
