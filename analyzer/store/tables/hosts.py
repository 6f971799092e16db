"""Addresses of all captures: what each sent and received, its names, its findings."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from analyzer.errors import UsageError
from analyzer.settings import PRIVATE_NETWORKS, parse_network
from analyzer.store.tables.conditions import condition, name_tables
from analyzer.store.tables.known import by_severity, known_findings
from analyzer.store.tables.names import MAX_NAME_CHARS, host_names, relations
from analyzer.store.tables.networks import in_any, is_in_any, six_digits
from analyzer.store.tables.paging import RowCursor, row_cursor_from
from analyzer.store.tables.selection import FlowSelection, Selected, select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from analyzer.settings import Network
    from analyzer.store.tables.engine import Binder
    from analyzer.store.tables.files import Gap, Scope
    from analyzer.store.tables.known import KnownFinding
    from analyzer.store.tables.reader import Reader

MAX_HOSTS = 1_000
MAX_HOST_NAMES = 8
MAX_NETWORKS = 32
MAX_ADDRESS_CHARS = 64

SORTS = {
    "bytes": "bytes_out + bytes_in",
    "bytes_out": "bytes_out",
    "bytes_in": "bytes_in",
    "flows": "flows",
    "peers": "peers",
    "captures": "captures",
    "first_seen": "first_ns",
    "last_seen": "last_ns",
    "findings": "score",
}
"""What hosts can be sorted by, as SQL."""

SUMMED = (
    "count(*) AS flows",
    "sum(opened)::BIGINT AS opened",
    "sum(sent)::BIGINT AS bytes_out",
    "sum(received)::BIGINT AS bytes_in",
    "min(start_ns) AS first_ns",
    "max(end_ns) AS last_ns",
)
COUNTED = {
    "peers": "count(DISTINCT peer) AS peers",
    "captures": "count(DISTINCT place) AS captures",
}
"""Slow to count: done for all hosts only to sort by it."""

SCORE_STEP = 1_000_000
"""One grave finding stands before any number of milder ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostQuery:
    """Which hosts, in which order.

    Attributes:
        selection: Flows that count.
        address: Of one host, or "".
        is_inside: Only those inside, or only those outside, or None for both.
        inside: Networks that count as inside, as CIDR text.
        has_findings: Only hosts with findings.
        sort: A key of `SORTS`, a minus before it for the largest first.
        limit: Hosts at most.
        after: `next` of the page before, or "".
    """

    selection: FlowSelection = field(default_factory=FlowSelection)
    address: str = ""
    is_inside: bool | None = None
    inside: tuple[str, ...] = PRIVATE_NETWORKS
    has_findings: bool = False
    sort: str = "-bytes"
    limit: int = 100
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One address.

    Attributes:
        opened: Flows it initiated.
        names: What it was called, and by what: `(name, source)`, the latest first.
        findings: How many of each severity.
    """

    address: str
    is_inside: bool
    flows: int
    opened: int
    bytes_out: int
    bytes_in: int
    peers: int
    captures: int
    first_ns: int
    last_ns: int
    names: tuple[tuple[str, str], ...]
    findings: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPage:
    """Some hosts; `total` counts those on all pages."""

    hosts: tuple[Host, ...]
    total: int
    next: str
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A query, read and checked, with what the database knows."""

    query: HostQuery
    selected: Selected
    of_host: Mapping[str, Sequence[KnownFinding]]
    cursor: RowCursor | None


