"""Whether findings, their histories, the feed and the analyses say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.store import schema
from analyzer.store.ledger import columns_of
from analyzer.store.maintenance.problems import Checking, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REPORT = "keep a copy of the data folder and report it; restoring a backup undoes it"
LIMIT = 200
BATCH = 500
FINDINGS = schema.findings
VERSIONS = schema.finding_versions


def places(checking: Checking) -> Iterator[Problem]:
    """Each finding has a place of its own in the feed, from 1."""
    column = FINDINGS.c.sequence
    twice = sa.select(column).group_by(column).having(sa.func.count() > 1)
    with checking.store.database.read() as connection:
        for place in connection.execute(twice.limit(LIMIT)).scalars():
            yield _problem("feed", f"place {place}", "more than one finding has it")
        below = sa.select(FINDINGS.c.id).where(column < 1)
        for finding_id in connection.execute(below.limit(LIMIT)).scalars():
            yield _problem("feed", finding_id, "it has no place in the feed")


def histories(checking: Checking) -> Iterator[Problem]:
    """Each finding's versions are 1, 2, 3 … up to its own (deep: and the last one is it)."""
    number = VERSIONS.c.version
    counted = (
        sa.select(
            VERSIONS.c.finding_id,
            sa.func.count().label("entries"),
            sa.func.min(number).label("first"),
            sa.func.max(number).label("last"),
        )
        .group_by(VERSIONS.c.finding_id)
        .subquery()
    )
    query = (
        sa.select(FINDINGS.c.id, FINDINGS.c.version, counted.c.entries, counted.c.last)
        .outerjoin(counted, counted.c.finding_id == FINDINGS.c.id)
        .where(
            sa.or_(
                counted.c.entries.is_(None),
                counted.c.first != 1,
                counted.c.last != FINDINGS.c.version,
                counted.c.entries != FINDINGS.c.version,
            )
        )
    )
    with checking.store.database.read() as connection:
        for row in connection.execute(query.limit(LIMIT)):
            what = (
                f"it is at version {row.version}, its history has {row.entries or 0} entries"
                f" up to {row.last or 0}"
            )
            yield _problem("finding.history", row.id, what)
    if checking.deep:
        yield from _contents(checking)


def _contents(checking: Checking) -> Iterator[Problem]:
    last = ""
    while True:
        query = sa.select(FINDINGS).where(FINDINGS.c.id > last).order_by(FINDINGS.c.id)
        with checking.store.database.read() as connection:
            rows = [dict(row) for row in connection.execute(query.limit(BATCH)).mappings()]
            documents = _documents(connection, [row["id"] for row in rows])
        for row in rows:
            yield from _content(row, documents.get(row["id"]))
        if len(rows) < BATCH:
            return
        last = rows[-1]["id"]


def _documents(connection: sa.Connection, ids: list[str]) -> dict[str, Any]:
    query = (
        sa.select(VERSIONS.c.finding_id, VERSIONS.c.document)
        .where(VERSIONS.c.finding_id.in_(ids), VERSIONS.c.document.is_not(None))
        .order_by(VERSIONS.c.version)
    )
    return {row.finding_id: row.document for row in connection.execute(query)}


def _content(row: Mapping[str, Any], document: object) -> Iterator[Problem]:
    if row["document"] != document:
        what = "it is not what the last entry of its history with a document says"
        yield _problem("finding.document", row["id"], what)
    try:
        expected = columns_of(row["document"])
    except (KeyError, TypeError, ValueError):
        yield _problem("finding.document", row["id"], "its document is none")
        return
    differ = [name for name, value in expected.items() if row[name] != value]
    if differ:
        what = f"its columns {', '.join(differ)} are not what its document says"
        yield _problem("finding.columns", row["id"], what)


def analyses(checking: Checking) -> Iterator[Problem]:
    """Current findings are of their capture's current analysis, as many as its job brought."""
    table, jobs = schema.analyses, schema.jobs
    stray = (
        sa.select(FINDINGS.c.id, FINDINGS.c.analysis_id)
        .outerjoin(
            table,
            sa.and_(
                table.c.id == FINDINGS.c.analysis_id,
                table.c.capture == FINDINGS.c.capture,
                table.c.current.is_(True),
            ),
        )
        .where(FINDINGS.c.current.is_(True), table.c.id.is_(None))
    )
    held = (
        sa.select(FINDINGS.c.analysis_id, sa.func.count().label("held"))
        .where(FINDINGS.c.current.is_(True))
        .group_by(FINDINGS.c.analysis_id)
        .subquery()
    )
    count = sa.func.coalesce(held.c.held, 0)
    uneven = (
        sa.select(table.c.id, jobs.c.findings, count.label("held"))
        .join(jobs, jobs.c.analysis_id == table.c.id)
        .outerjoin(held, held.c.analysis_id == table.c.id)
        .where(table.c.current.is_(True), jobs.c.findings != count)
    )
    with checking.store.database.read() as connection:
        for row in connection.execute(stray.limit(LIMIT)):
            what = f"it counts as current, and its analysis {row.analysis_id!r} does not"
            yield _problem("finding.analysis", row.id, what)
        for other in connection.execute(uneven.limit(LIMIT)):
            what = f"its job brought {other.findings} findings, {other.held} are there"
            yield _problem("analysis.findings", other.id, what)


def _problem(kind: str, subject: str, what: str) -> Problem:
    return Problem(kind=kind, subject=subject, what=what, remedy=REPORT)
