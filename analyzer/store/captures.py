"""Captures: the file kept once by its SHA-256, its row, and what analyses said of it."""

from __future__ import annotations

import contextlib
import shutil
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.errors import ConflictError, NotFoundError, StoreUnavailable, UsageError
from analyzer.store import schema
from analyzer.store.folder import (
    OWNER_ONLY_FILE,
    OWNER_ONLY_FOLDER,
    held_alone,
    sync_file,
    sync_folder,
)
from analyzer.store.parts import page_size
from analyzer.store.records import Actor, Analysis, Job, JobState, StoredCapture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from analyzer.store.audit import Audit
    from analyzer.store.jobs import Jobs
    from analyzer.store.parts import Parts

READ_ONLY_FILE = 0o400
MAX_NAME_CHARS = 255
MAX_REASON_CHARS = 2000
MAX_ANALYSES = 100
"""Analyses of one capture that are shown, each with its report."""

TABLE = schema.captures
COLUMNS = TABLE.c
ANALYSES = schema.analyses
LATEST_FIRST = (ANALYSES.c.created_ns.desc(), ANALYSES.c.id.desc())
OPEN_STATES = (str(JobState.QUEUED), str(JobState.RUNNING))


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What became of an upload.

    Attributes:
        created: False if the same bytes were here already.
    """

    capture: StoredCapture
    job: Job
    created: bool


class Captures:
    """The captures of one store."""

    def __init__(self, parts: Parts, audit: Audit, jobs: Jobs) -> None:
        self._parts = parts
        self._audit = audit
        self._jobs = jobs
        self._files = threading.Lock()

    def adopt(
        self,
        part: Path,
        *,
        sha256: str,
        size_bytes: int,
        name: str,
        by: Actor,
        format: str = "",  # noqa: A002 - what the column is called
        compression: str = "",
        priority: int = 0,
        reanalyse: bool = False,
    ) -> Adopted:
        """Takes a finished file in and queues its analysis; the part is gone afterwards.

        When this returns, file, row and job outlast a kill and a power cut. The same bytes again
        give the capture that is there, with its latest job, or a new one if that failed, was
        cancelled, or `reanalyse` asks for one.

        Raises:
            StoreUnavailable: The disk or the database refuses; the part may still be there.
        """
        _on_disk(part)  # which may take long, so not within the lock
        with self._alone(), self._given_back(part, sha256):
            self._keep(part, sha256)
            row = {
                "sha256": sha256,
                "name": name[:MAX_NAME_CHARS],
                "size_bytes": size_bytes,
                "format": format,
                "compression": compression,
                "created_by": by.name,
            }
            with self._parts.database.write() as connection:
                created = self._insert(connection, row)
                # A deletion took the tables of earlier jobs with it.
                job_id = "" if reanalyse or created else _standing_job(connection, sha256)
                if not job_id:
                    job_id = self._jobs.insert(connection, sha256, by=by, priority=priority)
                detail = {"name": row["name"], "size_bytes": size_bytes, "job": job_id}
                action = "capture.add" if created else "capture.again"
                self._audit.write(connection, by, action, sha256, detail)
        return Adopted(capture=self.get(sha256), job=self._jobs.get(job_id), created=created)

    def _keep(self, part: Path, sha256: str) -> None:
        target = self._parts.folder.capture_path(sha256)
        with _disk():
            target.parent.mkdir(exist_ok=True, mode=OWNER_ONLY_FOLDER)
            if target.exists() and target.stat().st_size == part.stat().st_size:
                part.unlink()
            else:
                part.chmod(READ_ONLY_FILE)
                part.replace(target)
                sync_folder(target.parent)
            sync_folder(target.parent.parent)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else, in no process, takes in or deletes a capture meanwhile."""
        with self._files, held_alone(self._parts.folder.files_lock):
            yield

    @contextlib.contextmanager
    def _given_back(self, part: Path, sha256: str) -> Iterator[None]:
        """Makes a file that got no row a part again: on a full disk it would take room for nothing.

        On PostgreSQL a transaction may end well although nobody hears of it, so the file stays;
        should it have no row, the next start removes it.
        """
        try:
            yield
        except StoreUnavailable:
            path = self._parts.folder.capture_path(sha256)
            if self._parts.database.dialect == "sqlite" and not part.exists():
                with contextlib.suppress(OSError, StoreUnavailable):
                    if not self._has_file(sha256):
                        path.replace(part)
                        part.chmod(OWNER_ONLY_FILE)
            raise

    def _has_file(self, sha256: str) -> bool:
        """Whether a row says that the capture's file is here."""
        query = sa.select(COLUMNS.deleted).where(COLUMNS.sha256 == sha256)
        with self._parts.database.read() as connection:
            return connection.execute(query).scalar() is False

    def _insert(self, connection: sa.Connection, row: dict[str, Any]) -> bool:
        sha256 = row["sha256"]
        known = connection.execute(
            sa.select(COLUMNS.deleted).where(COLUMNS.sha256 == sha256).with_for_update()
        ).first()
        fresh = {**row, "created_ns": self._parts.now_ns()}
        if known is None:
            connection.execute(sa.insert(TABLE).values(**fresh))
            return True
        if known.deleted:
            back = {"deleted": False, "deleted_ns": 0, "deleted_by": "", "delete_reason": ""}
            connection.execute(
                sa.update(TABLE).where(COLUMNS.sha256 == sha256).values(**fresh, **back)
            )
            return True
        return False

    def get(self, sha256: str) -> StoredCapture:
        """One capture, deleted ones too.

        Raises:
            NotFoundError: There is none with that hash.
        """
        with self._parts.database.read() as connection:
            return StoredCapture(**_one(connection, sha256))

    def list(
        self,
        *,
        after: str = "",
        limit: int = 100,
        name_contains: str = "",
        deleted: bool = False,
    ) -> Sequence[StoredCapture]:
        """Captures, the newest first, those behind `after`.

        Raises:
            NotFoundError: `after` is no capture.
        """
        query = sa.select(TABLE).order_by(COLUMNS.created_ns.desc(), COLUMNS.sha256.desc())
        if not deleted:
            query = query.where(COLUMNS.deleted.is_(False))
        if name_contains:
            query = query.where(COLUMNS.name.icontains(name_contains, autoescape=True))
        with self._parts.database.read() as connection:
            if after:
                last = _one(connection, after)
                query = query.where(
                    sa.or_(
                        COLUMNS.created_ns < last["created_ns"],
                        sa.and_(COLUMNS.created_ns == last["created_ns"], COLUMNS.sha256 < after),
                    )
                )
            rows = connection.execute(query.limit(page_size(limit))).mappings()
            return [StoredCapture(**row) for row in rows]

    def set_hold(self, sha256: str, *, on: bool, reason: str, by: Actor) -> StoredCapture:
        """Puts a capture under legal hold, or ends it: retention and deletion leave it alone.

        Raises:
            NotFoundError: There is no such capture.
            ConflictError: Its file was deleted.
            UsageError: There is no reason.
        """
        _check_reason(reason, "set a legal hold")
        with self._parts.database.write() as connection:
            row = _one(connection, sha256, lock=True)
            if row["deleted"]:
                raise ConflictError(f"cannot hold capture {sha256}: its file was deleted")
            held = {"legal_hold": on, "hold_reason": reason if on else ""}
            connection.execute(sa.update(TABLE).where(COLUMNS.sha256 == sha256).values(**held))
            action = "capture.hold" if on else "capture.release"
            self._audit.write(connection, by, action, sha256, {"reason": reason})
        return self.get(sha256)

    def delete(self, sha256: str, *, reason: str, by: Actor) -> StoredCapture:
        """Removes a capture's file and tables; its row, jobs and findings stay and say so.

        Raises:
            NotFoundError: There is no such capture.
            ConflictError: It is under legal hold, or a job works on it.
            UsageError: There is no reason.
        """
        _check_reason(reason, "delete a capture")
        with self._alone():
            with self._parts.database.write() as connection:
                row = _one(connection, sha256, lock=True)
                if row["deleted"]:
                    return StoredCapture(**row)
                self._check_free(connection, row)
                gone = {
                    "deleted": True,
                    "deleted_ns": self._parts.now_ns(),
                    "deleted_by": by.name,
                    "delete_reason": reason,
                }
                connection.execute(sa.update(TABLE).where(COLUMNS.sha256 == sha256).values(**gone))
                self._audit.write(connection, by, "capture.delete", sha256, {"reason": reason})
            # Should this not come to pass, `outgate store check` finds the files and says so, and
            # the next start removes them.
            with contextlib.suppress(OSError):
                self._parts.folder.capture_path(sha256).unlink(missing_ok=True)
            for analysis_id in self._analysis_ids(sha256):
                shutil.rmtree(self._parts.folder.tables_path(analysis_id), ignore_errors=True)
        return self.get(sha256)

    def _check_free(self, connection: sa.Connection, row: Mapping[str, Any]) -> None:
        if row["legal_hold"]:
            raise ConflictError(
                f"cannot delete capture {row['sha256']}: it is under legal hold"
                f" ({row['hold_reason']})",
                hint="end the hold first",
            )
        jobs = schema.jobs.c
        busy = connection.execute(
            sa.select(jobs.id).where(jobs.capture == row["sha256"], jobs.state.in_(OPEN_STATES))
        ).scalar()
        if busy:
            raise ConflictError(
                f"cannot delete capture {row['sha256']}: job {busy} works on it",
                hint=f"wait for it, or cancel it: DELETE /v1/jobs/{busy}",
            )

    def analyses(self, sha256: str) -> Sequence[Analysis]:
        """What was said of a capture, the latest first, at most `MAX_ANALYSES`.

        Raises:
            NotFoundError: There is no such capture.
        """
        query = sa.select(ANALYSES).where(ANALYSES.c.capture == sha256).limit(MAX_ANALYSES)
        with self._parts.database.read() as connection:
            _one(connection, sha256)
            rows = connection.execute(query.order_by(*LATEST_FIRST)).mappings()
            return [Analysis(**row) for row in rows]

    def _analysis_ids(self, sha256: str) -> Sequence[str]:
        """All that were ever made of a capture."""
        query = sa.select(ANALYSES.c.id).where(ANALYSES.c.capture == sha256)
        with self._parts.database.read() as connection:
            return connection.execute(query).scalars().all()

    def analysis(self, analysis_id: str) -> Analysis:
        """One analysis.

        Raises:
            NotFoundError: There is none with that id.
        """
        query = sa.select(ANALYSES).where(ANALYSES.c.id == analysis_id)
        with self._parts.database.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise NotFoundError("analysis", analysis_id)
        return Analysis(**row)

    def current_analysis(self, sha256: str) -> Analysis | None:
        """The analysis that counts, or None before the first.

        Raises:
            NotFoundError: There is no such capture.
        """
        query = sa.select(ANALYSES).where(ANALYSES.c.capture == sha256, ANALYSES.c.current)
        with self._parts.database.read() as connection:
            _one(connection, sha256)
            latest = query.order_by(*LATEST_FIRST).limit(1)
            row = connection.execute(latest).mappings().first()
        return Analysis(**row) if row else None

    def path(self, sha256: str) -> Path:
        """Where a capture's bytes are.

        Raises:
            NotFoundError: There is no such capture, or its file was deleted.
        """
        if self.get(sha256).deleted:
            raise NotFoundError("capture file", sha256, hint="the capture was deleted")
        return self._parts.folder.capture_path(sha256)


