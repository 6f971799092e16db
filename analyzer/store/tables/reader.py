"""Runs queries on the tables of current analyses, and goes on without files that fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.errors import LimitError, StoreUnavailable
from analyzer.store.tables.engine import Binder, QueryFailedError
from analyzer.store.tables.files import Gap
from analyzer.store.tables.sources import Sources, current_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa

    from analyzer.store.database import Database
    from analyzer.store.tables.engine import Engine
    from analyzer.store.tables.files import Scope, TableFiles
    from analyzer.store.tables.sources import Source

    Build = Callable[[Scope, Binder], str]
    """Makes the SQL of a query for what is in a scope."""

MAX_PROBES = 200
"""Queries that one failure may cost to find out which files it comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What all queries share.

    Attributes:
        database: Which analyses are current, and the findings.
        files: Opens their tables.
        engine: Runs SQL on them.
    """

    database: Database
    files: TableFiles
    engine: Engine

    def scope(
        self,
        captures: Iterable[str],
        tables: tuple[str, ...],
        keep: Callable[[Source], bool] | None = None,
    ) -> Scope:
        """What a query reads: of all captures, or of those named, if `keep` admits them.

        Raises:
            NotFoundError: A named capture is not known.
        """
        sources = current_sources(self.database, captures)
        if keep is not None:
            found = tuple(source for source in sources.found if keep(source))
            sources = Sources(found=found, left_out=sources.left_out)
        return self.files.scope(sources, tables)

    def table(self, scope: Scope, build: Build) -> tuple[pa.Table, Scope]:
        """The rows of a query, and the scope it was answered for in the end.

        Raises:
            LimitError: It needs too much time or memory.
            StoreUnavailable: It fails, and no file is to blame.
        """
        try:
            return self._run(scope, build), scope
        except QueryFailedError as error:
            return self._without_culprits(scope, build, error)

    def _run(self, scope: Scope, build: Build) -> pa.Table:
        binder = Binder()
        return self.engine.arrow(build(scope, binder), binder.values)

    def _without_culprits(
        self, scope: Scope, build: Build, error: QueryFailedError
    ) -> tuple[pa.Table, Scope]:
        bad: list[tuple[int, str]] = []
        gaps: list[Gap] = []
        for place in self._culprits(scope, build):
            broken = self._broken_tables(scope, place)
            reasons = broken or dict.fromkeys(
                (table for table, held in scope.files.items() if place in held),
                "the query fails on what it holds",
            )
            bad += [(place, table) for table in reasons]
            gaps += [
                Gap(
                    capture=scope.sources[place].capture,
                    analysis_id=scope.sources[place].analysis_id,
                    table=table,
                    reason=reason,
                )
                for table, reason in reasons.items()
            ]
        if not bad:
            raise StoreUnavailable(f"cannot answer from the tables: {error.message}") from error
        left = scope.without(frozenset(bad), tuple(gaps))
        try:
            return self._run(left, build), left
        except QueryFailedError as again:
            raise StoreUnavailable(f"cannot answer from the tables: {again.message}") from again

    def _culprits(self, scope: Scope, build: Build) -> list[int]:
        """Analyses the query fails on, found by halving."""
        waiting = [sorted({place for held in scope.files.values() for place in held})]
        found: list[int] = []
        for _ in range(MAX_PROBES):
            if not waiting:
                break
            places = waiting.pop()
            try:
                self._run(scope.only(frozenset(places)), build)
            except QueryFailedError:
                half = len(places) // 2
                if half:
                    waiting += [places[:half], places[half:]]
                else:
                    found += places
        return found

    def _broken_tables(self, scope: Scope, place: int) -> dict[str, str]:
        """Tables of one analysis that cannot be read to their end, and why."""
        found: dict[str, str] = {}
        for table, held in scope.files.items():
            if place not in held:
                continue
            binder = Binder()
            rows = scope.only(frozenset({place})).relation(table, binder)
            try:
                self.engine.arrow(f"SELECT max(hash(one)) FROM ({rows}) AS one", binder.values)
            except QueryFailedError as error:
                found[table] = "it is damaged: " + error.message.partition(": ")[2]
                self.files.condemn(scope.path(place, table), found[table])
            except LimitError:
                continue
        return found
