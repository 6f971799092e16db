"""How a job ends: with an analysis, with an error, cancelled, or cut off by a kill.

Files are adopted before rows: the folder of tables gets its last name within the transaction that
says so, right before its end. A kill in between leaves a folder that no row names, which the next
start removes (`analyzer.store.maintenance.recovery`); it never leaves a row without its files.
"""

from __future__ import annotations

import contextlib
import shutil
import stat
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.errors import StoreError, StoreUnavailable
from analyzer.store import ledger, schema
from analyzer.store.folder import sync_file, sync_folder
from analyzer.store.job_rows import COLUMNS, EVENTS, TABLE, JobRows, change, job_of, one
from analyzer.store.records import Analysis, Job, JobState
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MAX_INTERRUPTIONS = 10
"""Starts of the service that may find a job running; more, and it may be what ends the service."""

PATIENT_INTERRUPTIONS = 3
INTERRUPTED_WAIT_NS = 30 * NS_PER_SECOND
"""How long a job waits that was cut off more often: the service must be reachable in between."""

INTERRUPTED = "interrupted"


class JobEnds(JobRows):
    """The half of `Jobs` that ends attempts."""

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
        """Takes in what a worker brought: tables, analysis, findings, and the job's end.

        Args:
            job_id: The job.
            attempt: Which attempt brought it; one that was given up may not.
            report: A report by contract `outgate/report/1`.
            tables: Folder of Parquet files, moved away; None if there are none.
            state: `SUCCEEDED` or `PARTIAL`.
            warnings: What a partial result lacks.

        Raises:
            ConflictError: The job is not running this attempt any more.
            StoreError: Something in the folder is no file.
            StoreUnavailable: The disk or the database refuses; the tables are where they were.
        """
        analysis_id = analysis_of(job_id, attempt)
        if tables is not None:
            _sync_tables(tables)
        with (
            self._adopting(tables, analysis_id) as adopt,
            self._parts.database.write() as connection,
        ):
            values = self._take_analysis(connection, job_id, attempt, report, analysis_id)
            self._end(
                connection,
                job_id,
                state,
                analysis_id=analysis_id,
                findings=len(report["findings"]),
                warnings=[dict(warning) for warning in warnings],
            )
            adopt()
        self._clear_work(job_id, attempt)
        return Analysis(**values)

    def _take_analysis(
        self,
        connection: sa.Connection,
        job_id: str,
        attempt: int,
        report: Mapping[str, Any],
        analysis_id: str,
    ) -> dict[str, Any]:
        job = self._running(connection, job_id, attempt)
        # One writer of findings at a time: the reconciliation must see what all others wrote.
        ledger.hold_feed(connection)
        analyses, now_ns = schema.analyses, self._parts.now_ns()
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
            "report": {name: value for name, value in report.items() if name != "findings"},
        }
        connection.execute(sa.insert(analyses).values(**values))
        changes = ledger.reconcile(
            connection,
            report["findings"],
            capture=job["capture"],
            analysis_id=analysis_id,
            now_ns=now_ns,
        )
        ledger.publish(connection, changes, by=f"job:{job_id}", now_ns=now_ns)
        return values

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
            ended = job_of(one(connection, job_id))
        self._clear_work(job_id, attempt)
        return ended

    def cancelled(self, job_id: str, attempt: int) -> Job:
        """Says that a running job's worker was stopped because somebody asked for it.

        Raises:
            ConflictError: The job is not running this attempt any more.
        """
        with self._parts.database.write() as connection:
            self._running(connection, job_id, attempt)
            message = {"error_code": "cancelled", "error_message": "cancelled while it ran"}
            self._end(connection, job_id, JobState.CANCELLED, **message)
            ended = job_of(one(connection, job_id))
        self._clear_work(job_id, attempt)
        return ended

    def recover(self) -> Sequence[Job]:
        """At start: jobs that a kill left running wait again.

        That attempt does not count, for it was not the job that failed. One that is found running
        `MAX_INTERRUPTIONS` times fails: it may be what takes the service down.
        """
        running = sa.select(TABLE).where(COLUMNS.state == str(JobState.RUNNING))
        with self._parts.database.write() as connection:
            found = [dict(row) for row in connection.execute(running).mappings()]
            for job in found:
                self._interrupted(connection, job)
            ended = [job_of(one(connection, job["id"])) for job in found]
        for job in found:
            self._clear_work(job["id"], job["attempt"])
        return ended

    def _interrupted(self, connection: sa.Connection, job: Mapping[str, Any]) -> None:
        error = {
            "error_code": INTERRUPTED,
            "error_message": "the service stopped while it ran",
        }
        times = _interruptions(connection, job["id"]) + 1
        if job["cancel_requested"]:
            self._end(connection, job["id"], JobState.CANCELLED, **error)
        elif times <= MAX_INTERRUPTIONS:
            change(connection, job["id"], max_attempts=job["max_attempts"] + 1)
            wait_ns = INTERRUPTED_WAIT_NS if times > PATIENT_INTERRUPTIONS else 0
            not_before_ns = self._parts.now_ns() + wait_ns if wait_ns else 0
            self._requeue(connection, job["id"], not_before_ns=not_before_ns, **error)
        else:
            hint = f"retry it: POST /v1/jobs/{job['id']}/retry"
            self._end(connection, job["id"], JobState.FAILED, **error, error_hint=hint)

    @contextlib.contextmanager
    def _adopting(self, tables: Path | None, analysis_id: str) -> Iterator[Any]:
        """Gives what moves the tables to their place, and moves them back if the rest fails."""
        target = self._parts.folder.tables_path(analysis_id)
        moved = False

        def adopt() -> None:
            nonlocal moved
            if tables is None:
                return
            with _disk("keep the tables of the analysis"):
                if target.exists():  # left by a kill between this step and the end
                    shutil.rmtree(target)
                sync_folder(tables)
                tables.rename(target)
                moved = True
                sync_folder(target.parent)

        try:
            yield adopt
        except BaseException:
            if moved and tables is not None:
                with contextlib.suppress(OSError):
                    target.rename(tables)
            raise

    def _clear_work(self, job_id: str, attempt: int) -> None:
        with contextlib.suppress(OSError):
            shutil.rmtree(self._parts.folder.work_path(job_id, attempt), ignore_errors=True)


def analysis_of(job_id: str, attempt: int) -> str:
    """The id of what an attempt brings, the same however often it is said."""
    return f"a-{job_id.removeprefix('j-')}-{attempt}"


def _interruptions(connection: sa.Connection, job_id: str) -> int:
    query = sa.select(EVENTS.c.data).where(EVENTS.c.job_id == job_id, EVENTS.c.kind == "state")
    said = connection.execute(query).scalars()
    return sum(1 for data in said if (data or {}).get("error_code") == INTERRUPTED)


def _sync_tables(tables: Path) -> None:
    """Makes the bytes outlast a power cut before a transaction says that they are there."""
    with _disk("keep the tables of the analysis"):
        for path in tables.iterdir():
            # What a worker wrote is input from outside; opening a pipe would wait for ever.
            if not stat.S_ISREG(path.lstat().st_mode):
                raise StoreError(f"cannot keep {path.name[:100]} as a table: it is no regular file")
            sync_file(path)


@contextlib.contextmanager
def _disk(purpose: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"cannot {purpose}: {(error.strerror or str(error)).lower()}",
            hint="check the disk of the data folder",
        ) from error
