"""What was seen: the Parquet files of analyses, queried with DuckDB.

`Tables` is the one door. It reads the current analyses of captures that are not deleted; a file
that is missing or damaged is a gap that the answer names, and never a failure.

    filters -> conditions -> SQL of this package's own names; every value is bound
    sources -> files -> reader -> engine: which analyses, which files, and DuckDB under lock
    flows, aggregate, hosts, host, timeline, mining -> pools: the questions
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.store.tables.aggregate import AggregateQuery, Groups, aggregate_flows
from analyzer.store.tables.engine import Engine, QueryLimits
from analyzer.store.tables.files import Gap, TableFiles
from analyzer.store.tables.flows import FlowPage, FlowQuery, flow_page, flow_stream
from analyzer.store.tables.host import HostDetail, host_detail
from analyzer.store.tables.hosts import HostPage, HostQuery, host_page
from analyzer.store.tables.pools import MiningPage, MiningQuery, pools, wallets
from analyzer.store.tables.reader import Reader
from analyzer.store.tables.selection import FlowSelection, selection_of
from analyzer.store.tables.timeline import Timeline, TimelineQuery, timeline

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer.store.database import Database

__all__ = [
    "AggregateQuery",
    "FlowPage",
    "FlowQuery",
    "FlowSelection",
    "Gap",
    "Groups",
    "HostDetail",
    "HostPage",
    "HostQuery",
    "MiningPage",
    "MiningQuery",
    "QueryLimits",
    "Tables",
    "Timeline",
    "TimelineQuery",
    "selection_of",
]


class Tables:
    """Questions about everything that was analysed; safe to use from several threads.

    All methods raise UsageError for a query that makes no sense, NotFoundError for a capture or
    finding that is not known, LimitError where a query needs too much time or memory, and
    StoreUnavailable where the database or the disk refuses.

    Args:
        folder: Holds a folder of Parquet files for each analysis.
        database: The store's.
        limits: Bounds of queries.
    """

    def __init__(
        self, folder: Path, database: Database, *, limits: QueryLimits | None = None
    ) -> None:
        self.limits = limits or QueryLimits()
        whole = folder.resolve()
        self._engine = Engine(folder=whole, limits=self.limits)
        files = TableFiles(folder=whole, database=database)
        self._reader = Reader(database=database, files=files, engine=self._engine)

    def flows(self, query: FlowQuery) -> FlowPage:
        """One page of flows."""
        return flow_page(self._reader, query)

    def stream_flows(self, query: FlowQuery) -> FlowPage:
        """Many flows, computed while they are taken."""
        return flow_stream(self._reader, query)

    def aggregate(self, query: AggregateQuery) -> Groups:
        """Flows added up."""
        return aggregate_flows(self._reader, query)

    def hosts(self, query: HostQuery) -> HostPage:
        """Addresses with what they sent and received."""
        return host_page(self._reader, query)

    def host(self, address: str, query: HostQuery) -> HostDetail:
        """One address."""
        return host_detail(self._reader, address, query)

    def pools(self, query: MiningQuery) -> MiningPage:
        """Pools that miners were seen with."""
        return pools(self._reader, query)

    def wallets(self, query: MiningQuery) -> MiningPage:
        """Wallets that miners logged in with."""
        return wallets(self._reader, query)

    def timeline(self, query: TimelineQuery) -> Timeline:
        """What happened when."""
        return timeline(self._reader, query)

    def close(self) -> None:
        """Gives memory back."""
        self._engine.close()
