"""Remembers the latest reports, so that `outgate why f-3f9c` works right after `analyze`.

A bounded folder of small JSON files, one for each capture, readable by its owner alone. It is a
convenience and not a store: whatever cannot be written or read back is passed over and logged.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyzer.files import write_atomically
from analyzer.ingest import STDIN
from analyzer.model import Finding, Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_REPORTS = 200
MAX_REMEMBERED_FINDINGS = 500
"""Findings kept of one report, the worst; 200 reports then stay under some hundred megabytes."""

MAX_REPORT_BYTES = 16 * 1024 * 1024
SCHEMA = "outgate/history/1"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One report read back.

    Attributes:
        file: Absolute path of the capture when it was analysed; `-` for standard input.
        findings: Worst first.
        report: The whole report as JSON values.
    """

    file: str
    findings: tuple[Finding, ...]
    report: Mapping[str, Any]


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where state is kept: OUTGATE_STATE, or `outgate` in the XDG state folder."""
    if named := environ.get("OUTGATE_STATE"):
        return Path(named)
    base = environ.get("XDG_STATE_HOME")
    if base and Path(base).is_absolute():
        return Path(base) / "outgate"
    return Path(environ.get("HOME") or Path.home()) / ".local" / "state" / "outgate"


@dataclass(frozen=True, slots=True)
class History:
    """The reports remembered in one folder."""

    folder: Path

    @property
    def _reports(self) -> Path:
        return self.folder / "reports"

    def save(self, report: Report) -> None:
        """Remembers a report in place of an older one of the same capture; never raises OSError."""
        path = report.capture.path
        file = path if path == STDIN else str(Path.cwd() / path)
        whole = report.to_dict()
        whole["findings"] = whole["findings"][:MAX_REMEMBERED_FINDINGS]
        data = json.dumps({"schema": SCHEMA, "file": file, "report": whole}, allow_nan=False)
        subject = report.capture.sha256 or "\n".join(report.capture.paths)
        key = hashlib.sha256(f"{file}\n{subject}".encode(errors="replace")).hexdigest()[:16]
        try:
            self._reports.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(self._reports / f"{time.time_ns():020d}-{key}.json", data.encode())
            self._prune(key)
        except OSError as error:
            log.debug("report not remembered in %s: %s", self.folder, error)

    def newest_first(self) -> Iterator[Remembered]:
        """Every report that can still be read, the latest first."""
        for path in reversed(self._files()):
            remembered = _read(path)
            if remembered:
                yield remembered

    def find(self, prefix: str) -> list[tuple[Finding, Remembered]]:
        """Findings whose id begins with a prefix, `f-` optional; one for each id, latest first."""
        wanted = prefix if prefix.startswith("f-") else f"f-{prefix}"
        found: dict[str, tuple[Finding, Remembered]] = {}
        for remembered in self.newest_first():
            for finding in remembered.findings:
                if finding.id.startswith(wanted):
                    found.setdefault(finding.id, (finding, remembered))
        return list(found.values())

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self._reports.iterdir() if path.suffix == ".json")
        except OSError:
            return []

    def _prune(self, key: str) -> None:
        files = self._files()
        older = [path for path in files if path.stem.endswith(key)][:-1]
        surplus = files[: max(0, len(files) - MAX_REPORTS)]
        for path in {*older, *surplus}:
            path.unlink(missing_ok=True)


def _read(path: Path) -> Remembered | None:
    try:
        if path.stat().st_size > MAX_REPORT_BYTES:
            return None
        data = json.loads(path.read_bytes())
        if data["schema"] != SCHEMA:
            return None
        findings = tuple(Finding.from_dict(item) for item in data["report"]["findings"])
        return Remembered(file=str(data["file"]), findings=findings, report=data["report"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.debug("report %s passed over: %s", path, error)
        return None
