"""One line for each finding at the end of a file, in a folder that the operator allowed.

Nothing but a regular file below that folder is ever opened: the path is walked name by name without
following links. A line is on disk (fsync) before it counts as delivered. Writers take turns by
flock; one that was killed halfway leaves a cut line, which the next one removes.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analyzer.errors import ConfigError
from analyzer.sinks.base import Delivered, Retry, SendError, trouble
from analyzer.sinks.options import Options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from analyzer.sinks.base import Message, Outcome
    from analyzer.sinks.surroundings import Surroundings

MAX_BATCH = 200
MAX_DEPTH = 4
MAX_CUT_BYTES = 4 << 20
"""Longest cut line that is looked back over; no finding is as long."""
LOCK_WAIT_S = 5.0

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class FileConfig:
    """Names of folders and at last the file, below the allowed folder."""

    parts: tuple[str, ...]

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> FileConfig:
        """The configuration from a mapping.

        Raises:
            ConfigError: A key is missing, unknown or has a value that cannot be used.
        """
        options = Options("file", values)
        parts = tuple(options.text("path", max_chars=400).split("/"))
        options.done()
        if len(parts) > MAX_DEPTH or not all(_NAME.fullmatch(part) for part in parts):
            raise options.wrong(
                "path",
                f"it is not one to {MAX_DEPTH} plain names with / between them",
                hint="as in findings.ndjson, below the folder of the setting sink_folder",
            )
        return cls(parts=parts)


class FileSender:
    """Appends a batch in one piece."""

    max_batch = MAX_BATCH

    def __init__(self, config: FileConfig, surroundings: Surroundings) -> None:
        if surroundings.folder is None:
            raise ConfigError(
                "cannot write findings to a file: no folder is allowed for that",
                hint="the operator names one with the setting sink_folder",
            )
        self._folder: Path = surroundings.folder
        self._parts = config.parts

    def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """All lines are on disk, or none counts."""
        lines = [message.body.translate(_ONE_LINE) + b"\n" for message in messages]
        try:
            with self._opened() as handle:
                repair(handle)
                append(handle, b"".join(lines))
        except SendError as error:
            return [Retry(error.reason)] * len(messages)
        except OSError as error:
            reason = f"cannot write {'/'.join(self._parts)}: {trouble(error)}"
            return [Retry(reason)] * len(messages)
        return [Delivered()] * len(messages)

    def close(self) -> None:
        """Nothing stays open between batches."""

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The file, locked, and still the one its name means (a log rotation may come between)."""
        end = time.monotonic() + LOCK_WAIT_S
        while True:
            folder = self._walk()
            try:
                handle = os.open(self._parts[-1], _FILE, 0o640, dir_fd=folder)
                try:
                    _check(handle)
                    _lock(handle, end)
                    if _is_named(handle, folder, self._parts[-1]):
                        os.fsync(folder)
                        yield handle
                        return
                finally:
                    os.close(handle)
            finally:
                os.close(folder)
            if time.monotonic() > end:
                raise SendError("the file is replaced again and again")

    def _walk(self) -> int:
        """A handle of the folder the file is in; folders below the allowed one are made."""
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in self._parts[:-1]:
            above = handle
            try:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o750, dir_fd=above)
                handle = os.open(part, _FOLDER, dir_fd=above)
            finally:
                os.close(above)
        return handle


_BEGINNINGS = (b"{", b"CEF:", b"LEEF:")
_ONE_LINE = bytes.maketrans(b"\n\r", b"  ")


def _check(handle: int) -> None:
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        raise SendError("refused to write: what has that name is not a regular file")
    if found.st_nlink > 1:
        raise SendError("refused to write: the file has a second name (a hard link)")


def _lock(handle: int, end: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise SendError("somebody else holds the lock of the file") from None
            time.sleep(0.05)
        else:
            return


def _is_named(handle: int, folder: int, name: str) -> bool:
    mine = os.fstat(handle)
    try:
        named = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino)


def repair(handle: int) -> None:
    """Ends the file with a whole line.

    A cut line that begins as ours do is taken away: its finding was not recorded as delivered and
    comes again. Anything else without an end is left, and gets its newline.
    """
    size = os.fstat(handle).st_size
    if size == 0 or os.pread(handle, 1, size - 1) == b"\n":
        return
    start = max(0, size - MAX_CUT_BYTES)
    tail = os.pread(handle, size - start, start)
    cut = tail.rfind(b"\n") + 1
    if tail[cut:].startswith(_BEGINNINGS) and (cut or not start):
        os.ftruncate(handle, start + cut)
    else:
        append(handle, b"\n")


def append(handle: int, data: bytes) -> None:
    """Writes all of it and waits for the disk; on failure the file is as long as before."""
    size = os.fstat(handle).st_size
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, size)
        raise