def _on_disk(part: Path) -> None:
    with _disk():
        sync_file(part)


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"cannot keep the capture: {(error.strerror or str(error)).lower()}",
            hint="check the disk of the data folder",
        ) from error


def _standing_job(connection: sa.Connection, sha256: str) -> str:
    """The latest job of a capture, "" if there is none or it brought nothing."""
    table = schema.jobs.c
    row = connection.execute(
        sa.select(table.id, table.state)
        .where(table.capture == sha256)
        .order_by(table.created_ns.desc(), table.id.desc())
        .limit(1)
    ).first()
    if row is None or row.state in {JobState.FAILED, JobState.CANCELLED}:
        return ""
    return str(row.id)


def _one(connection: sa.Connection, sha256: str, *, lock: bool = False) -> dict[str, Any]:
    query = sa.select(TABLE).where(COLUMNS.sha256 == sha256)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise NotFoundError("capture", sha256, hint="GET /v1/captures lists them")
    return dict(row)


def _check_reason(reason: str, purpose: str) -> None:
    if not reason.strip() or len(reason) > MAX_REASON_CHARS:
        raise UsageError(
            f"cannot {purpose} with a reason of {len(reason)} characters",
            hint=f"say why in 1 to {MAX_REASON_CHARS} characters",
        )
