"""What can be asked of flows, hosts, pools, wallets and the timeline, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyzer.errors import UsageError
from analyzer.settings import PRIVATE_NETWORKS
from analyzer.store.tables import AggregateQuery, FlowQuery, FlowSelection, selection_of
from analyzer.store.tables.aggregate import MAX_GROUPS
from analyzer.store.tables.columns import COLUMNS, DEFAULT_COLUMNS
from analyzer.store.tables.filters import MAX_QUERY_CHARS
from analyzer.store.tables.flows import MAX_STREAM_ROWS
from analyzer.store.tables.hosts import MAX_HOSTS, MAX_NETWORKS, HostQuery
from analyzer.store.tables.paging import MAX_CURSOR_CHARS
from analyzer.store.tables.pools import MAX_ROWS, MiningQuery
from analyzer.store.tables.sources import MAX_NAMED_CAPTURES
from api.schemas import DEFAULT_PAGE, Shape

SHA256 = r"^[0-9a-f]{64}$"
FINDING_ID = r"^[A-Za-z0-9._:-]{0,100}$"
MAX_WORDS_CHARS = 1_000
MAX_COLUMNS_CHARS = 2_000
ALL_COLUMNS = "all"

Words = Annotated[str, Field(max_length=MAX_WORDS_CHARS)]
Capture = Annotated[str, Field(pattern=SHA256)]
Cell = str | int | float | bool | None

Captures = Annotated[
    list[Capture], Field(max_length=MAX_NAMED_CAPTURES, description="SHA-256 of captures")
]
Cursor = Annotated[
    str, Field(max_length=MAX_CURSOR_CHARS, description="`page.next_cursor` of the page before")
]
TableFormat = Annotated[
    Literal["", "json", "ndjson", "csv", "arrow", "parquet"],
    Field(description="json, ndjson, csv, arrow or parquet; else as Accept says"),
]
Networks = Annotated[
    list[Words],
    Field(
        max_length=MAX_NETWORKS,
        description="networks that count as inside, as CIDR; as the service is set unless given",
    ),
]
Since = Annotated[str, Field(max_length=64, description="not over before; RFC 3339, or a date")]
Until = Annotated[str, Field(max_length=64, description="begun before; RFC 3339, or a date")]


class FlowFilter(Shape):
    """Which flows; what is not given admits all. docs/query.md has the language of `q`."""

    q: str = Field(
        default="",
        max_length=MAX_QUERY_CHARS,
        description='words that all hold: `src:10.20.0.7 dport:3333 bytes:>1000 -app:tls "x"`',
    )
    capture: Captures = Field(default=[])
    finding: str = Field(default="", pattern=FINDING_ID, description="flows of this finding alone")
    host: Words = Field(default="", description="either end: address, network or name")
    src: Words = Field(default="", description="initiator: address or network")
    dst: Words = Field(default="", description="responder: address or network")
    port: Words = Field(default="", description="either end: `443`, `1..1023`, `>1024`")
    dst_port: Words = Field(default="", description="of the responder")
    proto: Words = Field(default="", description="IP protocol: number, tcp, udp, icmp, sctp")
    app: Words = Field(default="", description="tls, ssh, http, dns, mining, …")
    name: Words = Field(default="", description="SNI, HTTP Host or DNS name, `*` for anything")
    sni: Words = Field(default="", description="server name of TLS, `*` for anything")
    since: Since = ""
    until: Until = ""
    min_bytes: int = Field(default=0, ge=0, le=2**63 - 1, description="both ways together")
    max_bytes: int = Field(default=0, ge=0, le=2**63 - 1, description="0 for no bound")

    def selection(self) -> FlowSelection:
        """The same for the tables.

        Raises:
            UsageError: A value cannot be read.
        """
        names = ("host", "src", "dst", "port", "dst_port", "proto", "app", "name", "sni")
        fields = {name: str(getattr(self, name)) for name in (*names, "since", "until")}
        most = f"..{self.max_bytes}" if self.max_bytes else ""
        if self.min_bytes or most:
            if self.max_bytes and self.max_bytes < self.min_bytes:
                raise UsageError("cannot filter by bytes: max_bytes is below min_bytes")
            fields["bytes"] = f"{self.min_bytes}{most or '..'}"
        return selection_of(self.q, captures=self.capture, finding=self.finding, fields=fields)


class FlowList(FlowFilter):
    """Which flows, what of them, in which order, how many, written how."""

    columns: str = Field(
        default="",
        max_length=MAX_COLUMNS_CHARS,
        description="names joined by commas, or `all`; docs/query.md lists them",
    )
    sort: str = Field(
        default="", max_length=200, description="up to three columns; `-` largest first"
    )
    limit: int = Field(
        default=DEFAULT_PAGE, ge=1, le=MAX_STREAM_ROWS, description="JSON gives at most 10000"
    )
    cursor: Cursor = ""
    format: TableFormat = ""

    def query(self) -> FlowQuery:
        """The same for the tables.

        Raises:
            UsageError: A value cannot be read.
        """
        names = tuple(name for name in self.columns.split(",") if name.strip())
        if self.columns.strip() == ALL_COLUMNS:
            names = tuple(COLUMNS)
        return FlowQuery(
            selection=self.selection(),
            columns=names or DEFAULT_COLUMNS,
            sort=self.sort,
            limit=self.limit,
            after=self.cursor,
        )


class FlowSums(FlowFilter):
    """Which flows, added up how."""

    group_by: str = Field(
        default="", max_length=200, description="up to four columns joined by commas"
    )
    aggregate: str = Field(
        default="count",
        max_length=400,
        description="joined by commas: count, sum(bytes), min(start), max(end), "
        "avg(duration_ns), count_distinct(dst_ip)",
    )
    sort: str = Field(
        default="", max_length=100, description="a column or figure; `-` largest first"
    )
    limit: int = Field(default=DEFAULT_PAGE, ge=1, le=MAX_GROUPS)
    format: TableFormat = ""

    def query(self) -> AggregateQuery:
        """The same for the tables.

        Raises:
            UsageError: A value cannot be read.
        """
        return AggregateQuery(
            selection=self.selection(),
            group_by=tuple(name for name in self.group_by.split(",") if name.strip()),
            aggregates=tuple(name for name in self.aggregate.split(",") if name.strip()),
            sort=self.sort,
            limit=self.limit,
        )


class HostFilter(FlowFilter):
    """Which flows count for a host."""

    inside_network: Networks = Field(default=[])

    def networks(self, usual: tuple[str, ...]) -> tuple[str, ...]:
        """What counts as inside: as asked, else as the service is set, else private ranges."""
        return tuple(self.inside_network) or usual or PRIVATE_NETWORKS


class HostList(HostFilter):
    """Which hosts, in which order, how many."""

    side: Literal["", "inside", "outside"] = Field(default="", description="which hosts to list")
    with_findings: bool = Field(default=False, description="only hosts that findings name")
    sort: str = Field(
        default="-bytes",
        max_length=40,
        description="bytes, bytes_out, bytes_in, flows, peers, captures, first_seen, last_seen or "
        "findings; `-` largest first",
    )
    limit: int = Field(default=DEFAULT_PAGE, ge=1, le=MAX_HOSTS)
    cursor: Cursor = ""

    def query(self, inside: tuple[str, ...]) -> HostQuery:
        """The same for the tables.

        Args:
            inside: Networks the service counts as inside; none for the private ranges.

        Raises:
            UsageError: A value cannot be read.
        """
        return HostQuery(
            selection=self.selection(),
            is_inside=None if not self.side else self.side == "inside",
            inside=self.networks(inside),
            has_findings=self.with_findings,
            sort=self.sort,
            limit=self.limit,
            after=self.cursor,
        )


class MiningList(Shape):
    """Which pools or wallets, in which order, how many."""

    capture: Captures = Field(default=[])
    miner: str = Field(default="", max_length=64, description="address of an inside host")
    pool: str = Field(default="", max_length=200, description="name, operator or address; `*`")
    wallet: str = Field(default="", max_length=500, description="whole, or with `*`")
    coin: str = Field(default="", max_length=32, description="as XMR")
    since: Since = ""
    until: Until = ""
    mask: bool = Field(default=False, description="show wallets by beginning and end alone")
    sort: str = Field(
        default="-severity",
        max_length=40,
        description="severity, last_seen, first_seen, shares, captures, miners; `-` largest first",
    )
    limit: int = Field(default=DEFAULT_PAGE, ge=1, le=MAX_ROWS)
    cursor: Cursor = ""

    def query(self) -> MiningQuery:
        """The same for the tables."""
        return MiningQuery(
            captures=tuple(self.capture),
            miner=self.miner,
            pool=self.pool,
            wallet=self.wallet,
            coin=self.coin,
            since=self.since,
            until=self.until,
            sort=self.sort,
            limit=self.limit,
            after=self.cursor,
        )


class TimelineAsk(Shape):
    """What is counted over which time."""

    q: str = Field(default="", max_length=MAX_QUERY_CHARS, description="as for flows")
    capture: Captures = Field(default=[])
    finding: str = Field(default="", pattern=FINDING_ID, description="this finding and its flows")
    host: str = Field(default="", max_length=64, description="an address or a network, either end")
    since: Since = ""
    until: Until = ""
    bucket: str = Field(
        default="", max_length=32, description="length of a slice as in 30s, 5m, 1h; else chosen"
    )
