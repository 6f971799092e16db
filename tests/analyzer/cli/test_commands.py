import csv
import io
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pyarrow.parquet
import pytest
from click.testing import CliRunner

from analyzer import __version__
from analyzer.cli import COMMANDS, outgate
from tests.builders import flow, row
from tests.fake_core import FakeCore, write_pcap

ROOT = Path(__file__).parents[3]


@pytest.fixture
def miner(tmp_path: Path, fake_core: FakeCore) -> str:
    fake_core.register(
        "miner.pcap",
        flows=[flow("10.20.0.14:40000", "198.51.100.20:9", transport="udp", app="mining")],
        mining=[row("mining", frame=2, agent="XMRig", wallet="=4A\x1b", up=True)],
    )
    return str(write_pcap(tmp_path / "miner.pcap", [b"a", b"b", b"c"]))


def found_id(runner: CliRunner, miner: str) -> str:
    result = runner.invoke(outgate, ["analyze", "--format", "ndjson", miner])
    return str(json.loads(result.stdout)["id"])


def test_the_version_is_that_of_the_core() -> None:
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]

    assert workspace["package"]["version"] == __version__


def test_version_and_help_import_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from analyzer.cli import outgate\n"
        "for argument in ('--version', '--help'):\n"
        "    outgate([argument], standalone_mode=False)\n"
        "heavy = {'pyarrow', 'pandas', 'numpy', 'rich', 'analyzer.ruleset', 'fastapi'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=60, capture_output=True, text=True
    )

    assert __version__ in done.stdout
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(runner: CliRunner, name: str) -> None:
    result = runner.invoke(outgate, [name, "--help"])

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 4


def test_a_command_that_is_not_there_is_wrong_usage(runner: CliRunner) -> None:
    assert runner.invoke(outgate, ["analyse"]).exit_code == 2


def test_why_adds_up_the_reasons_of_a_finding_seen_before(runner: CliRunner, miner: str) -> None:
    finding = found_id(runner, miner)

    result = runner.invoke(outgate, ["why", finding[:8]])

    assert result.exit_code == 0
    assert "= 0.97587" in result.stdout
    assert "=4A\\x1b" in result.stdout


def test_why_of_a_capture_analyses_it_again(runner: CliRunner, miner: str) -> None:
    finding = found_id(runner, miner)

    result = runner.invoke(outgate, ["why", finding, miner])

    assert finding in result.stdout


def test_why_of_an_unknown_finding_says_what_to_do(runner: CliRunner) -> None:
    result = runner.invoke(outgate, ["why", "f-ffff"])

    assert result.exit_code == 2
    assert result.stderr.splitlines()[0].startswith("error: cannot find a finding f-ffff")
    assert "outgate why f-ffff CAPTURE" in result.stderr


def test_why_of_a_frame_shows_its_conversation_and_who_said_what(
    runner: CliRunner, miner: str, fake_core: FakeCore
) -> None:
    flows = fake_core.facts["miner.pcap"]["tables"]["flows"]
    fake_core.register("frame.pcapng", flows=flows)

    result = runner.invoke(outgate, ["why", "2", miner])

    assert result.exit_code == 0
    assert "10.20.0.14:40000 → 198.51.100.20:9 udp" in result.stdout
    assert "agent=XMRig" in result.stdout
    assert "critical 0.98" in result.stdout


def test_why_of_a_frame_says_what_it_was_instead_of_mining(
    runner: CliRunner, tmp_path: Path, fake_core: FakeCore
) -> None:
    flows = [flow("10.20.0.14:40000", "198.51.100.20:9", transport="udp", app="electrum")]
    labels = [row("labels", frame=1, name="electrum", detail="server.version was asked for")]
    fake_core.register("wallet.pcap", flows=flows, labels=labels)
    fake_core.register("frame.pcapng", flows=flows)
    path = str(write_pcap(tmp_path / "wallet.pcap", [b"a"]))

    result = runner.invoke(outgate, ["why", "1", path])

    assert (
        "this is an Electrum wallet, not mining, because server.version was asked for"
        in result.stdout
    )
    assert "no message of a mining protocol was seen" in result.stdout


def test_why_of_a_frame_that_is_not_there_says_how_many_there_are(
    runner: CliRunner, miner: str
) -> None:
    result = runner.invoke(outgate, ["why", "999", miner])

    assert result.exit_code == 2
    assert "cannot find frame 999" in result.stderr


def test_carve_writes_the_frames_and_a_manifest(
    runner: CliRunner, miner: str, tmp_path: Path
) -> None:
    output = tmp_path / "out.pcapng"

    result = runner.invoke(outgate, ["carve", found_id(runner, miner), "-o", str(output)])

    assert result.exit_code == 0
    assert output.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    assert json.loads((tmp_path / "out.pcapng.json").read_text())["frames"] == [2]


