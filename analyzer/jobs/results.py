"""Reads what a worker wrote, as input from outside: the worker had read hostile bytes."""

from __future__ import annotations

import json
import math
import os
import re
import stat
from typing import TYPE_CHECKING, Any, NoReturn

from analyzer.detectors import BUILTIN
from analyzer.engine import MAX_FINDINGS_PER_DETECTOR
from analyzer.errors import OutgateError
from analyzer.escape import shorten
from analyzer.model import CoverageStatus, Finding
from analyzer.observations import TABLES
from analyzer.worker import MAX_REPORT_BYTES, REPORT_FILE, TABLES_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CAPTURE_LAYER = "capture."
"""Issues of the file itself; those of packets in it are ordinary traffic."""

DAMAGE = {
    "capture.bad_record": "records of the file make no sense and were passed over",
    "capture.lost": "the file makes no sense from some place on: what follows was not read",
    "capture.read_failed": "reading stopped: the rest cannot be read, or decompresses to too much",
    "capture.resynchronised": "reading went on at the next record that makes sense",
}
MAX_WARNINGS = 32
MAX_CONTAINERS, MAX_VALUES = 1_000_000, 4_000_000
MAX_TEXT_CHARS = 4096
MAX_DEPTH = 32
"""Of values within values; ours go six deep, and whoever writes them again takes them apart."""

MAX_FINDING_BYTES = 1 << 20
LISTS = ("evidence", "attack", "not_visible", "next_steps", "flow_ids")
FINDING_ID = re.compile(r"f-[0-9a-f]{10,64}")
REPLACEMENT = "\ufffd"
UNSTORABLE = str.maketrans(dict.fromkeys((0, *range(55296, 57344)), REPLACEMENT))
"""Characters that JSON can carry and databases cannot: NUL and halves of surrogate pairs."""

Warning_ = dict[str, Any]


class BadResult(OutgateError):  # noqa: N818 - it names what was found
    """A worker ended well and left what is no result."""


def read_report(folder: Path, sha256: str) -> dict[str, Any]:
    """The report a worker left.

    Args:
        folder: The worker's folder.
        sha256: The capture it was given; its findings must be about no other.

    Raises:
        BadResult: It is not there, too large, no report, or about another capture.
        OSError: The disk fails.
    """
    data = _plain_file(folder / REPORT_FILE, MAX_REPORT_BYTES)
    # In memory a value takes ten times the room it has in the file, and more if it is empty.
    if data.count(b"{") + data.count(b"[") > MAX_CONTAINERS or data.count(b",") > MAX_VALUES:
        raise _bad("it holds too many values")
    try:
        report = json.loads(data, parse_constant=_refuse, parse_float=_number)
        report = _storable(report, MAX_DEPTH)
    except (ValueError, RecursionError) as error:
        raise _bad(f"it is no JSON: {error}") from error
    try:
        _check(report, sha256)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad(f"{type(error).__name__}: {error}") from error
    return report  # type: ignore[no-any-return] # _check has seen that it is an object


def check_tables(folder: Path) -> Path | None:
    """The folder of tables a worker left, if there are any.

    Raises:
        BadResult: There is something in it that is no table.
    """
    tables = folder / TABLES_FOLDER
    if not tables.is_dir() or tables.is_symlink():
        return None
    expected = {f"{name}.parquet" for name in TABLES}
    with os.scandir(tables) as entries:
        for entry in entries:
            about = entry.stat(follow_symlinks=False)
            plain = stat.S_ISREG(about.st_mode) and about.st_nlink == 1
            if entry.name not in expected or not plain:
                raise _bad(f"{shorten(entry.name)} is no table")
    return tables


def warnings_of(report: Mapping[str, Any], left_out: int = 0) -> list[Warning_]:
    """What a report lacks, each as `code`, `detail` and `count`; empty if it is whole.

    Args:
        report: What `read_report` gave.
        left_out: Findings there was no room for.
    """
    return list(_warnings(report, left_out))[:MAX_WARNINGS]


