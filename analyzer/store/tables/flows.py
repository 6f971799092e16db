"""Flows of all captures: a page of rows, or a file of many."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from analyzer.errors import LimitError, StoreUnavailable, UsageError
from analyzer.store.tables.columns import DEFAULT_COLUMNS, Kind, columns_named
from analyzer.store.tables.conditions import condition, name_tables
from analyzer.store.tables.names import NAME_TABLES, own_name, relations, resolved_name
from analyzer.store.tables.paging import Cursor, after, cursor_from, order_of
from analyzer.store.tables.selection import FlowSelection, Selected, select

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from analyzer.store.tables.columns import Column
    from analyzer.store.tables.engine import Binder
    from analyzer.store.tables.files import Gap, Scope
    from analyzer.store.tables.paging import Order
    from analyzer.store.tables.reader import Reader

MAX_PAGE_ROWS = 10_000
MAX_STREAM_ROWS = 1_000_000
STREAM_PART_ROWS = 50_000
"""Rows of a stream that are read at a time."""
MAX_TEXT_CHARS = 1_024
"""Longest text of one cell; the core keeps far below it."""

DEFAULT_SORT = "start"
_NAMED = {"name": tuple(NAME_TABLES), "sni": ("sni",), "http_host": ("http_host",)}
_NAMED["dns_name"] = ("dns_name",)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowQuery:
    """Which flows, what of them, and in which order.

    Attributes:
        selection: Which.
        columns: Names of what is shown.
        sort: Up to three names, a minus before one to begin with the largest.
        limit: Rows at most.
        after: `next` of the page before, or "".
    """

    selection: FlowSelection = field(default_factory=FlowSelection)
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    sort: str = DEFAULT_SORT
    limit: int = 100
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPage:
    """Some flows, as an Arrow table, or as batches that can be taken once.

    Attributes:
        columns: Of the rows, in order.
        rows: The batches, times as timestamps of nanoseconds.
        schema: Theirs.
        total: How many flows there are on all pages.
        next: Where the next page begins, or "" after the last.
        gaps: What was not read.
    """

    columns: tuple[Column, ...]
    rows: Iterator[pa.RecordBatch]
    schema: pa.Schema
    total: int
    next: str
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A query, read and checked."""

    query: FlowQuery
    selected: Selected
    columns: tuple[Column, ...]
    order: Order
    cursor: Cursor | None

    @property
    def name_columns(self) -> tuple[str, ...]:
        """Names to look up for the rows of the page."""
        wanted = [part for column in self.columns for part in _NAMED.get(column.name, ())]
        return tuple(dict.fromkeys(wanted))


def flow_page(reader: Reader, query: FlowQuery) -> FlowPage:
    """One page; everything is read when it returns.

    Raises:
        UsageError: The filter, a column, the order or the cursor makes no sense.
        NotFoundError: A named capture or finding is not known.
        LimitError: It takes too long or too much memory.
    """
    _check_limit(query.limit, MAX_PAGE_ROWS)
    plan, scope = _plan(reader, query)
    keys, total, scope = _keys(reader, plan, scope)
    picked = keys.slice(0, query.limit)
    found, whole = reader.table(scope, lambda part, binder: _rows_sql(plan, part, binder, picked))
    schema = schema_of(plan.columns)
    return FlowPage(
        columns=plan.columns,
        rows=(arranged(batch, plan.columns, whole, schema) for batch in found.to_batches()),
        schema=schema,
        total=total,
        next=_next(plan, scope, picked, total) if keys.num_rows > query.limit else "",
        gaps=whole.gaps + plan.selected.gaps,
    )


def flow_stream(reader: Reader, query: FlowQuery) -> FlowPage:
    """Many rows: their keys are found at once, the rows read in parts while they are taken.

    So memory stays flat, and a slow reader holds nothing up.

    Raises:
        UsageError, NotFoundError, LimitError: As for `flow_page`.
    """
    _check_limit(query.limit, MAX_STREAM_ROWS)
    plan, scope = _plan(reader, query)
    keys, total, scope = _keys(reader, plan, scope)
    picked = keys.slice(0, query.limit)
    return FlowPage(
        columns=plan.columns,
        rows=_parts(reader, plan, scope, picked),
        schema=schema_of(plan.columns),
        total=total,
        next=_next(plan, scope, picked, total) if keys.num_rows > query.limit else "",
        gaps=scope.gaps + plan.selected.gaps,
    )


