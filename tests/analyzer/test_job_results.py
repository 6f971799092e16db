"""What a worker leaves behind is hostile, and read as such."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import engine, ingest, ruleset
from analyzer.detectors import BUILTIN
from analyzer.detectors.base import Context
from analyzer.jobs import read_report, results, warnings_of
from analyzer.jobs.results import BadResult, check_tables
from analyzer.settings import AnalysisSettings

if TYPE_CHECKING:
    from collections.abc import Callable

ROME = Path(__file__).parents[2] / "pcaps" / "rome-incident.pcapng"


@pytest.fixture(scope="module")
def honest() -> dict[str, Any]:
    """A report as a worker writes it."""
    settings, rules = AnalysisSettings(), ruleset.load()
    observations = ingest.load([str(ROME)], settings=settings, ruleset=rules)
    context = Context(settings=settings, ruleset=rules)
    return engine.run(observations, BUILTIN, context).to_dict()


def left(folder: Path, report: object) -> Path:
    """A folder as a worker leaves it."""
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def test_an_honest_report_is_read_as_it_is(tmp_path: Path, honest: dict[str, Any]) -> None:
    report = read_report(left(tmp_path, honest), honest["capture"]["sha256"])
    assert report == json.loads(json.dumps(honest))
    assert warnings_of(report) == []


def nested(depth: int) -> object:
    """Lists within lists."""
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda report: report.pop(key)


@pytest.mark.parametrize(
    "spoil",
    [
        without("findings"),
        without("quality"),
        without("coverage"),
        without("capture"),
        lambda report: report["capture"].update(sha256="0" * 64),
        lambda report: report["findings"][0]["capture"].update(sha256="0" * 64),
        lambda report: report["findings"][0].pop("severity"),
        lambda report: report["findings"][0].update(severity="apocalyptic"),
        lambda report: report["findings"][0].update(confidence=float("nan")),
        lambda report: report["findings"][0].update(confidence=7),
        lambda report: report["findings"][0].update(evidence=[]),
        lambda report: report["findings"][0].update(id="f-../../etc"),
        lambda report: report["findings"][0].update(id=["f-0123456789"]),
        lambda report: report["findings"][0].update(detector="phishing.mail"),
        lambda report: report["findings"][0].update(title={"text": "x"}),
        lambda report: report["findings"][0].update(title="x" * 5000),
        lambda report: report["findings"][0].update(attack=[1]),
        lambda report: report["findings"][0].update(attributes=["wallet"]),
        lambda report: report["findings"][0].update(attributes={"wallet": "x" * (1 << 20)}),
        lambda report: report["findings"][0].update(flow_ids=["1"]),
        lambda report: report["findings"][0].update(flows=2**70),
        lambda report: report["findings"][0]["flow"].update(src_ip=10),
        lambda report: report["findings"][0]["flow"].update(dst_port="443"),
        lambda report: report["findings"][0]["evidence"][0].update(packets=[-1]),
        lambda report: report["findings"][0]["evidence"][0].update(weight="heavy"),
        lambda report: report["findings"][0]["evidence"][0].update(weight=None),
        lambda report: report["findings"][0]["evidence"][0].update(kind={"a": 1}),
        lambda report: report["findings"][0].update(attack={"T1496": 1}),
        lambda report: report["findings"][0]["capture"].update(path=["a", "b"]),
        lambda report: report["findings"][0]["capture"].update(paths=[1, 2]),
        lambda report: report["findings"][0].update(attributes={"deep": nested(500)}),
        lambda report: report["findings"][0].update(attributes={"deep": nested(900)}),
        lambda report: report.update(findings={"id": 1}),
        lambda report: report.update(findings=[3]),
        lambda report: report["quality"].update(issue_counts={"capture.bad": "many"}),
        lambda report: report["quality"].update(truncated_tail="yes"),
        lambda report: report["coverage"].append("ran"),
        lambda report: report["coverage"].append({"detector": 1, "status": "x", "reason": "y"}),
    ],
)
def test_a_report_that_is_none_is_refused(
    tmp_path: Path, honest: dict[str, Any], spoil: Callable[[dict[str, Any]], object]
) -> None:
    report = json.loads(json.dumps(honest))
    spoil(report)
    with pytest.raises(BadResult, match="cannot use the worker's report"):
        read_report(left(tmp_path, report), honest["capture"]["sha256"])


def test_a_number_that_no_json_can_carry_on_is_refused(
    tmp_path: Path, honest: dict[str, Any]
) -> None:
    """Python reads 1e999 as infinity and would write `Infinity` into every page of findings."""
    report = json.loads(json.dumps(honest))
    report["findings"][0]["attributes"]["rate"] = "HUGE"
    text = json.dumps(report)
    for number in ("1e999", "-1e999", "Infinity"):
        (tmp_path / "report.json").write_text(text.replace('"HUGE"', number))
        with pytest.raises(BadResult, match="is no JSON number"):
            read_report(tmp_path, honest["capture"]["sha256"])


@pytest.mark.parametrize("padding", [[[]] * 5000, [{}] * 5000, [0] * 9000])
def test_a_report_that_would_fill_memory_is_not_parsed(
    tmp_path: Path,
    honest: dict[str, Any],
    padding: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(results, "MAX_CONTAINERS", 5000)
    monkeypatch.setattr(results, "MAX_VALUES", 9000)
    sha256 = honest["capture"]["sha256"]
    read_report(left(tmp_path, honest), sha256)
    with pytest.raises(BadResult, match="it holds too many values"):
        read_report(left(tmp_path, {**honest, "padding": padding}), sha256)
    monkeypatch.setattr(results, "MAX_FINDINGS_PER_DETECTOR", 0)
    with pytest.raises(BadResult, match="more findings than detectors give"):
        read_report(left(tmp_path, honest), sha256)


@pytest.mark.parametrize("content", ["", "[]", "3", "null", "{", "[" * 100_000, '"\\ud800"'])
def test_json_that_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(BadResult):
        read_report(tmp_path, "0" * 64)


def test_a_report_is_a_plain_file_of_bounded_size(tmp_path: Path, honest: dict[str, Any]) -> None:
    sha256 = honest["capture"]["sha256"]
    with pytest.raises(BadResult, match="it wrote none"):
        read_report(tmp_path, sha256)
    os.mkfifo(tmp_path / "report.json")
    with pytest.raises(BadResult, match="no plain file"):
        read_report(tmp_path, sha256)
    (tmp_path / "report.json").unlink()
    (tmp_path / "other").write_text(json.dumps(honest))
    (tmp_path / "report.json").symlink_to(tmp_path / "other")
    with pytest.raises((BadResult, OSError)):
        read_report(tmp_path, sha256)
    (tmp_path / "report.json").unlink()
    with (tmp_path / "report.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BadResult, match="no plain file"):
        read_report(tmp_path, sha256)


def test_characters_that_no_database_keeps_are_replaced(
    tmp_path: Path, honest: dict[str, Any]
) -> None:
    report = json.loads(json.dumps(honest))
    report["findings"][0]["attributes"] = {"wallet\0": ["a\0b", {"c": "\ud800 \u202e"}]}
    read = read_report(left(tmp_path, report), honest["capture"]["sha256"])
    attributes = read["findings"][0]["attributes"]
    assert attributes == {"wallet\ufffd": ["a\ufffdb", {"c": "\ufffd \u202e"}]}
    json.dumps(read, ensure_ascii=False).encode()


def test_tables_are_plain_files_of_known_names(tmp_path: Path) -> None:
    assert check_tables(tmp_path) is None
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "flows.parquet").write_bytes(b"PAR1")
    assert check_tables(tmp_path) == tables
    for name in ("users.parquet", "flows.csv"):
        (tables / name).write_bytes(b"PAR1")
        with pytest.raises(BadResult, match="is no table"):
            check_tables(tmp_path)
        (tables / name).unlink()
    (tables / "dns.parquet").symlink_to("/etc/passwd")
    with pytest.raises(BadResult, match="is no table"):
        check_tables(tmp_path)
    (tables / "dns.parquet").unlink()
    os.link(tables / "flows.parquet", tables / "dns.parquet")
    with pytest.raises(BadResult, match="is no table"):
        check_tables(tmp_path)


def test_what_a_report_lacks_is_listed(honest: dict[str, Any]) -> None:
    report = json.loads(json.dumps(honest))
    counts = {"capture.lost": 1, "capture.truncated_tail": 1, "tcp.bad_header": 9}
    report["quality"].update(truncated_tail=True, issue_counts=counts)
    report["coverage"][0].update(status="failed", reason="KeyError: \x1b")
    said = {item["code"]: item for item in warnings_of(report, left_out=4)}
    assert set(said) == {"truncated", "capture.lost", "detector-failed", "findings-left-out"}
    assert said["findings-left-out"]["count"] == 4
    assert all(item["detail"].isprintable() for item in said.values())
