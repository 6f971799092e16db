"""Backup and restore: whole or not at all, from either database to either."""

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from analyzer.errors import ConflictError, StoreError, StoreUnavailable
from analyzer.store import Store, schema
from analyzer.store.maintenance import backup as backups
from analyzer.store.maintenance.archive import DamagedBackup
from analyzer.store.maintenance.backup import backup
from analyzer.store.maintenance.check import check
from analyzer.store.maintenance.dump import LEFT_OUT, dumped_tables
from analyzer.store.maintenance.restore import restore
from analyzer.store.records import JobState, Scope
from tests.builders_store import ANA, adopt, analysed, claim, sink
from tests.databases import PostgresServer


def fill(store: Store) -> str:
    """Something of everything; a key."""
    sink(store)
    analysed(store, b"one", logins=3)
    analysed(store, b"two")
    finding = first(store)
    store.findings.comment(finding, "odd \N{SNOWMAN} \x00 text", by=ANA)
    store.suppressions.add(
        kind="suppress", scope={"finding": [finding]}, reason="noise", expires_ns=0, by=ANA
    )
    adopt(store, b"waits")
    adopt(store, b"runs", priority=1)
    claim(store)
    store.captures.set_hold(store.captures.list()[-1].sha256, on=True, reason="case 7", by=ANA)
    return store.keys.create("poller", [Scope.FINDINGS_READ], by=ANA)[1]


def first(store: Store) -> str:
    with store.database.read() as connection:
        ids = sa.select(schema.findings.c.id).order_by(schema.findings.c.id)
        return str(connection.execute(ids).scalars().first())


