"""What happened when: bytes, flows and findings in slices of time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from analyzer.errors import UsageError
from analyzer.settings import parse_network
from analyzer.store.tables.conditions import condition, name_tables
from analyzer.store.tables.filters import Term, Value
from analyzer.store.tables.known import by_severity, known_findings
from analyzer.store.tables.names import relations
from analyzer.store.tables.networks import is_in_any
from analyzer.store.tables.selection import FlowSelection, Selected, moment_ns, select
from analyzer.store.tables.values import MAX_INTEGER, duration
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.store.tables.engine import Binder
    from analyzer.store.tables.files import Gap, Scope
    from analyzer.store.tables.known import KnownFinding
    from analyzer.store.tables.reader import Reader

MAX_BUCKETS = 2_000
WANTED_BUCKETS = 300
"""A chart is rarely wider; the first usual length that needs no more is taken."""

_MINUTE, _HOUR, _DAY = 60 * NS_PER_SECOND, 3600 * NS_PER_SECOND, 86_400 * NS_PER_SECOND
BUCKETS_NS = (
    *(count * NS_PER_SECOND // 1000 for count in (1, 10, 100)),
    *(count * NS_PER_SECOND for count in (1, 2, 5, 10, 15, 30)),
    *(count * _MINUTE for count in (1, 2, 5, 10, 15, 30)),
    *(count * _HOUR for count in (1, 2, 3, 6, 12)),
    *(count * _DAY for count in (1, 7, 30, 365, 3_650)),
)
"""Usual lengths of a slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineQuery:
    """What is counted, over which time.

    Attributes:
        selection: Flows that count; its finding and captures choose the findings too.
        host: An address or a network, either end of flows and findings, or "".
        since, until: Bounds as the filter language writes times, or "" for all that there is.
        bucket: Length of a slice as in `5m`, or "" to have one chosen.
    """

    selection: FlowSelection = field(default_factory=FlowSelection)
    host: str = ""
    since: str = ""
    until: str = ""
    bucket: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One slice of time.

    Attributes:
        start_ns: Its beginning; it lasts as long as all others.
        up_bytes, down_bytes: A flow's bytes are spread evenly over the time it lasts.
        flows: Flows that begin in it.
        active: Flows that begin, end or go on in it.
        findings: How many of each severity are first seen in it.
    """

    start_ns: int
    up_bytes: int
    down_bytes: int
    flows: int
    active: int
    findings: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All slices from the first to the last, the empty ones too."""

    bucket_ns: int
    slices: tuple[Slice, ...]
    total_flows: int
    total_findings: int
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """Slices as numbers: the first begins at `origin`; what lies outside the bounds is cut."""

    first_ns: int
    last_ns: int
    bucket_ns: int

    @property
    def origin_ns(self) -> int:
        """The beginning of the first slice, on a multiple of its length."""
        return self.first_ns // self.bucket_ns * self.bucket_ns

    @property
    def count(self) -> int:
        """How many slices there are."""
        return (self.last_ns - self.origin_ns) // self.bucket_ns + 1


def timeline(reader: Reader, query: TimelineQuery) -> Timeline:
    """Counts flows and findings by time.

    Raises:
        UsageError: A filter, a bound or the bucket makes no sense, or needs too many slices.
        NotFoundError: A named capture or finding is not known.
        LimitError: It takes too long or too much memory.
    """
    low, high = _bounds(query)
    selected = select(reader.database, _narrowed(query))
    tables = name_tables(selected.terms)
    scope = reader.scope(selected.captures, ("flows", *tables), selected.admits)
    findings, gaps = _findings(reader, query, scope, low, high)
    first, last, total, scope = _range(reader, scope, selected)
    firsts = [finding.first_ns for finding in findings]
    ends = [*firsts, *([first, last] if total else [])]
    gaps = scope.gaps + selected.gaps + gaps
    if not ends:
        wanted = _bucket(query.bucket, 0)
        return Timeline(bucket_ns=wanted, slices=(), total_flows=0, total_findings=0, gaps=gaps)
    first, last = max(min(ends), low), min(max(ends), high)
    last = max(first, last)
    grid = _Grid(first_ns=first, last_ns=last, bucket_ns=_bucket(query.bucket, last - first))
    if grid.count > MAX_BUCKETS:
        raise UsageError(
            f"cannot cut {grid.count} slices: at most {MAX_BUCKETS} are given",
            hint="name a longer bucket, a shorter time, or no bucket at all",
        )
    rows, whole = reader.table(scope, lambda part, binder: _sql(grid, selected, part, binder))
    return Timeline(
        bucket_ns=grid.bucket_ns,
        slices=_slices(grid, rows.to_pylist(), findings),
        total_flows=total,
        total_findings=len(findings),
        gaps=gaps + whole.gaps[len(scope.gaps) :],
    )


