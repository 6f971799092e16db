"""Flows added up by what they have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analyzer.errors import UsageError
from analyzer.store.tables.columns import COLUMNS, Column, Kind, columns_named
from analyzer.store.tables.conditions import condition, name_tables
from analyzer.store.tables.flows import MAX_TEXT_CHARS
from analyzer.store.tables.names import relations
from analyzer.store.tables.selection import FlowSelection, select
from analyzer.store.tables.values import MAX_INTEGER

if TYPE_CHECKING:
    import pyarrow as pa

    from analyzer.store.tables.engine import Binder
    from analyzer.store.tables.files import Gap, Scope
    from analyzer.store.tables.reader import Reader

MAX_GROUP_COLUMNS = 4
MAX_AGGREGATES = 8
MAX_GROUPS = 10_000
"""Groups of one answer, the largest first."""

_FUNCTION = re.compile(r"(sum|min|max|avg|count_distinct)\(([a-z_]{1,32})\)", re.ASCII)
_WHOLE = f"CAST(least({{}}, {MAX_INTEGER}) AS BIGINT)"


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateQuery:
    """How flows are added up.

    Attributes:
        selection: Which flows.
        group_by: Names of columns; none gives one row for all.
        aggregates: `count`, `sum(bytes)`, `min(start)`, `max(end)`, `avg(duration_ns)`,
            `count_distinct(dst_ip)`.
        sort: One of the columns or aggregates asked for, a minus before it for the largest first;
            "" is the first aggregate, the largest first.
        limit: Groups at most.
    """

    selection: FlowSelection = field(default_factory=FlowSelection)
    group_by: tuple[str, ...] = ()
    aggregates: tuple[str, ...] = ("count",)
    sort: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Some groups of flows.

    Attributes:
        rows: A column for each that was asked for, by its name.
        times: Which of them are times.
        total_groups: How many groups there are in all.
        total_flows: How many flows are in them.
        gaps: What was not read.
    """

    rows: pa.Table
    times: tuple[str, ...]
    total_groups: int
    total_flows: int
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measure:
    """One figure of a group: its name, its SQL, and whether it is a time."""

    name: str
    sql: str
    is_time: bool = False


def aggregate_flows(reader: Reader, query: AggregateQuery) -> Groups:
    """Adds up flows.

    Raises:
        UsageError: The filter, a column or a figure makes no sense.
        NotFoundError: A named capture or finding is not known.
        LimitError: It takes too long or too much memory.
    """
    groups = _group_columns(query)
    measures = [_measure(text) for text in _measures(query)]
    order = _order(query.sort, groups, measures)
    selected = select(reader.database, query.selection)
    tables = name_tables(selected.terms)
    if not 1 <= query.limit <= MAX_GROUPS:
        raise UsageError(f"cannot give {query.limit} groups: 1 to {MAX_GROUPS} can be asked for")

    def build(part: Scope, binder: Binder) -> str:
        entries = relations(part, tables, binder)
        where = [condition(selected.terms, binder), *selected.conditions(binder)]
        cells = [f"{column.output} AS by_{n}" for n, column in enumerate(groups)]
        cells += [f"{measure.sql} AS out_{n}" for n, measure in enumerate(measures)]
        grouped = f"GROUP BY {', '.join(f'by_{n}' for n in range(len(groups)))}" if groups else ""
        entries.append(
            f"grouped AS MATERIALIZED (SELECT {', '.join([*cells, 'count(*) AS flows_in'])} "
            f"FROM flows WHERE {' AND '.join(where)} {grouped})"
        )
        return (
            f"WITH {', '.join(entries)} SELECT *, (SELECT count(*) FROM grouped) AS all_groups, "
            f"CAST((SELECT sum(flows_in) FROM grouped) AS BIGINT) AS all_flows "
            f"FROM grouped ORDER BY {order} LIMIT {int(query.limit)}"
        )

    scope = reader.scope(selected.captures, ("flows", *tables), selected.admits)
    found, scope = reader.table(scope, build)
    return Groups(
        rows=_named(found, groups, measures, scope),
        times=tuple(measure.name for measure in measures if measure.is_time),
        total_groups=found.column("all_groups")[0].as_py() if found.num_rows else 0,
        total_flows=found.column("all_flows")[0].as_py() if found.num_rows else 0,
        gaps=scope.gaps + selected.gaps,
    )


