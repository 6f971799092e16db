"""Rows and events of jobs: the steps that everything which changes a job consists of.

All functions work within the caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.errors import ConflictError, NotFoundError
from analyzer.store import schema
from analyzer.store.records import Job, JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.store.parts import Parts

MAX_EVENTS = 2000
"""Events kept of one attempt; behind that progress is in the job's row alone."""

TABLE = schema.jobs
COLUMNS = TABLE.c
EVENTS = schema.job_events
SAID_IN_EVENTS = ("error_code", "error_message")


class JobRows:
    """What the two halves of `Jobs` share."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def _running(self, connection: sa.Connection, job_id: str, attempt: int) -> dict[str, Any]:
        job = one(connection, job_id, lock=True)
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
        change(connection, job_id, state=str(state), stage="", finished_ns=now_ns, **values)
        self._event(connection, job_id, "done", {"state": str(state)} | _said(values))

    def _requeue(
        self, connection: sa.Connection, job_id: str, *, not_before_ns: int, **values: object
    ) -> None:
        change(
            connection,
            job_id,
            state=str(JobState.QUEUED),
            stage="waiting",
            not_before_ns=not_before_ns,
            finished_ns=0,
            **values,
        )
        self._event(connection, job_id, "state", {"state": "queued"} | _said(values))

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
            change(connection, job_id, last_event=number - 1)
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


def change(connection: sa.Connection, job_id: str, **values: object) -> None:
    """Sets columns of a job."""
    connection.execute(sa.update(TABLE).where(COLUMNS.id == job_id).values(**values))


def one(connection: sa.Connection, job_id: str, *, lock: bool = False) -> dict[str, Any]:
    """A job's columns.

    Raises:
        NotFoundError: There is none with that id.
    """
    query = sa.select(TABLE).where(COLUMNS.id == job_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise NotFoundError("job", job_id, hint="GET /v1/jobs lists them")
    return dict(row)


def job_of(row: Mapping[str, Any]) -> Job:
    """Columns as a record."""
    fields = {name: row[name] for name in Job.__slots__}
    fields["state"] = JobState(row["state"])
    fields["warnings"] = tuple(row["warnings"] or ())
    return Job(**fields)


def _said(values: Mapping[str, object]) -> dict[str, object]:
    return {name: values[name] for name in SAID_IN_EVENTS if name in values}
