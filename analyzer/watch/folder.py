"""Files in a folder that others write to: what they are at one look, who writes, where they go."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_OPEN_FILES = 200_000
"""Open files of all processes looked through for writers."""

MAX_SAME_NAMES = 10_000
ACCESS_MODE, READ_ONLY = 0o3, 0o0


@dataclass(frozen=True, slots=True)
class Look:
    """One file at one look; equal looks mean that nobody wrote in between."""

    path: Path
    device: int
    inode: int
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path, about: os.stat_result) -> Look:
        """From what the system says."""
        return cls(path, about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns)


def move_beside(path: Path, folder: Path) -> Path:
    """Moves a file into a folder of the same disk under its name, or its name with a number.

    Raises:
        OSError: The system refuses, the folder is a link, or too many files have that name.
    """
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "it is a link")
    for number in range(MAX_SAME_NAMES):
        target = folder / (f"{path.name}.{number}" if number else path.name)
        try:
            os.link(path, target, follow_symlinks=False)
        except FileExistsError:
            continue
        except OSError:  # a disk without hard links
            if target.exists():
                continue
            path.rename(target)
            return target
        path.unlink()
        return target
    raise FileExistsError(f"{MAX_SAME_NAMES} files are named {path.name}")


def being_written(paths: Iterable[Path]) -> set[Path]:
    """Those of the files that some process has open for writing.

    Seen are processes of this machine's `/proc` whose open files we may list: as root all of them,
    otherwise our own user's.
    """
    wanted = {os.path.realpath(path): path for path in paths}
    found: set[Path] = set()
    looked = 0
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with suppress(OSError), os.scandir(process / "fd") as entries:
            for entry in entries:
                looked += 1
                if looked > MAX_OPEN_FILES:
                    return found
                with suppress(OSError, ValueError):
                    path = wanted.get(str(Path(entry.path).readlink()))
                    if path is not None and _writes(process, entry.name):
                        found.add(path)
    return found


def _writes(process: Path, number: str) -> bool:
    """Whether a descriptor is open for more than reading (man 5 proc_pid_fdinfo)."""
    for line in (process / "fdinfo" / number).read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "flags":
            return int(value, 8) & ACCESS_MODE != READ_ONLY
    return False
