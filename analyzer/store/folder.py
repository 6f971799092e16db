"""The folder of a store: where each kind of file is, and who may use it."""

from __future__ import annotations

import fcntl
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.errors import StoreUnavailable

if TYPE_CHECKING:
    from pathlib import Path

SECRET_BYTES = 32
OWNER_ONLY_FOLDER = 0o700
OWNER_ONLY_FILE = 0o600


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
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            raise StoreUnavailable(
                f"cannot use {folder.root}: another outgate service has it open",
                hint="stop that one, or name another folder with --data",
            ) from error

    def release(self) -> None:
        """Lets another service have the folder."""
        os.close(self._handle)


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
