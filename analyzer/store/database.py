"""One way to SQLite and PostgreSQL: engines, transactions, counters.

A write transaction on SQLite takes the write lock at its beginning (BEGIN IMMEDIATE), and writers
of one process wait for each other here, in order, and not in SQLite's busy handler. On PostgreSQL
the rows of `counters` do that work: whoever takes the next number of a counter holds its row until
the commit, so numbers become visible in their order and a reader never sees 8 before 7.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import exc

from analyzer.errors import ConfigError, StoreUnavailable
from analyzer.store import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer.store.folder import Folder

BUSY_TIMEOUT_S = 30
POOL_SIZE = 10
POOL_OVERFLOW = 30
POOL_TIMEOUT_S = 30
STATEMENT_TIMEOUT_MS = 60_000
DRIVERS = ("sqlite", "postgresql+psycopg")

NOT_THE_DATABASES_FAULT = (
    exc.DataError,
    exc.IntegrityError,
    exc.InternalError,
    exc.NotSupportedError,
    exc.ProgrammingError,
)
"""What says that a statement is wrong; a plain DatabaseError is SQLite's damaged file."""

WRITE = "outgate_write"


class Database:
    """An engine and the rules for using it.

    Attributes:
        engine: SQLAlchemy's; Alembic and maintenance use it directly.
        dialect: `sqlite` or `postgresql`.
        url: As given, the password hidden.
    """

    def __init__(self, folder: Folder, url: str = "") -> None:
        self.engine = _engine(folder, url)
        self.dialect = self.engine.dialect.name
        self.url = self.engine.url.render_as_string(hide_password=True)
        self._writer = threading.RLock()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one state of the database and changes nothing.

        Raises:
            StoreUnavailable: The database refuses.
        """
        with _translated(self.url), self.engine.connect() as plain:
            if self.dialect == "postgresql":
                # Otherwise each statement sees a state of its own, and what one of them learned
                # (which suppressions act) is no longer so for the next.
                yield plain.execution_options(isolation_level="REPEATABLE READ")
            else:
                yield plain

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction: all of it happens, or nothing.

        Raises:
            StoreUnavailable: The database refuses: full, locked, gone.
        """
        with _translated(self.url), self._turn(), self.engine.connect() as plain:
            connection = plain.execution_options(**{WRITE: True})
            with connection.begin():
                yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self.dialect != "sqlite":
            yield
            return
        with self._writer:
            yield

    def close(self) -> None:
        """Gives all connections back."""
        self.engine.dispose()


def take(connection: sa.Connection, counter: str, count: int = 1) -> int:
    """The first of `count` new numbers of a counter, which nobody else gets.

    The counter's row stays locked until the transaction ends.
    """
    table = schema.counters
    last = connection.execute(
        sa.update(table)
        .where(table.c.name == counter)
        .values(value=table.c.value + count)
        .returning(table.c.value)
    ).scalar_one()
    return int(last) - count + 1


def get_meta(connection: sa.Connection, name: str) -> str:
    """A value of the `meta` table, "" if it is not there."""
    table = schema.meta
    found = connection.execute(sa.select(table.c.value).where(table.c.name == name)).scalar()
    return str(found) if found is not None else ""


def set_meta(connection: sa.Connection, name: str, value: str) -> None:
    """Writes a value of the `meta` table."""
    table = schema.meta
    changed = connection.execute(sa.update(table).where(table.c.name == name).values(value=value))
    if not changed.rowcount:
        connection.execute(sa.insert(table).values(name=name, value=value))


def _engine(folder: Folder, url: str) -> sa.Engine:
    parsed = _parse(url or f"sqlite:///{folder.sqlite}")
    if parsed.get_backend_name() == "sqlite":
        engine = sa.create_engine(
            parsed,
            connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=POOL_TIMEOUT_S,
            poolclass=sa.QueuePool,
        )
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    return sa.create_engine(
        parsed,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 10,
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c timezone=UTC",
        },
    )


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError as error:
        raise ConfigError(
            "cannot read the database's URL",
            hint="write it as postgresql+psycopg://user@host/name, or leave it out for SQLite",
        ) from error
    if parsed.drivername not in DRIVERS:
        raise ConfigError(
            f"cannot use a database of the kind {parsed.drivername}",
            hint="known are postgresql+psycopg and sqlite",
        )
    return parsed


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not begin transactions by itself: `_begin_sqlite` says which kind.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # what was answered as accepted outlasts a power cut
        "foreign_keys = ON",
        f"busy_timeout = {BUSY_TIMEOUT_S * 1000}",
        "trusted_schema = OFF",
        "cell_size_check = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    wants_to_write = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if wants_to_write else "BEGIN")


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Turns what a driver raises when it cannot work into our error, and nothing else."""
    try:
        yield
    except (
        exc.DatabaseError,
        exc.InterfaceError,
        exc.TimeoutError,
        sqlite3.OperationalError,
    ) as error:
        if isinstance(error, NOT_THE_DATABASES_FAULT):
            raise
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise StoreUnavailable(
            f"cannot use the database {url}: {reason}",
            hint="check that it runs, that its disk has room, and who may use it",
        ) from error