def host_page(reader: Reader, query: HostQuery) -> HostPage:
    """Hosts in the order asked for.

    Raises:
        UsageError: A filter, a network, the order or the cursor makes no sense.
        NotFoundError: A named capture or finding is not known.
        LimitError: It takes too long or too much memory.
    """
    _check(query)
    selected = select(reader.database, query.selection)
    tables = name_tables(selected.terms)
    scope = reader.scope(selected.captures, ("flows", "dns", "tls", "http"), selected.admits)
    captures = [source.capture for source in scope.sources]
    few = captures if selected.captures or selected.capture_terms else []
    known = known_findings(reader.database, captures=few) if scope.sources else None
    of_host = _by_host(known.findings if known else ())
    identity = replace(query, after="", limit=0)
    cursor = row_cursor_from(query.after, identity) if query.after else None
    plan = _Plan(query=query, selected=selected, of_host=of_host, cursor=cursor)

    def build(part: Scope, binder: Binder) -> str:
        return _hosts_sql(plan, relations(part, tables, binder), binder)

    found, scope = reader.table(scope, build)
    total = found.column("total")[0].as_py()
    rows = [row for row in found.to_pylist() if row["address"] is not None]
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    last = RowCursor(value=rows[-1]["sorted_by"], name=rows[-1]["address"]) if more else None
    counts, scope = _counts(reader, scope, plan, [row["address"] for row in rows])
    named, scope = _names(reader, scope, [row["address"] for row in rows])
    inside = tuple(parse_network(text) for text in query.inside)
    return HostPage(
        hosts=tuple(
            _host(row | counts.get(row["address"], {}), named, of_host, inside) for row in rows
        ),
        total=total,
        next=last.text(identity) if last else "",
        gaps=scope.gaps + selected.gaps + (known.gaps if known else ()),
    )


def _check(query: HostQuery) -> None:
    if query.sort.removeprefix("-") not in SORTS:
        raise UsageError(
            f"cannot sort hosts by {query.sort[:40]!r}", hint=f"sort by {', '.join(SORTS)}"
        )
    if not 1 <= query.limit <= MAX_HOSTS:
        raise UsageError(f"cannot give {query.limit} hosts: 1 to {MAX_HOSTS} can be asked for")
    if not 1 <= len(query.inside) <= MAX_NETWORKS:
        raise UsageError(f"cannot use {len(query.inside)} networks: 1 to {MAX_NETWORKS} can be")


def _hosts_sql(plan: _Plan, entries: list[str], binder: Binder) -> str:
    query = plan.query
    down = query.sort.startswith("-")
    sorted_by = SORTS[query.sort.removeprefix("-")]
    networks = [parse_network(text) for text in query.inside]
    where = ["true"]
    if query.is_inside is not None:
        inside = in_any("address", networks, binder, "six")
        where.append(inside if query.is_inside else f"NOT {inside}")
    if query.has_findings:
        where.append("score > 0")
    six = "NULL" if query.is_inside is None else six_digits("address")
    behind = "true"
    if plan.cursor is not None:
        value, name = binder.bind(plan.cursor.value), binder.bind(plan.cursor.name)
        behind = f"(sorted_by {'<' if down else '>'} {value} OR "
        behind += f"(sorted_by = {value} AND address > {name}))"
    addresses = list(plan.of_host)
    scores = binder.bind([_score(plan.of_host[address]) for address in addresses])
    judged = (
        f"SELECT hosts.*, coalesce(scored.score, 0) AS score, {six} AS six FROM hosts LEFT JOIN "
        f"(SELECT unnest({binder.bind(addresses)}::VARCHAR[]) AS address, "
        f"unnest({scores}::BIGINT[]) AS score) AS scored USING (address)"
    )
    chosen = (
        f"SELECT * EXCLUDE (six), {sorted_by} AS sorted_by "
        f"FROM ({judged}) WHERE {' AND '.join(where)}"
    )
    entries += [f"hosts AS ({_sums(plan, binder)})", f"chosen AS MATERIALIZED ({chosen})"]
    order = f"sorted_by {'DESC' if down else 'ASC'}, address"
    return (
        f"WITH {', '.join(entries)} SELECT one.*, total.total "
        "FROM (SELECT count(*) AS total FROM chosen) AS total LEFT JOIN "
        f"(SELECT * FROM chosen WHERE {behind} ORDER BY {order} LIMIT {int(query.limit) + 1}) "
        f"AS one ON true ORDER BY {order}"
    )


