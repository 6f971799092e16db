"""The facts of one capture: its tables, kept as Arrow, and views of them made once.

Times leave here as integers: an Arrow column `ts` of timestamps is the column `ts_ns` of
nanoseconds since 1970 in every view (`start` and `end` of flows likewise). Nothing is imported or
converted for a table that nobody asks for, and pandas only for one that has rows.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from analyzer.model import CaptureRef, FlowRef
from analyzer.names import Name, NameBook, own_names
from analyzer.settings import AnalysisSettings, Network, parse_network

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Row = Mapping[str, Any]

TABLES = (
    "flows",
    "dns",
    "tls",
    "http",
    "ssh",
    "ssh_tokens",
    "segments",
    "mining",
    "labels",
    "hits",
    "issues",
)
"""The tables the core gives; docs/architecture.md has their columns."""

MAX_ROWS_AT_ONCE = 10_000
"""Tables up to this size become dicts in one go, at a tenth of what a flow at a time costs; larger
ones would take memory (2.5 kB a row) for flows nobody asks about."""

TRANSPORTS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp", 132: "sctp"}
"""IANA protocol numbers to the words of the finding's schema."""

PORTED = frozenset({"tcp", "udp", "sctp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One row of the flow table; `up` counts what the initiator sent."""

    flow_id: int
    start_ns: int
    end_ns: int
    src_ip: str
    src_port: int
    dst_ip: str
    dst_port: int
    proto: int
    community_id: str
    initiator_by: str
    up_packets: int
    down_packets: int
    up_bytes: int
    down_bytes: int
    up_payload: int
    down_payload: int
    first_frame: int
    last_frame: int
    history: str
    end_reason: str
    vlan: int
    app: str
    midstream: bool
    rtt_up_ns: int
    rtt_down_ns: int
    up_gap: int
    down_gap: int
    up_retrans: int
    down_retrans: int
    prefix_up: bytes
    prefix_down: bytes
    encrypted: bool
    segments_dropped: int
    icmp_type: int
    icmp_code: int

    @property
    def transport(self) -> str:
        """tcp, udp, sctp, icmp or other."""
        return TRANSPORTS.get(self.proto, "other")

    @property
    def ref(self) -> FlowRef:
        """The flow as a finding names it; ports only where the transport has them."""
        ported = self.transport in PORTED
        return FlowRef(
            src_ip=self.src_ip,
            src_port=self.src_port if ported else None,
            dst_ip=self.dst_ip,
            dst_port=self.dst_port if ported else None,
            transport=self.transport,
            community_id=self.community_id or None,
        )


@dataclass(frozen=True, slots=True)
class _Groups:
    """A table sorted by flow, and where each flow's rows are."""

    table: pa.Table
    spans: Mapping[int, tuple[int, int]]


@dataclass(slots=True)
class Observations:
    """Tables and counters of one capture.

    Attributes:
        capture: Which one.
        stats: The core's counters, as docs/architecture.md lists them.
        source: Gives a table by name as anything with `__arrow_c_stream__`.
        settings: Whose inside networks apply.
    """

    capture: CaptureRef
    stats: Mapping[str, Any]
    source: Callable[[str], Any]
    settings: AnalysisSettings = field(default_factory=AnalysisSettings)
    _arrow: dict[str, pa.Table] = field(default_factory=dict, init=False)
    _frames: dict[str, pd.DataFrame] = field(default_factory=dict, init=False)
    _groups: dict[str, _Groups] = field(default_factory=dict, init=False)
    _flows: dict[int, Flow] = field(default_factory=dict, init=False)
    _lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict, init=False)
    _positions: dict[int, int] | None = field(default=None, init=False)
    _names: NameBook | None = field(default=None, init=False)

    @property
    def resolution_ns(self) -> int:
        """Length of one tick of the capture's clock."""
        return max(1, int(self.stats.get("resolution_ns", 1)))

    def arrow(self, name: str) -> pa.Table:
        """The table as Arrow, times as integers named `..._ns`.

        Raises:
            KeyError: There is no table of that name.
        """
        if name not in self._arrow:
            if name not in TABLES:
                raise KeyError(f"no table {name!r}; there are {', '.join(TABLES)}")
            self._arrow[name] = _with_integer_times(self.source(name))
        return self._arrow[name]

    def count(self, name: str) -> int:
        """Rows of a table."""
        return int(self.arrow(name).num_rows)

    def table(self, name: str) -> pd.DataFrame:
        """The table as pandas; each caller gets a shallow copy that is private on write."""
        if name not in self._frames:
            self._frames[name] = self.arrow(name).to_pandas()
        frame: pd.DataFrame = self._frames[name].copy(deep=False)
        return frame

    def flow_ids(self, name: str) -> list[int]:
        """Flows that have rows in an event table, in order of flow id."""
        return sorted(self._grouped(name).spans)

    def rows(self, name: str, flow_id: int) -> list[dict[str, Any]]:
        """One flow's rows of an event table as dicts, in the order they were seen."""
        groups = self._grouped(name)
        low, high = groups.spans.get(flow_id, (0, 0))
        if high == low:
            return []
        if groups.table.num_rows > MAX_ROWS_AT_ONCE:
            return list(groups.table.slice(low, high - low).to_pylist())
        if name not in self._lists:
            self._lists[name] = groups.table.to_pylist()
        return [dict(row) for row in self._lists[name][low:high]]

    def first_row(self, name: str, flow_id: int) -> dict[str, Any] | None:
        """The first of `rows`, without reading the others."""
        groups = self._grouped(name)
        span = groups.spans.get(flow_id)
        return groups.table.slice(span[0], 1).to_pylist()[0] if span else None

    def events(self, name: str, flow_id: int) -> pd.DataFrame:
        """One flow's rows of an event table as pandas, in the order they were seen."""
        groups = self._grouped(name)
        low, high = groups.spans.get(flow_id, (0, 0))
        frame: pd.DataFrame = groups.table.slice(low, high - low).to_pandas()
        return frame

    def all_rows(self, name: str, batch_rows: int = 4096) -> Iterator[dict[str, Any]]:
        """Every row of a table as a dict, converted a batch at a time."""
        for batch in self.arrow(name).to_batches(max_chunksize=batch_rows):
            yield from batch.to_pylist()

    def flow(self, flow_id: int) -> Flow:
        """The flow of that id.

        Raises:
            KeyError: The capture has no such flow.
        """
        if flow_id not in self._flows:
            if self._positions is None:
                ids = self.arrow("flows").column("flow_id").to_pylist()
                self._positions = {number: place for place, number in enumerate(ids)}
            row = self.arrow("flows").slice(self._positions[flow_id], 1).to_pylist()[0]
            self._flows[flow_id] = Flow(**{key: row[key] for key in FLOW_FIELDS})
        return self._flows[flow_id]

    def all_flows(self) -> Iterator[Flow]:
        """Every flow in table order; they are not kept, so memory stays with the table."""
        for row in self.all_rows("flows"):
            yield Flow(**{key: row[key] for key in FLOW_FIELDS})

    def is_inside(self, address: str) -> bool:
        """Whether an address lies in the networks that count as inside."""
        return _is_inside(address, self.settings.inside)

    def names_for(self, address: str, at_ns: int) -> tuple[Name, ...]:
        """Names the capture shows for an address up to a moment, the latest sighting first.

        Names come from DNS answers (the name asked for, through any CNAMEs) and from the SNI and
        Host of flows to the address. Each name is given once.
        """
        if self._names is None:
            tables = {name: self.arrow(name) for name in ("dns", "tls", "http")}
            self._names = NameBook(self.arrow("flows"), tables)
        return self._names.names(address, at_ns)

    def names_of(self, flow: Flow) -> tuple[Name, ...]:
        """Names of a flow's responder: its own SNI and Host first, then those seen before."""
        own = {name.name: name for name in self._own_names(flow.flow_id)}
        before = self.names_for(flow.dst_ip, flow.start_ns)
        return (*own.values(), *(name for name in before if name.name not in own))

    def _own_names(self, flow_id: int) -> Iterator[Name]:
        for table in ("tls", "http"):
            yield from own_names(table, self.rows(table, flow_id))

    def _grouped(self, name: str) -> _Groups:
        if name not in self._groups:
            table = self.arrow(name)
            self._groups[name] = _group(table) if table.num_rows else _Groups(table, {})
        return self._groups[name]


FLOW_FIELDS = tuple(item.name for item in fields(Flow))


def _with_integer_times(stream: object) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    # pa.table() would do as well, and import pandas, which takes longer than a small capture.
    table = pa.RecordBatchReader.from_stream(stream).read_all()
    columns, names = [], []
    for column, item in zip(table.columns, table.schema, strict=True):
        is_time = pa.types.is_timestamp(item.type)
        columns.append(column.cast(pa.timestamp("ns")).cast(pa.int64()) if is_time else column)
        names.append(f"{item.name}_ns" if is_time else item.name)
    return pa.Table.from_arrays(columns, names=names)


def _group(table: pa.Table) -> _Groups:
    """Sorts by flow, keeping each flow's rows in order; in Arrow, as numpy brings pandas in."""
    from pyarrow import compute  # noqa: PLC0415 - slow to import

    ids = table.column("flow_id")
    ascending = compute.greater_equal(ids.slice(1), ids.slice(0, len(ids) - 1))
    if not compute.all(ascending, min_count=0).as_py():
        table = table.take(compute.sort_indices(ids))
        ids = table.column("flow_id")
    spans: dict[int, tuple[int, int]] = {}
    low = 0
    for item in compute.value_counts(ids).to_pylist():
        spans[item["values"]] = (low, low + item["counts"])
        low += item["counts"]
    return _Groups(table, spans)


@lru_cache(maxsize=16)
def _networks(inside: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(parse_network(text) for text in inside)


@lru_cache(maxsize=65_536)
def _is_inside(address: str, inside: tuple[str, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed.version == net.version and parsed in net for net in _networks(inside))
