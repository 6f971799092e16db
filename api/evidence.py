"""The frames behind a finding: shown, cut out, or why there are none.

Captures are read in confined workers alone. What a worker leaves is input from outside: it is
opened as a plain file, bounded, and taken for no more than bytes and checked JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from analyzer.confinement import Failure
from analyzer.errors import LimitError, NotFoundError
from analyzer.jobs import FinishedTask
from analyzer.store import Store
from analyzer.store.records import StoredCapture, StoredFinding
from analyzer.worker import CARVED_FILE, FRAMES_FILE
from api.errors import Problem
from api.schemas_evidence import ShownFrames
from api.state import ServiceState

MAX_FRAMES_BYTES = 32 * 1024 * 1024
MAX_MANIFEST_BYTES = 16 * 1024 * 1024
BLOCK_BYTES = 256 * 1024
RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What there is to look at.

    Attributes:
        capture: Where the frames are; None if the store knows no such capture.
        frames: Their numbers, ascending.
        reason: Why nothing can be shown, or "".
        code: The problem that says so, or "".
    """

    finding: StoredFinding
    capture: StoredCapture | None
    frames: tuple[int, ...]
    reason: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarvedEvidence:
    """A new capture of a finding's frames, open to be read; its name is gone already."""

    file: BufferedReader
    size_bytes: int
    digest: bytes
    manifest: Mapping[str, Any]


def evidence_of(store: Store, finding_id: str) -> Evidence:
    """What can be shown of a finding.

    Raises:
        NotFoundError: There is no such finding.
    """
    finding = store.findings.get(finding_id)
    packets = {
        number
        for reason in finding.document.get("evidence", ())
        for number in reason.get("packets", ())
    }
    capture = _capture(store, finding)
    code, reason = _obstacle(store, finding, capture, has_frames=bool(packets))
    frames = tuple(sorted(packets))
    return Evidence(finding=finding, capture=capture, frames=frames, reason=reason, code=code)


def _capture(store: Store, finding: StoredFinding) -> StoredCapture | None:
    try:
        return store.captures.get(finding.capture)
    except NotFoundError:
        return None


def _obstacle(
    store: Store, finding: StoredFinding, capture: StoredCapture | None, *, has_frames: bool
) -> tuple[str, str]:
    if not has_frames:
        return "conflict", "its evidence names no packet: it stands on records or on context alone"
    joined = len((finding.document.get("capture") or {}).get("paths", ()))
    if joined > 1:
        return "conflict", f"it stands on {joined} files joined into one"
    if capture is None or capture.deleted:
        why = f": {capture.delete_reason}" if capture and capture.delete_reason else ""
        return "gone", f"its capture was deleted{why}"
    if not store.folder.capture_path(capture.sha256).is_file():
        return "gone", "the file of its capture is missing; `outgate store check` says more"
    return "", ""


def shown_frames(state: ServiceState, evidence: Evidence, numbers: tuple[int, ...]) -> ShownFrames:
    """Frames by number: their bytes, and their layers where tshark is installed.

    Raises:
        Problem: There is nothing to show, or no worker to do it.
    """
    more = {"numbers": list(numbers)}
    with _performed(state, "frames", evidence, more) as task:
        data = _read_plain(task.folder / FRAMES_FILE, MAX_FRAMES_BYTES)
    try:
        shown = ShownFrames.model_validate_json(data)
    except ValidationError as error:
        raise _failed("the worker left what is no list of frames") from error
    wanted = set(numbers)
    if any(frame.number not in wanted for frame in shown.frames):
        raise _failed("the worker left frames nobody asked for")
    return shown


def carved(state: ServiceState, evidence: Evidence) -> CarvedEvidence:
    """The finding's frames as a capture of their own, with the manifest.

    Raises:
        Problem: There is nothing to cut out, or no worker to do it.
    """
    with _performed(state, "carve", evidence, {}) as task:
        manifest = _manifest(task.folder, evidence.finding.id)
        file = _open_plain(task.folder / CARVED_FILE)
    try:
        digest = hashlib.file_digest(file, "sha256")
        size_bytes = file.tell()
        file.seek(0)
        if manifest["output"].get("sha256") != digest.hexdigest():
            raise _failed("the cut-out file is not the one its manifest describes")  # noqa: TRY301
    except BaseException:
        file.close()
        raise
    return CarvedEvidence(
        file=file, size_bytes=size_bytes, digest=digest.digest(), manifest=manifest
    )


def blocks(file: BufferedReader) -> Iterator[bytes]:
    """The rest of a file, which is closed at its end."""
    with file:
        while block := file.read(BLOCK_BYTES):
            yield block


@contextmanager
def _performed(
    state: ServiceState, task: str, evidence: Evidence, arguments: Mapping[str, Any]
) -> Iterator[FinishedTask]:
    """A task that went well; its files are there within the block."""
    if evidence.code or evidence.capture is None:
        raise _nothing(evidence)
    if state.supervisor is None:
        raise _busy("no workers run here")
    path = state.store.folder.capture_path(evidence.capture.sha256)
    given = {"capture": str(path), "finding": dict(evidence.finding.document), **arguments}
    if not state.evidence_turns.acquire(blocking=False):
        raise _busy("too many requests for evidence are being worked on")
    try:
        finished = state.supervisor.run_task(task, given)
    except LimitError as error:
        raise _busy(error.message) from error
    finally:
        state.evidence_turns.release()
    with finished:
        if not finished.outcome.ok:
            now = evidence_of(state.store, evidence.finding.id)
            if now.code == "gone":  # it was deleted while the worker read it
                raise _nothing(now)
        _check(finished, evidence)
        yield finished


def _nothing(evidence: Evidence) -> Problem:
    return Problem(
        evidence.code or "gone",
        detail=f"cannot show frames of {evidence.finding.id}: {evidence.reason}",
        hint="the finding itself says what was seen in them",
    )


def _check(finished: FinishedTask, evidence: Evidence) -> None:
    outcome = finished.outcome
    if outcome.ok:
        return
    about = f"cannot show frames of {evidence.finding.id}: {outcome.message}"
    if outcome.transient or outcome.failure is Failure.CANCELLED:
        raise Problem(
            "unavailable",
            detail=about,
            hint=outcome.hint,
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )
    if outcome.failure is Failure.REFUSED:
        raise Problem("conflict", detail=about, hint=outcome.hint)
    raise Problem("capture-unreadable", detail=about, hint=outcome.hint)


def _manifest(folder: Path, finding_id: str) -> dict[str, Any]:
    data = _read_plain(folder / f"{CARVED_FILE}.json", MAX_MANIFEST_BYTES)
    try:
        manifest = json.loads(data)
        manifest["output"]["name"] = f"{finding_id}.pcapng"
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _failed("the worker left what is no manifest") from error
    return dict(manifest)


def _read_plain(path: Path, most_bytes: int) -> bytes:
    with _open_plain(path) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise _failed(f"the worker left more than {most_bytes} bytes")
    return data


def _open_plain(path: Path) -> BufferedReader:
    """A file a worker wrote, if it is one: never what a link leads to."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _failed("the worker left no such file") from error
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
        os.close(handle)
        raise _failed("the worker left what is no plain file")
    return os.fdopen(handle, "rb")


def _failed(reason: str) -> Problem:
    return Problem("capture-unreadable", detail=f"cannot show frames: {reason}")


def _busy(reason: str) -> Problem:
    return Problem(
        "unavailable",
        detail=f"cannot show frames now: {reason}",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )
