"""The Parquet files of analyses: which can be read, and what becomes of those that cannot.

A file's footer is read once and remembered by the file's identity. A file that is missing, cut,
damaged or of another shape is a gap: the answer names it and holds everything else.
"""

from __future__ import annotations

import stat
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from analyzer.store.tables import shapes
from analyzer.store.tables.sources import flow_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from analyzer.store.database import Database
    from analyzer.store.tables.engine import Binder
    from analyzer.store.tables.sources import Source, Sources

MAX_REMEMBERED_FILES = 50_000
MAX_GAPS_NAMED = 100
MAX_REASON_CHARS = 200
MAX_FOOTER_BYTES = 16 * 1024 * 1024

MAX_ROWS = 50_000_000
"""Rows of one file. A query reads every row, and few bytes can say "the same again" of billions."""

FEW_ROWS = 100_000
"""Rows a file may have whatever its size, and without a look at what its report counted."""

MAX_ROWS_PER_BYTE = 4
"""Rows beyond those, for each byte of the file: real ones differ at least in their time."""

Identity = tuple[str, int, int, int]
"""Path, inode, size and time of change of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One table of one analysis that an answer does without.

    Attributes:
        capture: SHA-256, or "" where several are meant.
        analysis_id: Whose table, or "".
        table: Which, or "" for all of the analysis.
        reason: What is wrong with it.
    """

    capture: str
    analysis_id: str
    table: str
    reason: str


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file stores: its columns as SQL, in the order of the shape, or what is wrong."""

    columns: tuple[str, ...] = ()
    problem: str = ""
    rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one query reads.

    Attributes:
        sources: The analyses, by capture; a row's `place` is an index into it.
        files: For each table, the columns of each file by place.
        gaps: What is not read.
    """

    folder: Path
    sources: tuple[Source, ...]
    files: Mapping[str, Mapping[int, tuple[str, ...]]]
    gaps: tuple[Gap, ...] = ()

    def path(self, place: int, table: str) -> Path:
        """Where a table of an analysis is."""
        return self.folder / self.sources[place].analysis_id / f"{table}.parquet"

    def relation(self, table: str, binder: Binder) -> str:
        """SQL of a table of all analyses: its columns, and `place`.

        Files that store the same columns are read together.
        """
        groups: dict[tuple[str, ...], list[int]] = {}
        for place, columns in self.files[table].items():
            groups.setdefault(columns, []).append(place)
        parts = [self._group(table, columns, places, binder) for columns, places in groups.items()]
        return " UNION ALL ".join(parts) if parts else _no_rows(table)

    def only(self, places: frozenset[int]) -> Scope:
        """The same for some of the analyses."""
        return self._filtered(lambda place, _table: place in places)

    def without(self, bad: frozenset[tuple[int, str]], gaps: tuple[Gap, ...]) -> Scope:
        """The same without some tables, as (place, table), and with the gaps these leave."""
        kept = self._filtered(lambda place, table: (place, table) not in bad)
        return replace(kept, gaps=self.gaps + gaps)

    def _filtered(self, keep: Callable[[int, str], bool]) -> Scope:
        files = {
            table: {place: columns for place, columns in held.items() if keep(place, table)}
            for table, held in self.files.items()
        }
        return replace(self, files=files)

    def _group(
        self, table: str, columns: tuple[str, ...], places: list[int], binder: Binder
    ) -> str:
        paths = binder.bind([str(self.path(place, table)) for place in places])
        numbers = binder.bind(places)
        return (
            f"SELECT {', '.join(columns)}, place FROM read_parquet({paths}, filename = true) "
            f"JOIN (SELECT unnest({paths}) AS filename, unnest({numbers}) AS place) "
            "USING (filename)"
        )


