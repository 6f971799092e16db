"""Compaction: room comes back, history stays."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from analyzer.errors import ConflictError
from analyzer.store import Store, schema
from analyzer.store.folder import held_alone
from analyzer.store.maintenance.check import check
from analyzer.store.maintenance.compaction import compact
from analyzer.store.queries import FindingQuery
from analyzer.store.records import DeliveryState
from tests.builders_store import ANA, Clock, adopt, analysed, claim, finish, sink


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def used(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[Store]:
    """A capture analysed twice, with progress, pushed each time."""
    with Store.open(tmp_path / "data", database_url, exclusive=True, clock=clock) as opened:
        where = sink(opened)
        analysed(opened)
        adopt(opened, reanalyse=True)
        job = claim(opened)
        for step in range(5):
            clock.move(seconds=2)
            opened.jobs.progress(job.id, stage="reading", bytes_done=step, bytes_total=5)
        finish(opened, job, agent="other")
        opened.outbox.delivered([one.id for one in opened.outbox.due(where, limit=9)])
        opened.outbox.delivered([one.id for one in opened.outbox.due(where, limit=9)])
        yield opened


def test_what_nothing_needs_goes_and_history_stays(used: Store, clock: Clock) -> None:
    capture = used.captures.list()[0].sha256
    (finding,) = used.findings.page(FindingQuery(), after=None, limit=9).findings
    versions = used.findings.versions(finding.id)
    clock.move(days=31)

    made = compact(used)

    assert (made.tables, made.deliveries) == (1, 1)
    assert made.events == 5
    assert made.freed_bytes > 0
    assert used.findings.versions(finding.id) == versions
    new, old = used.captures.analyses(capture)
    assert used.folder.tables_path(new.id).is_dir()
    assert not used.folder.tables_path(old.id).exists()
    for job in used.jobs.list():
        assert [one.kind for one in used.jobs.events(job.id)] == ["state", "state", "done"]
    report = check(used, deep=True, grace_s=0)
    assert report.problems == report.leftovers == ()
    again = compact(used)
    assert (again.tables, again.events, again.deliveries) == (0, 0, 0)


def test_what_is_young_stays(used: Store) -> None:
    made = compact(used)

    assert (made.events, made.deliveries) == (0, 0)


def test_what_waits_or_died_on_its_way_stays(used: Store, clock: Clock) -> None:
    where = used.sinks.list()[0].id
    used.outbox.replay(where, ids=[one.id for one in used.outbox.list(where)], by=ANA)
    clock.move(days=31)

    assert compact(used).deliveries == 0

    used.outbox.dead([one.id for one in used.outbox.due(where, limit=9)], "refused")
    clock.move(days=31)
    assert compact(used).deliveries == 0
    assert used.outbox.counts(where)[DeliveryState.DEAD] >= 1


def test_a_sink_that_heard_of_a_finding_is_not_told_again_after_compaction(
    used: Store, clock: Clock
) -> None:
    where = used.sinks.list()[0].id
    clock.move(days=31)
    compact(used)

    assert used.outbox.fill(where, after_sequence=0, by=ANA) == 0


def test_compaction_waits_for_a_backup(used: Store) -> None:
    with (
        held_alone(used.folder.maintenance_lock, shared=True),
        pytest.raises(ConflictError, match="a backup is being made"),
    ):
        compact(used)


def test_the_file_of_sqlite_shrinks(tmp_path: Path, clock: Clock) -> None:
    with Store.open(tmp_path / "data", exclusive=True, clock=clock) as opened:
        adopt(opened)
        job = claim(opened)
        many = [
            {"job_id": job.id, "number": 100 + n, "kind": "warning", "data": {"code": "x" * 9000}}
            for n in range(300)
        ]
        with opened.database.write() as connection:
            connection.execute(sa.insert(schema.job_events), many)
        opened.jobs.fail(job.id, job.attempt, code="x", message="x")
        clock.move(days=31)

        made = compact(opened)

        assert made.events == 300
        assert made.freed_bytes > 1_000_000
        assert check(opened, deep=True, grace_s=0).clean


def test_tables_that_were_replaced_just_now_stay_for_who_reads_them(
    used: Store, clock: Clock
) -> None:
    assert compact(used).tables == 0
    clock.move(seconds=3601)
    assert compact(used).tables == 1


def test_a_service_that_goes_on_neither_rewrites_nor_empties_what_its_writers_use(
    tmp_path: Path, clock: Clock
) -> None:
    ran: list[str] = []
    with Store.open(tmp_path / "data", exclusive=True, clock=clock) as opened:
        analysed(opened)
        with opened.database.engine.connect() as connection:
            plain = connection.connection.driver_connection
            assert isinstance(plain, sqlite3.Connection)
            plain.set_trace_callback(ran.append)
        compact(opened, busy=True)

    assert any("wal_checkpoint(PASSIVE)" in statement for statement in ran)
    assert not any("VACUUM" in statement or "TRUNCATE" in statement for statement in ran)


def test_a_compaction_without_time_leaves_the_rest_to_the_next(used: Store, clock: Clock) -> None:
    clock.move(days=31)

    made = compact(used, most_s=0)
    assert (made.tables, made.events, made.deliveries) == (0, 0, 0)

    made = compact(used, most_s=60)
    assert (made.tables, made.events, made.deliveries) == (1, 5, 1)
