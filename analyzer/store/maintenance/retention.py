"""Which captures are kept for how long: the oldest go first, by age and by size.

What goes is the file and the tables of a capture; its row, its jobs, its findings and their history
stay. Never touched are captures under legal hold and those a job works on, and, unless it is
forced, those with a finding that is in a case.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.errors import ConflictError
from analyzer.store import schema
from analyzer.store.folder import held_alone
from analyzer.store.records import SERVICE, Actor, JobState, TriageStatus
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer.store import Store

DAY_NS = 24 * 3600 * NS_PER_SECOND
BATCH = 500
OPEN_STATES = (str(JobState.QUEUED), str(JobState.RUNNING))

log = logging.getLogger("outgate.store")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """What is kept; 0 sets no bound.

    Attributes:
        keep_days: Captures that came before that go.
        keep_bytes: The oldest go until all capture files together have no more.
        forced: Whether captures with findings in a case may go too.
    """

    keep_days: int = 0
    keep_bytes: int = 0
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """A capture that retention deletes, or would."""

    sha256: str
    name: str
    size_bytes: int
    created_ns: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What was done, or would be.

    Attributes:
        deleted: The oldest first.
        held: Captures that would go, and what keeps them.
        left_bytes: Of the capture files that stay.
        busy: Whether nothing was done because a backup is being made.
    """

    deleted: tuple[Expired, ...]
    held: tuple[Expired, ...]
    left_bytes: int
    busy: bool = False

    @property
    def freed_bytes(self) -> int:
        """Of the files that went."""
        return sum(one.size_bytes for one in self.deleted)


def enforce_retention(
    store: Store, settings: RetentionSettings, *, dry_run: bool = False, by: Actor = SERVICE
) -> Retention:
    """Deletes what is too old or too much.

    Args:
        store: Which.
        settings: What is kept.
        dry_run: Whether to say only what would go.
        by: Who, for the audit log.

    Raises:
        StoreUnavailable: The database refuses.
    """
    if not settings.keep_days and not settings.keep_bytes:
        return Retention(deleted=(), held=(), left_bytes=_total_bytes(store))
    if dry_run:
        return _enforce(store, settings, dry_run=True, by=by)
    with held_alone(store.folder.maintenance_lock, wait=False) as free:
        if not free:
            left = _total_bytes(store)
            return Retention(deleted=(), held=(), left_bytes=left, busy=True)
        return _enforce(store, settings, dry_run=False, by=by)


def _enforce(store: Store, settings: RetentionSettings, *, dry_run: bool, by: Actor) -> Retention:
    left_bytes = _total_bytes(store)
    oldest_ns = store.now_ns() - settings.keep_days * DAY_NS if settings.keep_days else 0
    deleted: list[Expired] = []
    held: list[Expired] = []
    for row in _oldest_first(store):
        too_old = row["created_ns"] < oldest_ns
        too_much = bool(settings.keep_bytes) and left_bytes > settings.keep_bytes
        if not too_old and not too_much:
            break  # whatever follows came later
        why = f"retention: older than {settings.keep_days} days"
        if not too_old:
            why = f"retention: captures have more than {settings.keep_bytes} bytes"
        keeps = _keeps(row, forced=settings.forced)
        if keeps or not (dry_run or _delete(store, row["sha256"], why, by)):
            held.append(_expired(row, keeps or "a job works on it"))
            continue
        deleted.append(_expired(row, why))
        left_bytes -= row["size_bytes"]
    return Retention(deleted=tuple(deleted), held=tuple(held), left_bytes=left_bytes)


def _delete(store: Store, sha256: str, reason: str, by: Actor) -> bool:
    try:
        store.captures.delete(sha256, reason=reason, by=by)
    except ConflictError as error:  # somebody was faster: a hold, a job
        log.info("retention leaves a capture alone: %s", error)
        return False
    log.info("retention deleted capture %s: %s", sha256, reason)
    return True


def _keeps(row: dict[str, Any], *, forced: bool) -> str:
    if row["legal_hold"]:
        return f"it is under legal hold ({row['hold_reason']})"
    if row["open_jobs"]:
        return "a job works on it"
    if row["in_case"] and not forced:
        return "a finding of it is in a case"
    return ""


def _expired(row: dict[str, Any], reason: str) -> Expired:
    fields = {name: row[name] for name in ("sha256", "name", "size_bytes", "created_ns")}
    return Expired(**fields, reason=reason)


def _oldest_first(store: Store) -> Iterator[dict[str, Any]]:
    held, jobs, findings = schema.captures.c, schema.jobs.c, schema.findings.c
    open_jobs = sa.exists().where(jobs.capture == held.sha256, jobs.state.in_(OPEN_STATES))
    in_case = sa.exists().where(
        findings.capture == held.sha256, findings.status == str(TriageStatus.IN_CASE)
    )
    query = (
        sa.select(schema.captures, open_jobs.label("open_jobs"), in_case.label("in_case"))
        .where(held.deleted.is_(False))
        .order_by(held.created_ns, held.sha256)
        .limit(BATCH)
    )
    last: tuple[int, str] = (-1, "")
    while True:
        behind = sa.or_(
            held.created_ns > last[0],
            sa.and_(held.created_ns == last[0], held.sha256 > last[1]),
        )
        with store.database.read() as connection:
            rows = [dict(row) for row in connection.execute(query.where(behind)).mappings()]
        yield from rows
        if len(rows) < BATCH:
            return
        last = (rows[-1]["created_ns"], rows[-1]["sha256"])


def _total_bytes(store: Store) -> int:
    held = schema.captures.c
    query = sa.select(sa.func.sum(held.size_bytes)).where(held.deleted.is_(False))
    with store.database.read() as connection:
        return int(connection.execute(query).scalar() or 0)