def _group_columns(query: AggregateQuery) -> tuple[Column, ...]:
    if len(query.group_by) > MAX_GROUP_COLUMNS:
        raise UsageError(f"cannot group by more than {MAX_GROUP_COLUMNS} columns")
    columns = columns_named(query.group_by, "group by")
    for column in columns:
        if not column.can_group:
            names = ", ".join(name for name, one in COLUMNS.items() if one.can_group)
            raise UsageError(f"cannot group by {column.name}", hint=f"these can: {names}")
    return columns


def _measures(query: AggregateQuery) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.strip().lower() for text in query.aggregates)) or ("count",)
    if len(names) > MAX_AGGREGATES:
        raise UsageError(f"cannot compute more than {MAX_AGGREGATES} figures at once")
    return names


def _measure(text: str) -> _Measure:
    if text == "count":
        return _Measure(name=text, sql="count(*)")
    found = _FUNCTION.fullmatch(text)
    if not found:
        raise UsageError(
            f"cannot compute {text[:60]!r}",
            hint="figures are count, sum(bytes), min(start), max(end), avg(duration_ns) and "
            "count_distinct(dst_ip)",
        )
    function, name = found.groups()
    column = columns_named([name], "compute with")[0]
    if function == "count_distinct" and column.can_group:
        return _Measure(name=text, sql=f"count(DISTINCT {column.sql})")
    if function in {"min", "max"} and (column.can_add or column.kind is Kind.TIME):
        sql = f"{function}({column.sql})"
        return _Measure(name=text, sql=sql, is_time=column.kind is Kind.TIME)
    if function == "sum" and column.can_add:
        return _Measure(name=text, sql=_WHOLE.format(f"coalesce(sum({column.sql}), 0)"))
    if function == "avg" and column.can_add:
        return _Measure(name=text, sql=f"avg({column.sql})")
    raise UsageError(f"cannot compute {text}: {name} is not of a kind that has it")


def _order(sort: str, groups: tuple[Column, ...], measures: list[_Measure]) -> str:
    """The `ORDER BY` list; groups that are equal come in the order of their columns."""
    ties = [f"by_{n}" for n in range(len(groups))]
    wanted = sort.strip().lower()
    name, down = wanted.removeprefix("-"), wanted.startswith("-")
    places = {measure.name: f"out_{n}" for n, measure in enumerate(measures)}
    places |= {column.name: f"by_{n}" for n, column in enumerate(groups)}
    if not wanted:
        return ", ".join(["out_0 DESC NULLS LAST", *ties])
    if name not in places:
        raise UsageError(
            f"cannot sort by {name[:60]!r}: it was not asked for",
            hint=f"sort by one of {', '.join(places)}",
        )
    return ", ".join([f"{places[name]} {'DESC' if down else 'ASC'} NULLS LAST", *ties])


def _named(
    found: pa.Table, groups: tuple[Column, ...], measures: list[_Measure], scope: Scope
) -> pa.Table:
    """The rows with columns as they were asked for; captures by their hash, times as times."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import compute  # noqa: PLC0415 - as above

    captures = pa.array([source.capture for source in scope.sources], pa.string())
    cells: dict[str, pa.ChunkedArray] = {}
    for n, column in enumerate(groups):
        values = found.column(f"by_{n}")
        if column.name == "capture":
            values = captures.take(values.combine_chunks())
        elif column.kind in {Kind.WORD, Kind.ADDRESS}:
            values = compute.utf8_slice_codeunits(values, 0, MAX_TEXT_CHARS)
        cells[column.name] = values
    for n, measure in enumerate(measures):
        values = found.column(f"out_{n}")
        cells[measure.name] = values.cast(pa.timestamp("ns", "UTC")) if measure.is_time else values
    return pa.table(cells)
