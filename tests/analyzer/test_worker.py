"""A capture analysed, carved and dissected in a confined process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from analyzer import engine, ingest, ruleset, worker
from analyzer.confinement import Failure, ForkServer, Outcome, WorkerLimits
from analyzer.confinement.limits import MIB
from analyzer.detectors import BUILTIN
from analyzer.detectors.base import Context
from analyzer.frames import file_sha256, read_frames
from analyzer.jobs.results import read_report
from analyzer.observations import TABLES, Observations
from analyzer.settings import AnalysisSettings
from tests.bombs import gzip_bomb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from analyzer.model import Report

ROME = Path(__file__).parents[2] / "pcaps" / "rome-incident.pcapng"
NAME = "from the gateway.pcapng"


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with worker.fork_server() as started:
        yield started


@pytest.fixture(scope="module")
def analyzed(
    server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Outcome, Path, list[Mapping[str, Any]]]:
    folder = tmp_path_factory.mktemp("analyzed")
    heard: list[Mapping[str, Any]] = []
    outcome = worker.run(
        server,
        "analyze",
        {"capture": str(ROME), "name": NAME},
        folder=folder,
        on_message=heard.append,
    )
    return outcome, folder, heard


@pytest.fixture(scope="module")
def here() -> tuple[Observations, Report]:
    """The same analysis in this process."""
    settings = AnalysisSettings()
    rules = ruleset.load()
    observations = ingest.load([str(ROME)], settings=settings, ruleset=rules)
    return observations, engine.run(
        observations, BUILTIN, Context(settings=settings, ruleset=rules)
    )


def run(server: ForkServer, task: str, folder: Path, **arguments: Any) -> Outcome:
    return worker.run(server, task, arguments, folder=folder)


def finding_of(folder: Path, detector: str) -> dict[str, Any]:
    findings = json.loads((folder / worker.REPORT_FILE).read_text())["findings"]
    return next(finding for finding in findings if finding["detector"] == detector)


def test_a_worker_finds_what_the_command_line_finds(
    analyzed: tuple[Outcome, Path, Any], here: tuple[Observations, Report]
) -> None:
    outcome, folder, _ = analyzed
    assert outcome.ok, outcome.message
    report = read_report(folder, file_sha256(str(ROME)))
    expected = json.loads(json.dumps(here[1].to_dict()).replace(str(ROME), NAME))
    assert report == expected
    assert outcome.result["findings"] == len(expected["findings"]) == 3


def test_every_table_with_rows_is_a_parquet_file(
    analyzed: tuple[Outcome, Path, Any], here: tuple[Observations, Report]
) -> None:
    outcome, folder, _ = analyzed
    observations = here[0]
    full = {name for name in TABLES if observations.count(name)}
    files = {path.stem: path for path in (folder / worker.TABLES_FOLDER).iterdir()}
    assert set(files) == full == set(outcome.result["rows"])
    for name, path in files.items():
        stored = pq.read_table(path)
        assert stored.num_rows == observations.count(name) == outcome.result["rows"][name]
        same = [column for column in stored.column_names if column not in {"ts", "start", "end"}]
        assert stored.select(same).to_pylist() == observations.arrow(name).select(same).to_pylist()
        assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"
    starts = pq.read_table(files["flows"]).column("start").cast("int64")
    assert starts.to_pylist() == observations.arrow("flows").column("start_ns").to_pylist()


def test_large_tables_are_written_in_pieces(tmp_path: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415

    rows = worker.BATCH_ROWS * 2 + 1

    class Stream:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return pa.table({"flow_id": range(rows)}).__arrow_c_stream__(requested_schema)

        def __len__(self) -> int:
            return rows

    class Empty(Stream):
        def __len__(self) -> int:
            return 0

    class Source:
        @staticmethod
        def source(name: str) -> Stream:
            return Stream() if name == "flows" else Empty()

    written = worker.write_tables(Source(), tmp_path / "tables")  # type: ignore[arg-type]
    assert written == {"flows": rows}
    file = pq.ParquetFile(tmp_path / "tables" / "flows.parquet")
    assert file.metadata.num_rows == rows
    assert file.metadata.num_row_groups == 3


def test_progress_goes_from_nothing_to_the_whole_file(
    analyzed: tuple[Outcome, Path, list[Mapping[str, Any]]],
) -> None:
    size = ROME.stat().st_size
    heard = analyzed[2]
    assert heard[0] == {"stage": "reading", "done": 0, "total": size}
    assert [said["done"] for said in heard if said["stage"] == "reading"][-1] == size
    assert [said["stage"] for said in heard][-2:] == ["judging", "saving"]


def test_nothing_but_results_stays_in_the_folder(analyzed: tuple[Outcome, Path, Any]) -> None:
    assert {path.name for path in analyzed[1].iterdir()} == {"report.json", "tables"}


def test_networks_inside_are_passed_on(server: ForkServer, tmp_path: Path) -> None:
    bad = run(server, "analyze", tmp_path, capture=str(ROME), name=NAME, inside=["10.0.0.0/99"])
    assert bad.failure is Failure.REFUSED
    assert "10.0.0.0/99" in bad.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"MZ\x90\x00 this is a program" * 100, "is no pcap or pcapng capture"),
        (b"\x1f\x8b\x08" + bytes(100), "cannot be decompressed"),
    ],
    ids=["empty", "program", "broken gzip"],
)
def test_what_is_no_capture_is_said_by_the_name_it_came_under(
    server: ForkServer, tmp_path: Path, content: bytes, words: str
) -> None:
    capture = tmp_path / "d41d8cd9"
    capture.write_bytes(content)
    (tmp_path / "work").mkdir()
    outcome = run(server, "analyze", tmp_path / "work", capture=str(capture), name="a.pcap")
    assert outcome.failure is Failure.CAPTURE_UNREADABLE
    assert outcome.message.startswith("cannot read a.pcap")
    assert words in outcome.message
    assert "d41d8cd9" not in outcome.message
    assert outcome.hint
    assert not outcome.transient


def test_a_capture_that_is_gone_is_a_reason(server: ForkServer, tmp_path: Path) -> None:
    outcome = run(server, "analyze", tmp_path, capture="/nonexistent/ab/abcd", name="a.pcap")
    assert outcome.failure is Failure.CAPTURE_UNREADABLE
    assert outcome.message == "cannot read a.pcap: no such file or directory"


def test_ten_gigabytes_of_zeros_cost_time_and_no_memory(server: ForkServer, tmp_path: Path) -> None:
    bomb = gzip_bomb(tmp_path / "bomb.pcap.gz", 10 << 30)
    assert bomb.stat().st_size < 12 * MIB
    (tmp_path / "work").mkdir()
    outcome = worker.run(
        server,
        "analyze",
        {"capture": str(bomb), "name": "bomb.pcap.gz"},
        folder=tmp_path / "work",
        limits=WorkerLimits(memory_bytes=512 * MIB, cpu_s=1, wall_s=60),
    )
    assert outcome.failure is Failure.CPU_LIMIT
    assert outcome.peak_bytes < 300 * MIB


def test_a_bomb_bounded_by_the_core_is_read_in_part(server: ForkServer, tmp_path: Path) -> None:
    bomb = gzip_bomb(tmp_path / "bomb.pcap.gz", 64 << 20)
    (tmp_path / "work").mkdir()
    limits = {"decompressed_bytes": 1 << 20}
    outcome = run(
        server, "analyze", tmp_path / "work", capture=str(bomb), name="bomb", limits=limits
    )
    assert outcome.ok, outcome.message
    report = json.loads((tmp_path / "work" / "report.json").read_text())
    assert report["quality"]["issue_counts"]["capture.read_failed"] == 1


def test_a_finding_is_carved(
    server: ForkServer, analyzed: tuple[Outcome, Path, Any], tmp_path: Path
) -> None:
    finding = finding_of(analyzed[1], "mining.stratum")
    outcome = run(server, "carve", tmp_path, capture=str(ROME), finding=finding)
    assert outcome.ok, outcome.message
    carved = read_frames(str(tmp_path / outcome.result["capture"]), list(range(1, 10_000)))
    numbers = sorted({n for reason in finding["evidence"] for n in reason["packets"]})
    assert [frame.data for frame in carved] == [
        frame.data for frame in read_frames(str(ROME), numbers)
    ]
    manifest = (tmp_path / outcome.result["manifest"]).read_text()
    assert json.loads(manifest)["source"]["path"] == NAME
    assert str(ROME.parent) not in manifest


@pytest.mark.tshark
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_a_finding_is_dissected(
    server: ForkServer, analyzed: tuple[Outcome, Path, Any], tmp_path: Path
) -> None:
    finding = finding_of(analyzed[1], "mining.stratum")
    outcome = run(server, "dissect", tmp_path, capture=str(ROME), finding=finding, frames=3)
    assert outcome.ok, outcome.message
    frames = json.loads((tmp_path / outcome.result["dissection"]).read_text())["frames"]
    assert len(frames) == outcome.result["frames"] == 3
    assert "TCP" in {layer["name"] for layer in frames[0]["layers"]}


@pytest.mark.parametrize("task", ["carve", "dissect"])
def test_evidence_is_not_taken_from_another_capture(
    server: ForkServer, analyzed: tuple[Outcome, Path, Any], tmp_path: Path, task: str
) -> None:
    other = tmp_path / "other"
    other.write_bytes(ROME.read_bytes()[:-1])
    (tmp_path / "work").mkdir()
    finding = finding_of(analyzed[1], "mining.stratum")
    outcome = run(server, task, tmp_path / "work", capture=str(other), finding=finding)
    assert outcome.failure in {Failure.REFUSED, Failure.TOOL_MISSING}
    assert str(other) not in outcome.message


def test_a_report_without_room_keeps_the_worst(
    here: tuple[Observations, Report], tmp_path: Path
) -> None:
    report = here[1]
    sizes = [len(json.dumps(finding.to_dict())) for finding in report.findings]
    full = len(json.dumps(report.to_dict()))
    path = tmp_path / "report.json"
    left_out = worker.write_report(report, path, most_bytes=full - sizes[-1])
    assert left_out == 1
    kept = json.loads(path.read_text())["findings"]
    assert [finding["id"] for finding in kept] == [f.id for f in report.findings[:-1]]
    assert path.stat().st_size <= full - sizes[-1] + 64
