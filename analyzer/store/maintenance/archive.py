"""The file a backup is: a plain tar of regular files, read more strictly than tar allows.

Written are POSIX headers with sizes above 8 GiB in base-256 (as GNU tar has them), so any tar can
list and unpack it. Read are headers of regular files alone, one 512-byte block each, with names of
the forms a backup has: no links, devices, folders, sparse files or headers that change what the
next one means. Nothing is compressed, so nothing can be larger than the file itself.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from analyzer.errors import StoreError
from analyzer.store.folder import OWNER_ONLY_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK_BYTES = tarfile.BLOCKSIZE
COPY_BYTES = 1024 * 1024
END = bytes(BLOCK_BYTES)
MANIFEST = "manifest.json"
SECRET = "secret"  # noqa: S105 - a name of a file
MEMBER = re.compile(
    r"manifest\.json|secret|database/[a-z_]{1,40}\.jsonl"
    r"|captures/([0-9a-f]{2})/(?=\1)[0-9a-f]{64}"
    r"|tables/a-[0-9a-f]{1,32}-[0-9]{1,9}/[a-z_]{1,40}\.parquet",
    re.ASCII,
)
"""Names a backup holds; everything else is refused."""


class DamagedBackup(StoreError):  # noqa: N818 - it names the state of the file
    """A file that is no backup, or not a whole one."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"cannot restore this file: {reason}",
            hint="it is damaged or not one of ours; nothing was put in place",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a backup, as the manifest names it."""

    name: str
    size_bytes: int
    sha256: str


class ArchiveWriter:
    """Writes members one after the other.

    Attributes:
        members: What was written so far.
    """

    def __init__(self, file: IO[bytes], mtime_s: int) -> None:
        self._file = file
        self._mtime_s = mtime_s
        self.members: list[Member] = []

    def add(self, name: str, source: IO[bytes], size_bytes: int) -> Member:
        """Copies exactly that many bytes in.

        Raises:
            OSError: The disk refuses, or the source ends before.
        """
        if not MEMBER.fullmatch(name):
            raise ValueError(f"no name of a backup's member: {name}")
        info = tarfile.TarInfo(name)
        info.size = size_bytes
        info.mode = OWNER_ONLY_FILE
        info.mtime = self._mtime_s
        self._file.write(info.tobuf(tarfile.GNU_FORMAT))
        digest = hashlib.sha256()
        for data in _exactly(source, size_bytes):
            digest.update(data)
            self._file.write(data)
        self._file.write(bytes(-size_bytes % BLOCK_BYTES))
        member = Member(name=name, size_bytes=size_bytes, sha256=digest.hexdigest())
        self.members.append(member)
        return member

    def end(self) -> None:
        """Writes the end of the archive."""
        self._file.write(END * 2)


def read_members(
    file: IO[bytes], take: Callable[[str], IO[bytes]], *, max_members: int
) -> Iterator[Member]:
    """Copies every member to where `take` says, and gives its true size and hash.

    Args:
        file: At its beginning.
        take: Opens the place for a name, which has the form of `MEMBER` and comes once.
        max_members: More are refused.

    Raises:
        DamagedBackup: It is no archive of this form, or does not end.
        OSError: The disk refuses.
    """
    seen: set[str] = set()
    while header := _header(file):
        if header.name in seen:
            raise DamagedBackup(f"it holds {header.name} twice")
        seen.add(header.name)
        if len(seen) > max_members:
            raise DamagedBackup(f"it holds more than {max_members} files")
        digest = hashlib.sha256()
        with take(header.name) as target:
            for data in _exactly_or_damaged(file, header.size, header.name):
                digest.update(data)
                target.write(data)
        if len(file.read(-header.size % BLOCK_BYTES)) != -header.size % BLOCK_BYTES:
            raise DamagedBackup("it ends early")
        yield Member(name=header.name, size_bytes=header.size, sha256=digest.hexdigest())


def _header(file: IO[bytes]) -> tarfile.TarInfo | None:
    block = file.read(BLOCK_BYTES)
    if block == END:
        if file.read(BLOCK_BYTES) != END:
            raise DamagedBackup("it ends early")
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        what = (
            "it ends early" if len(block) < BLOCK_BYTES else "it is no tar file, or a damaged one"
        )
        raise DamagedBackup(what) from error
    if header.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or header.size < 0:
        raise DamagedBackup("it holds something that is no regular file")
    if not MEMBER.fullmatch(header.name):
        raise DamagedBackup(f"it holds a file called {header.name[:100]!r}")
    return header


def _exactly(source: IO[bytes], size_bytes: int) -> Iterator[bytes]:
    left = size_bytes
    while left:
        data = source.read(min(COPY_BYTES, left))
        if not data:
            raise OSError(f"it ends {left} bytes early")
        left -= len(data)
        yield data


def _exactly_or_damaged(source: IO[bytes], size_bytes: int, name: str) -> Iterator[bytes]:
    left = size_bytes
    while left:
        data = source.read(min(COPY_BYTES, left))
        if not data:
            raise DamagedBackup(f"it ends within {name}")
        left -= len(data)
        yield data
