"""From paths to observations; the only caller of the core's `analyze`."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.errors import CaptureUnreadable
from analyzer.model import CaptureRef
from analyzer.observations import Observations

if TYPE_CHECKING:
    from analyzer.ruleset import RuleSet
    from analyzer.settings import AnalysisSettings

STDIN = "-"
CAPTURE_MAGICS = frozenset(
    bytes.fromhex(text)
    for text in (
        "a1b2c3d4",  # pcap, microseconds
        "d4c3b2a1",
        "a1b23c4d",  # pcap, nanoseconds
        "4d3cb2a1",
        "a1b2cd34",  # pcap with Kuznetzov's longer record headers
        "34cdb2a1",
        "0a0d0d0a",  # pcapng section header
    )
)
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
MAGIC_BYTES = 4

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the given paths stand for.

    Attributes:
        captures: Files to analyse, in order, named as the contract says.
        ignored: Files found in folders that are no captures.
        empty_folders: Folders as given that hold no capture.
    """

    captures: tuple[str, ...]
    ignored: tuple[str, ...]
    empty_folders: tuple[str, ...]


def expand_paths(paths: Iterable[str]) -> Inputs:
    """Turns folders into the captures in and below them, sorted; other paths stay as they are.

    A file in a folder counts when its first bytes are a capture's, compressed or not; its name is
    the folder as given and the path below it. A file given by name is always taken, so that one
    that is no capture is reported and not passed over. Links to folders are not followed.
    """
    captures: list[str] = []
    ignored: list[str] = []
    empty: list[str] = []
    for path in paths:
        if path == STDIN or not Path(path).is_dir():
            captures.append(path)
            continue
        files = _files_below(path)
        found = [file for file in files if looks_like_capture(file)]
        captures.extend(found)
        ignored.extend(sorted(set(files) - set(found)))
        if not found:
            empty.append(path)
    unique = tuple(dict.fromkeys(captures))
    return Inputs(captures=unique, ignored=tuple(ignored), empty_folders=tuple(empty))


def looks_like_capture(path: str) -> bool:
    """Whether a regular file begins like a capture, looking inside gzip and zstd."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return False
        with Path(path).open("rb") as file:
            magic = file.read(MAGIC_BYTES)
        if magic.startswith(GZIP_MAGIC):
            with gzip.open(path) as inner:
                magic = inner.read(MAGIC_BYTES)
        elif magic == ZSTD_MAGIC:
            magic = _zstd_start(path)
    except (OSError, EOFError, zlib.error):
        return False
    return magic in CAPTURE_MAGICS


def load(
    paths: Sequence[str],
    *,
    settings: AnalysisSettings,
    ruleset: RuleSet,
    progress: Progress | None = None,
) -> Observations:
    """Reads one capture, or several as one stream in the order given.

    Args:
        paths: `-` is standard input.
        settings: Limits for the core; inside networks for whoever judges.
        ruleset: Whose payload patterns are looked for.
        progress: Called with bytes done and bytes in all (0 if unknown).

    Raises:
        CaptureUnreadable: The input is no capture, or the system would not give it.
    """
    from analyzer import _core  # noqa: PLC0415 - expanding paths does without it

    for path in paths:
        _check_readable(path)
    try:
        analysis = _core.analyze(
            list(paths),
            patterns=ruleset.patterns(),
            limits=dict(settings.limits),
            progress=progress,
        )
    except _core.CaptureError as error:
        raise unreadable(error, paths[0]) from error
    stats = analysis.stats
    sha256 = str(stats.get("sha256", ""))
    capture = CaptureRef(path=paths[0], sha256=sha256, paths=tuple(paths))
    return Observations(capture=capture, stats=stats, source=analysis.table, settings=settings)


def unreadable(error: Exception, path: str) -> CaptureUnreadable:
    """The core's error as one of ours, with advice."""
    named, offset, reason = (*error.args, "", "", "")[:3]
    where = offset if isinstance(offset, int) else 0
    return CaptureUnreadable(
        str(named) or path,
        where,
        str(reason) or str(error),
        hint="captures are pcap or pcapng, plain or compressed with gzip or zstd",
    )


def _check_readable(path: str) -> None:
    """Names what the system objects to, before the core opens the file."""
    if path == STDIN:
        return
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise CaptureUnreadable(path, 0, "is a folder", hint="give the files in it")
        with Path(path).open("rb"):
            pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CaptureUnreadable(
            path, 0, reason, hint="check the path and who may read it"
        ) from error


def _files_below(folder: str) -> list[str]:
    found: list[str] = []
    for parent, folders, files in os.walk(folder):
        folders.sort()
        # Path would rewrite the folder as it was given, which is part of the name.
        found.extend(os.path.join(parent, name) for name in files)  # noqa: PTH118
    return sorted(found)


def _zstd_start(path: str) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 - only for zstd

    with pa.OSFile(path) as file, pa.CompressedInputStream(file, "zstd") as inner:
        return bytes(inner.read(MAGIC_BYTES))
