"""Cuts the frames behind a finding into a new capture with a manifest beside it.

Each packet of the new pcapng file has a comment that names the finding and the reasons it shows.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyzer import __version__
from analyzer.errors import UsageError
from analyzer.files import write_atomically
from analyzer.frames import evidence_frames, file_sha256, pcapng_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.model import Finding

MANIFEST_SCHEMA = "outgate/carve/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carved:
    """What was written."""

    capture: Path
    manifest: Path
    frames: tuple[int, ...]
    missing: tuple[int, ...]


def carve(finding: Finding, source: str, output: Path, *, force: bool = False) -> Carved:
    """Writes a finding's frames to `output` and `output.json`, each whole or not at all.

    Args:
        finding: Whose evidence to cut.
        source: The capture the finding was made on; its SHA-256 must still be the finding's.
        output: The pcapng file to write.
        force: Whether existing files may be replaced.

    Raises:
        UsageError: There are no frames to cut, a file is in the way or cannot be written, or the
            source is another file by now.
        CaptureUnreadable: The source cannot be read.
    """
    manifest_path = output.with_name(output.name + ".json")
    for path in (output, manifest_path):
        if path.exists() and not force:
            raise UsageError(
                f"cannot write {path}: the file exists", hint="choose another name or add --force"
            )
    frames = evidence_frames(finding, source)
    data = pcapng_of(frames, _comments(finding), f"evidence of {finding.id}: {finding.title}")
    numbers = tuple(frame.number for frame in frames)
    manifest = _manifest(finding, source, output.name, data, numbers)
    text = json.dumps(manifest, indent=2, ensure_ascii=True) + "\n"
    try:
        write_atomically(output, data)
        write_atomically(manifest_path, text.encode())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(
            f"cannot write {output}: {reason}", hint="check that the folder exists and is writable"
        ) from error
    return Carved(
        capture=output,
        manifest=manifest_path,
        frames=numbers,
        missing=tuple(manifest["frames_not_in_source"]),
    )


def _comments(finding: Finding) -> dict[int, str]:
    head = f"outgate {finding.id} {finding.detector} {finding.severity}"
    comments: dict[int, str] = {}
    for reason in finding.evidence:
        for number in reason.packets:
            said = comments.get(number, head)
            comments[number] = f"{said}; {reason.kind} {reason.weight:+.2f}: {reason.summary}"
    return comments


def _manifest(
    finding: Finding, source: str, name: str, data: bytes, numbers: Sequence[int]
) -> dict[str, Any]:
    kept = set(numbers)
    return {
        "schema": MANIFEST_SCHEMA,
        "tool": f"outgate {__version__}",
        "finding": finding.to_dict(),
        "source": {
            "path": source,
            "sha256": file_sha256(source),
            "file_bytes": Path(source).stat().st_size,
        },
        "output": {
            "name": name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "file_bytes": len(data),
        },
        "frames": list(numbers),
        "frames_not_in_source": [number for number in finding.frames if number not in kept],
    }
