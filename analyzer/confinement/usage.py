"""What a worker uses, measured from outside and by a bounded number of looks."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN_MEMORY = ("RssAnon:", "RssShmem:")
"""Lines of /proc/PID/status, in KiB: all but files mapped in, which every worker shares."""

MAX_DEPTH = 8
SESSION_FIELD = 3
"""Of /proc/PID/stat, counted from the state behind the name in brackets (man 5 proc_pid_stat)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What lies in a folder."""

    bytes: int = 0
    entries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Processes of one session."""

    count: int = 0
    resident_bytes: int = 0


def of_folder(folder: Path, *, most_files: int) -> Space:
    """Bytes taken on disk below a folder; counting stops beyond `most_files`.

    A file with holes counts by its blocks, a link as itself. A folder that is too deep or cannot be
    looked into counts as too many files: nothing hides there.
    """
    total = entries = 0
    try:
        for entry in _below(str(folder), MAX_DEPTH):
            entries += 1
            if entries > most_files:
                break
            with suppress(FileNotFoundError):  # gone between the two looks
                total += entry.stat(follow_symlinks=False).st_blocks * 512
    except OSError:
        entries = most_files + 1
    return Space(bytes=total, entries=entries)


def of_session(session: int) -> Processes:
    """The processes whose session it is: the worker that leads it, and what it started.

    Workers cannot leave their session: the calls are refused to them.
    """
    count = resident = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
            if int(fields[SESSION_FIELD]) != session:
                continue
        except (OSError, ValueError, IndexError):
            continue
        count += 1
        resident += of_process(int(entry.name)).resident_bytes
    return Processes(count=count, resident_bytes=resident)


def of_process(pid: int) -> Processes:
    """One process alone; nothing if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
    except OSError:
        return Processes()
    kilobytes = (line.split()[1] for line in lines if line.startswith(OWN_MEMORY))
    try:
        return Processes(count=1, resident_bytes=sum(map(int, kilobytes)) * 1024)
    except (ValueError, IndexError):
        return Processes()


def _below(folder: str, depth: int) -> Iterator[os.DirEntry[str]]:
    if not depth:
        raise OSError(errno.ELOOP, "too deep")
    with suppress(FileNotFoundError), os.scandir(folder) as found:
        for entry in found:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path, depth - 1)
