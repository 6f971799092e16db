"""Jobs: their rows, their events, and what a finished one brings in; one transaction a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.errors import ConflictError, NotFoundError
from analyzer.store import schema
from analyzer.store.job_ends import JobEnds
from analyzer.store.job_rows import COLUMNS, EVENTS, TABLE, change, job_of, one
from analyzer.store.parts import new_id, page_size
from analyzer.store.records import Actor, Job, JobEvent, JobState
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.store.audit import Audit
    from analyzer.store.parts import Parts

MAX_ATTEMPTS = 3
PROGRESS_EVENT_EVERY_NS = NS_PER_SECOND


class Jobs(JobEnds):
    """The jobs of one store."""

    def __init__(self, parts: Parts, audit: Audit) -> None:
        super().__init__(parts)
        self._audit = audit

    # Queueing and reading

    def submit(self, capture: str, *, by: Actor, priority: int = 0) -> Job:
        """Queues an analysis of a capture.

        Raises:
            NotFoundError: There is no such capture, or its file was deleted.
        """
        with self._parts.database.write() as connection:
            captures = schema.captures.c
            query = sa.select(captures.deleted).where(captures.sha256 == capture)
            deleted = connection.execute(query).scalar()
            if deleted is None or deleted:
                raise NotFoundError("capture", capture, hint="GET /v1/captures lists them")
            job_id = self.insert(connection, capture, by=by, priority=priority)
            self._audit.write(connection, by, "job.submit", job_id, {"capture": capture})
        return self.get(job_id)

    def insert(
        self, connection: sa.Connection, capture: str, *, by: Actor, priority: int = 0
    ) -> str:
        """Adds a queued job within the caller's transaction; gives its id."""
        now_ns = self._parts.now_ns()
        job_id = new_id("j")
        connection.execute(
            sa.insert(TABLE).values(
                id=job_id,
                capture=capture,
                state=str(JobState.QUEUED),
                stage="waiting",
                priority=priority,
                max_attempts=MAX_ATTEMPTS,
                created_ns=now_ns,
                created_by=by.name,
                warnings=[],
            )
        )
        self._event(connection, job_id, "state", {"state": "queued"})
        return job_id

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFoundError: There is none with that id.
        """
        with self._parts.database.read() as connection:
            return job_of(one(connection, job_id))

    def list(
        self,
        *,
        state: JobState | None = None,
        capture: str = "",
        after: str = "",
        limit: int = 100,
    ) -> Sequence[Job]:
        """Jobs, the newest first, those behind `after`.

        Raises:
            NotFoundError: `after` is no job.
        """
        query = sa.select(TABLE).order_by(COLUMNS.created_ns.desc(), COLUMNS.id.desc())
        if state is not None:
            query = query.where(COLUMNS.state == str(state))
        if capture:
            query = query.where(COLUMNS.capture == capture)
        with self._parts.database.read() as connection:
            if after:
                last = one(connection, after)
                older = COLUMNS.created_ns < last["created_ns"]
                same = sa.and_(COLUMNS.created_ns == last["created_ns"], COLUMNS.id < after)
                query = query.where(sa.or_(older, same))
            rows = connection.execute(query.limit(page_size(limit))).mappings()
            return [job_of(dict(row)) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        query = sa.select(COLUMNS.state, sa.func.count()).group_by(COLUMNS.state)
        with self._parts.database.read() as connection:
            return {str(state): int(count) for state, count in connection.execute(query)}

    def events(self, job_id: str, *, after: int = 0, limit: int = 500) -> Sequence[JobEvent]:
        """What happened to a job behind event number `after`.

        Raises:
            NotFoundError: There is no such job.
        """
        query = sa.select(EVENTS).where(EVENTS.c.job_id == job_id, EVENTS.c.number > after)
        with self._parts.database.read() as connection:
            one(connection, job_id)
            ordered = query.order_by(EVENTS.c.number).limit(page_size(limit))
            rows = connection.execute(ordered).mappings()
            return [JobEvent(**{**row, "data": row["data"] or {}}) for row in rows]

    # Running

    def claim(self, *, limit: int) -> Sequence[Job]:
        """Takes queued jobs whose time has come: the most urgent first, then the oldest."""
        if limit < 1:
            return []
        now_ns = self._parts.now_ns()
        due = (
            sa.select(COLUMNS.id)
            .where(COLUMNS.state == str(JobState.QUEUED), COLUMNS.not_before_ns <= now_ns)
            .order_by(COLUMNS.priority.desc(), COLUMNS.created_ns, COLUMNS.id)
            .limit(page_size(limit))
        )
        with self._parts.database.read() as connection:
            if connection.execute(due.limit(1)).first() is None:
                return []  # no write lock for a look
        with self._parts.database.write() as connection:
            mine = connection.execute(due.with_for_update(skip_locked=True))
            ids = [row.id for row in mine]
            for job_id in ids:
                change(
                    connection,
                    job_id,
                    state=str(JobState.RUNNING),
                    stage="reading",
                    attempt=COLUMNS.attempt + 1,
                    started_ns=now_ns,
                    finished_ns=0,
                    bytes_done=0,
                    error_code="",
                    error_message="",
                    error_hint="",
                )
                row = one(connection, job_id)
                data = {"state": "running", "attempt": row["attempt"]}
                self._event(connection, job_id, "state", data)
            return [job_of(one(connection, job_id)) for job_id in ids]

    def progress(self, job_id: str, *, stage: str, bytes_done: int, bytes_total: int) -> bool:
        """Notes how far a running job is; False if it is to stop.

        The row is written each time; an event at most once a second.
        """
        now_ns = self._parts.now_ns()
        with self._parts.database.write() as connection:
            row = one(connection, job_id, lock=True)
            if row["state"] != str(JobState.RUNNING):
                return False
            values = {"stage": stage, "bytes_done": bytes_done, "bytes_total": bytes_total}
            change(connection, job_id, **values)
            last = connection.execute(
                sa.select(EVENTS.c.at_ns).where(
                    EVENTS.c.job_id == job_id, EVENTS.c.number == row["last_event"]
                )
            ).scalar()
            if now_ns - (last or 0) >= PROGRESS_EVENT_EVERY_NS or stage != row["stage"]:
                self._event(connection, job_id, "progress", values)
            return not row["cancel_requested"]

    def note(self, job_id: str, kind: str, data: Mapping[str, Any]) -> None:
        """Adds an event: `warning` or `finding`."""
        with self._parts.database.write() as connection:
            self._event(connection, job_id, kind, data)

    # Ends

    def cancel(self, job_id: str, *, by: Actor) -> Job:
        """Stops a job: at once if it waits, and soon if it runs.

        Raises:
            NotFoundError: There is no such job.
            ConflictError: It has ended.
        """
        with self._parts.database.write() as connection:
            job = one(connection, job_id, lock=True)
            if JobState(job["state"]).ended:
                raise ConflictError(f"cannot cancel job {job_id}: it has {job['state']}")
            change(connection, job_id, cancel_requested=True)
            if job["state"] == str(JobState.QUEUED):
                message = {"error_code": "cancelled", "error_message": "cancelled while it waited"}
                self._end(connection, job_id, JobState.CANCELLED, **message)
            self._audit.write(connection, by, "job.cancel", job_id)
        return self.get(job_id)

    def retry(self, job_id: str, *, by: Actor) -> Job:
        """Queues an ended job again, with all its attempts.

        Raises:
            NotFoundError: There is no such job.
            ConflictError: It has not ended, or its capture was deleted.
        """
        with self._parts.database.write() as connection:
            job = one(connection, job_id, lock=True)
            if not JobState(job["state"]).ended:
                raise ConflictError(f"cannot retry job {job_id}: it is {job['state']}")
            captures = schema.captures.c
            query = sa.select(captures.deleted).where(captures.sha256 == job["capture"])
            if connection.execute(query).scalar():
                raise ConflictError(f"cannot retry job {job_id}: its capture was deleted")
            change(
                connection,
                job_id,
                cancel_requested=False,
                max_attempts=job["attempt"] + MAX_ATTEMPTS,
            )
            self._requeue(connection, job_id, not_before_ns=0)
            self._audit.write(connection, by, "job.retry", job_id)
        return self.get(job_id)