def _sums(plan: _Plan, binder: Binder) -> str:
    """SQL of a row for each address."""
    counted = [cell for name, cell in COUNTED.items() if plan.query.sort.endswith(name)]
    only = "true"
    if plan.query.address:
        only = f"address = {binder.bind(plan.query.address)}"
    cells = ["address", *SUMMED, *counted]
    return f"SELECT {', '.join(cells)} FROM ({_ends(plan, binder)}) WHERE {only} GROUP BY address"


def _ends(plan: _Plan, binder: Binder) -> str:
    """SQL of both ends of every flow that counts."""
    return ends_of(plan.selected, binder)


def ends_of(selected: Selected, binder: Binder, extra: str = "") -> str:
    """The same for a selection, with further columns of flows."""
    where = [condition(selected.terms, binder), *selected.conditions(binder)]
    rest = f"start_ns, end_ns, place{extra} FROM flows WHERE {' AND '.join(where)}"
    return (
        "SELECT src_ip AS address, dst_ip AS peer, 1 AS opened, up_bytes AS sent, "
        f"down_bytes AS received, {rest} UNION ALL "
        f"SELECT dst_ip, src_ip, 0, down_bytes, up_bytes, {rest} AND src_ip <> dst_ip"
    )


def _counts(
    reader: Reader, scope: Scope, plan: _Plan, addresses: list[str]
) -> tuple[dict[str, dict[str, int]], Scope]:
    """How many peers and captures some addresses have: slow to count, so not for all."""
    if not addresses:
        return {}, scope
    tables = name_tables(plan.selected.terms)

    def build(part: Scope, binder: Binder) -> str:
        wanted = f"address IN (SELECT unnest({binder.bind(addresses)}))"
        entries = relations(part, tables, binder)
        return (
            f"WITH {', '.join(entries)} SELECT address, {', '.join(COUNTED.values())} "
            f"FROM ({_ends(plan, binder)}) WHERE {wanted} GROUP BY address"
        )

    found, scope = reader.table(scope, build)
    return {row["address"]: row for row in found.to_pylist()}, scope


def _names(
    reader: Reader, scope: Scope, addresses: list[str]
) -> tuple[dict[str, list[tuple[str, str]]], Scope]:
    """The latest names of some addresses, each with where it comes from."""
    named: dict[str, list[tuple[str, str]]] = defaultdict(list)
    if not addresses:
        return named, scope

    def build(part: Scope, binder: Binder) -> str:
        entries = relations(part, ("dns", "http", "tls"), binder)
        return host_names(entries, binder.bind(addresses), MAX_HOST_NAMES)

    found: pa.Table
    found, scope = reader.table(scope, build)
    for row in found.to_pylist():
        named[row["address"]].append((row["name"][:MAX_NAME_CHARS], row["source"]))
    return named, scope


def _by_host(findings: Sequence[KnownFinding]) -> dict[str, list[KnownFinding]]:
    grouped: dict[str, list[KnownFinding]] = defaultdict(list)
    for finding in findings:
        for address in {finding.src_ip, finding.dst_ip}:
            grouped[address].append(finding)
    return grouped


def _score(findings: Sequence[KnownFinding]) -> int:
    """Grows with the gravest finding, then with how many there are of it."""
    worst = max((finding.severity.rank for finding in findings), default=0)
    same = sum(finding.severity.rank == worst for finding in findings)
    return (worst + 1) * SCORE_STEP + min(same, SCORE_STEP - 1)


def _host(
    row: Mapping[str, Any],
    named: Mapping[str, list[tuple[str, str]]],
    of_host: Mapping[str, Sequence[KnownFinding]],
    inside: tuple[Network, ...],
) -> Host:
    address = row["address"]
    return Host(
        address=address[:MAX_ADDRESS_CHARS],
        is_inside=is_in_any(address, inside),
        flows=row["flows"],
        opened=row["opened"],
        bytes_out=row["bytes_out"],
        bytes_in=row["bytes_in"],
        peers=row["peers"],
        captures=row["captures"],
        first_ns=row["first_ns"],
        last_ns=row["last_ns"],
        names=tuple(named.get(address, ())),
        findings=by_severity(finding.severity for finding in of_host.get(address, ())),
    )
