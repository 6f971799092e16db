import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analyzer.cli import outgate
from tests.builders import at_ns, flow, row
from tests.conftest import CheckFinding
from tests.detectors import Broken, EveryLogin
from tests.fake_core import FakeCore, write_pcap


@pytest.fixture
def miner(tmp_path: Path, fake_core: FakeCore) -> str:
    fake_core.register(
        "miner.pcap",
        flows=[flow("10.20.0.14:49152", "198.51.100.20:3333", app="mining")],
        mining=[row("mining", frame=2, agent="XMRig", wallet="4A")],
    )
    return str(write_pcap(tmp_path / "miner.pcap", [b"a", b"b"]))


@pytest.fixture
def quiet(tmp_path: Path, fake_core: FakeCore) -> str:
    return str(write_pcap(tmp_path / "quiet.pcap", [b"a"]))


def analyze(runner: CliRunner, *arguments: str) -> Result:
    return runner.invoke(outgate, ["analyze", *arguments])


def test_findings_go_to_standard_output_and_the_rest_to_standard_error(
    runner: CliRunner, miner: str, quiet: str, check_finding: CheckFinding
) -> None:
    result = analyze(runner, "--format", "ndjson", miner, quiet)

    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    finding = json.loads(line)
    check_finding(finding)
    assert finding["capture"]["path"] == miner
    assert result.stderr == "2 captures, 1 finding\n"


def test_the_table_is_the_default(runner: CliRunner, miner: str) -> None:
    result = analyze(runner, miner)

    assert result.stdout.startswith(" MINING CONFIRMED")
    assert "\x1b" not in result.stdout


def test_what_is_no_capture_is_one_line_and_a_hint_and_the_others_go_on(
    runner: CliRunner, miner: str, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("hello")

    result = analyze(runner, "--format", "ndjson", str(notes), miner, str(tmp_path / "absent"))

    assert result.exit_code == 3
    assert len(result.stdout.splitlines()) == 1
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"error: cannot read {notes}")
    assert lines[1].startswith("hint: ")
    assert "absent" in lines[2]
    assert "Traceback" not in result.stderr


def test_fail_on_turns_findings_of_that_severity_into_status_1(
    runner: CliRunner, miner: str, quiet: str
) -> None:
    assert analyze(runner, "--fail-on", "critical", miner).exit_code == 1
    assert analyze(runner, "--fail-on", "info", quiet).exit_code == 0
    assert analyze(runner, "--fail-on", "info", "--min-confidence", "0.99", miner).exit_code == 0


def test_less_likely_findings_can_be_left_out(runner: CliRunner, miner: str) -> None:
    result = analyze(runner, "--format", "ndjson", "--min-confidence", "0.99", miner)

    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments", [[], ["--format", "xml", "a"], ["--inside", "ten", "a"], ["--fail-on", "bad", "a"]]
)
def test_wrong_usage_is_status_2(runner: CliRunner, arguments: list[str]) -> None:
    result = analyze(runner, *arguments)

    assert result.exit_code == 2
    assert result.stdout == ""


def test_an_empty_capture_is_status_0_with_a_note(
    runner: CliRunner, quiet: str, fake_core: FakeCore
) -> None:
    fake_core.register("quiet.pcap", counters={"frames": 0, "first_ns": 0, "last_ns": 0})

    result = analyze(runner, "--format", "ndjson", quiet)

    assert result.exit_code == 0
    assert result.stderr == f"note: {quiet}: the capture holds no frame\n"


def test_a_damaged_capture_gives_its_findings_and_a_warning(
    runner: CliRunner, miner: str, fake_core: FakeCore
) -> None:
    counters = {"truncated_tail": True, "issue_counts": {"capture.bad_length": 2}}
    fake_core.register("miner.pcap", counters=counters, **fake_core.facts["miner.pcap"]["tables"])

    result = analyze(runner, "--format", "ndjson", miner)

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    assert "cut off in its last packet" in result.stderr
    assert "capture.bad_length 2" in result.stderr


def test_a_folder_is_analysed_file_by_file_under_its_given_name(
    runner: CliRunner, miner: str, quiet: str, tmp_path: Path
) -> None:
    (tmp_path / "readme.txt").write_text("hello")

    result = analyze(runner, "--format", "json", f"{tmp_path}/")

    paths = [report["capture"]["path"] for report in json.loads(result.stdout)["reports"]]
    assert paths == [f"{tmp_path}/miner.pcap", f"{tmp_path}/quiet.pcap"]
    assert "1 file passed over, being no captures" in result.stderr


def test_a_folder_without_captures_is_said(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    result = analyze(runner, str(tmp_path / "empty"))

    assert result.exit_code == 0
    assert "holds no capture" in result.stderr


def test_joined_files_are_one_stream_in_time_order(
    runner: CliRunner, tmp_path: Path, fake_core: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, early = (str(write_pcap(tmp_path / name, [b"x"])) for name in ("a.pcap", "b.pcap"))
    starts = {late: at_ns(60), early: at_ns(0)}
    read = fake_core.read_frames

    def first_frames(path: str, numbers: list[int]) -> list[object]:
        (frame,) = read(path, numbers)
        return [type(frame)(**{**vars(frame), "ts_ns": starts[path]})]

    monkeypatch.setattr("analyzer._core.read_frames", first_frames)

    result = analyze(runner, "--join", late, early)

    assert result.exit_code == 0
    assert fake_core.calls[-1]["paths"] == [early, late]


def test_a_broken_detector_is_a_warning_and_not_a_status(
    runner: CliRunner, miner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analyzer.cli.session.BUILTIN", (Broken(), EveryLogin()))

    result = analyze(runner, "--format", "ndjson", miner)

    assert result.exit_code == 0
    assert "detector tunnel.broken failed: RuntimeError" in result.stderr
    assert len(result.stdout.splitlines()) == 1


def test_a_defect_costs_one_capture_and_shows_no_traceback(
    runner: CliRunner, miner: str, quiet: str, fake_core: FakeCore
) -> None:
    fake_core.register("quiet.pcap", flows=[{"flow_id": "no number"}])

    result = analyze(runner, "--format", "ndjson", quiet, miner)

    assert result.exit_code == 3
    assert len(result.stdout.splitlines()) == 1
    assert "internal error" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_interrupt_is_status_130(
    runner: CliRunner, miner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("analyzer._core.analyze", interrupted)

    result = analyze(runner, miner)

    assert result.exit_code == 130
    assert result.stderr == "interrupted\n"


def test_a_state_folder_that_cannot_be_written_is_no_reason_to_fail(
    runner: CliRunner, miner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("OUTGATE_STATE", str(tmp_path / "file"))

    result = analyze(runner, "--format", "ndjson", miner)

    assert (result.exit_code, result.stderr) == (0, "")


def test_a_hostile_file_name_cannot_control_the_terminal(
    runner: CliRunner, tmp_path: Path, fake_core: FakeCore
) -> None:
    name = tmp_path / "a\x1b[2Jb.pcap"
    name.write_text("no capture")

    result = analyze(runner, str(name))

    assert "\x1b" not in result.stderr + result.stdout
