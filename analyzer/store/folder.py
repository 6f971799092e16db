"""The folder of a store: where each kind of file is, and who may use it."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET_BYTES = 32
OWNER_ONLY_FOLDER = 0o700
OWNER_ONLY_FILE = 0o600
LOCK_TIMEOUT_S = 1.0
LOCK_POLL_S = 0.05
"""`in_use` has the lock for an instant, which must not keep a service from starting."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Paths below one data folder; all of it is readable by its owner alone."""

    root: Path

    @property
    def captures(self) -> Path:
        """Captures as uploaded, in folders by the first two digits of their SHA-256."""
        return self.root / "captures"

    @property
    def uploads(self) -> Path:
        """What is still arriving."""
        return self.root / "uploads"

    @property
    def work(self) -> Path:
        """What workers write until it is adopted."""
        return self.root / "work"

    @property
    def tables(self) -> Path:
        """Parquet files, a folder for each analysis."""
        return self.root / "tables"

    @property
    def lock(self) -> Path:
        """Held by the one service that uses the folder."""
        return self.root / "lock"

    @property
    def files_lock(self) -> Path:
        """Held while a capture's file and its row are changed together."""
        return self.root / "files.lock"

    @property
    def maintenance_lock(self) -> Path:
        """Held by what removes files for good; shared by a backup, which reads them."""
        return self.root / "maintenance.lock"

    @property
    def sqlite(self) -> Path:
        """The database, unless another one is named."""
        return self.root / "outgate.sqlite"

    def capture_path(self, sha256: str) -> Path:
        """Where a capture's bytes are."""
        return self.captures / sha256[:2] / sha256

    def tables_path(self, analysis_id: str) -> Path:
        """Where an analysis's Parquet files are."""
        return self.tables / analysis_id

    def work_path(self, job_id: str, attempt: int) -> Path:
        """Where one attempt of a job writes."""
        return self.work / f"{job_id}.{attempt}"

    def make(self) -> None:
        """Creates what is missing.

        Raises:
            StoreUnavailable: The system refuses.
        """
        try:
            for path in (self.root, self.captures, self.uploads, self.work, self.tables):
                path.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
        except OSError as error:
            raise StoreUnavailable(
                f"cannot use {self.root} as data folder: {(error.strerror or str(error)).lower()}",
                hint="name another one with --data, or check who may write there",
            ) from error

    def secret(self) -> bytes:
        """The folder's random key, made at first use: it never leaves the folder but in a backup.

        Raises:
            StoreUnavailable: It cannot be made, or is not what was written.
        """
        path = self.root / "secret"
        if not path.exists():
            made = self.root / f".secret.{os.getpid()}.{secrets.token_hex(4)}"
            made.write_bytes(secrets.token_bytes(SECRET_BYTES))
            made.chmod(OWNER_ONLY_FILE)
            sync_file(made)
            try:
                os.link(made, path)  # the first of two processes wins
            except FileExistsError:
                pass
            finally:
                made.unlink()
            sync_folder(self.root)
        found = path.read_bytes()
        if len(found) != SECRET_BYTES:
            raise StoreUnavailable(
                f"cannot use {path}: it holds {len(found)} bytes, not {SECRET_BYTES}",
                hint="restore it from a backup: keys and the audit log are checked with it",
            )
        return found


class FolderLock:
    """One service for one folder, for as long as the process lives."""

    def __init__(self, folder: Folder) -> None:
        self._path = folder.lock
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY_FILE)
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while not _locked(self._handle, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                os.close(self._handle)
                raise StoreUnavailable(
                    f"cannot use {folder.root}: another outgate service has it open",
                    hint="stop that one, or name another folder with --data",
                )
            time.sleep(LOCK_POLL_S)

    def release(self) -> None:
        """Lets another service have the folder."""
        os.close(self._handle)


def in_use(folder: Folder) -> bool:
    """Whether a service has the folder now."""
    try:
        handle = os.open(folder.lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _locked(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


@contextmanager
def held_alone(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[bool]:
    """A lock among all processes of the folder, by a file that is made when missing.

    Args:
        path: The file.
        shared: Whether others that share may have it at the same time.
        wait: Whether to wait for it; otherwise False is given when others have it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY_FILE)
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        if wait:
            fcntl.flock(handle, kind)
        yield wait or _locked(handle, kind)
    finally:
        os.close(handle)


def _locked(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
            raise
        return False
    return True


def sync_file(path: Path) -> None:
    """Makes a file's bytes outlast a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Makes the names in a folder outlast a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