def _parts(reader: Reader, plan: _Plan, scope: Scope, picked: pa.Table) -> Iterator[pa.RecordBatch]:
    """The rows of keys, some at a time.

    Raises:
        LimitError: The reader takes too long.
        StoreUnavailable: A file cannot be read any more: better no end than rows left out.
    """
    schema = schema_of(plan.columns)
    timeout_s = reader.engine.limits.stream_timeout_s
    end_s = time.monotonic() + timeout_s
    for first in range(0, picked.num_rows, STREAM_PART_ROWS):
        if time.monotonic() > end_s:
            raise LimitError(f"cannot go on after {timeout_s:g} seconds", hint="ask for fewer rows")
        some = picked.slice(first, STREAM_PART_ROWS)
        found, left = reader.table(scope, partial(_rows_sql, plan, picked=some))
        if found.num_rows != some.num_rows or left.gaps != scope.gaps:
            raise StoreUnavailable(
                "cannot go on: tables changed or broke while they were read", hint="ask again"
            )
        for batch in found.to_batches():
            yield arranged(batch, plan.columns, scope, schema)


def schema_of(columns: tuple[Column, ...]) -> pa.Schema:
    """The Arrow schema of rows with these columns."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    types = {Kind.TIME: pa.timestamp("ns", "UTC"), Kind.FLAG: pa.bool_()}
    types |= {Kind.INTEGER: pa.int64(), Kind.DURATION: pa.int64()}
    return pa.schema([(column.name, types.get(column.kind, pa.string())) for column in columns])


def arranged(
    batch: pa.RecordBatch, columns: tuple[Column, ...], scope: Scope, schema: pa.Schema
) -> pa.RecordBatch:
    """A batch of DuckDB's with the columns as they are shown."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    captures = pa.array([source.capture for source in scope.sources], pa.string())
    arrays = []
    for column, kind in zip(columns, schema.types, strict=True):
        values = batch.column(f"out_{column.name}")
        arrays.append(captures.take(values) if column.name == "capture" else values.cast(kind))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _plan(reader: Reader, query: FlowQuery) -> tuple[_Plan, Scope]:
    columns = columns_named(query.columns or DEFAULT_COLUMNS, "show")
    order = order_of(query.sort or DEFAULT_SORT)
    selected = select(reader.database, query.selection)
    identity = _identity(query)
    cursor = cursor_from(query.after, identity, order) if query.after else None
    plan = _Plan(query=query, selected=selected, columns=columns, order=order, cursor=cursor)
    needed = {NAME_TABLES[part] for part in plan.name_columns} | set(name_tables(selected.terms))
    scope = reader.scope(selected.captures, ("flows", *sorted(needed)), selected.admits)
    return plan, scope


def _identity(query: FlowQuery) -> object:
    return (query.selection, query.sort or DEFAULT_SORT)


def _keys(reader: Reader, plan: _Plan, scope: Scope) -> tuple[pa.Table, int, Scope]:
    """The keys of the rows of a page and of one more, and how many rows all pages have."""

    def build(part: Scope, binder: Binder) -> str:
        entries = relations(part, name_tables(plan.selected.terms), binder)
        keys = ", ".join([*plan.order.keys("key_"), "place", "flow_id"])
        total, where = "0", [*_where(plan, binder)]
        if plan.cursor is not None:
            where.append(after(plan.order, plan.cursor.key, part.sources, binder))
        # All that match are kept to be counted; without a condition, the files' footers tell.
        materialized = "MATERIALIZED" if where and plan.cursor is None else "NOT MATERIALIZED"
        rows = f"SELECT {keys} FROM flows WHERE {' AND '.join(where) or 'true'}"
        entries.append(f"matched AS {materialized} ({rows})")
        if plan.cursor is None:
            total = "(SELECT count(*) FROM matched)" if where else "(SELECT count(*) FROM flows)"
        order = plan.order.sql("key_")
        return (
            f"WITH {', '.join(entries)}, total AS (SELECT {total} AS total) "
            f"SELECT one.*, total.total FROM total LEFT JOIN (SELECT * FROM matched "
            f"ORDER BY {order} LIMIT {int(plan.query.limit) + 1}) AS one ON true ORDER BY {order}"
        )

    found, scope = reader.table(scope, build)
    total = plan.cursor.total if plan.cursor else int(found.column("total")[0].as_py())
    return found.filter(found.column("flow_id").is_valid()), total, scope