@dataclass(slots=True)
class TableFiles:
    """Opens tables of analyses for queries and remembers their footers.

    Attributes:
        folder: Holds a folder for each analysis.
        database: Tells what a missing file ought to hold.
    """

    folder: Path
    database: Database
    _footers: OrderedDict[Identity, Footer] = field(default_factory=OrderedDict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def scope(self, sources: Sources, tables: tuple[str, ...]) -> Scope:
        """What can be read of the tables of these analyses."""
        files: dict[str, dict[int, tuple[str, ...]]] = {table: {} for table in tables}
        gaps: list[Gap] = []
        absent: list[Source] = []
        for place, source in enumerate(sources.found):
            for table in tables:
                footer = self._footer(source, table)
                if footer is None:
                    absent += [source] if table == "flows" else []
                elif footer.problem:
                    gaps.append(_gap(source, table, footer.problem))
                else:
                    files[table][place] = footer.columns
        gaps += self._missing(absent)
        if sources.left_out:
            reason = f"{sources.left_out} older captures are left out: name captures to read them"
            gaps.append(Gap(capture="", analysis_id="", table="", reason=reason))
        return Scope(folder=self.folder, sources=sources.found, files=files, gaps=tuple(gaps))

    def condemn(self, path: Path, reason: str) -> None:
        """Remembers that a file cannot be read although its footer can."""
        identity = _identity(path)
        if identity is not None:
            with self._lock:
                self._footers[identity] = Footer(problem=reason[:MAX_REASON_CHARS])

    def _missing(self, absent: list[Source]) -> list[Gap]:
        """Analyses without a flow table whose report speaks of flows."""
        if not absent:
            return []
        counted = flow_counts(self.database, [source.analysis_id for source in absent])
        return [
            _gap(source, "flows", f"the file of {counted[source.analysis_id]} flows is missing")
            for source in absent
            if counted.get(source.analysis_id)
        ]

    def _footer(self, source: Source, table: str) -> Footer | None:
        path = self.folder / source.analysis_id / f"{table}.parquet"
        identity = _identity(path)
        if identity is None:
            return None
        with self._lock:
            known = self._footers.get(identity)
            if known is not None:
                self._footers.move_to_end(identity)
                return known
        footer = _read_footer(path, table)
        if table == "flows" and footer.rows > FEW_ROWS:
            footer = self._as_counted(source, footer)
        with self._lock:
            self._footers[identity] = footer
            while len(self._footers) > MAX_REMEMBERED_FILES:
                self._footers.popitem(last=False)
        return footer

    def _as_counted(self, source: Source, footer: Footer) -> Footer:
        """The footer, unless it claims more flows than the report; one may not say how many."""
        counted = flow_counts(self.database, [source.analysis_id]).get(source.analysis_id, 0)
        if not counted or footer.rows <= counted:
            return footer
        return Footer(problem=f"it claims {footer.rows} flows, and its report {counted}")


def _read_footer(path: Path, table: str) -> Footer:
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import parquet  # noqa: PLC0415 - as above

    try:
        # A link could lead out of the folder, and opening a pipe would wait for its writer.
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode):
            return Footer(problem="it is no regular file")
        with parquet.ParquetFile(
            path,
            thrift_string_size_limit=MAX_FOOTER_BYTES,
            thrift_container_size_limit=MAX_FOOTER_BYTES,
        ) as file:
            schema = file.schema_arrow
            rows = _claimed_rows(file.metadata)
    except (OSError, pa.ArrowException, ValueError) as error:
        reason = " ".join(str(error).split())[:MAX_REASON_CHARS]
        return Footer(problem=f"it is no Parquet file: {reason}".replace(str(path), path.name))
    most = min(MAX_ROWS, FEW_ROWS + MAX_ROWS_PER_BYTE * about.st_size)
    if rows > most:
        return Footer(problem=f"it claims {rows} rows in {about.st_size} bytes, more than {most}")
    stored = {
        name: shapes.kind_of(kind) for name, kind in zip(schema.names, schema.types, strict=True)
    }
    try:
        columns = tuple(shapes.expression(table, column, stored) for column in shapes.SHAPES[table])
    except ValueError as error:
        return Footer(problem=str(error))
    return Footer(columns=columns, rows=rows)


def _claimed_rows(metadata: Any) -> int:  # noqa: ANN401 - Arrow ships no types
    """Rows of the file or of its row groups, whichever says more: a reader may go by either.

    Raises:
        ValueError: One of the numbers is negative.
    """
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    if min([metadata.num_rows, *groups]) < 0:
        raise ValueError("it claims less than no rows")
    return int(max(metadata.num_rows, sum(groups)))


def _identity(path: Path) -> Identity | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return (str(path), found.st_ino, found.st_size, found.st_mtime_ns)


def _gap(source: Source, table: str, reason: str) -> Gap:
    return Gap(capture=source.capture, analysis_id=source.analysis_id, table=table, reason=reason)


def _no_rows(table: str) -> str:
    columns = ", ".join(
        f"CAST(NULL AS {shapes.CAST[kind]}) AS {name}"
        for name, kind in shapes.SHAPES[table].items()
    )
    return f"SELECT {columns}, CAST(NULL AS BIGINT) AS place WHERE false"
