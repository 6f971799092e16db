"""`outgate store`, `keys` and `audit`, as somebody at a terminal uses them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from analyzer.cli import outgate
from analyzer.store import Store, schema
from analyzer.store.records import Scope
from tests.builders_store import ANA, adopt, analysed, claim

Run = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a capture that was analysed."""
    with Store.open(tmp_path / "data") as opened:
        analysed(opened)
    return tmp_path / "data"


@pytest.fixture
def run(runner: CliRunner, data: Path) -> Run:
    """Runs a command on that folder."""

    def call(*words: str, at: Path = data) -> Result:
        return runner.invoke(outgate, [*words, "--data", str(at)])

    return call


def test_a_store_in_order_is_clean(run: Run) -> None:
    done = run("store", "check", "--deep")

    assert done.exit_code == 0
    assert done.stdout.startswith("clean: 1 captures of 3 bytes, 2 tables, 1 findings")
    assert "every byte read" in done.stdout


def test_problems_are_said_with_what_to_do_and_fail_the_command(run: Run, data: Path) -> None:
    next((data / "captures").rglob("[0-9a-f]" * 64)).unlink()

    done = run("store", "check")
    assert done.exit_code == 1
    assert "problem: capture.missing:" in done.stdout
    assert "restore the file from a backup" in done.stdout
    assert "1 problems:" in done.stdout

    said = json.loads(run("store", "check", "--format", "json").stdout)
    assert said["clean"] is False
    assert said["problems"][0]["kind"] == "capture.missing"


def test_what_a_kill_left_does_not_fail_the_command(run: Run, data: Path) -> None:
    with Store.open(data) as opened:
        adopt(opened, b"two")
        claim(opened)

    done = run("store", "check")

    assert done.exit_code == 0
    assert "left behind: job.interrupted" in done.stdout


