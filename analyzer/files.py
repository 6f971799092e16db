"""Writing files so that nobody ever sees half of one, and removing what strangers left."""

from __future__ import annotations

import contextlib
import os
import tempfile
from itertools import count
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file that is either whole or not there, readable by its owner alone.

    Raises:
        OSError: The folder or the disk refused.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def remove_tree(folder: Path) -> None:
    """Removes a folder with all that is in it, however deep, whatever its modes; follows no link.

    Folders are taken out of each other until none holds another: no path gets longer than two
    names, where recursion would end with the stack. What cannot be removed stays.
    """
    numbers = count()
    with contextlib.suppress(OSError):
        while inner := _remove_files(folder):
            for path in inner:
                for deeper in _remove_files(path):
                    deeper.chmod(0o700)  # its way up is written into it
                    deeper.rename(_free_name(folder, numbers))
                path.rmdir()
        folder.rmdir()


def _remove_files(folder: Path) -> list[Path]:
    """Removes what is no folder; gives the folders."""
    folder.chmod(0o700)
    inner = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                inner.append(Path(entry.path))
            else:
                Path(entry.path).unlink()
    return inner


def _free_name(folder: Path, numbers: count[int]) -> Path:
    return next(path for number in numbers if not os.path.lexists(path := folder / str(number)))