def _where(plan: _Plan, binder: Binder) -> list[str]:
    parts = plan.selected.conditions(binder)
    return [condition(plan.selected.terms, binder), *parts] if plan.selected.terms else parts


def _rows_sql(plan: _Plan, scope: Scope, binder: Binder, picked: pa.Table) -> str:
    """The rows of some keys: only what belongs to them is read."""
    of = picked.column("place").to_pylist()
    scope = scope.only(frozenset(of))
    places, numbers = binder.bind(of), binder.bind(picked.column("flow_id").to_pylist())
    # A table that none of these captures has costs time to plan, and gives nothing.
    parts = [one for one in plan.name_columns if scope.files[NAME_TABLES[one]]]
    entries = relations(scope, sorted({NAME_TABLES[one] for one in parts}), binder)
    rows = (
        f"FROM flows SEMI JOIN (SELECT unnest({places}::BIGINT[]) AS place, "
        f"unnest({numbers}::BIGINT[]) AS flow_id) AS picked USING (place, flow_id) "
        f"WHERE flow_id IN (SELECT unnest({numbers}::BIGINT[]))"
    )
    own = [column for column in plan.columns if not column.is_name]
    shown = [f"{_cell(column)} AS out_{column.name}" for column in own]
    keys = [*plan.order.keys("key_"), "place", "flow_id", "start_ns", "dst_ip"]
    page = f"SELECT {', '.join([*shown, *keys])} {rows}"
    order = plan.order.sql("key_")
    if not plan.name_columns:
        return f"WITH {', '.join(entries)}, page AS ({page}) SELECT * FROM page ORDER BY {order}"
    entries.append(f"page AS MATERIALIZED ({page})")
    joins, found = [], {}
    for part in parts:
        names = resolved_name() if part == "dns_name" else own_name(part)
        joins.append(f"LEFT JOIN ({names}) AS of_{part} USING (place, flow_id)")
        found[part] = f"nullif(of_{part}.found, '')"
    for column in plan.columns:
        if column.is_name:
            known = [found[part] for part in _NAMED[column.name] if part in found]
            either = ", ".join([*known, "''"])
            shown.append(f"coalesce({either}) AS out_{column.name}")
    cells = [f"page.out_{column.name}" for column in own] + shown[len(own) :]
    cells += [f"page.key_{number}" for number in range(len(plan.order.columns))]
    return (
        f"WITH {', '.join(entries)} SELECT {', '.join(cells)}, place, flow_id FROM page "
        f"{' '.join(joins)} ORDER BY {order}"
    )


def _cell(column: Column) -> str:
    is_text = column.kind in {Kind.TEXT, Kind.WORD, Kind.ADDRESS} and column.name != "capture"
    return f"left({column.output}, {MAX_TEXT_CHARS})" if is_text else column.output


def _next(plan: _Plan, scope: Scope, rows: pa.Table, total: int) -> str:
    """The cursor after the last of these rows."""
    last: dict[str, Any] = rows.slice(rows.num_rows - 1, 1).to_pylist()[0]
    capture = scope.sources[last["place"]].capture
    values = [
        capture if column.name == "capture" else last[f"key_{number}"]
        for number, column in enumerate(plan.order.columns)
    ]
    cursor = Cursor(total=total, key=(*values, capture, last["flow_id"]))
    return cursor.text(_identity(replace(plan.query, after="")))


def _check_limit(limit: int, most: int) -> None:
    if not 1 <= limit <= most:
        raise UsageError(
            f"cannot give {limit} rows at once: 1 to {most} can be asked for",
            hint="go on with the cursor `next` after each page",
        )