def test_beside_a_service_it_says_so(run: Run, data: Path) -> None:
    with Store.open(data, exclusive=True):
        done = run("store", "check")

    assert done.exit_code == 0
    assert "beside a running service" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("store", "check"),
        ("store", "backup", "b.tar"),
        ("store", "compact"),
        ("store", "retain", "--keep-days", "1"),
        ("keys", "list"),
        ("audit", "verify"),
    ],
)
def test_a_folder_without_a_store_gets_none(
    run: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = run(*words, at=tmp_path / "none")

    assert done.exit_code == 2
    assert "error: cannot find a store in" in done.stderr
    assert not (tmp_path / "none").exists()


def test_the_folder_is_the_services_unless_it_is_named(
    runner: CliRunner, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = runner.invoke(outgate, ["store", "check"])
    assert "state/service" in done.stderr

    monkeypatch.setenv("OUTGATE_DATA", str(data))
    assert runner.invoke(outgate, ["store", "check"]).exit_code == 0


def test_a_backup_is_restored_elsewhere(run: Run, tmp_path: Path) -> None:
    archive = str(tmp_path / "b.tar")
    made = run("store", "backup", archive)
    assert made.exit_code == 0
    assert made.stdout == ""
    assert "1 captures" in made.stderr

    done = run("store", "restore", archive, at=tmp_path / "new")
    assert done.exit_code == 0
    assert done.stdout.startswith("clean: 1 captures")
    assert run("store", "check", "--deep", at=tmp_path / "new").exit_code == 0
    assert run("audit", "verify", at=tmp_path / "new").exit_code == 0

    again = run("store", "restore", archive, at=tmp_path / "new")
    assert again.exit_code == 2
    assert "error: cannot restore to" in again.stderr
    assert "there is such a file" in run("store", "backup", archive).stderr


def test_a_backup_that_lacks_something_fails_the_command(
    run: Run, data: Path, tmp_path: Path
) -> None:
    next((data / "captures").rglob("[0-9a-f]" * 64)).unlink()

    done = run("store", "backup", str(tmp_path / "b.tar"))

    assert done.exit_code == 1
    assert "missing: " in done.stderr
    assert (tmp_path / "b.tar").exists()


def test_retention_says_what_it_would_do_and_does_it(run: Run, data: Path) -> None:
    would = run("store", "retain", "--keep-bytes", "1", "--dry-run")
    assert would.stdout.startswith("would delete ")
    assert "1 captures, 3 bytes would go; 0 bytes stay" in would.stdout
    assert len(list((data / "captures").rglob("[0-9a-f]" * 64))) == 1

    done = run("store", "retain", "--keep-bytes", "1")
    assert done.stdout.startswith("deleted ")
    assert list((data / "captures").rglob("[0-9a-f]" * 64)) == []
    assert run("store", "retain").exit_code == 2


def test_names_from_outside_do_not_reach_the_terminal(run: Run, data: Path) -> None:
    with Store.open(data) as opened:
        job = adopt(opened, b"two", name="\x1b[2J\u202e.pcap").job
        opened.jobs.cancel(job.id, by=ANA)

    done = run("store", "retain", "--keep-bytes", "1", "--dry-run")

    assert "\x1b" not in done.stdout
    assert "\\x1b[2J\\u202e.pcap" in done.stdout


def test_compaction_says_what_it_gave_back(run: Run) -> None:
    done = run("store", "compact", "--keep-days", "0")

    assert done.exit_code == 0
    assert "bytes given back: tables of 0 analyses" in done.stdout


def test_a_key_is_printed_alone_and_can_be_listed_and_revoked(run: Run, data: Path) -> None:
    made = run("keys", "create", "poller", "--scope", "findings:read", "--expires", "90d")
    assert made.exit_code == 0
    text = made.stdout.strip()
    with Store.open(data) as opened:
        key = opened.keys.verify(text)
    assert key is not None
    assert key.scopes == {Scope.FINDINGS_READ}
    assert key.expires_ns > 0

    assert f"{key.id}  active   poller  [findings:read]" in run("keys", "list").stdout
    assert run("keys", "revoke", key.id).exit_code == 0
    (listed,) = json.loads(run("keys", "list", "--format", "json").stdout)
    assert (listed["id"], listed["revoked_by"]) == (key.id, "cli")
    assert run("keys", "revoke", key.id).exit_code == 2
    with Store.open(data) as opened:
        assert opened.keys.verify(text) is None


def test_a_first_key_can_be_made_before_the_first_start(run: Run, tmp_path: Path) -> None:
    done = run("keys", "create", "ops", "--scope", "admin", at=tmp_path / "fresh")

    assert done.exit_code == 0
    assert run("store", "check", at=tmp_path / "fresh").exit_code == 0


@pytest.mark.parametrize(
    "words", [("--scope", "root"), (), ("--scope", "admin", "--expires", "soon")]
)
def test_a_key_that_makes_no_sense_is_not_made(run: Run, words: tuple[str, ...]) -> None:
    done = run("keys", "create", "x", *words)

    assert done.exit_code == 2
    assert done.stdout == ""


def test_a_log_that_was_changed_is_said_from_where(run: Run, data: Path) -> None:
    assert run("audit", "verify").stdout == "intact: 1 entries\n"
    with Store.open(data) as opened, opened.database.write() as connection:
        connection.execute(sa.update(schema.audit).values(actor="user:eve@example.com"))

    done = run("audit", "verify")
    assert done.exit_code == 1
    assert done.stdout.startswith("broken at entry 1: its digest does not match")
    said = json.loads(run("audit", "verify", "--format", "json").stdout)
    assert (said["intact"], said["broken_at"]) == (False, 1)


def test_the_log_is_exported_one_entry_a_line(run: Run, data: Path) -> None:
    with Store.open(data) as opened:
        for number in range(3):
            opened.audit.record(ANA, "evidence.read", f"f-{number}")

    lines = [json.loads(line) for line in run("audit", "export").stdout.splitlines()]

    assert [one["number"] for one in lines] == [1, 2, 3, 4]
    assert lines[1]["previous"] == lines[0]["digest"]
    assert [
        json.loads(line)["number"]
        for line in run("audit", "export", "--after", "3").stdout.splitlines()
    ] == [4]
