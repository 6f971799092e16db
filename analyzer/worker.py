"""What runs in a confined process: a capture analysed, a finding's frames cut out or decoded.

Each task takes JSON values, writes files into its folder and returns a few numbers. Whoever reads
those files takes them for input from outside: the process that wrote them read hostile bytes.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from analyzer import confinement as confined
from analyzer import engine, ingest, ruleset
from analyzer.confinement.inside import Task, Workplace
from analyzer.confinement.probe import TASKS as PROBE
from analyzer.detectors import BUILTIN
from analyzer.detectors.base import Context
from analyzer.dissect import DEFAULT_FRAMES, MAX_FRAMES, Dissection, decode, decode_as, dissect
from analyzer.errors import CaptureUnreadable, OutgateError
from analyzer.extract import carve
from analyzer.frames import read_frames
from analyzer.model import Finding
from analyzer.observations import TABLES
from analyzer.settings import AnalysisSettings
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.confinement import ForkServer, Outcome, WorkerLimits
    from analyzer.confinement.watching import Cancelled, OnMessage
    from analyzer.model import Report
    from analyzer.observations import Observations
    from analyzer.ruleset import RuleSet

MODULE = __name__
REPORT_FILE = "report.json"
TABLES_FOLDER = "tables"
CARVED_FILE = "evidence.pcapng"
DISSECTION_FILE = "dissection.json"
FRAMES_FILE = "frames.json"

MAX_REPORT_BYTES = 48 << 20
"""What the service reads back; the mildest findings beyond it are left out and counted."""

MAX_LINE_CHARS = 2000
"""Of one line of a dissection, which is text from the wire."""

MAX_SHOWN_BYTES = 4096
"""Of one frame that is shown; more than any link but loopback and jumbo frames carry."""

MAX_SHOWN_LINE_CHARS = 300
MAX_SHOWN_LAYERS = 20

BATCH_ROWS = 65_536
"""Rows written at once: one row group, so that memory does not grow with the table."""

PROGRESS_EVERY_S = 0.2
COMPRESSION = "zstd"


@lru_cache(maxsize=1)
def _rules() -> RuleSet:
    return ruleset.load()


def warm() -> None:
    """Loads what every worker needs, before the first one is forked."""
    import numpy  # noqa: ICN001, PLC0415 - imported here so that workers have it already
    import pandas  # noqa: ICN001, PLC0415
    import pyarrow.compute  # noqa: PLC0415
    import pyarrow.pandas_compat  # noqa: PLC0415
    import pyarrow.parquet  # noqa: PLC0415

    from analyzer import _core  # noqa: PLC0415

    del numpy, pandas, pyarrow, _core
    _rules()


def run(
    server: ForkServer,
    task: str,
    arguments: Mapping[str, Any],
    *,
    folder: Path,
    limits: WorkerLimits | None = None,
    on_message: OnMessage | None = None,
    cancelled: Cancelled | None = None,
) -> Outcome:
    """Runs one of `TASKS` in a confined process; see `analyzer.confinement.run`.

    Args:
        server: A fork server of this module (`fork_server`).
        task: Its name.
        arguments: `capture` is the one file it may read; the rest is the task's.
        folder: Exists and is empty.
        limits: What it may use.
        on_message: Called with `stage`, `done` and `total` while it works.
        cancelled: Asked ten times a second.
    """
    capture = Path(arguments["capture"]).resolve()
    outcome = confined.run(
        server,
        task,
        {**arguments, "capture": str(capture)},
        folder=folder,
        limits=limits,
        read=[capture],
        programs=TASKS[task].programs,
        on_message=on_message,
        cancelled=cancelled,
    )
    # Where the service keeps its files is nobody's business.
    return replace(outcome, message=outcome.message.replace(str(capture), "the capture"))


def fork_server() -> ForkServer:
    """A fork server for the tasks of this module, not started yet."""
    return confined.ForkServer(MODULE)


# --- the tasks, which run inside ----------------------------------------------------------------


def _analyze(place: Workplace, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Analyses `capture`, named `name` in what is said of it.

    Other arguments: `inside` (networks), `limits` (bounds of the core by name). Writes the report
    and a Parquet file for every table that has rows.
    """
    settings = replace(
        AnalysisSettings.of(arguments.get("inside", ())), limits=arguments.get("limits", {})
    )
    path, name = str(arguments["capture"]), str(arguments["name"])
    rules = _rules()
    try:
        place.tell("progress", {"stage": "reading", "done": 0, "total": _size(name, path)})
        observations = ingest.load(
            [path], settings=settings, ruleset=rules, progress=_Progress(place)
        )
    except CaptureUnreadable as error:
        raise CaptureUnreadable(name, error.offset, error.reason, hint=error.hint) from error
    observations.capture = replace(observations.capture, path=name, paths=(name,))
    place.tell("progress", {"stage": "judging"})
    report = engine.run(observations, BUILTIN, Context(settings=settings, ruleset=rules))
    place.tell("progress", {"stage": "saving"})
    rows = write_tables(observations, place.folder / TABLES_FOLDER)
    left_out = write_report(report, place.folder / REPORT_FILE)
    return {"findings": len(report.findings) - left_out, "left_out": left_out, "rows": rows}


