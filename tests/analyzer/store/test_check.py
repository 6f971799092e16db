"""`outgate store check`: what it finds, and what it does not take for a problem."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from analyzer.errors import StoreError
from analyzer.store import Store, schema
from analyzer.store.maintenance.check import check
from analyzer.store.maintenance.inventory import Kind
from analyzer.store.maintenance.recovery import recover
from analyzer.store.records import JobState
from tests.builders_store import ANA, adopt, analysed, claim, finish, part, sink, tables_of


def kinds(store: Store, *, deep: bool = True) -> set[str]:
    """Everything that is found, leftovers too."""
    report = check(store, deep=deep, grace_s=0)
    return {one.kind for one in (*report.problems, *report.leftovers)}


def change(store: Store, statement: sa.sql.Executable) -> None:
    """Writes past everything that keeps order."""
    with store.database.write() as connection:
        if store.database.dialect == "sqlite":
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        connection.execute(statement)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Store]:
    """A store on SQLite with one capture that was analysed."""
    with Store.open(tmp_path / "local", exclusive=True) as opened:
        sink(opened)
        analysed(opened)
        yield opened


def test_a_store_in_order_is_clean(store: Store) -> None:
    sink(store)
    analysed(store, b"one", logins=3)
    analysed(store, b"two")
    adopt(store, b"two", reanalyse=True)
    finish(store, claim(store), agent="other")
    adopt(store, b"waits")
    store.findings.comment(_any_finding(store), "seen", by=ANA)

    report = check(store, deep=True, grace_s=0)

    assert report.problems == ()
    assert report.leftovers == ()
    assert report.examined["captures"] == 3
    assert report.examined["rows_findings"] == 4
    assert report.examined["tables"] == 6


def test_an_empty_store_is_clean(store: Store) -> None:
    assert check(store, deep=True).clean


def _any_finding(store: Store) -> str:
    with store.database.read() as connection:
        return str(connection.execute(sa.select(schema.findings.c.id)).scalars().first())


def _capture(store: Store) -> Path:
    (path,) = (p for p in store.folder.captures.rglob("*") if p.is_file())
    path.chmod(0o600)
    return path


def _table(store: Store) -> Path:
    return next(store.folder.tables.rglob("flows.parquet"))


def _notes(store: Store) -> Path:
    path = store.folder.captures / "zz" / "notes.txt"
    path.parent.mkdir()
    path.write_text("mine")
    return path


def _link(store: Store) -> None:
    _capture(store).unlink()
    sha256 = store.captures.list()[0].sha256
    store.folder.capture_path(sha256).symlink_to("/etc/hostname")


def _scribble(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4:60] = os.urandom(56)
    path.write_bytes(data)


def _stray(store: Store) -> None:
    path = store.folder.capture_path("ab" + "0" * 62)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")


DAMAGE: dict[str, tuple[Callable[[Store], object], str]] = {
    "a capture's file is gone": (lambda s: _capture(s).unlink(), "capture.missing"),
    "a capture is shorter": (lambda s: _capture(s).write_bytes(b"o"), "capture.damaged"),
    "a byte of a capture is another": (
        lambda s: _capture(s).write_bytes(b"onf"),
        "capture.damaged",
    ),
    "a capture is a link": (
        _link,
        "capture.damaged",
    ),
    "a table is gone": (lambda s: _table(s).unlink(), "tables.missing"),
    "a table has no footer": (lambda s: _table(s).write_bytes(b"PAR1"), "tables.unreadable"),
    "a page of a table is damaged": (lambda s: _scribble(_table(s)), "tables.unreadable"),
    "a file is not ours": (_notes, "file.unknown"),
    "a capture has no row": (_stray, "file.leftover"),
    "a work folder has no job": (
        lambda s: (s.folder.work / "j-1.1").mkdir(),
        "file.leftover",
    ),
    "tables have no analysis": (lambda s: (s.folder.tables / "a-1-1").mkdir(), "file.leftover"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_found(local: Store, damage: str) -> None:
    spoil, expected = DAMAGE[damage]
    spoil(local)

    assert expected in kinds(local)


FINDINGS, VERSIONS = schema.findings, schema.finding_versions
ROWS: dict[str, tuple[Callable[[], sa.sql.Executable], str]] = {
    "a version of a finding is gone": (lambda: sa.delete(VERSIONS), "finding.history"),
    "a finding is at another version": (
        lambda: sa.update(FINDINGS).values(version=7),
        "finding.history",
    ),
    "a finding has no place in the feed": (lambda: sa.update(FINDINGS).values(sequence=0), "feed"),
    "the feed's counter went back": (
        lambda: sa.update(schema.counters).values(value=0),
        "counter",
    ),
    "a column is not what the document says": (
        lambda: sa.update(FINDINGS).values(severity=0),
        "finding.columns",
    ),
    "a finding is lost": (lambda: sa.update(FINDINGS).values(current=False), "analysis.findings"),
    "a finding is of no analysis": (
        lambda: sa.update(FINDINGS).values(analysis_id="a-0-1"),
        "finding.analysis",
    ),
    "no analysis counts": (
        lambda: sa.update(schema.analyses).values(current=False),
        "analysis.current",
    ),
    "a job is in no known state": (lambda: sa.update(schema.jobs).values(state="lost"), "job"),
    "a job has no analysis": (lambda: sa.update(schema.jobs).values(analysis_id=""), "job"),
    "a delivery is of a version there is not": (
        lambda: sa.update(schema.outbox).values(version=9),
        "outbox",
    ),
    "an audit entry was changed": (
        lambda: sa.update(schema.audit).where(schema.audit.c.number == 1).values(actor="x"),
        "audit.broken",
    ),
    "the last audit entry is gone": (
        lambda: sa.delete(schema.audit).where(
            schema.audit.c.number == sa.select(sa.func.max(schema.audit.c.number)).scalar_subquery()
        ),
        "audit.broken",
    ),
}


@pytest.mark.parametrize("damage", ROWS)
def test_rows_that_do_not_fit_together_are_found(local: Store, damage: str) -> None:
    statement, expected = ROWS[damage]
    change(local, statement())

    assert expected in kinds(local)


def test_rows_that_do_not_fit_together_are_found_on_postgresql_too(store: Store) -> None:
    sink(store)
    analysed(store)
    change(store, sa.update(FINDINGS).values(version=7, analysis_id="a-0-1"))
    change(store, sa.update(schema.counters).values(value=0))

    assert kinds(store) >= {"finding.history", "finding.analysis", "counter"}


def test_a_row_that_names_nothing_is_found(local: Store) -> None:
    with local.database.engine.connect() as connection:
        raw = connection.connection.cursor()
        raw.execute("PRAGMA foreign_keys = OFF")
        raw.execute("DELETE FROM sinks")
        raw.execute("PRAGMA foreign_keys = ON")
        raw.close()

    assert "row.reference" in kinds(local)


def test_a_damaged_database_is_found(tmp_path: Path) -> None:
    with Store.open(tmp_path / "data", exclusive=True) as opened:
        for number in range(30):
            adopt(opened, b"%d" % number)
    with (tmp_path / "data" / "outgate.sqlite").open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek((size // 4096 - 2) * 4096)
        file.write(os.urandom(64))

    with Store.open(tmp_path / "data", migrate=False) as opened:
        assert "database.damaged" in kinds(opened)


def test_what_a_running_service_is_about_to_do_is_no_problem(local: Store) -> None:
    _stray(local)
    part(local, b"arriving")
    (local.folder.tables / "a-1-1").mkdir()
    adopt(local, b"two")
    claim(local)

    report = check(local)

    assert report.in_use
    assert report.clean
    assert report.leftovers == ()


def test_what_a_kill_left_is_named_and_is_no_problem(tmp_path: Path) -> None:
    with Store.open(tmp_path / "data", exclusive=True) as opened:
        adopt(opened, b"one")
        claim(opened)
        part(opened, b"half")

    with Store.open(tmp_path / "data") as opened:
        report = check(opened)

    assert report.clean
    assert {one.kind for one in report.leftovers} == {"job.interrupted", "file.leftover"}


def test_many_problems_of_a_kind_are_counted_and_not_all_shown(local: Store) -> None:
    for number in range(150):
        (local.folder.work / f"j-{number}.1").mkdir()

    report = check(local, grace_s=0)

    assert report.not_shown == {"file.leftover": 50}


# Recovery


def test_a_start_removes_what_a_kill_left_and_keeps_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with Store.open(folder, exclusive=True) as opened:
        analysed(opened, b"kept")
        adopt(opened, b"deleted")
        finish(opened, claim(opened))
        gone = opened.captures.list(name_contains="")[0].sha256
        opened.captures.delete(gone, reason="no longer needed", by=ANA)
        opened.folder.capture_path(gone).write_bytes(b"deleted")  # the kill came before its end
        adopt(opened, b"runs")
        job = claim(opened)
        tables_of(opened, job)
        _stray(opened)
        part(opened, b"half")
        (opened.folder.tables / "a-1-1").mkdir()
        (opened.folder.root / ".secret.1.abcd").write_bytes(b"x")
        opened.idempotency.begin("key:1", "k", "digest")

    with Store.open(folder, exclusive=True) as opened:
        done = recover(opened)

        assert [one.id for one in done.jobs] == [job.id]
        assert opened.jobs.get(job.id).state is JobState.QUEUED
        assert done.removed == {
            Kind.PART: 1,
            Kind.TABLES: 1,
            Kind.CAPTURE: 1,
            Kind.DELETED_CAPTURE: 1,
            Kind.SECRET: 1,
        }
        assert done.requests == 1
        assert not done.nothing
        report = check(opened, deep=True, grace_s=0)
        assert report.problems == report.leftovers == ()
        assert report.examined["captures"] == 2
        assert recover(opened).nothing


def test_recovery_is_refused_beside_a_service(local: Store) -> None:
    with (
        Store.open(local.folder.root) as beside,
        pytest.raises(StoreError, match="another service may use"),
    ):
        recover(beside)


def test_a_capture_that_lost_its_row_goes_back_to_its_upload(tmp_path: Path) -> None:
    with Store.open(tmp_path / "data", exclusive=True) as opened:
        upload = opened.uploads.create(length=3, metadata={}, by=ANA, expires_ns=2**62)
        opened.uploads.advance(upload.id, offset=3, from_offset=0)
        sha256 = "ab" + "0" * 62
        opened.uploads.finish(upload.id, capture=sha256, job_id="")
        _stray(opened)

        recover(opened)

        assert opened.uploads.part_path(upload.id).read_bytes() == b"x"
        assert not opened.folder.capture_path(sha256).exists()


def test_an_upload_goes_back_to_the_bytes_that_are_there(tmp_path: Path) -> None:
    with Store.open(tmp_path / "data", exclusive=True) as opened:
        short, lost, whole = (
            opened.uploads.create(length=9, metadata={}, by=ANA, expires_ns=2**62) for _ in range(3)
        )
        for upload in (short, lost, whole):
            opened.uploads.advance(upload.id, offset=5, from_offset=0)
        opened.uploads.part_path(short.id).write_bytes(b"abc")
        opened.uploads.part_path(whole.id).write_bytes(b"abcdefg")

        assert recover(opened).uploads == 2

        assert [opened.uploads.get(one.id).offset for one in (short, lost, whole)] == [3, 0, 5]


def test_a_file_that_cannot_be_removed_is_said_and_not_fatal(local: Store) -> None:
    notes = _notes(local)

    done = recover(local)

    assert done.kept == (notes,)
    assert done.kept[0].exists()


def test_sizes_of_folders_that_vanish_count_nothing(local: Store) -> None:
    shutil.rmtree(local.folder.tables)

    assert "tables.missing" in kinds(local)
