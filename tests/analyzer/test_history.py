import stat
from dataclasses import replace
from pathlib import Path

import pytest

from analyzer import engine, history
from analyzer.history import History, state_folder
from analyzer.model import CaptureRef, Report
from tests.builders import context, flow, observations, row
from tests.detectors import EveryLogin


def report(path: str = "a.pcap", sha256: str = "1" * 64) -> Report:
    seen = observations(
        [flow("10.0.0.1:1000", "198.51.100.20:3333")], path=path, mining=[row("mining", frame=5)]
    )
    seen.capture = CaptureRef(path=path, sha256=sha256)
    return engine.run(seen, [EveryLogin()], context())


def test_a_finding_is_found_again_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    saved = report()
    History(tmp_path).save(saved)

    for prefix in (saved.findings[0].id, saved.findings[0].id[:6], saved.findings[0].id[2:6]):
        ((finding, remembered),) = History(tmp_path).find(prefix)
        assert finding == saved.findings[0]
        assert remembered.file == str(Path.cwd() / "a.pcap")


def test_the_same_capture_again_replaces_its_report(tmp_path: Path) -> None:
    for _ in range(3):
        History(tmp_path).save(report())

    assert len(list(History(tmp_path).newest_first())) == 1


def test_the_latest_report_comes_first(tmp_path: Path) -> None:
    for name in ("a.pcap", "b.pcap"):
        History(tmp_path).save(report(name))

    files = [Path(remembered.file).name for remembered in History(tmp_path).newest_first()]

    assert files == ["b.pcap", "a.pcap"]


def test_the_folder_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_REPORTS", 3)
    saved = report()

    for number in range(6):
        capture = replace(saved.capture, path=f"{number}.pcap")
        History(tmp_path).save(replace(saved, capture=capture))

    assert len(list(History(tmp_path).newest_first())) == 3


def test_reports_are_their_owners_alone(tmp_path: Path) -> None:
    History(tmp_path).save(report())

    (path,) = (tmp_path / "reports").iterdir()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_written_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    History(tmp_path / "file").save(report())

    assert list(History(tmp_path / "file").newest_first()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": "other"}', b"\xff"])
def test_what_is_no_report_is_passed_over(tmp_path: Path, content: bytes) -> None:
    History(tmp_path).save(report())
    (tmp_path / "reports" / "99999999999999999999-bad.json").write_bytes(content)

    assert len(list(History(tmp_path).newest_first())) == 1


def test_the_folder_follows_the_environment() -> None:
    assert state_folder({"OUTGATE_STATE": "/a/b"}) == Path("/a/b")
    assert state_folder({"XDG_STATE_HOME": "/c", "HOME": "/h"}) == Path("/c/outgate")
    assert state_folder({"XDG_STATE_HOME": "relative", "HOME": "/h"}) == Path(
        "/h/.local/state/outgate"
    )
