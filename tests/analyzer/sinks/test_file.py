"""Lines in a file: whole ones, on disk, and nowhere but in the allowed folder."""

import errno
import fcntl
import json
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from analyzer.errors import ConfigError
from analyzer.sinks import Delivered, Retry, Surroundings, file, open_sender
from tests.analyzer.sinks.receivers import message


def sender(folder: Path, path: str = "findings.ndjson") -> Any:
    return open_sender("file", {"path": path}, Surroundings(folder=folder))


def reason_of(outcomes: Any) -> str:
    (outcome,) = outcomes
    assert isinstance(outcome, Retry)
    return outcome.reason


def test_each_finding_is_a_line(tmp_path: Path) -> None:
    out = sender(tmp_path)

    assert out.deliver([message(1), message(2)]) == [Delivered()] * 2
    assert out.deliver([message(3)]) == [Delivered()]

    lines = (tmp_path / "findings.ndjson").read_bytes().splitlines()
    assert [json.loads(line)["title"] for line in lines] == ["finding 1", "finding 2", "finding 3"]
    assert (tmp_path / "findings.ndjson").stat().st_mode & 0o007 == 0


def test_a_body_with_line_feeds_stays_one_line(tmp_path: Path) -> None:
    one = message()
    broken = type(one)(id=one.id, finding={}, body=b'{\n"a":\r\n1}', at_ns=1)

    sender(tmp_path).deliver([broken])

    assert (tmp_path / "findings.ndjson").read_bytes() == b'{ "a":  1}\n'


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/cron.d/x",
        "../x",
        "a/../../x",
        "a//b",
        "./x",
        ".hidden",
        "a/",
        "a/b/c/d/e",
        "x\0y",
        "x\ny",
        "-" * 200,
        "C:\\x",
        "ü",
        5,
        None,
    ],
)
def test_a_path_that_could_leave_the_folder_is_refused(tmp_path: Path, path: Any) -> None:
    with pytest.raises(ConfigError, match="option path of the file sink"):
        sender(tmp_path, path)


def test_without_an_allowed_folder_there_are_no_files() -> None:
    with pytest.raises(ConfigError, match="no folder is allowed"):
        open_sender("file", {"path": "x"}, Surroundings())


def test_folders_below_are_made(tmp_path: Path) -> None:
    assert sender(tmp_path, "team/a/x.ndjson").deliver([message()]) == [Delivered()]
    assert (tmp_path / "team/a/x.ndjson").is_file()


def test_links_are_not_followed(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    victim = outside / "victim"
    victim.write_text("kept\n")
    (allowed / "link").symlink_to(victim)
    (allowed / "dangling").symlink_to(outside / "new")
    (allowed / "folder").symlink_to(outside)
    os.link(victim, allowed / "second")

    assert "cannot write link" in reason_of(sender(allowed, "link").deliver([message()]))
    assert reason_of(sender(allowed, "dangling").deliver([message()]))
    assert reason_of(sender(allowed, "folder/victim").deliver([message()]))
    assert "hard link" in reason_of(sender(allowed, "second").deliver([message()]))
    assert victim.read_text() == "kept\n"
    assert sorted(path.name for path in outside.iterdir()) == ["victim"]


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()

    for name in ("pipe", "folder"):
        assert reason_of(sender(tmp_path, name).deliver([message()]))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"a":1}\n{"b":', b'{"a":1}\n'),
        (b'{"b":', b""),
        (b"CEF:0|Outg", b""),
        (b'{"a":1}\n', b'{"a":1}\n'),
        (b"", b""),
        (b"somebody's note", b"somebody's note\n"),
        (b'{"a":1}\nnote', b'{"a":1}\nnote\n'),
    ],
)
def test_a_cut_line_is_taken_away_and_foreign_text_kept(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    path = tmp_path / "findings.ndjson"
    path.write_bytes(before)

    assert sender(tmp_path).deliver([message()]) == [Delivered()]

    assert path.read_bytes() == after + message().body + b"\n"


def test_a_cut_line_longer_than_is_looked_at_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "MAX_CUT_BYTES", 4)
    (tmp_path / "findings.ndjson").write_bytes(b"x{{{{{{{{")

    sender(tmp_path).deliver([message()])

    assert (tmp_path / "findings.ndjson").read_bytes().startswith(b"x{{{{{{{{\n{")


def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender(tmp_path).deliver([message(1)])
    before = (tmp_path / "findings.ndjson").read_bytes()
    write = os.write

    def half(handle: int, data: bytes) -> int:
        if len(data) < 30:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data[:20])

    with monkeypatch.context() as full:
        full.setattr("os.write", half)
        assert reason_of(sender(tmp_path).deliver([message(2)])) == (
            "cannot write findings.ndjson: no space left on device"
        )

    assert (tmp_path / "findings.ndjson").read_bytes() == before
    assert sender(tmp_path).deliver([message(2)]) == [Delivered()]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        yield


def test_a_lock_that_is_not_given_up_is_an_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "LOCK_WAIT_S", 0.1)
    with locked(tmp_path / "findings.ndjson"):
        assert "lock" in reason_of(sender(tmp_path).deliver([message()]))
    assert sender(tmp_path).deliver([message()]) == [Delivered()]


def test_after_a_rotation_lines_go_to_the_new_file(tmp_path: Path) -> None:
    out = sender(tmp_path)
    out.deliver([message(1)])
    (tmp_path / "findings.ndjson").rename(tmp_path / "findings.ndjson.1")
    out.deliver([message(2)])

    assert b"finding 1" in (tmp_path / "findings.ndjson.1").read_bytes()
    assert (tmp_path / "findings.ndjson").read_bytes() == message(2).body + b"\n"


def append_many(folder: Path, start: int) -> None:
    out = sender(folder)
    for number in range(start, start + 50):
        assert out.deliver([message(number, title="x" * 5000)]) == [Delivered()]


def test_two_processes_write_whole_lines(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=append_many, args=(tmp_path, start)) for start in (0, 50)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    lines = (tmp_path / "findings.ndjson").read_bytes().splitlines()
    ids = {f"f-{number:016x}" for number in range(100)}
    assert len(lines) == len(ids)
    assert {json.loads(line)["id"] for line in lines} == ids