def _warnings(report: Mapping[str, Any], left_out: int) -> Iterator[Warning_]:
    quality = report["quality"]
    if quality["truncated_tail"]:
        yield {
            "code": "truncated",
            "detail": "the last packet is cut off: what came after it is missing",
            "count": 1,
        }
    for kind, count in quality["issue_counts"].items():
        known = kind == "capture.truncated_tail"  # said above
        if kind.startswith(CAPTURE_LAYER) and not known:
            detail = DAMAGE.get(kind, "the file is damaged: not all of it could be read")
            yield {"code": kind, "detail": detail, "count": count}
    for entry in report["coverage"]:
        if entry["status"] == str(CoverageStatus.FAILED):
            detail = f"{entry['detector']} failed: {shorten(entry['reason'])}"
            yield {"code": "detector-failed", "detail": detail, "count": 1}
    if left_out:
        detail = "the mildest findings were left out: the report has no room for them"
        yield {"code": "findings-left-out", "detail": detail, "count": left_out}


def _plain_file(path: Path, most: int) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise _bad("it wrote none") from error
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or about.st_size > most:
            raise _bad(f"it is no plain file of at most {most} bytes")
        return file.read(most)


def _check(report: Any, sha256: str) -> None:  # noqa: ANN401 - that is the question
    if report["capture"].get("sha256") != sha256:
        raise ValueError("it is about another capture")
    if len(report["findings"]) > MAX_FINDINGS_PER_DETECTOR * len(BUILTIN):
        raise ValueError("it has more findings than detectors give")
    for document in report["findings"]:
        _check_finding(document, sha256)
    quality = report["quality"]
    if not isinstance(quality["truncated_tail"], bool):
        raise TypeError("truncated_tail is neither true nor false")
    for count in quality["issue_counts"].values():
        if not isinstance(count, int):
            raise TypeError("a count of issues is no number")
    for entry in report["coverage"]:
        if not all(isinstance(entry[key], str) for key in ("detector", "status", "reason")):
            raise TypeError("an entry of the coverage is no text")


def _check_finding(document: dict[str, Any], sha256: str) -> None:
    """By the contract, in what the store and its readers rely on."""
    finding = Finding.from_dict(document)
    if finding.capture is None or finding.capture.sha256 != sha256:
        raise ValueError("a finding is about another capture")
    if finding.detector not in {detector.meta.id for detector in BUILTIN}:
        raise ValueError("a finding is of no detector")
    if not FINDING_ID.fullmatch(finding.id):
        raise ValueError("a finding's id is none")
    flow = finding.flow
    texts: list[object] = [
        finding.title,
        flow.src_ip,
        flow.dst_ip,
        flow.transport,
        flow.community_id or "",
    ]
    texts += [*finding.attack, *finding.not_visible, *finding.next_steps]
    texts += [text for reason in finding.evidence for text in (reason.kind, reason.summary)]
    texts += [finding.capture.path, *finding.capture.paths]
    if not all(isinstance(text, str) and len(text) <= MAX_TEXT_CHARS for text in texts):
        raise TypeError("a finding's text is none, or too long")
    numbers: list[object] = [
        finding.flows,
        finding.detector_version,
        flow.src_port or 0,
        flow.dst_port or 0,
    ]
    numbers += finding.flow_ids
    numbers += [number for reason in finding.evidence for number in reason.packets]
    if not all(isinstance(number, int) and 0 <= number < 1 << 63 for number in numbers):
        raise TypeError("a finding's number is none")
    if not all(isinstance(reason.weight, int | float) for reason in finding.evidence):
        raise TypeError("the weight of a reason is no number")
    if not all(isinstance(document[name], list) for name in LISTS):
        raise TypeError("a finding's list is none")
    if not isinstance(document["attributes"], dict):
        raise TypeError("a finding's attributes are none")
    if len(json.dumps(document)) > MAX_FINDING_BYTES:
        raise ValueError("a finding is too large")


def _storable(value: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return value.translate(UNSTORABLE) if not value.isprintable() else value
    if isinstance(value, list | dict) and not depth:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
    if isinstance(value, list):
        return [_storable(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {_storable(key, depth): _storable(item, depth - 1) for key, item in value.items()}
    return value


def _number(text: str) -> float:
    """A number with a fraction or an exponent; JSON cannot write what is infinite."""
    number = float(text)
    return number if math.isfinite(number) else _refuse(text[:20])


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _bad(reason: str) -> BadResult:
    return BadResult(
        f"cannot use the worker's report: {reason}",
        hint="this is a defect; keep the capture and report it",
    )
