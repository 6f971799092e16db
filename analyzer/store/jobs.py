"""Jobs: their rows, their events, and what a finished one brings in; one transaction a step."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.errors import ConflictError, NotFoundError, StoreUnavailable
from analyzer.store import ledger, schema
from analyzer.store.folder import sync_folder
from analyzer.store.parts import new_id, page_size
from analyzer.store.records import Actor, Analysis, Job, JobEvent, JobState
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from analyzer.store.audit import Audit
    from analyzer.store.parts import Parts

MAX_ATTEMPTS = 3
MAX_EVENTS = 2000
"""Events kept of one attempt; behind that progress is in the job's row alone."""

PROGRESS_EVENT_EVERY_NS = NS_PER_SECOND
TABLE = schema.jobs
COLUMNS = TABLE.c
EVENTS = schema.job_events


class Jobs:
    """The jobs of one store."""

    def __init__(self, parts: Parts, audit: Audit) -> None:
        self._parts = parts
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
            return _job(_one(connection, job_id))

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
                last = _one(connection, after)
                older = COLUMNS.created_ns < last["created_ns"]
                same = sa.and_(COLUMNS.created_ns == last["created_ns"], COLUMNS.id < after)
                query = query.where(sa.or_(older, same))
            rows = connection.execute(query.limit(page_size(limit))).mappings()
            return [_job(dict(row)) for row in rows]

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
            _one(connection, job_id)
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
                self._set(
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
                row = _one(connection, job_id)
                data = {"state": "running", "attempt": row["attempt"]}
                self._event(connection, job_id, "state", data)
            return [_job(_one(connection, job_id)) for job_id in ids]

    def progress(self, job_id: str, *, stage: str, bytes_done: int, bytes_total: int) -> bool:
        """Notes how far a running job is; False if it is to stop.

        The row is written each time; an event at most once a second.
        """
        now_ns = self._parts.now_ns()
        with self._parts.database.write() as connection:
            row = _one(connection, job_id)
            if row["state"] != str(JobState.RUNNING):
                return False
            values = {"stage": stage, "bytes_done": bytes_done, "bytes_total": bytes_total}
            self._set(connection, job_id, **values)
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

    def finish(
        self,
        job_id: str,
        attempt: int,
        report: Mapping[str, Any],
        tables: Path | None,
        *,
        state: JobState = JobState.SUCCEEDED,
        warnings: Sequence[Mapping[str, Any]] = (),
    ) -> Analysis:
        """Takes in what a worker found: tables, analysis, findings, feed, outbox, state.

        Args:
            job_id: The job.
            attempt: Which attempt; a worker of an older one comes too late.
            report: `Report.to_dict()`.
            tables: Folder of Parquet files within the work folder, moved away; None if none.
            state: `SUCCEEDED` or `PARTIAL`.
            warnings: What a partial result lacks.

        Raises:
            ConflictError: The job is not running this attempt any more.
            StoreUnavailable: The disk or the database refuses.
        """
        analysis_id = f"a-{job_id.removeprefix('j-')}-{attempt}"
        if tables is not None:
            self._adopt_tables(tables, analysis_id)
        now_ns = self._parts.now_ns()
        said = {name: value for name, value in report.items() if name != "findings"}
        documents = report["findings"]
        with self._parts.database.write() as connection:
            job = self._running(connection, job_id, attempt)
            # One analysis of a capture at a time: the reconciliation below must see all others.
            captures = schema.captures.c
            connection.execute(
                sa.select(captures.sha256)
                .where(captures.sha256 == job["capture"])
                .with_for_update()
            )
            analyses = schema.analyses
            older = sa.update(analyses).where(analyses.c.capture == job["capture"])
            connection.execute(older.values(current=False))
            values = {
                "id": analysis_id,
                "job_id": job_id,
                "capture": job["capture"],
                "current": True,
                "tool_version": str(report.get("tool_version", "")),
                "ruleset_version": str(report.get("ruleset_version", "")),
                "created_ns": now_ns,
                "report": said,
            }
            connection.execute(sa.insert(analyses).values(**values))
            self._take_findings(connection, job, documents, analysis_id)
            self._end(
                connection,
                job_id,
                state,
                analysis_id=analysis_id,
                findings=len(documents),
                warnings=[dict(warning) for warning in warnings],
            )
        self._clear_work(job_id, attempt)
        return Analysis(**values)

    def _take_findings(
        self,
        connection: sa.Connection,
        job: Mapping[str, Any],
        documents: Sequence[Mapping[str, Any]],
        analysis_id: str,
    ) -> None:
        now_ns = self._parts.now_ns()
        changes = ledger.reconcile(
            connection,
            documents,
            capture=job["capture"],
            analysis_id=analysis_id,
            now_ns=now_ns,
        )
        ledger.publish(connection, changes, by=f"job:{job['id']}", now_ns=now_ns)

    def fail(
        self,
        job_id: str,
        attempt: int,
        *,
        code: str,
        message: str,
        hint: str = "",
        retry_in_s: float | None = None,
    ) -> Job:
        """Ends an attempt that brought nothing; it is queued again if that may help.

        Raises:
            ConflictError: The job is not running this attempt any more.
        """
        with self._parts.database.write() as connection:
            job = self._running(connection, job_id, attempt)
            error = {"error_code": code, "error_message": message, "error_hint": hint}
            if job["cancel_requested"]:
                self._end(connection, job_id, JobState.CANCELLED, **error)
            elif retry_in_s is not None and attempt < job["max_attempts"]:
                later_ns = self._parts.now_ns() + int(retry_in_s * NS_PER_SECOND)
                self._requeue(connection, job_id, not_before_ns=later_ns, **error)
            else:
                self._end(connection, job_id, JobState.FAILED, **error)
        self._clear_work(job_id, attempt)
        return self.get(job_id)

    def cancelled(self, job_id: str, attempt: int) -> Job:
        """Says that a running job's worker was stopped because somebody asked for it.

        Raises:
            ConflictError: The job is not running this attempt any more.
        """
        with self._parts.database.write() as connection:
            self._running(connection, job_id, attempt)
            message = {"error_code": "cancelled", "error_message": "cancelled while it ran"}
            self._end(connection, job_id, JobState.CANCELLED, **message)
        self._clear_work(job_id, attempt)
        return self.get(job_id)

    def cancel(self, job_id: str, *, by: Actor) -> Job:
        """Stops a job: at once if it waits, and soon if it runs.

        Raises:
            NotFoundError: There is no such job.
            ConflictError: It has ended.
        """
        with self._parts.database.write() as connection:
            job = _one(connection, job_id, lock=True)
            if JobState(job["state"]).ended:
                raise ConflictError(f"cannot cancel job {job_id}: it has {job['state']}")
            self._set(connection, job_id, cancel_requested=True)
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
            job = _one(connection, job_id, lock=True)
            if not JobState(job["state"]).ended:
                raise ConflictError(f"cannot retry job {job_id}: it is {job['state']}")
            captures = schema.captures.c
            query = sa.select(captures.deleted).where(captures.sha256 == job["capture"])
            if connection.execute(query).scalar():
                raise ConflictError(f"cannot retry job {job_id}: its capture was deleted")
            self._set(
                connection,
                job_id,
                cancel_requested=False,
                max_attempts=job["attempt"] + MAX_ATTEMPTS,
            )
            self._requeue(connection, job_id, not_before_ns=0)
            self._audit.write(connection, by, "job.retry", job_id)
        return self.get(job_id)

    def recover(self) -> Sequence[Job]:
        """At start: jobs that a kill left running wait again, or fail once attempts are used up."""
        running = sa.select(TABLE).where(COLUMNS.state == str(JobState.RUNNING))
        with self._parts.database.write() as connection:
            found = [dict(row) for row in connection.execute(running).mappings()]
            for job in found:
                error = {
                    "error_code": "interrupted",
                    "error_message": "the service stopped while it ran",
                }
                if job["cancel_requested"]:
                    self._end(connection, job["id"], JobState.CANCELLED, **error)
                elif job["attempt"] < job["max_attempts"]:
                    self._requeue(connection, job["id"], not_before_ns=0, **error)
                else:
                    hint = f"retry it: POST /v1/jobs/{job['id']}/retry"
                    self._end(connection, job["id"], JobState.FAILED, **error, error_hint=hint)
        for job in found:
            self._clear_work(job["id"], job["attempt"])
        return [self.get(job["id"]) for job in found]

    # The steps they share

    def _running(self, connection: sa.Connection, job_id: str, attempt: int) -> dict[str, Any]:
        job = _one(connection, job_id, lock=True)
        if job["state"] != str(JobState.RUNNING) or job["attempt"] != attempt:
            raise ConflictError(
                f"cannot end attempt {attempt} of job {job_id}:"
                f" it is {job['state']}, at attempt {job['attempt']}"
            )
        return job

    def _end(
        self, connection: sa.Connection, job_id: str, state: JobState, **values: object
    ) -> None:
        now_ns = self._parts.now_ns()
        self._set(connection, job_id, state=str(state), stage="", finished_ns=now_ns, **values)
        data = {"state": str(state)} | {
            name: values[name] for name in ("error_code", "error_message") if name in values
        }
        self._event(connection, job_id, "done", data)

    def _requeue(
        self, connection: sa.Connection, job_id: str, *, not_before_ns: int, **values: object
    ) -> None:
        self._set(
            connection,
            job_id,
            state=str(JobState.QUEUED),
            stage="waiting",
            not_before_ns=not_before_ns,
            finished_ns=0,
            **values,
        )
        data = {"state": "queued"} | {
            name: values[name] for name in ("error_code", "error_message") if name in values
        }
        self._event(connection, job_id, "state", data)

    def _set(self, connection: sa.Connection, job_id: str, **values: object) -> None:
        connection.execute(sa.update(TABLE).where(COLUMNS.id == job_id).values(**values))

    def _event(
        self, connection: sa.Connection, job_id: str, kind: str, data: Mapping[str, Any]
    ) -> None:
        number = connection.execute(
            sa.update(TABLE)
            .where(COLUMNS.id == job_id)
            .values(last_event=COLUMNS.last_event + 1)
            .returning(COLUMNS.last_event)
        ).scalar_one()
        if kind == "progress" and number > MAX_EVENTS:
            self._set(connection, job_id, last_event=number - 1)
            return
        connection.execute(
            sa.insert(EVENTS).values(
                job_id=job_id,
                number=number,
                kind=kind,
                at_ns=self._parts.now_ns(),
                data=dict(data),
            )
        )

    def _adopt_tables(self, tables: Path, analysis_id: str) -> None:
        target = self._parts.folder.tables_path(analysis_id)
        try:
            if target.exists():  # left by a kill between this step and the transaction
                shutil.rmtree(target)
            tables.rename(target)
            sync_folder(target)
            sync_folder(target.parent)
        except OSError as error:
            raise StoreUnavailable(
                f"cannot keep the tables of the analysis: {(error.strerror or str(error)).lower()}",
                hint="check the disk of the data folder",
            ) from error

    def _clear_work(self, job_id: str, attempt: int) -> None:
        with contextlib.suppress(OSError):
            shutil.rmtree(self._parts.folder.work_path(job_id, attempt), ignore_errors=True)


def _one(connection: sa.Connection, job_id: str, *, lock: bool = False) -> dict[str, Any]:
    query = sa.select(TABLE).where(COLUMNS.id == job_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise NotFoundError("job", job_id, hint="GET /v1/jobs lists them")
    return dict(row)


def _job(row: Mapping[str, Any]) -> Job:
    fields = {name: row[name] for name in Job.__slots__}
    fields["state"] = JobState(row["state"])
    fields["warnings"] = tuple(row["warnings"] or ())
    return Job(**fields)