def test_dissect_without_tshark_names_the_package(
    runner: CliRunner, miner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = found_id(runner, miner)
    monkeypatch.setattr(shutil, "which", lambda name: None)

    result = runner.invoke(outgate, ["dissect", finding])

    assert result.exit_code == 2
    assert "tshark is not installed" in result.stderr
    assert "install the package `tshark`" in result.stderr


@pytest.mark.tshark
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_dissect_shows_what_wireshark_decodes(runner: CliRunner, miner: str) -> None:
    result = runner.invoke(outgate, ["dissect", found_id(runner, miner)])

    assert result.exit_code == 0
    assert result.stdout.startswith("frame 2  ETH / IP / UDP")


def test_flows_as_ndjson_hold_every_column(runner: CliRunner, miner: str) -> None:
    result = runner.invoke(outgate, ["flows", "--format", "ndjson", miner])

    record = json.loads(result.stdout)
    assert record["start"] == "2026-01-01T00:00:00.000000Z"
    assert (record["transport"], record["dst_port"]) == ("udp", 9)
    assert record["capture"] == miner


def test_flows_as_csv_calculate_nothing(runner: CliRunner, miner: str, fake_core: FakeCore) -> None:
    hostile = flow("10.20.0.14:1", "198.51.100.20:9", app="=cmd()", prefix_up=b"\x1b")
    fake_core.register("miner.pcap", flows=[hostile])

    result = runner.invoke(outgate, ["flows", "--format", "csv", miner])

    (record,) = csv.DictReader(io.StringIO(result.stdout))
    assert record["app"] == "'=cmd()"
    assert record["prefix_up"] == "1b"


def test_flows_as_parquet_need_a_file_and_keep_their_types(
    runner: CliRunner, miner: str, tmp_path: Path
) -> None:
    output = tmp_path / "flows.parquet"

    assert runner.invoke(outgate, ["flows", "--format", "parquet", miner]).exit_code == 2
    result = runner.invoke(outgate, ["flows", "--format", "parquet", "-o", str(output), miner])

    table = pyarrow.parquet.read_table(output)
    assert result.exit_code == 0
    assert str(table.schema.field("start").type) == "timestamp[ns, tz=UTC]"
    assert table.column("capture").to_pylist() == [miner]


def test_flows_in_a_table_show_the_largest(
    runner: CliRunner, miner: str, fake_core: FakeCore
) -> None:
    many = [flow(f"10.20.0.14:{n}", "198.51.100.20:9", flow_id=n, up_bytes=n) for n in range(1, 6)]
    fake_core.register("miner.pcap", flows=many)

    result = runner.invoke(outgate, ["flows", "--limit", "2", miner])

    assert "10.20.0.14:5 → 198.51.100.20:9" in result.stdout
    assert "10.20.0.14:3" not in result.stdout
    assert "3 smaller flows not shown" in result.stderr


def test_info_says_what_a_capture_holds(runner: CliRunner, miner: str) -> None:
    result = runner.invoke(outgate, ["info", miner])

    assert result.exit_code == 0
    for words in ("good", "SHA-256", "mining 1", "udp 1", "lasting 10 s", "1000 ns"):
        assert words in result.stdout


def test_doctor_lists_what_is_there(runner: CliRunner, fake_core: FakeCore) -> None:
    result = runner.invoke(outgate, ["doctor"])

    assert result.exit_code == 0
    for words in ("python", "core", "rules", "tshark", "pyshark", "state"):
        assert words in result.stdout


def test_rules_are_listed_tested_and_explained(runner: CliRunner) -> None:
    listed = runner.invoke(outgate, ["rules", "list"])
    tested = runner.invoke(outgate, ["rules", "test"])
    linted = runner.invoke(outgate, ["rules", "lint"])

    assert listed.exit_code == 0
    assert "pools (" in listed.stdout
    assert (tested.exit_code, tested.stdout) == (0, "")
    assert linted.exit_code == 0
    assert "rules are valid" in linted.stderr


def test_an_unknown_rule_is_wrong_usage_with_a_hint(runner: CliRunner) -> None:
    result = runner.invoke(outgate, ["rules", "explain", "no-such-rule"])

    assert result.exit_code == 2
    assert result.stderr.startswith("error: cannot find a rule")


def test_rule_data_that_cannot_be_used_is_wrong_configuration(
    runner: CliRunner, tmp_path: Path
) -> None:
    result = runner.invoke(outgate, ["rules", "list", "--rules", str(tmp_path / "absent")])

    assert result.exit_code == 2
    assert "hint: " in result.stderr


def test_a_reader_that_leaves_early_is_no_error(miner: str) -> None:
    program = "from analyzer.cli import main; main()"
    command = f"{sys.executable} -c '{program}' rules list | head -n 1"

    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )

    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