def _bounds(query: TimelineQuery) -> tuple[int, int]:
    low = moment_ns(query.since, "since") if query.since else -MAX_INTEGER
    high = moment_ns(query.until, "until") - 1 if query.until else MAX_INTEGER
    if low > high:
        raise UsageError("cannot give a timeline that ends before it begins")
    return low, high


def _narrowed(query: TimelineQuery) -> FlowSelection:
    """The selection with the host and the bounds as words of its filter."""
    given = {"host": query.host, "since": query.since, "until": query.until}
    if query.host:
        parse_network(query.host)
    terms = [Term(field=name, values=(Value(text=text),)) for name, text in given.items() if text]
    return replace(query.selection, terms=(*query.selection.terms, *terms))


def _findings(
    reader: Reader, query: TimelineQuery, scope: Scope, low: int, high: int
) -> tuple[list[KnownFinding], tuple[Gap, ...]]:
    chosen = query.selection.captures or any(
        term.field == "capture" for term in query.selection.terms
    )
    captures = [source.capture for source in scope.sources]
    if not captures:
        return [], ()
    known = known_findings(
        reader.database, captures=captures if chosen else (), finding=query.selection.finding
    )
    networks = [parse_network(query.host)] if query.host else []
    found = [
        finding
        for finding in known.findings
        if low <= finding.first_ns <= high
        and (
            not networks
            or is_in_any(finding.src_ip, networks)
            or is_in_any(finding.dst_ip, networks)
        )
    ]
    return found, known.gaps


def _range(reader: Reader, scope: Scope, selected: Selected) -> tuple[int, int, int, Scope]:
    def build(part: Scope, binder: Binder) -> str:
        entries = relations(part, name_tables(selected.terms), binder)
        return (
            f"WITH {', '.join(entries)} SELECT min(start_ns) AS low, max(end_ns) AS high, "
            f"count(*) AS total FROM flows WHERE {_where(selected, binder)}"
        )

    found, scope = reader.table(scope, build)
    row = found.to_pylist()[0]
    return row["low"] or 0, row["high"] or 0, row["total"], scope


def _where(selected: Selected, binder: Binder) -> str:
    return " AND ".join([condition(selected.terms, binder), *selected.conditions(binder)])


def _bucket(text: str, length_ns: int) -> int:
    if text:
        wanted = duration(text, Value(text=text))[0]
        if wanted < BUCKETS_NS[0]:
            raise UsageError("cannot use a bucket shorter than 1ms")
        return wanted
    for usual in BUCKETS_NS:
        if length_ns // usual < WANTED_BUCKETS:
            return usual
    return length_ns // WANTED_BUCKETS + 1


