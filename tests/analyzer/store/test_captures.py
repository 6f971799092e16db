"""Captures: taken in once, kept whole, deleted with a reason."""

import errno
import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from analyzer.errors import ConflictError, NotFoundError, StoreUnavailable, UsageError
from analyzer.store import Store, captures
from analyzer.store.maintenance.check import check
from analyzer.store.records import JobState
from tests.builders_store import ANA, adopt, analysed, claim, finish, part

if TYPE_CHECKING:
    from analyzer.store.captures import Adopted


def test_a_capture_is_kept_by_its_hash_and_queued(store: Store) -> None:
    adopted = adopt(store, b"one", name="../evil \x1b.pcap", format="pcap", priority=3)

    path = store.captures.path(adopted.capture.sha256)
    assert adopted.created
    assert path.read_bytes() == b"one"
    assert path == store.folder.captures / path.name[:2] / hashlib.sha256(b"one").hexdigest()
    assert path.stat().st_mode & 0o777 == 0o400
    assert list(store.folder.uploads.iterdir()) == []
    assert adopted.capture.name == "../evil \x1b.pcap", "kept as sent; whoever shows it escapes it"
    assert (adopted.job.state, adopted.job.priority) == (JobState.QUEUED, 3)


def test_the_same_bytes_again_are_the_same_capture_and_job(store: Store) -> None:
    first, again = adopt(store), adopt(store, name="other.pcap")

    assert not again.created
    assert (again.capture, again.job) == (first.capture, first.job)
    assert len(store.jobs.list()) == 1
    assert list(store.folder.uploads.iterdir()) == []


def test_the_same_bytes_are_analysed_again_when_asked_or_when_it_failed_before(
    store: Store,
) -> None:
    first = adopt(store)
    assert adopt(store, reanalyse=True).job.id != first.job.id
    store.jobs.claim(limit=9)
    for job in store.jobs.list():
        store.jobs.fail(job.id, job.attempt, code="x", message="x")

    assert adopt(store).job.state is JobState.QUEUED
    assert len(store.jobs.list()) == 3


def test_the_same_bytes_at_once_make_one_capture(store: Store) -> None:
    parts = [part(store, b"same") for _ in range(6)]
    sha256 = hashlib.sha256(b"same").hexdigest()
    done: list[Adopted] = []

    def send(path: Path) -> None:
        done.append(store.captures.adopt(path, sha256=sha256, size_bytes=4, name="a", by=ANA))

    threads = [threading.Thread(target=send, args=(path,)) for path in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(one.created for one in done) == [False] * 5 + [True]
    assert len({one.job.id for one in done}) == 1
    assert check(store, deep=True, grace_s=0).leftovers == ()


def test_a_deleted_capture_comes_back_when_it_is_sent_again(store: Store) -> None:
    analysis = analysed(store)
    deleted = store.captures.delete(analysis.capture, reason="asked for", by=ANA)

    assert deleted.deleted
    assert not store.folder.capture_path(analysis.capture).exists()
    assert not store.folder.tables_path(analysis.id).exists()
    assert store.captures.list() == []
    assert [one.sha256 for one in store.captures.list(deleted=True)] == [analysis.capture]
    with pytest.raises(NotFoundError, match="capture file"):
        store.captures.path(analysis.capture)
    assert store.captures.delete(analysis.capture, reason="again", by=ANA) == deleted

    back = adopt(store)
    assert back.created
    assert not back.capture.deleted
    assert back.capture.delete_reason == ""
    assert store.captures.path(analysis.capture).read_bytes() == b"one"


def test_deleting_and_sending_at_once_never_loses_what_was_accepted(store: Store) -> None:
    sha256 = analysed(store).capture
    for _ in range(5):
        path = part(store, b"one")
        threads = [
            threading.Thread(
                target=store.captures.delete, args=(sha256,), kwargs={"reason": "x", "by": ANA}
            ),
            threading.Thread(
                target=store.captures.adopt,
                args=(path,),
                kwargs={"sha256": sha256, "size_bytes": 3, "name": "a", "by": ANA},
            ),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kept = store.captures.get(sha256)
        assert kept.deleted is not store.folder.capture_path(sha256).exists()
        for job in store.jobs.list(state=JobState.QUEUED):
            store.jobs.cancel(job.id, by=ANA)


def test_what_is_held_or_worked_on_is_not_deleted(store: Store) -> None:
    sha256 = adopt(store).capture.sha256
    with pytest.raises(ConflictError, match=r"job j-\w+ works on it"):
        store.captures.delete(sha256, reason="asked for", by=ANA)
    finish(store, claim(store))
    store.captures.set_hold(sha256, on=True, reason="case 7", by=ANA)
    with pytest.raises(ConflictError, match=r"under legal hold \(case 7\)"):
        store.captures.delete(sha256, reason="asked for", by=ANA)

    store.captures.set_hold(sha256, on=False, reason="closed", by=ANA)
    assert store.captures.delete(sha256, reason="asked for", by=ANA).deleted
    with pytest.raises(ConflictError, match="its file was deleted"):
        store.captures.set_hold(sha256, on=True, reason="case 7", by=ANA)


@pytest.mark.parametrize("reason", ["", " \n", "x" * 2001])
def test_a_deletion_and_a_hold_need_a_reason(store: Store, reason: str) -> None:
    sha256 = adopt(store).capture.sha256

    with pytest.raises(UsageError):
        store.captures.delete(sha256, reason=reason, by=ANA)
    with pytest.raises(UsageError):
        store.captures.set_hold(sha256, on=True, reason=reason, by=ANA)


@pytest.mark.parametrize("step", ["sync_file", "sync_folder"])
def test_a_full_disk_is_said_and_leaves_no_row(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(captures, step, full)
    with pytest.raises(StoreUnavailable, match="no space left on device"):
        adopt(store)
    monkeypatch.undo()

    assert store.captures.list() == []
    assert store.jobs.list() == []
    assert adopt(store).created, "and it can be sent again"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_that_is_full_gives_the_bytes_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = analysed(store, b"known").capture

    def full(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("cannot use the database: disk is full")

    monkeypatch.setattr(store.jobs, "insert", full)
    for content in (b"new", b"known"):
        with pytest.raises(StoreUnavailable, match="disk is full"):
            adopt(store, content, reanalyse=True)
    monkeypatch.undo()

    assert [path.read_bytes() for path in store.folder.uploads.iterdir()] == [b"new"]
    assert store.captures.path(known).read_bytes() == b"known"
    assert [path.name for path in store.folder.captures.rglob("?" * 64)] == [known]


def test_pages_are_newest_first_and_go_on_behind_a_capture(store: Store) -> None:
    sent = [adopt(store, b"%d" % n, name=f"{n}%.pcap").capture.sha256 for n in range(5)]

    first = store.captures.list(limit=2)
    rest = store.captures.list(after=first[-1].sha256)
    assert [one.sha256 for one in (*first, *rest)] == sent[::-1]
    assert [one.name for one in store.captures.list(name_contains="3%")] == ["3%.pcap"]
    with pytest.raises(NotFoundError):
        store.captures.list(after="0" * 64)


def test_of_many_analyses_the_latest_counts(store: Store) -> None:
    first = analysed(store)
    adopt(store, reanalyse=True)
    second = finish(store, claim(store))

    current = store.captures.current_analysis(first.capture)
    assert current is not None
    assert current.id == second.id
    assert [one.current for one in store.captures.analyses(first.capture)] == [True, False]
    assert not store.captures.analysis(first.id).current
    with pytest.raises(NotFoundError):
        store.captures.analysis("a-1-1")


def test_few_of_many_analyses_are_shown_and_all_are_deleted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captures, "MAX_ANALYSES", 2)
    made = [analysed(store)]
    for _ in range(3):
        adopt(store, reanalyse=True)
        made.append(finish(store, claim(store)))
    capture = made[0].capture

    assert [one.id for one in store.captures.analyses(capture)] == [made[3].id, made[2].id]
    store.captures.delete(capture, reason="test", by=ANA)
    assert list(store.folder.tables.iterdir()) == []


def test_the_reports_of_other_analyses_are_not_read_for_the_current_one(store: Store) -> None:
    first = analysed(store)
    adopt(store, reanalyse=True)
    second = finish(store, claim(store))
    with store.database.write() as connection:
        cut = sa.text("UPDATE analyses SET report = :cut WHERE id = :id")
        whole = {"id": first.id, "cut": "{" if store.database.dialect == "sqlite" else "0"}
        connection.execute(cut, whole)

    current = store.captures.current_analysis(first.capture)

    assert current is not None
    assert current.id == second.id
    store.captures.delete(first.capture, reason="test", by=ANA)
    with pytest.raises(NotFoundError):
        store.captures.current_analysis("0" * 64)
