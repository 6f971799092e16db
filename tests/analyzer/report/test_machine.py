import csv
import io
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.escape import FORMULA_STARTS
from analyzer.model import Report
from analyzer.report import TextOptions, writer_for
from analyzer.report.machine import to_json
from tests.analyzer.report.samples import HOSTILE, mining_report, quiet_report
from tests.conftest import CheckFinding

TEXTS = st.text(max_size=40)


def written(name: str, *reports: Report) -> str:
    stream = io.StringIO()
    writer = writer_for(name, stream, TextOptions())
    for report in reports:
        writer.add(report)
    writer.fail("bad\x1b.pcap", "no capture")
    writer.close()
    return stream.getvalue()


def test_each_line_of_ndjson_is_a_finding_by_the_contract(
    check_finding: CheckFinding,
) -> None:
    lines = written("ndjson", mining_report(HOSTILE, flows=3), quiet_report()).splitlines()

    assert len(lines) == 3
    for line in lines:
        check_finding(json.loads(line))


def test_json_is_one_document_with_what_was_looked_at() -> None:
    document = json.loads(written("json", mining_report(), quiet_report()))

    assert document["schema"] == "outgate/report/1"
    assert [len(report["findings"]) for report in document["reports"]] == [1, 0]
    assert document["reports"][1]["funnel"][0] == {
        "name": "frames read",
        "count": 20,
        "dropped": {},
    }
    assert document["reports"][1]["coverage"][0]["status"] == "skipped"
    assert document["unreadable"] == [{"path": "bad\x1b.pcap", "error": "no capture"}]


def test_json_without_a_report_is_still_a_document() -> None:
    assert json.loads(written("json"))["reports"] == []


@given(TEXTS, TEXTS)
@settings(max_examples=30)
def test_json_is_printable_ascii_and_keeps_the_text(agent: str, wallet: str) -> None:
    report = mining_report(agent, wallet)

    for name in ("json", "ndjson"):
        text = written(name, report)
        assert all(line.isascii() and line.isprintable() for line in text.split("\n"))
    finding: dict[str, Any] = json.loads(written("ndjson", report))
    assert finding["attributes"].get("wallet", "") == wallet
    assert finding["title"] == f"{agent} logs in to a pool"


@given(TEXTS, TEXTS)
@settings(max_examples=30)
def test_csv_is_printable_one_row_a_finding_and_calculates_nothing(agent: str, wallet: str) -> None:
    text = written("csv", mining_report(agent, wallet))

    header, row = csv.reader(io.StringIO(text))
    assert len(header) == len(row)
    assert all(line.isprintable() for line in text.split("\n"))
    for name, cell in zip(header, row, strict=True):
        assert cell[:1] not in FORMULA_STARTS, name


@given(TEXTS)
def test_json_holds_no_markup_and_means_the_same(text: str) -> None:
    line = to_json({"agent": f"<b>&amp;{text}"})

    assert not set("<>&") & set(line)
    assert json.loads(line) == {"agent": f"<b>&amp;{text}"}
