"""Captures taken from a folder that others write to."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analyzer.errors import StoreUnavailable, UsageError
from analyzer.intake import IntakeLimits, Part
from analyzer.store import Store
from analyzer.store.records import SERVICE, StoredCapture
from analyzer.watch import Watcher, WatchSettings
from analyzer.watch import watcher as watcher_module
from analyzer.watch.folder import being_written, move_beside
from tests.bombs import PCAP_HEADER, pcap_of
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROME = Path(__file__).parents[2] / "pcaps" / "rome-incident.pcapng"
ANY_SIZE = IntakeLimits(max_bytes=1 << 40, min_free_bytes=0)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "data", exclusive=True) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "drop"
    path.mkdir()
    return path


def watcher(store: Store, folder: Path, **settings: Any) -> Watcher:
    given = {"folder": folder, "limits": ANY_SIZE, "poll_s": 0.02, **settings}
    return Watcher(store=store, settings=WatchSettings(**given))


def look_twice(watching: Watcher) -> None:
    watching.look()
    watching.look()


def names(store: Store) -> list[str]:
    return sorted(capture.name for capture in store.captures.list())


def held(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_finished_file_becomes_a_capture_with_a_job_and_stays(store: Store, folder: Path) -> None:
    woken: list[int] = []
    shutil.copy(ROME, folder / "gateway.pcapng")
    watching = watcher(store, folder)
    watching.wake = lambda: woken.append(1)
    look_twice(watching)
    capture: StoredCapture = store.captures.list()[0]
    assert capture.name == "gateway.pcapng"
    assert capture.created_by == "watch"
    assert store.folder.capture_path(capture.sha256).read_bytes() == ROME.read_bytes()
    assert len(store.jobs.list()) == len(woken) == 1
    assert held(folder) == ["gateway.pcapng"]
    for _ in range(3):
        watching.look()
    assert (watching.status().taken, watching.status().known) == (1, 0)
    assert list(store.folder.uploads.iterdir()) == []


def test_one_look_is_not_enough(local: Store, folder: Path) -> None:
    shutil.copy(ROME, folder)
    watching = watcher(local, folder)
    watching.look()
    assert names(local) == []
    assert watching.status().waiting == 1


def test_a_file_that_grows_is_waited_for(local: Store, folder: Path) -> None:
    path = folder / "growing.pcap"
    path.write_bytes(PCAP_HEADER)
    watching = watcher(local, folder)
    watching.look()
    path.write_bytes(pcap_of([b"\x02" * 60]))
    watching.look()
    assert names(local) == []
    watching.look()
    assert names(local) == ["growing.pcap"]


def test_a_file_that_is_open_for_writing_is_waited_for(local: Store, folder: Path) -> None:
    path = folder / "open.pcap"
    with path.open("wb") as file:
        file.write(PCAP_HEADER)
        file.flush()
        assert being_written([path]) == {path}
        watching = watcher(local, folder)
        for _ in range(3):
            watching.look()
        assert names(local) == []
        assert watching.status().waiting == 1
    with path.open("rb"):
        assert being_written([path]) == set()
        watching.look()
    assert names(local) == ["open.pcap"]


def test_a_file_that_changes_while_it_is_read_is_taken_later(
    local: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "late.pcap"
    path.write_bytes(pcap_of([b"\x02" * 60]))
    watching = watcher(local, folder)
    watching.look()
    real = Part.write

    def write_meanwhile(part: Part, data: bytes) -> None:
        real(part, data)
        path.write_bytes(pcap_of([b"\x03" * 60, b"\x04" * 60]))

    with monkeypatch.context() as patched:
        patched.setattr(Part, "write", write_meanwhile)
        watching.look()
    assert names(local) == []
    assert list(local.folder.uploads.iterdir()) == []
    look_twice(watching)
    (capture,) = local.captures.list()
    assert local.folder.capture_path(capture.sha256).read_bytes() == path.read_bytes()


def test_unfinished_hidden_linked_and_special_files_are_left_alone(
    local: Store, folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.pcap"
    shutil.copy(ROME, outside)
    for name in (".hidden.pcap", "copying.pcap.part", "copying.PART", "download.tmp"):
        shutil.copy(ROME, folder / name)
    (folder / "link.pcap").symlink_to(outside)
    os.mkfifo(folder / "fifo.pcap")
    (folder / "empty.pcap").touch()
    (folder / "below").mkdir()
    shutil.copy(ROME, folder / "below" / "deep.pcap")
    before = held(folder)
    watching = watcher(local, folder, move=True)
    look_twice(watching)
    assert names(local) == []
    assert held(folder) == before
    (folder / "copying.pcap.part").rename(folder / "copying.pcap")
    look_twice(watching)
    assert names(local) == ["copying.pcap"]


def test_a_file_is_known_by_its_content_and_not_by_its_name(local: Store, folder: Path) -> None:
    shutil.copy(ROME, folder / "one.pcapng")
    watching = watcher(local, folder)
    look_twice(watching)
    (folder / "one.pcapng").rename(folder / "two.pcapng")
    shutil.copy(ROME, folder / "three.pcapng")
    look_twice(watching)
    (folder / "one.pcapng").write_bytes(pcap_of([b"\x02" * 60]))  # a new one under an old name
    look_twice(watching)
    assert names(local) == ["one.pcapng", "one.pcapng"]
    assert len(local.jobs.list()) == 2
    assert (watching.status().taken, watching.status().known) == (2, 2)


def test_after_a_restart_nothing_is_taken_again(local: Store, folder: Path) -> None:
    shutil.copy(ROME, folder / "a.pcapng")
    look_twice(watcher(local, folder))
    (capture,) = local.captures.list()
    job = local.jobs.list()[0]
    local.jobs.cancel(job.id, by=SERVICE)
    local.captures.delete(capture.sha256, reason="no longer needed", by=SERVICE)
    again = watcher(local, folder)
    look_twice(again)
    assert again.status().known == 1
    assert len(local.jobs.list()) == 1
    assert local.captures.get(capture.sha256).deleted, "what was deleted does not come back"


def test_what_was_taken_moves_to_done_over_nothing(local: Store, folder: Path) -> None:
    (folder / "done").mkdir()
    (folder / "done" / "a.pcapng").write_text("older")
    shutil.copy(ROME, folder / "a.pcapng")
    look_twice(watcher(local, folder, move=True))
    assert held(folder) == ["done/a.pcapng", "done/a.pcapng.1"]
    assert (folder / "done" / "a.pcapng").read_text() == "older"
    assert (folder / "done" / "a.pcapng.1").read_bytes() == ROME.read_bytes()
    shutil.copy(ROME, folder / "a.pcapng")
    look_twice(watcher(local, folder, move=True))
    assert "done/a.pcapng.2" in held(folder)
    assert len(local.jobs.list()) == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.txt", b"call Bob", "cannot take this as a capture: it is text"),
        ("setup.exe", PCAP_HEADER, "name of a program"),
        ("big.pcap", pcap_of([bytes(60)] * 100), "cannot take a capture of more than 2000 bytes"),
        ("cut.pcap.gz", b"\x1f\x8b\x08\x00", "gzip"),
    ],
)
def test_what_is_no_capture_moves_to_failed_with_the_reason(
    local: Store, folder: Path, name: str, content: bytes, words: str
) -> None:
    (folder / name).write_bytes(content)
    limits = IntakeLimits(max_bytes=2000, min_free_bytes=0)
    watching = watcher(local, folder, limits=limits)
    look_twice(watching)
    assert held(folder) == [f"failed/{name}", f"failed/{name}.reason.txt"]
    assert (folder / "failed" / name).read_bytes() == content
    reason = (folder / "failed" / f"{name}.reason.txt").read_text()
    assert words in reason
    assert "hint: " in reason
    assert watching.status().failed == 1
    assert names(local) == []
    assert list(local.folder.uploads.iterdir()) == []


def test_names_that_show_as_something_else_are_escaped(local: Store, folder: Path) -> None:
    shutil.copy(ROME, folder / "a\x1b[2J\u202egnpcap.pcapng")
    look_twice(watcher(local, folder))
    assert names(local) == ["a\\x1b[2J\\u202egnpcap.pcapng"]


def test_a_folder_for_results_that_is_a_link_is_not_used(
    local: Store, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "failed").symlink_to(tmp_path / "elsewhere")
    (folder / "notes.txt").write_text("call Bob")
    watching = watcher(local, folder)
    look_twice(watching)
    look_twice(watching)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (folder / "notes.txt").exists()
    assert watching.status().failed == 1


def test_a_file_too_large_for_the_disk_holds_up_no_other(local: Store, folder: Path) -> None:
    with (folder / "a-huge.pcap").open("wb") as file:
        file.write(PCAP_HEADER)
        file.truncate(1 << 43)
    os.utime(folder / "a-huge.pcap", (1, 1))
    shutil.copy(ROME, folder / "b.pcapng")
    watching = watcher(local, folder, limits=IntakeLimits(max_bytes=1 << 60, min_free_bytes=0))
    watching.look()
    with pytest.raises(StoreUnavailable, match="cannot store the capture"):
        watching.look()
    assert names(local) == ["b.pcapng"]
    assert held(folder) == ["a-huge.pcap", "b.pcapng"]


def test_a_store_that_refuses_for_a_while_costs_no_file(
    local: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROME, folder / "a.pcapng")
    real, refusals = local.captures.adopt, [2]

    def flaky(*args: Any, **kwargs: Any) -> Any:
        refusals[0] -= 1
        if refusals[0] >= 0:
            raise StoreUnavailable("cannot write: database is locked")
        return real(*args, **kwargs)

    monkeypatch.setattr(local.captures, "adopt", flaky)
    with watcher(local, folder) as watching:
        until(lambda: watching.status().taken == 1, "the file is taken")
        assert watching.alive
        until(lambda: not watching.status().problem, "all is well again")
    assert names(local) == ["a.pcapng"]


def test_a_folder_that_is_gone_for_a_while_is_a_problem_and_no_end(
    local: Store, folder: Path
) -> None:
    with watcher(local, folder) as watching:
        folder.rmdir()
        until(lambda: "cannot take captures" in watching.status().problem, "it says so")
        folder.mkdir()
        shutil.copy(ROME, folder / "a.pcapng")
        until(lambda: watching.status().taken == 1, "the file is taken")


def test_stopping_does_not_wait_for_a_large_file(
    local: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROME, folder / "a.pcapng")
    reading = threading.Event()
    real = Part.write

    def write(part: Part, data: bytes) -> None:
        reading.set()
        watching._stop.wait(20)
        real(part, data)

    monkeypatch.setattr(Part, "write", write)
    monkeypatch.setattr(watcher_module, "READ_BYTES", 1000)
    watching = watcher(local, folder)
    watching.start()
    assert reading.wait(20)
    watching.stop()
    assert not watching.alive
    assert names(local) == []
    assert list(local.folder.uploads.iterdir()) == []
    assert held(folder) == ["a.pcapng"]


def test_a_folder_that_cannot_be_watched_is_refused(local: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it is no folder"):
        watcher(local, tmp_path / "missing").start()
    with pytest.raises(UsageError, match="within the data folder"):
        watcher(local, local.folder.captures).start()


def test_without_hard_links_a_file_is_renamed_over_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "done"
    target.mkdir()
    (target / "a").write_text("older")
    (tmp_path / "a").write_text("newer")
    assert move_beside(tmp_path / "a", target) == target / "a.1"
    assert (target / "a").read_text() == "older"
    assert not (tmp_path / "a").exists()