def _sql(grid: _Grid, selected: Selected, scope: Scope, binder: Binder) -> str:
    """SQL of one row for each slice in which something begins, ends or changes.

    A flow's bytes fall into the slice it begins in, the one it ends in, and evenly into those in
    between: these are given as what is added from a slice on, so that a flow costs four rows
    however many slices it crosses.
    """
    entries = relations(scope, name_tables(selected.terms), binder)
    low, high = binder.bind(grid.first_ns), binder.bind(grid.last_ns)
    origin, bucket = binder.bind(grid.origin_ns), binder.bind(grid.bucket_ns)
    wide = "CAST({} AS HUGEINT)"
    cut = (
        f"SELECT up_bytes AS up, down_bytes AS down, "
        f"CAST({wide.format('end_ns')} - start_ns AS DOUBLE) AS lasting, "
        f"start_ns >= {low} AS begins, "
        f"{wide.format(f'greatest(start_ns, {low})')} - {origin} AS one, "
        f"{wide.format(f'least(greatest(end_ns, start_ns), {high})')} - {origin} AS two "
        f"FROM flows WHERE {_where(selected, binder)} AND start_ns <= {high} AND end_ns >= {low}"
    )
    placed = (
        "SELECT up, down, begins, lasting, one, two, "
        f"CAST(one // {bucket} AS BIGINT) AS b0, CAST(two // {bucket} AS BIGINT) AS b1 FROM cut"
    )
    shared = (
        "SELECT *, CASE WHEN lasting <= 0 THEN 1.0 WHEN b0 = b1 THEN (two - one) / lasting "
        f"ELSE ((b0 + 1) * CAST({bucket} AS HUGEINT) - one) / lasting END AS head, "
        f"CASE WHEN lasting <= 0 THEN 0.0 ELSE (two - b1 * CAST({bucket} AS HUGEINT)) / lasting "
        f"END AS tail, CASE WHEN lasting <= 0 THEN 0.0 ELSE {bucket} / lasting END AS each "
        f"FROM ({placed})"
    )
    entries += [f"cut AS ({cut})", f"shared AS MATERIALIZED ({shared})"]
    rows = (
        "SELECT b0 AS slice, CAST(begins AS BIGINT) AS flows, 1 AS alive, up * head AS up, "
        "down * head AS down, 0.0 AS more_up, 0.0 AS more_down FROM shared UNION ALL "
        "SELECT b1, 0, 0, up * tail, down * tail, 0, 0 FROM shared WHERE b1 > b0 UNION ALL "
        "SELECT b0 + 1, 0, 0, 0, 0, up * each, down * each FROM shared WHERE b1 > b0 + 1 "
        "UNION ALL SELECT b1, 0, 0, 0, 0, -up * each, -down * each FROM shared "
        "WHERE b1 > b0 + 1 UNION ALL SELECT b1 + 1, 0, -1, 0, 0, 0, 0 FROM shared"
    )
    sums = ("flows", "alive", "up", "down", "more_up", "more_down")
    cells = ", ".join(f"CAST(sum({name}) AS DOUBLE) AS {name}" for name in sums)
    return f"WITH {', '.join(entries)} SELECT slice, {cells} FROM ({rows}) GROUP BY slice"


def _slices(
    grid: _Grid, rows: Sequence[Mapping[str, Any]], findings: Sequence[KnownFinding]
) -> tuple[Slice, ...]:
    columns: dict[str, list[float]] = {}
    for name in ("flows", "alive", "up", "down", "more_up", "more_down"):
        columns[name] = [0.0] * (grid.count + 1)
        for row in rows:
            columns[name][row["slice"]] = row[name]
    for name in ("alive", "more_up", "more_down"):
        columns[name] = list(accumulate(columns[name]))
    seen: dict[int, list[KnownFinding]] = {}
    for finding in findings:
        number = (finding.first_ns - grid.origin_ns) // grid.bucket_ns
        seen.setdefault(number, []).append(finding)
    return tuple(
        Slice(
            start_ns=grid.origin_ns + number * grid.bucket_ns,
            up_bytes=max(0, round(columns["up"][number] + columns["more_up"][number])),
            down_bytes=max(0, round(columns["down"][number] + columns["more_down"][number])),
            flows=round(columns["flows"][number]),
            active=round(columns["alive"][number]),
            findings=by_severity(finding.severity for finding in seen.get(number, ())),
        )
        for number in range(grid.count)
    )
