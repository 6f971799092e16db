import shutil
from datetime import date
from pathlib import Path

import pytest

from analyzer.doctor import Check, examine
from tests.fake_core import FakeCore

TODAY = date(2026, 1, 1)


def by_name(folder: Path, today: date = TODAY) -> dict[str, Check]:
    return {check.name: check for check in examine(folder, today)}


def test_a_machine_with_everything_is_well(tmp_path: Path, fake_core: FakeCore) -> None:
    checks = by_name(tmp_path / "state")

    assert all(checks[name].ok for name in ("python", "core", "pyarrow", "rich", "state"))
    assert list((tmp_path / "state").iterdir()) == []


def test_whatever_is_missing_says_what_it_costs_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)

    checks = examine(tmp_path, TODAY)

    assert not next(check for check in checks if check.name == "tshark").ok
    for check in checks:
        assert check.ok or (check.cost and check.remedy)


def test_a_state_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    state = by_name(tmp_path / "file")["state"]

    assert not state.ok
    assert "OUTGATE_STATE" in state.remedy


def test_rules_of_long_ago_are_said(tmp_path: Path) -> None:
    rules = by_name(tmp_path, date(2099, 1, 1))["rules"]

    assert not rules.ok
    assert not rules.required


def test_what_keeps_no_worker_from_harm_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"files": "off: the kernel has no Landlock", "limits": "on"}
    monkeypatch.setattr("analyzer.doctor.confinement", lambda: said)

    check = by_name(tmp_path)["confinement"]

    assert not check.ok
    assert not check.required
    assert check.found == "files off: the kernel has no Landlock"


def test_a_worker_that_cannot_be_started_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError("no processes left")

    monkeypatch.setattr("analyzer.doctor.confinement", refuse)

    check = by_name(tmp_path)["confinement"]

    assert not check.ok
    assert "no processes left" in check.found
    assert "analyses nothing" in check.cost
