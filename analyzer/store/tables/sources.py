"""Which analyses a query reads: the current ones of captures that are not deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from analyzer.errors import NotFoundError
from analyzer.store import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from analyzer.store.database import Database

MAX_SOURCES = 5_000
"""Captures one query reads, the newest first; how many are left out is said."""

MAX_NAMED_CAPTURES = 500
"""Captures that one query can name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One analysis whose tables are read.

    Attributes:
        capture: The capture's SHA-256.
        analysis_id: Names the folder of its tables.
        name: What the capture was called when it came.
    """

    capture: str
    analysis_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What to read, by capture, and how many captures were too many."""

    found: tuple[Source, ...]
    left_out: int = 0


def current_sources(database: Database, captures: Iterable[str] = ()) -> Sources:
    """The current analyses; of the named captures alone if any is named.

    A named capture that has no analysis yet gives none.

    Raises:
        NotFoundError: A named capture is not known, or is deleted.
        StoreUnavailable: The database refuses.
    """
    named = tuple(dict.fromkeys(captures))
    one, held = schema.analyses, schema.captures
    query = (
        sa.select(one.c.capture, one.c.id, held.c.name)
        .join(held, held.c.sha256 == one.c.capture)
        .where(one.c.current.is_(True), held.c.deleted.is_(False))
        .order_by(held.c.created_ns.desc(), held.c.sha256)
    )
    count = sa.select(sa.func.count()).select_from(
        query.with_only_columns(one.c.capture).order_by(None).subquery()
    )
    with database.read() as connection:
        if named:
            known = sa.select(held.c.sha256).where(
                held.c.sha256.in_(named), held.c.deleted.is_(False)
            )
            _require_known(named, set(connection.execute(known).scalars()))
            rows = connection.execute(query.where(one.c.capture.in_(named))).all()
            total = len(rows)
        else:
            rows = connection.execute(query.limit(MAX_SOURCES)).all()
            total = len(rows)
            if total == MAX_SOURCES:
                total = int(connection.execute(count).scalar_one())
    found = {row[0]: Source(capture=row[0], analysis_id=row[1], name=row[2]) for row in rows}
    return Sources(
        found=tuple(found[capture] for capture in sorted(found)), left_out=total - len(rows)
    )


def flow_counts(database: Database, analyses: Iterable[str]) -> Mapping[str, int]:
    """How many flows the reports of analyses speak of; 0 where one does not say."""
    one = schema.analyses
    query = sa.select(one.c.id, one.c.report).where(one.c.id.in_(tuple(analyses)))
    with database.read() as connection:
        return {row[0]: _flows_of(row[1]) for row in connection.execute(query)}


def _flows_of(report: object) -> int:
    quality = report.get("quality") if isinstance(report, dict) else None
    flows = quality.get("flows") if isinstance(quality, dict) else None
    return flows if isinstance(flows, int) else 0


def _require_known(named: tuple[str, ...], known: set[str]) -> None:
    for capture in named:
        if capture not in known:
            raise NotFoundError("capture", capture, hint="`GET /v1/captures` lists them")
