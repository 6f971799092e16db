"""JSON, NDJSON and CSV. JSON is pure ASCII, so no control character survives in it."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, TextIO

from analyzer.escape import JSON_MARKUP, csv_cell

if TYPE_CHECKING:
    from analyzer.model import Finding, Report

REPORT_SCHEMA = "outgate/report/1"

CSV_COLUMNS = (
    "id",
    "detector",
    "category",
    "severity",
    "confidence",
    "title",
    "first_seen",
    "last_seen",
    "src_ip",
    "src_port",
    "dst_ip",
    "dst_port",
    "transport",
    "community_id",
    "flows",
    "attack",
    "reasons",
    "frames",
    "attributes",
    "capture_path",
    "capture_sha256",
)


def to_json(value: object) -> str:
    """One line of ASCII JSON; text from the wire is escaped as JSON escapes it."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(JSON_MARKUP)


class NdjsonWriter:
    """One finding a line, each valid by finding.schema.json."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def add(self, report: Report) -> None:
        """Writes a line for each finding."""
        for finding in report.findings:
            self._stream.write(to_json(finding.to_dict()) + "\n")
        self._stream.flush()

    def fail(self, path: str, message: str) -> None:
        """Nothing: a line is a finding."""

    def close(self) -> None:
        """Nothing follows the findings."""


class JsonWriter:
    """One document: every report with findings, coverage, quality and funnel."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._unreadable: list[dict[str, str]] = []
        self._stream.write(f'{{"schema":{to_json(REPORT_SCHEMA)},"reports":[')
        self._first = True

    def add(self, report: Report) -> None:
        """Writes one element of `reports`."""
        self._stream.write(("\n" if self._first else ",\n") + to_json(report.to_dict()))
        self._stream.flush()
        self._first = False

    def fail(self, path: str, message: str) -> None:
        """Keeps the failure for `unreadable`."""
        self._unreadable.append({"path": path, "error": message})

    def close(self) -> None:
        """Ends the document."""
        self._stream.write(f'\n],"unreadable":{to_json(self._unreadable)}}}\n')


class CsvWriter:
    """One finding a row, safe to open in a spreadsheet."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rows = csv.writer(stream, lineterminator="\n")
        self._rows.writerow(CSV_COLUMNS)

    def add(self, report: Report) -> None:
        """Writes a row for each finding."""
        for finding in report.findings:
            self._rows.writerow(safe_row(_csv_values(finding)))
        self._stream.flush()

    def fail(self, path: str, message: str) -> None:
        """Nothing: a row is a finding."""

    def close(self) -> None:
        """Nothing follows the findings."""


def safe_row(values: list[Any]) -> list[Any]:
    """A CSV row whose text cells are escaped and calculate nothing; numbers stay numbers."""
    return [csv_cell(value) if isinstance(value, str) else value for value in values]


def _csv_values(finding: Finding) -> list[Any]:
    data = finding.to_dict()
    capture = data["capture"] or {}
    return [
        *(data[name] for name in CSV_COLUMNS[:8]),
        *(data["flow"][name] for name in CSV_COLUMNS[8:14]),
        finding.flows,
        " ".join(finding.attack),
        "; ".join(f"{reason.weight:+.2f} {reason.summary}" for reason in finding.evidence),
        " ".join(str(number) for number in finding.frames),
        to_json(data["attributes"]),
        capture.get("path", ""),
        capture.get("sha256", ""),
    ]
