"""Gives back room that nothing needs any more.

What went: tables of analyses that later ones replaced, progress of jobs that ended long ago,
deliveries that arrived long ago and were followed by others, answers kept for repetition. Never
history: findings, their versions, comments, states of jobs and the audit log stay whole.
"""

from __future__ import annotations

import math
import shutil
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import exc

from analyzer.errors import ConflictError, StoreUnavailable
from analyzer.store import schema
from analyzer.store.folder import held_alone, in_use
from analyzer.store.maintenance.inventory import size_of
from analyzer.store.records import DeliveryState, JobState
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.store import Store

DAY_NS = 24 * 3600 * NS_PER_SECOND
KEEP_DAYS = 30
BATCH = 200
MAX_ROWS = 5000
"""Rows deleted in one transaction, so that nobody waits long."""

JOBS_AT_ONCE = 10
"""Jobs whose progress is deleted in one transaction; each has at most some thousand rows."""

REPLACED_NS = 3600 * NS_PER_SECOND
"""How long tables stay after others replaced them: someone may still be reading them."""

KEPT_EVENTS = ("state", "done")
ENDED = tuple(str(state) for state in JobState if state.ended)
ARRIVED = (str(DeliveryState.DELIVERED), str(DeliveryState.SKIPPED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """What went.

    Attributes:
        tables: Folders of tables.
        events: Events of jobs.
        deliveries: Rows of the outbox.
        requests: Answers that were kept for repetition.
        freed_bytes: Of files, the database among them where it is one.
    """

    tables: int
    events: int
    deliveries: int
    requests: int
    freed_bytes: int


def compact(
    store: Store, *, keep_days: int = KEEP_DAYS, busy: bool = False, most_s: float = math.inf
) -> Compaction:
    """Removes what is not needed; beside a running service too.

    Args:
        store: Which.
        keep_days: How long progress and deliveries are kept.
        busy: Whether others work with this store meanwhile: nothing is done for which writers
            would have to wait long.
        most_s: After how many seconds the rest is left to the next time.

    Raises:
        ConflictError: A backup is being made, or another compaction runs.
        StoreUnavailable: The database refuses.
    """
    until_s = time.monotonic() + most_s
    with held_alone(store.folder.maintenance_lock, wait=False) as free:
        if not free:
            raise ConflictError(
                "cannot compact the store: a backup is being made of it",
                hint="wait until that has ended",
            )
        before = _database_bytes(store)
        before_ns = store.now_ns() - keep_days * DAY_NS
        tables, table_bytes = _tables(store, until_s)
        events = _events(store, before_ns, until_s)
        deliveries = _deliveries(store, before_ns, until_s)
        requests = store.idempotency.prune()
        _tidy(store, busy=busy)
        return Compaction(
            tables=tables,
            events=events,
            deliveries=deliveries,
            requests=requests,
            freed_bytes=table_bytes + max(0, before - _database_bytes(store)),
        )


def _tables(store: Store, until_s: float) -> tuple[int, int]:
    """Tables of analyses that do not count any more: queries read current ones alone."""
    one, later = schema.analyses.c, schema.analyses.alias("later").c
    just_now = sa.exists().where(
        later.capture == one.capture,
        later.current,
        later.created_ns > store.now_ns() - REPLACED_NS,
    )
    with store.database.read() as connection:
        query = sa.select(one.id).where(one.current.is_(False), ~just_now)
        old = list(connection.execute(query).scalars())
    count = freed = 0
    for analysis_id in old:
        path = store.folder.tables_path(analysis_id)
        if path.is_dir() and time.monotonic() < until_s:
            freed += size_of(path)
            shutil.rmtree(path, ignore_errors=True)
            count += 1
    return count, freed


def _events(store: Store, before_ns: int, until_s: float) -> int:
    jobs, events = schema.jobs.c, schema.job_events
    progress = events.c.kind.not_in(KEPT_EVENTS)
    old = sa.select(jobs.id).where(
        jobs.state.in_(ENDED),
        jobs.finished_ns < before_ns,
        sa.exists().where(events.c.job_id == jobs.id, progress),
    )
    with store.database.read() as connection:
        ids = list(connection.execute(old).scalars())
    count = 0
    for start in range(0, len(ids), JOBS_AT_ONCE):
        if time.monotonic() >= until_s:
            break
        part: Sequence[str] = ids[start : start + JOBS_AT_ONCE]
        with store.database.write() as connection:
            gone = sa.delete(events).where(events.c.job_id.in_(part), progress)
            count += connection.execute(gone).rowcount
    return count


def _deliveries(store: Store, before_ns: int, until_s: float) -> int:
    """The last one of a finding to a sink stays: it says what that sink has heard of."""
    table = schema.outbox
    later = table.alias("later")
    followed = sa.exists().where(
        later.c.sink_id == table.c.sink_id,
        later.c.finding_id == table.c.finding_id,
        later.c.version > table.c.version,
    )
    arrived = table.c.state.in_(ARRIVED)
    query = (
        sa.select(table.c.id).where(arrived, table.c.done_ns < before_ns, followed).limit(MAX_ROWS)
    )
    count = 0
    while time.monotonic() < until_s:
        with store.database.read() as connection:  # a long look, for which no writer waits
            ids = list(connection.execute(query).scalars())
        if not ids:
            break
        with store.database.write() as connection:
            for start in range(0, len(ids), BATCH):
                part = table.c.id.in_(ids[start : start + BATCH])
                # Unless somebody wants it sent again since.
                count += connection.execute(sa.delete(table).where(part, arrived)).rowcount
    return count


def _tidy(store: Store, *, busy: bool) -> None:
    """Lets the database give its room back.

    Rewriting SQLite's file would stop a service's writes for as long as it takes, so beside one
    only its log is cut. Even for that writers wait until the slowest reader has ended, so within
    the service the log is only copied, to be written from its beginning again. PostgreSQL looks
    after itself there (autovacuum).
    """
    engine = store.database.engine.execution_options(isolation_level="AUTOCOMMIT")
    alone = store.exclusive or not in_use(store.folder)
    try:
        with engine.connect() as connection:
            if store.database.dialect == "postgresql":
                if not busy:
                    connection.exec_driver_sql("VACUUM (ANALYZE)")
                return
            cursor = connection.connection.cursor()
            cursor.execute("PRAGMA optimize")
            if alone and not busy:
                cursor.execute("VACUUM")
            cursor.execute(f"PRAGMA wal_checkpoint({'PASSIVE' if busy else 'TRUNCATE'})")
            cursor.close()
    except (exc.OperationalError, sqlite3.OperationalError) as error:
        raise StoreUnavailable(
            f"cannot compact the database: {getattr(error, 'orig', None) or error}",
            hint="what was removed stays so; try again when the disk has room and nobody writes",
        ) from error


def _database_bytes(store: Store) -> int:
    """Of the files of SQLite; those of PostgreSQL are elsewhere and count nothing."""
    path = store.folder.sqlite
    return sum(size_of(path.with_name(path.name + end)) for end in ("", "-wal"))