def _carve(place: Workplace, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Cuts the frames of `finding` (a document) out of `capture`: pcapng and manifest."""
    finding = _finding(arguments)
    carved = carve(finding, str(arguments["capture"]), place.folder / CARVED_FILE)
    manifest = json.loads(carved.manifest.read_bytes())
    # The service's own path is nobody's business; the name it was uploaded under is.
    manifest["source"]["path"] = finding.capture.path if finding.capture else ""
    carved.manifest.write_text(json.dumps(manifest, indent=2) + "\n", encoding="ascii")
    return {
        "capture": carved.capture.name,
        "manifest": carved.manifest.name,
        "frames": len(carved.frames),
        "missing": len(carved.missing),
    }


def _dissect(place: Workplace, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Has the first `frames` frames of `finding` decoded: a JSON file of frames and layers."""
    most = int(arguments.get("frames", DEFAULT_FRAMES))
    finding = _finding(arguments)
    frames = [asdict(frame) for frame in dissect(finding, str(arguments["capture"]), most)]
    if not frames:  # evidence names frames, or `dissect` had said so
        raise OutgateError(
            f"cannot dissect frames of {finding.id}: tshark ended without decoding one",
            hint="`outgate doctor` shows which tshark is in use",
        )
    for frame in frames:
        for layer in frame["layers"]:
            layer["lines"] = [line[:MAX_LINE_CHARS] for line in layer["lines"]]
    (place.folder / DISSECTION_FILE).write_text(json.dumps({"frames": frames}), encoding="ascii")
    return {"dissection": DISSECTION_FILE, "frames": len(frames)}


def _frames(place: Workplace, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Shows frames `numbers` of `capture`: their bytes and, where tshark can, their layers.

    `finding` is the document they belong to. Writes a JSON file.
    """
    finding, capture = _finding(arguments), str(arguments["capture"])
    numbers = [int(number) for number in arguments["numbers"]][:MAX_FRAMES]
    frames = read_frames(capture, numbers)
    layers: dict[int, list[dict[str, Any]]] = {}
    not_decoded = ""
    try:
        if frames:
            layers = {one.number: _shown(one) for one in decode(frames, decode_as(finding))}
    except OutgateError as error:
        not_decoded = error.message
    shown = [
        {
            "number": frame.number,
            "time": rfc3339(frame.ts_ns),
            "original_bytes": frame.orig_len,
            "captured_bytes": len(frame.data),
            "link_type": frame.link_type,
            "hex": frame.data[:MAX_SHOWN_BYTES].hex(),
            "layers": layers.get(frame.number, []),
        }
        for frame in frames
    ]
    found = {"frames": shown, "not_decoded": not_decoded}
    (place.folder / FRAMES_FILE).write_text(json.dumps(found), encoding="ascii")
    return {"frames": len(shown)}


def _shown(one: Dissection) -> list[dict[str, Any]]:
    return [
        {"name": layer.name, "lines": [line[:MAX_SHOWN_LINE_CHARS] for line in layer.lines]}
        for layer in one.layers[:MAX_SHOWN_LAYERS]
    ]


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "analyze": Task(perform=_analyze),
        "carve": Task(perform=_carve),
        "dissect": Task(perform=_dissect, programs=True),
        "frames": Task(perform=_frames, programs=True),
        **PROBE,
    }
)


def write_tables(observations: Observations, folder: Path) -> dict[str, int]:
    """Writes every table that has rows as `NAME.parquet`; returns the rows of each.

    Columns are the core's own, times as timestamps.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import parquet  # noqa: PLC0415 - as above

    rows: dict[str, int] = {}
    folder.mkdir(mode=0o700)
    for name in TABLES:
        reader = pa.RecordBatchReader.from_stream(observations.source(name))
        count = len(observations.source(name))
        if not count:
            continue
        path = folder / f"{name}.parquet"
        with parquet.ParquetWriter(path, reader.schema, compression=COMPRESSION) as writer:
            for batch in reader:
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    writer.write_batch(batch.slice(start, BATCH_ROWS))
        rows[name] = count
    return rows


def write_report(report: Report, path: Path, *, most_bytes: int = MAX_REPORT_BYTES) -> int:
    """Writes a report as JSON, worst findings first; returns how many were left out for room."""
    head = json.dumps(replace(report, findings=()).to_dict())
    room = most_bytes - len(head)
    written = 0
    with path.open("w", encoding="ascii") as file:
        file.write(head[:-1])
        file.write(', "findings": [')
        for finding in report.findings:
            text = json.dumps(finding.to_dict())
            room -= len(text) + 2
            if room < 0:
                break
            file.write(", " * (written > 0) + text)
            written += 1
        file.write("]}")
    return len(report.findings) - written


@dataclass(slots=True)
class _Progress:
    """Tells how far reading is, a few times a second."""

    place: Workplace
    told_at: float = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.told_at >= PROGRESS_EVERY_S or done == total:
            self.told_at = now
            self.place.tell("progress", {"stage": "reading", "done": done, "total": total})


def _size(name: str, path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CaptureUnreadable(name, 0, reason, hint="upload the capture again") from error


def _finding(arguments: Mapping[str, Any]) -> Finding:
    return Finding.from_dict(arguments["finding"])
