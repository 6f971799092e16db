"""What the service keeps: captures, jobs, findings, and what people decided about them.

    Store.open(folder)                            SQLite in the folder, needs nothing else
    Store.open(folder, "postgresql+psycopg://…")  the same on PostgreSQL; files stay in the folder

Every change is one transaction with its audit entry. `analyzer.store.ledger` is the only place that
numbers the feed of findings.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from analyzer.errors import StoreUnavailable
from analyzer.store import migrations
from analyzer.store.audit import Audit
from analyzer.store.captures import Captures
from analyzer.store.database import Database, get_meta, set_meta, take
from analyzer.store.findings import Findings
from analyzer.store.folder import Folder, FolderLock
from analyzer.store.idempotency import Idempotency
from analyzer.store.jobs import Jobs
from analyzer.store.keys import Keys
from analyzer.store.outbox import Outbox
from analyzer.store.parts import Parts
from analyzer.store.sinks import Sinks
from analyzer.store.suppressions import Suppressions
from analyzer.store.tables import Tables
from analyzer.store.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

__all__ = ["Store"]

FOLDER_OF_DATABASE = "folder"


class Store:
    """One store: a data folder and a database.

    Attributes:
        folder: Paths of the files.
        database: Engine and transactions, for maintenance.
        audit, captures, findings, idempotency, jobs, keys, outbox, sinks, suppressions, tables,
            uploads:
            One part for each kind of thing.
        exclusive: Whether this is the one service of the folder.
        epoch: Changes when a backup is restored, so that cursors from before are recognised.
    """

    def __init__(self, parts: Parts, lock: FolderLock | None) -> None:
        self._parts = parts
        self._lock = lock
        self.exclusive = lock is not None
        self.folder = parts.folder
        self.database = parts.database
        self.audit = Audit(parts)
        self.jobs = Jobs(parts, self.audit)
        self.captures = Captures(parts, self.audit, self.jobs)
        self.findings = Findings(parts, self.audit)
        self.suppressions = Suppressions(parts, self.audit)
        self.keys = Keys(parts, self.audit)
        self.sinks = Sinks(parts, self.audit)
        self.outbox = Outbox(parts, self.audit)
        self.uploads = Uploads(parts)
        self.idempotency = Idempotency(parts)
        self.tables = Tables(parts.folder.tables, parts.database)
        with self.database.read() as connection:
            self.epoch = get_meta(connection, "epoch")

    @classmethod
    def open(
        cls,
        folder: Path,
        database: str = "",
        *,
        exclusive: bool = False,
        migrate: bool = True,
        clock: Callable[[], int] = time.time_ns,
    ) -> Store:
        """Opens a store and makes what is missing.

        Args:
            folder: The data folder.
            database: A SQLAlchemy URL; "" is SQLite in the folder.
            exclusive: Whether to be the one service of the folder; commands beside it are not.
            migrate: Whether to bring an older database to the newest shape.
            clock: Nanoseconds since 1970.

        Raises:
            StoreUnavailable: Another service has the folder, the database refuses, is newer than
                this version, older while `migrate` is off, or belongs to another folder.
            ConfigError: The URL makes no sense.
        """
        place = Folder(folder)
        place.make()
        lock = FolderLock(place) if exclusive else None
        opened = Database(place, database)
        try:
            _bring_up(opened, migrate=migrate)
            parts = Parts(database=opened, folder=place, now_ns=clock, secret=place.secret())
            _check_pair(parts)
            return cls(parts, lock)
        except BaseException:
            opened.close()
            if lock:
                lock.release()
            raise

    def now_ns(self) -> int:
        """The store's clock."""
        return self._parts.now_ns()

    def close(self) -> None:
        """Gives the database and the folder back."""
        self.tables.close()
        self.database.close()
        if self._lock:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _bring_up(database: Database, *, migrate: bool) -> None:
    if migrate:
        migrations.upgrade(database)
        return
    with database.read() as connection:
        found = migrations.current(connection)
    if found != migrations.newest():
        raise StoreUnavailable(
            f"cannot use the database: it is at revision {found or 'none'},"
            f" this version needs {migrations.newest()}",
            hint="start `outgate serve` once, which brings it up to date",
        )


def _check_pair(parts: Parts) -> None:
    """Refuses a database that was used with another folder: its captures would be missing."""
    mark = hashlib.sha256(b"folder" + parts.secret).hexdigest()[:16]
    with parts.database.read() as connection:
        known = get_meta(connection, FOLDER_OF_DATABASE)
    if not known:
        with parts.database.write() as connection:
            take(connection, "audit", 0)  # two that open it for the first time take turns
            known = get_meta(connection, FOLDER_OF_DATABASE)
            if not known:
                set_meta(connection, FOLDER_OF_DATABASE, mark)
                known = mark
    if known != mark:
        raise StoreUnavailable(
            f"cannot use {parts.database.url} with {parts.folder.root}:"
            " the database belongs to another data folder",
            hint="name the folder it was made with, or restore both from one backup",
        )
