"""Part files: what is arriving, on the disk from its first byte, hashed on the way.

A part is locked (flock) as long as it is open, so that sweeping leaves it alone. Its methods may be
called from any thread, one at a time each.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analyzer.errors import LimitError, StoreUnavailable
from analyzer.intake.kinds import HEAD_BYTES, Kind, recognise
from analyzer.store.folder import OWNER_ONLY_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1024 * 1024
SYNC_EVERY_BYTES = 64 * MIB
"""Written to the disk at latest after so many bytes: the last wait is short, and memory that waits
to be written does not grow with the file."""

SPACE_EVERY_BYTES = 8 * MIB
READ_BYTES = MIB
ID_BYTES = 8
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class TooLarge(LimitError):  # noqa: N818 - it names what the file is
    """A capture larger than the service takes."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(
            f"cannot take a capture of more than {limit_bytes} bytes (max_upload)",
            hint="compress it, split it (editcap -c), or have OUTGATE_MAX_UPLOAD raised",
        )


class NoSpace(StoreUnavailable):
    """The disk of the data folder has no room, or would fall below its reserve."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"cannot store the capture: {reason}",
            hint="free space in the data folder, or lower retention; then send it again",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """Bounds of what is taken in.

    Attributes:
        max_bytes: Largest capture.
        min_free_bytes: Free space of the disk that is left alone.
    """

    max_bytes: int
    min_free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A place in a part that it can be set back to."""

    size_bytes: int
    digest: Any
    head: bytes
    kind: Kind | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A part that is whole and on the disk."""

    sha256: str
    size_bytes: int
    kind: Kind


class Part:
    """One file that is arriving.

    Attributes:
        path: Where it is.
        size_bytes: What was written.
        synced_bytes: How much of that outlasts a power cut.
    """

    def __init__(self, path: Path, limits: IntakeLimits, *, new: bool) -> None:
        self.path = path
        self.size_bytes = 0
        self.synced_bytes = 0
        self._limits = limits
        self._digest = hashlib.sha256()
        self._head = b""
        self._kind: Kind | None = None
        self._space_at = 0
        self._guard = threading.Lock()
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        flags |= os.O_CREAT | os.O_EXCL if new else 0
        with _translated():
            if not new:  # a kill may have come between the two steps of its adoption
                path.chmod(OWNER_ONLY_FILE)
            self._handle = os.open(path, flags, OWNER_ONLY_FILE)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            raise StoreUnavailable(
                "cannot write the upload: something else is working on it",
                hint="try again in a moment",
            ) from error

    @classmethod
    def create(
        cls, folder: Path, limits: IntakeLimits, *, name: str = "", announced_bytes: int = 0
    ) -> Part:
        """A new, empty part.

        Args:
            folder: Where parts are.
            limits: What it may become.
            name: Its id; a random one by default.
            announced_bytes: How large it will be, where that is known.

        Raises:
            NoSpace: The disk has no room for it.
        """
        check_space(folder, limits, announced_bytes)
        return cls(folder / f"{name or secrets.token_hex(ID_BYTES)}.part", limits, new=True)

    @classmethod
    def resume(cls, path: Path, limits: IntakeLimits, *, offset: int) -> Part:
        """A part from before: read up to `offset` bytes, what lies behind is cut off.

        Fewer bytes than `offset` may be there; `size_bytes` tells.

        Raises:
            FileNotFoundError: It is not there.
        """
        part = cls(path, limits, new=False)
        try:
            part._take_up(offset)
        except BaseException:
            part.close()
            raise
        return part

    def _take_up(self, offset: int) -> None:
        with _translated():
            while self.size_bytes < offset:
                want = min(READ_BYTES, offset - self.size_bytes)
                data = os.pread(self._handle, want, self.size_bytes)
                if not data:
                    break
                self._count(data)
            os.ftruncate(self._handle, self.size_bytes)
            os.lseek(self._handle, 0, os.SEEK_END)
            os.fsync(self._handle)
        self.synced_bytes = self.size_bytes
        self._space_at = self.size_bytes

    def write(self, data: bytes) -> None:
        """Appends bytes.

        Raises:
            TooLarge: The capture is larger than allowed.
            NotACapture: Its first bytes are no capture's.
            NoSpace: The disk is full, or at its reserve.
            StoreUnavailable: The disk refuses.
        """
        with self._guard:
            if self.size_bytes + len(data) > self._limits.max_bytes:
                raise TooLarge(self._limits.max_bytes)
            if self.size_bytes >= self._space_at:
                check_space(self.path.parent, self._limits, len(data))
                self._space_at = self.size_bytes + SPACE_EVERY_BYTES
            view = memoryview(data)
            with _translated():
                while view:
                    view = view[os.write(self._handle, view) :]
            self._count(data)
            if self.size_bytes - self.synced_bytes >= SYNC_EVERY_BYTES:
                self._sync()

    def _count(self, data: bytes) -> None:
        self._digest.update(data)
        self.size_bytes += len(data)
        if self._kind is None:
            self._head += data[: HEAD_BYTES - len(self._head)]
            self._kind = recognise(self._head, whole=False)
            if self._kind is not None:
                self._head = b""

    def sync(self) -> int:
        """Makes what was written outlast a power cut; gives its size.

        Raises:
            NoSpace: The disk is full after all.
            StoreUnavailable: The disk refuses.
        """
        with self._guard:
            self._sync()
            return self.synced_bytes

    def _sync(self) -> None:
        with _translated():
            os.fsync(self._handle)
        self.synced_bytes = self.size_bytes

    def mark(self) -> Mark:
        """This place, to come back to."""
        with self._guard:
            return Mark(
                size_bytes=self.size_bytes,
                digest=self._digest.copy(),
                head=self._head,
                kind=self._kind,
            )

    def rewind(self, mark: Mark) -> None:
        """Cuts off what came behind a mark.

        Raises:
            StoreUnavailable: The disk refuses.
        """
        with self._guard:
            with _translated():
                os.ftruncate(self._handle, mark.size_bytes)
                os.lseek(self._handle, mark.size_bytes, os.SEEK_SET)
            self.size_bytes = mark.size_bytes
            self.synced_bytes = min(self.synced_bytes, mark.size_bytes)
            self._digest = mark.digest.copy()
            self._head, self._kind = mark.head, mark.kind

    def finish(self) -> Finished:
        """Says that nothing more comes: all of it is on the disk afterwards.

        Raises:
            NotACapture: It is none.
            NoSpace: The disk is full after all.
        """
        with self._guard:
            kind = self._kind or recognise(self._head, whole=True)
            if kind is None:
                raise AssertionError("a whole file is of some kind")
            self._sync()
            return Finished(sha256=self._digest.hexdigest(), size_bytes=self.size_bytes, kind=kind)

    def close(self) -> None:
        """Lets go of the file, which stays; may be called again."""
        with self._guard:
            handle, self._handle = self._handle, -1
            if handle >= 0:
                os.close(handle)

    def discard(self) -> None:
        """Removes the file; may be called again, also when it became a capture."""
        if self._handle >= 0:
            self.path.unlink(missing_ok=True)
        self.close()


def check_space(folder: Path, limits: IntakeLimits, more_bytes: int = 0) -> None:
    """Refuses what the disk has no room for besides its reserve.

    Raises:
        NoSpace: Says how much there is and how much stays free.
    """
    with _translated():
        free = shutil.disk_usage(folder).free
    if free - more_bytes < limits.min_free_bytes:
        raise NoSpace(
            f"{more_bytes} bytes more, {free} bytes are free"
            f" and {limits.min_free_bytes} are kept in reserve (min_free)"
        )


@contextmanager
def _translated() -> Iterator[None]:
    """Turns what the system says of the disk into our errors."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        if error.errno in FULL:
            raise NoSpace(reason) from error
        raise StoreUnavailable(
            f"cannot store the capture: {reason}", hint="check the disk of the data folder"
        ) from error
