"""Whether the database is whole and its rows name each other rightly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from analyzer.store import migrations, schema
from analyzer.store.maintenance.problems import Checking, Problem
from analyzer.store.records import DeliveryState, JobState

if TYPE_CHECKING:
    from collections.abc import Iterator

RESTORE = "restore the newest backup into an empty folder: outgate store restore"
REPORT = "keep a copy of the data folder and report it; restoring a backup undoes it"
LIMIT = 200
SUCCEEDED = (str(JobState.SUCCEEDED), str(JobState.PARTIAL))
COUNTERS = ("feed", "audit")


def database(checking: Checking) -> Iterator[Problem]:
    """The database holds together by its own account, and is at the newest revision."""
    store = checking.store
    with store.database.read() as connection:
        found = migrations.current(connection)
        if found != migrations.newest():
            yield Problem(
                kind="database.revision",
                subject=store.database.url,
                what=f"it is at revision {found or 'none'}, not {migrations.newest()}",
                remedy="start `outgate serve` once, which brings it up to date",
            )
        if store.database.dialect == "sqlite":
            pragma = "integrity_check" if checking.deep else "quick_check"
            said = connection.exec_driver_sql(f"PRAGMA {pragma}({LIMIT})").scalars()
            for line in said:
                if line != "ok":
                    yield Problem(
                        kind="database.damaged",
                        subject=store.database.url,
                        what=str(line),
                        remedy=RESTORE,
                    )


def references(checking: Checking) -> Iterator[Problem]:
    """No row names one that is not there, whatever the database enforced."""
    with checking.store.database.read() as connection:
        for table in schema.METADATA.sorted_tables:
            count = sa.select(sa.func.count()).select_from(table)
            checking.examined[f"rows_{table.name}"] = connection.execute(count).scalar_one()
            for key in table.foreign_keys:
                other = key.column.table.alias("other")
                named = other.c[key.column.name]
                query = (
                    sa.select(key.parent)
                    .outerjoin(other, key.parent == named)
                    .where(named.is_(None))
                    .limit(LIMIT)
                )
                for value in connection.execute(query).scalars():
                    yield Problem(
                        kind="row.reference",
                        subject=f"{table.name}.{key.parent.name}",
                        what=f"it names {value}, which {key.column.table.name} does not have",
                        remedy=REPORT,
                    )


def counters(checking: Checking) -> Iterator[Problem]:
    """The counters are there and no number was given out that they have not reached."""
    findings, log = schema.findings.c, schema.audit.c
    with checking.store.database.read() as connection:
        table = schema.counters
        values = {row.name: row.value for row in connection.execute(sa.select(table))}
        highest = {
            "feed": connection.execute(sa.select(sa.func.max(findings.sequence))).scalar() or 0,
            "audit": connection.execute(sa.select(sa.func.max(log.number))).scalar() or 0,
        }
    for name in COUNTERS:
        if name not in values or values[name] < highest[name]:
            yield Problem(
                kind="counter",
                subject=name,
                what=f"it stands at {values.get(name)}, and number {highest[name]} is in use",
                remedy=REPORT,
            )
    if values.get("audit", 0) > highest["audit"]:
        yield Problem(
            kind="audit.broken",
            subject=f"entry {highest['audit'] + 1}",
            what=f"{values['audit']} entries were written, the last one there is"
            f" {highest['audit']}",
            remedy="see who may write to the database; `outgate audit verify` says more",
        )


def audit(checking: Checking) -> Iterator[Problem]:
    """The chain of the audit log holds."""
    found = checking.store.audit.verify()
    if not found.intact:
        yield Problem(
            kind="audit.broken",
            subject=f"entry {found.broken_at}",
            what=found.problem,
            remedy="see who may write to the database, and compare with a backup or an export",
        )


def jobs(checking: Checking) -> Iterator[Problem]:
    """Jobs are in a state there is; one that succeeded names its analysis, which names it."""
    table, analyses = schema.jobs, schema.analyses
    mine = sa.and_(analyses.c.id == table.c.analysis_id, analyses.c.job_id == table.c.id)
    with checking.store.database.read() as connection:
        odd = sa.select(table.c.id, table.c.state).where(table.c.state.not_in(list(JobState)))
        for row in connection.execute(odd.limit(LIMIT)):
            yield _job(row.id, f"its state is {row.state!r}, which there is not")
        bare = (
            sa.select(table.c.id, table.c.analysis_id)
            .outerjoin(analyses, mine)
            .where(table.c.state.in_(SUCCEEDED), analyses.c.id.is_(None))
        )
        for row in connection.execute(bare.limit(LIMIT)):
            yield _job(row.id, f"it succeeded, and its analysis {row.analysis_id!r} is not there")
        running = sa.select(table.c.id).where(table.c.state == str(JobState.RUNNING))
        left = list(connection.execute(running.limit(LIMIT)).scalars())
    for job_id in left if not checking.in_use else ():
        yield Problem(
            kind="job.interrupted",
            subject=job_id,
            what="it was running when the service ended",
            remedy="the next start of the service runs it again",
            leftover=True,
        )


def analyses(checking: Checking) -> Iterator[Problem]:
    """A capture that was analysed has one analysis that counts."""
    table = schema.analyses
    current = sa.func.sum(sa.case((table.c.current.is_(True), 1), else_=0))
    counts = sa.select(table.c.capture, current.label("current")).group_by(table.c.capture)
    with checking.store.database.read() as connection:
        for row in connection.execute(counts.having(current != 1).limit(LIMIT)):
            yield Problem(
                kind="analysis.current",
                subject=row.capture,
                what=f"{row.current} of its analyses count as the latest, not 1",
                remedy="analyse the capture again: upload it with `reanalyse`",
            )


def outbox(checking: Checking) -> Iterator[Problem]:
    """Deliveries are of versions there are, in a state there is."""
    table, findings = schema.outbox, schema.findings
    query = (
        sa.select(table.c.id, table.c.state, table.c.version, findings.c.version.label("newest"))
        .join(findings, findings.c.id == table.c.finding_id)
        .where(
            sa.or_(
                table.c.state.not_in(list(DeliveryState)),
                table.c.version > findings.c.version,
                table.c.version < 1,
            )
        )
    )
    with checking.store.database.read() as connection:
        for row in connection.execute(query.limit(LIMIT)):
            yield Problem(
                kind="outbox",
                subject=f"delivery {row.id}",
                what=f"its state is {row.state!r}, its version {row.version} of {row.newest}",
                remedy="delete the sink and make it again",
            )


def _job(job_id: str, what: str) -> Problem:
    return Problem(kind="job", subject=job_id, what=what, remedy=REPORT)
