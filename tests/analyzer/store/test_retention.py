"""Retention: which captures go, and which never do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.store import Store
from analyzer.store.findings import TriageChange
from analyzer.store.folder import held_alone
from analyzer.store.maintenance.check import check
from analyzer.store.maintenance.retention import RetentionSettings, enforce_retention
from analyzer.store.queries import FindingQuery
from analyzer.store.records import TriageStatus
from tests.builders_store import ANA, Clock, adopt, analysed


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def aged(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[Store]:
    """Captures of 100 bytes that came 0, 10, 20 and 30 days ago, the last one the oldest."""
    with Store.open(tmp_path / "data", database_url, exclusive=True, clock=clock) as opened:
        for letter in b"dcba":
            analysed(opened, bytes([letter]) * 100)
            clock.move(days=10)
        yield opened


def names(store: Store) -> str:
    """First bytes of what is kept, the newest first."""
    return "".join(store.captures.path(one.sha256).read_text()[0] for one in store.captures.list())


def test_nothing_goes_unless_a_bound_is_set(aged: Store) -> None:
    done = enforce_retention(aged, RetentionSettings())

    assert done.deleted == ()
    assert done.left_bytes == 400
    assert names(aged) == "abcd"


def test_captures_that_are_too_old_go_with_their_tables_and_are_still_known(aged: Store) -> None:
    done = enforce_retention(aged, RetentionSettings(keep_days=25))

    assert [one.reason for one in done.deleted] == ["retention: older than 25 days"] * 2
    assert (done.freed_bytes, done.left_bytes) == (200, 200)
    assert names(aged) == "ab"
    gone = aged.captures.get(done.deleted[0].sha256)
    assert (gone.deleted_by, gone.delete_reason) == ("service", done.deleted[0].reason)
    for analysis in aged.captures.analyses(gone.sha256):
        assert not aged.folder.tables_path(analysis.id).exists()
    assert len(aged.findings.page(FindingQuery(), after=None, limit=9).findings) == 4
    assert check(aged, deep=True, grace_s=0).clean


def test_the_oldest_go_until_the_rest_fits(aged: Store) -> None:
    done = enforce_retention(aged, RetentionSettings(keep_bytes=250))

    assert done.left_bytes == 200
    assert names(aged) == "ab"
    assert enforce_retention(aged, RetentionSettings(keep_bytes=250)).deleted == ()


def test_a_dry_run_says_the_same_and_does_nothing(aged: Store) -> None:
    would = enforce_retention(aged, RetentionSettings(keep_days=25), dry_run=True)

    assert names(aged) == "abcd"
    assert enforce_retention(aged, RetentionSettings(keep_days=25)) == would


def test_what_is_held_worked_on_or_in_a_case_stays_and_younger_ones_make_room(
    aged: Store,
) -> None:
    newest, second, third, oldest = (one.sha256 for one in aged.captures.list())
    aged.captures.set_hold(oldest, on=True, reason="case 7", by=ANA)
    aged.jobs.submit(third, by=ANA)
    query = FindingQuery(captures=(second,))
    (finding,) = aged.findings.page(query, after=None, limit=9).findings
    change = TriageChange(status=TriageStatus.IN_CASE)
    aged.findings.triage([finding.id], change, reason="case 8", by=ANA)

    done = enforce_retention(aged, RetentionSettings(keep_bytes=300))

    assert [one.sha256 for one in done.deleted] == [newest]
    assert [one.reason for one in done.held] == [
        "it is under legal hold (case 7)",
        "a job works on it",
        "a finding of it is in a case",
    ]
    forced = enforce_retention(aged, RetentionSettings(keep_bytes=1, forced=True))
    assert [one.sha256 for one in forced.deleted] == [second]
    assert names(aged) == "cd"


def test_retention_waits_for_a_backup(aged: Store) -> None:
    with held_alone(aged.folder.maintenance_lock, shared=True):
        done = enforce_retention(aged, RetentionSettings(keep_days=1))

    assert done.busy
    assert names(aged) == "abcd"


def test_more_captures_than_one_look_takes_are_all_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr("analyzer.store.maintenance.retention.BATCH", 2)
    with Store.open(tmp_path / "data", exclusive=True, clock=clock) as opened:
        for number in range(5):
            job = adopt(opened, b"%d" % number).job
            opened.jobs.cancel(job.id, by=ANA)
        clock.move(days=2)

        done = enforce_retention(opened, RetentionSettings(keep_days=1))

        assert len(done.deleted) == 5