def rows(store: Store) -> dict[str, Any]:
    """Everything a backup holds."""
    with store.database.read() as connection:
        return {
            table.name: sorted(
                json.dumps(list(row)) for row in connection.execute(sa.select(table))
            )
            for table in dumped_tables()
        }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a small store, for all tests."""
    folder = tmp_path_factory.mktemp("backup")
    with Store.open(folder / "old") as opened:
        analysed(opened)
        backup(opened, folder / "b.tar")
    return folder / "b.tar"


@pytest.fixture
def archive(made: Path, tmp_path: Path) -> Path:
    """That backup, for one test."""
    return Path(shutil.copy2(made, tmp_path / "b.tar"))


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_what_is_restored_is_what_was_there(
    store: Store, target: str, tmp_path: Path, postgres: PostgresServer
) -> None:
    key = fill(store)
    before = rows(store)
    made = backup(store, tmp_path / "b.tar")
    assert made.captures == 4
    assert made.missing == made.deleted_meanwhile == ()

    with postgres.database() as url:
        database = url if target == "postgresql" else ""
        done = restore(made.path, tmp_path / "new", database, by=ANA)
        with Store.open(tmp_path / "new", database, exclusive=True) as new:
            assert done.report.problems == done.report.leftovers == ()
            assert check(new, deep=True).clean
            assert new.keys.verify(key)
            assert new.epoch != store.epoch
            after = rows(new)
            same = set(before) - {"meta", "audit", "counters", "jobs", "job_events", "keys"}
            assert {name: after[name] for name in same} == {name: before[name] for name in same}
            assert set(before["audit"]) < set(after["audit"])
            assert new.audit.verify().entries == store.audit.verify().entries + 1
            assert new.jobs.counts()[JobState.QUEUED] == 2, "what ran waits again"
            written = new.findings.comment(first(new), "again", by=ANA)
            assert written.id > store.findings.comments(first(store))[-1].id


def test_ids_that_were_given_out_do_not_come_again(tmp_path: Path, store: Store) -> None:
    sink(store)
    analysed(store)
    with store.database.write() as connection:
        connection.execute(sa.delete(schema.outbox))
    given_out = 1

    backup(store, tmp_path / "b.tar")
    restore(tmp_path / "b.tar", tmp_path / "new", by=ANA)

    with Store.open(tmp_path / "new", exclusive=True) as new:
        for job in new.jobs.claim(limit=9):
            new.jobs.fail(job.id, job.attempt, code="x", message="x")
        analysed(new, b"another")
        (delivery,) = new.outbox.list(new.sinks.list()[0].id)
        assert delivery.id > given_out


def test_the_file_is_the_owners_and_any_tar_lists_it(archive: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as read:
        names = read.getnames()
    assert names[-1] == "manifest.json"
    assert {"secret", "database/findings.jsonl"} <= set(names)
    assert not any(f"database/{name}.jsonl" in names for name in LEFT_OUT)
    assert [path.name for path in archive.parent.iterdir() if path.name.startswith(".")] == []


def test_a_backup_never_replaces_a_file(tmp_path: Path, store: Store) -> None:
    (tmp_path / "b.tar").write_text("mine")

    with pytest.raises(ConflictError, match="there is such a file"):
        backup(store, tmp_path / "b.tar")

    assert (tmp_path / "b.tar").read_text() == "mine"


def test_a_full_disk_leaves_no_half_backup(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysed(store)
    (tmp_path / "out").mkdir()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups, "_captures", full)
    with pytest.raises(StoreUnavailable, match="no space left on device"):
        backup(store, tmp_path / "out" / "b.tar")

    assert list((tmp_path / "out").iterdir()) == []


def test_captures_that_go_while_a_backup_is_made_are_deleted_in_what_is_restored(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = analysed(store, b"one").capture
    lost = analysed(store, b"two").capture
    copy = backups._captures

    def deleting(*given: Any) -> list[str]:
        store.captures.delete(gone, reason="asked for", by=ANA)
        path = store.folder.capture_path(lost)
        path.chmod(0o600)
        path.unlink()
        return copy(*given)

    monkeypatch.setattr(backups, "_captures", deleting)
    made = backup(store, tmp_path / "b.tar")

    assert made.deleted_meanwhile == (gone,)
    assert made.missing == (lost,)
    done = restore(made.path, tmp_path / "new", by=ANA)
    assert [one.kind for one in done.report.problems] == ["capture.missing"]
    with Store.open(tmp_path / "new") as new:
        assert new.captures.get(gone).deleted


@pytest.mark.parametrize("what", ["folder", "database"])
def test_nothing_is_restored_over_something(
    archive: Path, what: str, tmp_path: Path, postgres: PostgresServer
) -> None:
    with postgres.database() as url:
        if what == "folder":
            (tmp_path / "new").mkdir()
            (tmp_path / "new" / "notes.txt").write_text("mine")
        else:
            Store.open(tmp_path / "other", url).close()
        with pytest.raises(ConflictError, match="cannot restore to"):
            restore(archive, tmp_path / "new", url, by=ANA)

    assert [path.name for path in tmp_path.glob("new/*")] == (
        ["notes.txt"] if what == "folder" else []
    )
    assert list(tmp_path.glob(".new*")) == []


def test_an_empty_folder_is_taken(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()

    assert restore(archive, tmp_path / "new", by=ANA).report.clean


# Archives that are not what they should be


def repacked(archive: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """The archive with other contents, its manifest telling the truth of them if it is kept."""
    with tarfile.open(archive) as read:
        files = {one.name: read.extractfile(one).read() for one in read}  # type: ignore[union-attr]
    change(files)
    return write(archive.with_name("bad.tar"), files)


def write(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as out:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def relisted(files: dict[str, bytes], name: str, data: bytes) -> None:
    """Changes a file and the manifest with it."""
    files[name] = data
    manifest = json.loads(files["manifest.json"])
    manifest["members"] = [
        {
            "name": one,
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for one, content in files.items()
        if one != "manifest.json"
    ]
    files["manifest.json"] = json.dumps(manifest).encode()


def relisted_without(files: dict[str, bytes], name: str) -> None:
    del files[name]
    relisted(files, "database/sinks.jsonl", files["database/sinks.jsonl"])


def remanifested(files: dict[str, bytes], **values: object) -> None:
    manifest = json.loads(files["manifest.json"]) | values
    files["manifest.json"] = json.dumps(manifest).encode()


def _capture_name(files: dict[str, bytes]) -> str:
    return next(name for name in files if name.startswith("captures/"))


def _rename_capture(files: dict[str, bytes]) -> None:
    name = _capture_name(files)
    data = files.pop(name)
    relisted(files, f"captures/ab/ab{'0' * 62}", data)


def _row(files: dict[str, bytes], table: str, place: int, value: object) -> None:
    name = f"database/{table}.jsonl"
    head, *lines = files[name].splitlines()
    row = json.loads(lines[0])
    row[place] = value
    relisted(files, name, b"\n".join([head, json.dumps(row).encode(), *lines[1:]]) + b"\n")


HOSTILE: dict[str, Callable[[dict[str, bytes]], object]] = {
    "a path out of the folder": lambda f: f.update({"../../evil": b"x"}),
    "an absolute path": lambda f: f.update({"/tmp/evil": b"x"}),
    "a name with a dot": lambda f: f.update({"tables/a-1-1/../../secret": b"x"}),
    "another file": lambda f: f.update({"outgate.sqlite": b"x"}),
    "no manifest": lambda f: f.pop("manifest.json"),
    "a manifest that is none": lambda f: f.update({"manifest.json": b"[]"}),
    "a manifest of deep nests": lambda f: f.update({"manifest.json": b"[" * 100_000}),
    "another format": lambda f: remanifested(f, format="outgate/backup/9"),
    "a wrong hash": lambda f: f.update({_capture_name(f): b"onf"}),
    "a file that is not listed": lambda f: f.update({f"captures/ab/ab{'0' * 62}": b"x"}),
    "a file that is listed and not there": lambda f: f.pop(_capture_name(f)),
    "a capture under another hash": _rename_capture,
    "no secret": lambda f: relisted_without(f, "secret"),
    "a secret that is too short": lambda f: relisted(f, "secret", b"short"),
    "a table that is missing": lambda f: relisted_without(f, "database/jobs.jsonl"),
    "a table of other columns": lambda f: relisted(
        f, "database/keys.jsonl", b'{"columns":["id; DROP TABLE keys"]}\n'
    ),
    "a row that is no JSON": lambda f: relisted(
        f, "database/keys.jsonl", f["database/keys.jsonl"] + b"{{{\n"
    ),
    "a row of another length": lambda f: relisted(
        f, "database/keys.jsonl", f["database/keys.jsonl"] + b"[1]\n"
    ),
    "text for a number": lambda f: _row(f, "jobs", 4, "many"),
    "a number too large": lambda f: _row(f, "jobs", 4, 2**70),
    "a job of no capture": lambda f: _row(f, "jobs", 1, "0" * 64),
    "a revision of the future": lambda f: remanifested(f, revision="9999"),
    "a revision that is a statement": lambda f: remanifested(f, revision="heads; DROP TABLE x"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_archive_that_is_not_whole_and_true_leaves_nothing_behind(
    archive: Path, what: str, tmp_path: Path
) -> None:
    bad = repacked(archive, HOSTILE[what])
    before = sorted(path.name for path in tmp_path.iterdir())

    with pytest.raises(StoreError, match="cannot"):
        restore(bad, tmp_path / "new", by=ANA)

    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_broken_archive_leaves_an_empty_postgresql_behind(
    archive: Path, tmp_path: Path, postgres: PostgresServer
) -> None:
    bad = repacked(archive, HOSTILE["a job of no capture"])
    with postgres.database() as url:
        with pytest.raises(DamagedBackup, match="do not fit together"):
            restore(bad, tmp_path / "new", url, by=ANA)

        assert sa.inspect(sa.create_engine(url, poolclass=sa.NullPool)).get_table_names() == []


SPECIAL = {
    "a link": tarfile.SYMTYPE,
    "a hard link": tarfile.LNKTYPE,
    "a device": tarfile.CHRTYPE,
    "a pipe": tarfile.FIFOTYPE,
    "a folder": tarfile.DIRTYPE,
    "a sparse file": tarfile.GNUTYPE_SPARSE,
    "a long name": tarfile.GNUTYPE_LONGNAME,
    "an extended header": tarfile.XHDTYPE,
}


@pytest.mark.parametrize("what", SPECIAL)
def test_an_archive_holds_regular_files_alone(archive: Path, what: str, tmp_path: Path) -> None:
    info = tarfile.TarInfo("secret")
    info.type = SPECIAL[what]
    info.linkname = "/etc/passwd"
    bad = tmp_path / "bad.tar"
    bad.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + archive.read_bytes())

    with pytest.raises(DamagedBackup, match="no regular file"):
        restore(bad, tmp_path / "new", by=ANA)

    assert not (tmp_path / "new").exists()


def test_a_file_twice_is_refused(archive: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tar"
    bad.write_bytes(archive.read_bytes().rstrip(b"\0"))
    data = archive.read_bytes()
    info = tarfile.TarInfo("secret")
    info.size = 32
    bad.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(512) + data)

    with pytest.raises(DamagedBackup, match="twice"):
        restore(bad, tmp_path / "new", by=ANA)


def test_an_archive_cut_anywhere_is_refused(archive: Path, tmp_path: Path) -> None:
    data = archive.read_bytes()
    cuts = [0, 1, 511, 512, 513, *range(600, len(data) - 1, len(data) // 12)]
    for cut in [*cuts, len(data) - 513, len(data) - 1]:
        bad = tmp_path / "cut.tar"
        bad.write_bytes(data[:cut])
        with pytest.raises(DamagedBackup):
            restore(bad, tmp_path / "new", by=ANA)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "cut.tar"]


def test_a_size_that_no_disk_has_is_refused_at_once(archive: Path, tmp_path: Path) -> None:
    info = tarfile.TarInfo("secret")
    info.size = 1 << 60
    bad = tmp_path / "bad.tar"
    bad.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + os.urandom(2048))

    with pytest.raises(DamagedBackup, match="ends within secret"):
        restore(bad, tmp_path / "new", by=ANA)


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_bytes(os.urandom(4096))

    with pytest.raises(DamagedBackup, match="no tar file"):
        restore(tmp_path / "b.tar", tmp_path / "new", by=ANA)
    with pytest.raises(StoreUnavailable, match="no such file"):
        restore(tmp_path / "none.tar", tmp_path / "new", by=ANA)
