"""DuckDB in this process, locked down: it reads the Parquet files of one folder and nothing else.

No text of a user ever becomes SQL: queries are built from names in this package, and values are
bound. The lock is for the day that goes wrong: no extension is loaded, no other file and no network
is reached, no setting changes, and only a single SELECT is run. Nothing is spilled to disk.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analyzer.errors import LimitError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import duckdb
    import pyarrow as pa

BATCH_ROWS = 8192

LOCKS = (
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET python_enable_replacements = false",
    "SET temp_directory = ''",
)
LAST_LOCKS = ("SET enable_external_access = false", "SET lock_configuration = true")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryLimits:
    """Bounds of all queries together and of each.

    Attributes:
        memory_mib: What DuckDB may use for all queries; one that needs more fails.
        threads: What it may compute with.
        timeout_s: How long a query for one page may take.
        stream_timeout_s: How long a file may take to be written, the reader's pace included.
        queries: How many run at once; the next ones wait.
        wait_s: How long they wait before they are refused.
    """

    memory_mib: int = 1024
    threads: int = 2
    timeout_s: float = 20.0
    stream_timeout_s: float = 600.0
    queries: int = 8
    wait_s: float = 10.0


class QueryFailedError(StoreError):
    """DuckDB gave up on a query: a file is not what its first bytes promised, or a bug of ours."""


class Binder:
    """Collects the values of a query; the text gets their names alone."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def bind(self, value: object) -> str:
        """The placeholder for a value."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"${name}"


@dataclass(slots=True)
class Engine:
    """One DuckDB instance for one folder, made when it is first asked.

    Attributes:
        folder: Below it lie all files that can be read.
        limits: Bounds of its queries.
    """

    folder: Path
    limits: QueryLimits = field(default_factory=QueryLimits)
    _connection: duckdb.DuckDBPyConnection | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _turns: threading.BoundedSemaphore = field(init=False)

    def __post_init__(self) -> None:
        self._turns = threading.BoundedSemaphore(self.limits.queries)

    def arrow(self, sql: str, values: Mapping[str, Any]) -> pa.Table:
        """The rows of a query, all at once; the query itself bounds how many there are.

        Raises:
            LimitError: It takes too long or too much memory, or too many others run.
            QueryFailedError: DuckDB cannot run it on these files.
        """
        with self._query(sql, values) as reader:
            return reader.read_all()

    def close(self) -> None:
        """Gives the memory back; queries that run fail."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _query(self, sql: str, values: Mapping[str, Any]) -> Iterator[pa.RecordBatchReader]:
        import duckdb  # noqa: PLC0415 - slow to import

        timeout_s = self.limits.timeout_s
        if not self._turns.acquire(timeout=self.limits.wait_s):
            raise LimitError(
                f"cannot query the tables: {self.limits.queries} queries run already",
                hint="try again when they are done",
            )
        cursor = self._cursor()
        timer = threading.Timer(timeout_s, cursor.interrupt)
        timer.daemon = True
        try:
            timer.start()
            _require_one_select(sql)
            yield cursor.sql(sql, params=dict(values)).to_arrow_reader(BATCH_ROWS)
        except duckdb.InterruptException as error:
            raise _too_long(timeout_s) from error
        except duckdb.OutOfMemoryException as error:
            raise _too_large(self.limits.memory_mib) from error
        except (duckdb.Error, OSError, ValueError) as error:
            # Arrow wraps what DuckDB raises while a stream is read, and keeps only the words.
            text = str(error)
            if "INTERRUPT" in text:
                raise _too_long(timeout_s) from error
            if "Out of Memory" in text:
                raise _too_large(self.limits.memory_mib) from error
            raise QueryFailedError(f"cannot query the tables: {text.splitlines()[0]}") from error
        finally:
            timer.cancel()
            cursor.close()
            self._turns.release()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._connection is None:
                self._connection = _open(self.folder, self.limits)
            return self._connection.cursor()


def _open(folder: Path, limits: QueryLimits) -> duckdb.DuckDBPyConnection:
    import duckdb  # noqa: PLC0415 - slow to import

    connection = duckdb.connect(
        ":memory:",
        config={"memory_limit": f"{limits.memory_mib}MiB", "threads": limits.threads},
    )
    for statement in LOCKS:
        connection.execute(statement)
    # Settings take no bound values; quoting is doubled as SQL has it.
    quoted = str(folder).replace("'", "''")
    connection.execute(f"SET allowed_directories = ['{quoted}']")
    for statement in LAST_LOCKS:
        connection.execute(statement)
    return connection


def _require_one_select(sql: str) -> None:
    import duckdb  # noqa: PLC0415 - slow to import

    statements = duckdb.extract_statements(sql)
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise AssertionError("only a single SELECT is ever run on the tables")


def _too_long(timeout_s: float) -> LimitError:
    return LimitError(
        f"cannot finish the query within {timeout_s:g} seconds",
        hint="name fewer captures, a shorter time, or an address",
    )


def _too_large(memory_mib: int) -> LimitError:
    return LimitError(
        f"cannot finish the query in {memory_mib} MiB of memory",
        hint="ask for fewer rows or columns, name fewer captures, or group by less",
    )
