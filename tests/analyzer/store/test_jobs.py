"""Jobs: their order, their attempts, their ends, and what an end brings in."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from analyzer.errors import ConflictError, NotFoundError, StoreError, StoreUnavailable
from analyzer.store import Store, job_ends, schema
from analyzer.store.findings import TriageChange
from analyzer.store.job_ends import MAX_INTERRUPTIONS
from analyzer.store.maintenance.check import check
from analyzer.store.maintenance.recovery import recover
from analyzer.store.queries import FindingQuery
from analyzer.store.records import Job, JobState, StoredFinding, TriageStatus
from tests.builders_store import (
    ANA,
    Clock,
    adopt,
    analysed,
    claim,
    finish,
    report_of,
    tables_of,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[Store]:
    """A store whose clock the test moves."""
    with Store.open(tmp_path / "timed", database_url, exclusive=True, clock=clock) as opened:
        yield opened


def findings(store: Store) -> tuple[StoredFinding, ...]:
    return store.findings.page(FindingQuery(), after=None, limit=100).findings


def kinds(store: Store, job: Job) -> list[str]:
    return [str(one.data.get("state", one.kind)) for one in store.jobs.events(job.id)]


def test_the_most_urgent_go_first_and_then_the_oldest(timed: Store, clock: Clock) -> None:
    for number, priority in enumerate((0, 5, 0, 5)):
        adopt(timed, b"%d" % number, name=str(number), priority=priority)
        clock.move(seconds=1)

    claimed = [timed.jobs.claim(limit=2), timed.jobs.claim(limit=9)]

    order = [[timed.captures.get(job.capture).name for job in jobs] for jobs in claimed]
    assert order == [["1", "3"], ["0", "2"]]
    assert timed.jobs.claim(limit=9) == []
    assert timed.jobs.claim(limit=0) == []


def test_a_job_is_claimed_once_however_many_ask(store: Store) -> None:
    for number in range(8):
        adopt(store, b"%d" % number)
    got: list[str] = []

    def ask() -> None:
        while jobs := store.jobs.claim(limit=2):
            got.extend(job.id for job in jobs)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(got) == len(set(got)) == 8


def test_a_job_succeeds_with_analysis_findings_and_tables(store: Store) -> None:
    adopt(store)
    job = claim(store)
    store.jobs.note(job.id, "warning", {"code": "truncated"})
    warning = {"code": "truncated", "detail": "", "count": 1}
    tables = tables_of(store, job)

    analysis = store.jobs.finish(
        job.id,
        1,
        report_of(job.capture, logins=2),
        tables,
        state=JobState.PARTIAL,
        warnings=[warning],
    )

    ended = store.jobs.get(job.id)
    assert (ended.state, ended.stage, ended.findings) == (JobState.PARTIAL, "", 2)
    assert ended.analysis_id == analysis.id
    assert ended.warnings == (warning,)
    assert kinds(store, job) == ["queued", "running", "warning", "partial"]
    assert (store.folder.tables_path(analysis.id) / "flows.parquet").is_file()
    assert not store.folder.work_path(job.id, 1).exists()
    assert "findings" not in analysis.report
    assert {one.analysis_id for one in findings(store)} == {analysis.id}


def test_a_worker_of_an_attempt_that_was_given_up_comes_too_late(store: Store) -> None:
    adopt(store)
    job = claim(store)
    store.jobs.fail(job.id, 1, code="timeout", message="too slow", retry_in_s=0)
    again = claim(store)
    assert again.attempt == 2

    for late in (
        lambda: store.jobs.finish(job.id, 1, report_of(job.capture), tables_of(store, job)),
        lambda: store.jobs.fail(job.id, 1, code="x", message="x"),
        lambda: store.jobs.cancelled(job.id, 1),
    ):
        with pytest.raises(ConflictError, match="it is running, at attempt 2"):
            late()

    assert findings(store) == ()
    assert store.jobs.get(job.id).state is JobState.RUNNING


def test_an_attempt_ends_once_and_its_tables_stay(store: Store) -> None:
    adopt(store)
    job = claim(store)
    analysis = finish(store, job)

    with pytest.raises(ConflictError, match="it is succeeded"):
        finish(store, job)
    shutil.rmtree(store.folder.work_path(job.id, 1))

    assert check(store, deep=True, grace_s=0).problems == ()
    assert (store.folder.tables_path(analysis.id) / "flows.parquet").is_file()


def test_an_end_that_fails_takes_back_everything_and_can_be_repeated(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopt(store)
    job = claim(store)
    tables, report = tables_of(store, job), report_of(job.capture)

    def refuse(path: Path) -> None:
        if path != tables:  # their new place, so the rename has happened
            raise StoreUnavailable("cannot use the database: disk is full")

    monkeypatch.setattr(job_ends, "sync_folder", refuse)
    with pytest.raises(StoreUnavailable, match="disk is full"):
        store.jobs.finish(job.id, 1, report, tables)
    monkeypatch.undo()

    assert store.jobs.get(job.id).state is JobState.RUNNING
    assert findings(store) == ()
    assert list(store.folder.tables.iterdir()) == []
    store.jobs.finish(job.id, 1, report, tables)
    assert len(findings(store)) == 1


def test_a_kill_between_files_and_rows_leaves_nothing_behind(tmp_path: Path) -> None:
    with Store.open(tmp_path / "data", exclusive=True) as opened:
        adopt(opened)
        job = claim(opened)
        # The rename has happened, the transaction has not ended.
        tables_of(opened, job).rename(opened.folder.tables / job_ends.analysis_of(job.id, 1))

    with Store.open(tmp_path / "data", exclusive=True) as opened:
        recover(opened)
        assert list(opened.folder.tables.iterdir()) == []
        again = claim(opened)
        assert again.attempt == 2
        finish(opened, again)
        assert check(opened, deep=True, grace_s=0).clean


def test_what_is_in_the_way_of_tables_gives_way(store: Store) -> None:
    adopt(store)
    job = claim(store)
    stray = store.folder.tables_path(job_ends.analysis_of(job.id, 1))
    stray.mkdir()
    (stray / "old.parquet").write_text("x")

    finish(store, job)

    assert sorted(path.name for path in stray.iterdir()) == ["flows.parquet", "mining.parquet"]


def test_a_worker_cannot_have_anything_kept_but_files(store: Store) -> None:
    adopt(store)
    job = claim(store)
    tables = tables_of(store, job)
    (tables / "dns.parquet").symlink_to("/etc/passwd")

    with pytest.raises(StoreError, match=r"cannot keep dns.parquet as a table"):
        store.jobs.finish(job.id, 1, report_of(job.capture), tables)


def test_an_attempt_that_fails_is_tried_again_later_until_attempts_are_used_up(
    timed: Store, clock: Clock
) -> None:
    adopt(timed)
    job = claim(timed)
    error = {"code": "memory", "message": "out of memory", "hint": "split it"}
    waiting = timed.jobs.fail(job.id, 1, **error, retry_in_s=60)
    assert (waiting.state, waiting.error_code) == (JobState.QUEUED, "memory")
    assert timed.jobs.claim(limit=1) == []
    for attempt in (2, 3):
        clock.move(seconds=61)
        assert claim(timed).attempt == attempt
        ended = timed.jobs.fail(job.id, attempt, **error, retry_in_s=60)

    assert (ended.state, ended.error_hint) == (JobState.FAILED, "split it")
    assert timed.jobs.retry(job.id, by=ANA).state is JobState.QUEUED
    assert (claim(timed).attempt, timed.jobs.get(job.id).max_attempts) == (4, 6)


def test_a_job_that_waits_is_cancelled_at_once_and_one_that_runs_soon(store: Store) -> None:
    waits = adopt(store, b"one").job
    assert store.jobs.cancel(waits.id, by=ANA).state is JobState.CANCELLED
    runs = adopt(store, b"two").job
    claim(store)
    asked = store.jobs.cancel(runs.id, by=ANA)
    assert (asked.state, asked.cancel_requested) == (JobState.RUNNING, True)
    assert not store.jobs.progress(runs.id, stage="reading", bytes_done=1, bytes_total=2)
    assert store.jobs.cancelled(runs.id, 1).state is JobState.CANCELLED
    assert not store.jobs.progress(runs.id, stage="reading", bytes_done=1, bytes_total=2)

    for job in (waits, runs):
        with pytest.raises(ConflictError, match="it has cancelled"):
            store.jobs.cancel(job.id, by=ANA)
    assert store.jobs.retry(runs.id, by=ANA).cancel_requested is False
    with pytest.raises(ConflictError, match="it is queued"):
        store.jobs.retry(runs.id, by=ANA)


def test_a_failure_of_a_job_that_was_to_stop_is_its_cancellation(store: Store) -> None:
    adopt(store)
    job = claim(store)
    store.jobs.cancel(job.id, by=ANA)

    ended = store.jobs.fail(job.id, 1, code="killed", message="killed", retry_in_s=1)

    assert ended.state is JobState.CANCELLED


def test_nothing_is_analysed_of_a_capture_that_is_gone(store: Store) -> None:
    analysis = analysed(store)
    store.captures.delete(analysis.capture, reason="asked for", by=ANA)

    with pytest.raises(NotFoundError):
        store.jobs.submit(analysis.capture, by=ANA)
    with pytest.raises(ConflictError, match="its capture was deleted"):
        store.jobs.retry(analysis.job_id, by=ANA)
    with pytest.raises(NotFoundError):
        store.jobs.get("j-1")


def test_a_job_that_a_kill_cut_off_runs_again_and_loses_no_attempt(
    timed: Store, clock: Clock
) -> None:
    adopt(timed)
    job = claim(timed)

    (waiting,) = timed.jobs.recover()

    assert (waiting.state, waiting.error_code) == (JobState.QUEUED, "interrupted")
    assert claim(timed).attempt == 2
    assert timed.jobs.get(job.id).max_attempts == 4
    assert timed.jobs.recover() != []
    assert timed.jobs.recover() == []


def test_a_job_that_is_always_cut_off_waits_and_fails_at_last(timed: Store, clock: Clock) -> None:
    adopt(timed)
    for times in range(1, MAX_INTERRUPTIONS + 2):
        clock.move(seconds=31)
        claim(timed)
        (job,) = timed.jobs.recover()
        assert (job.state is JobState.FAILED) is (times > MAX_INTERRUPTIONS)
        assert (job.not_before_ns > clock.now_ns) is (3 < times <= MAX_INTERRUPTIONS)

    assert "retry it" in job.error_hint


def test_a_job_that_was_to_stop_when_the_service_was_killed_is_cancelled(store: Store) -> None:
    adopt(store)
    store.jobs.cancel(claim(store).id, by=ANA)

    (job,) = store.jobs.recover()

    assert job.state is JobState.CANCELLED


def test_progress_is_an_event_once_a_second_and_at_each_stage(timed: Store, clock: Clock) -> None:
    adopt(timed)
    job = claim(timed)
    for step in range(10):
        clock.move(seconds=0.3)
        assert timed.jobs.progress(job.id, stage="reading", bytes_done=step, bytes_total=10)
    timed.jobs.progress(job.id, stage="judging", bytes_done=10, bytes_total=10)

    events = timed.jobs.events(job.id)
    told = [(one.data["stage"], one.data["bytes_done"]) for one in events if one.kind == "progress"]
    assert told == [("reading", 3), ("reading", 7), ("judging", 10)]
    assert timed.jobs.get(job.id).bytes_done == 10
    assert timed.jobs.events(job.id, after=events[1].number) == events[2:]


def test_triage_and_an_analysis_at_once_keep_both(store: Store) -> None:
    capture = analysed(store, logins=5).capture
    ids = [one.id for one in findings(store)]
    errors: list[Exception] = []

    def guard(work: object) -> None:
        try:
            assert callable(work)
            work()
        except Exception as error:  # noqa: BLE001 - said below
            errors.append(error)

    def analyse() -> None:
        for number in range(4):
            adopt(store, reanalyse=True)
            finish(store, claim(store), logins=5, agent=f"agent {number}")

    def triage() -> None:
        for number in range(8):
            change = TriageChange(assignee=f"ana {number}", status=TriageStatus.ACKNOWLEDGED)
            store.findings.triage(ids[::-1] if number % 2 else ids, change, reason="x", by=ANA)

    threads = [threading.Thread(target=guard, args=(work,)) for work in (analyse, triage)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert {(one.assignee, one.status) for one in findings(store)} == {("ana 7", "acknowledged")}
    assert store.captures.current_analysis(capture) is not None
    assert check(store, deep=True, grace_s=0).problems == ()


def test_states_are_counted_and_listed(store: Store) -> None:
    for number in range(3):
        adopt(store, b"%d" % number)
    finish(store, claim(store))

    assert store.jobs.counts() == {JobState.QUEUED: 2, JobState.SUCCEEDED: 1}
    first = store.jobs.list(limit=1)
    rest = store.jobs.list(after=first[0].id)
    assert len({job.id for job in (*first, *rest)}) == 3
    assert len(store.jobs.list(state=JobState.QUEUED)) == 2


def test_no_row_says_running_while_its_end_is_written(store: Store) -> None:
    """A reader sees the end with all of its findings, or neither."""
    adopt(store)
    job = claim(store)
    seen: set[tuple[str, int]] = set()
    done = threading.Event()

    def look() -> None:
        jobs, rows = schema.jobs.c, schema.findings
        count = sa.select(sa.func.count()).select_from(rows).scalar_subquery()
        while not done.is_set():
            with store.database.read() as connection:
                row = connection.execute(sa.select(jobs.state, count)).one()
                seen.add((row[0], row[1]))

    thread = threading.Thread(target=look)
    thread.start()
    finish(store, job, logins=20)
    done.set()
    thread.join()

    assert seen <= {("running", 0), ("succeeded", 20)}
