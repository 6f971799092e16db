"""What was seen: the Parquet files of analyses, queried with DuckDB.

`Tables` is the one door. It reads the current analyses of captures that are not deleted; a file
that is missing or damaged is a gap that the answer names, and never a failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.store.tables.engine import Engine, QueryLimits
from analyzer.store.tables.files import TableFiles
from analyzer.store.tables.flows import FlowPage, FlowQuery, flow_page, flow_stream
from analyzer.store.tables.reader import Reader

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer.store.database import Database

__all__ = ["FlowPage", "FlowQuery", "QueryLimits", "Tables"]


class Tables:
    """Questions about everything that was analysed; safe to use from several threads.

    Args:
        folder: Holds a folder of Parquet files for each analysis.
        database: The store's.
        limits: Bounds of queries.
    """

    def __init__(
        self, folder: Path, database: Database, *, limits: QueryLimits | None = None
    ) -> None:
        self.limits = limits or QueryLimits()
        self._engine = Engine(folder=folder, limits=self.limits)
        files = TableFiles(folder=folder, database=database)
        self._reader = Reader(database=database, files=files, engine=self._engine)

    def flows(self, query: FlowQuery) -> FlowPage:
        """One page of flows."""
        return flow_page(self._reader, query)

    def stream_flows(self, query: FlowQuery) -> FlowPage:
        """Many flows, computed while they are taken."""
        return flow_stream(self._reader, query)

    def close(self) -> None:
        """Gives memory back."""
        self._engine.close()
