"""Files of a store that no row names: what a kill leaves between two steps.

Files are listed before rows are read, and files are adopted before the rows that name them. So what
is found here while a service runs may be a moment away from its row; `changed_ns` says how old it
is. While nothing runs it is a leftover.
"""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import sqlalchemy as sa

from analyzer.store import schema
from analyzer.store.records import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from analyzer.store import Store

BATCH = 500
CAPTURE_NAME = re.compile(r"[0-9a-f]{64}", re.ASCII)
SECRET_PREFIX = ".secret."  # noqa: S105 - a name of a file
PART_SUFFIX = ".part"


class Kind(StrEnum):
    """What a leftover is, as messages call it."""

    PART = "part of an upload that nobody knows"
    WORK = "work folder of no running job"
    TABLES = "tables of no analysis"
    CAPTURE = "capture file without a row"
    DELETED_CAPTURE = "file of a deleted capture"
    DELETED_TABLES = "tables of a deleted capture"
    UNKNOWN = "file that is not the store's"
    SECRET = "unfinished secret"  # noqa: S105 - a name for a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A file or folder that no row names.

    Attributes:
        path: Where it is.
        changed_ns: When it got its name or was written last, by the system's clock.
        size_bytes: Of everything in it.
    """

    kind: Kind
    path: Path
    changed_ns: int
    size_bytes: int


def leftovers(store: Store) -> Iterator[Leftover]:
    """Everything in the folder that no row names."""
    yield from _secrets(store)
    yield from _parts(store)
    yield from _work(store)
    yield from _tables(store)
    yield from _captures(store)


def _secrets(store: Store) -> Iterator[Leftover]:
    for path in entries(store.folder.root):
        if path.name.startswith(SECRET_PREFIX):
            yield from _leftover(Kind.SECRET, path)


def _parts(store: Store) -> Iterator[Leftover]:
    for batch in _batches(entries(store.folder.uploads)):
        known = {
            f"{found}{PART_SUFFIX}"
            for found in _known(
                store,
                schema.uploads.c.id,
                (path.name.removesuffix(PART_SUFFIX) for path in batch),
            )
        }
        for path in batch:
            if path.name not in known:
                yield from _leftover(Kind.PART, path)


def _work(store: Store) -> Iterator[Leftover]:
    paths = list(entries(store.folder.work))
    jobs = schema.jobs.c
    query = sa.select(jobs.id, jobs.attempt).where(jobs.state == str(JobState.RUNNING))
    with store.database.read() as connection:
        running = {
            store.folder.work_path(row.id, row.attempt).name for row in connection.execute(query)
        }
    for path in paths:
        if path.name not in running:
            yield from _leftover(Kind.WORK, path)


def _tables(store: Store) -> Iterator[Leftover]:
    analyses, captures = schema.analyses.c, schema.captures.c
    for batch in _batches(entries(store.folder.tables)):
        query = (
            sa.select(analyses.id, captures.deleted)
            .join(schema.captures, captures.sha256 == analyses.capture)
            .where(analyses.id.in_([path.name for path in batch]))
        )
        with store.database.read() as connection:
            deleted = {row.id: row.deleted for row in connection.execute(query)}
        for path in batch:
            if path.name not in deleted:
                yield from _leftover(Kind.TABLES, path)
            elif deleted[path.name]:
                yield from _leftover(Kind.DELETED_TABLES, path)


def _captures(store: Store) -> Iterator[Leftover]:
    captures = schema.captures.c
    for folder in sorted(entries(store.folder.captures)):
        for batch in _batches(entries(folder)):
            query = sa.select(captures.sha256, captures.deleted).where(
                captures.sha256.in_([path.name for path in batch])
            )
            with store.database.read() as connection:
                deleted = {row.sha256: row.deleted for row in connection.execute(query)}
            for path in batch:
                if deleted.get(path.name) is False and folder.name == path.name[:2]:
                    continue
                yield from _leftover(_kind_of(path, deleted), path)


def _kind_of(path: Path, deleted: dict[str, bool]) -> Kind:
    if path.name in deleted:
        return Kind.DELETED_CAPTURE
    return Kind.CAPTURE if CAPTURE_NAME.fullmatch(path.name) else Kind.UNKNOWN


def _leftover(kind: Kind, path: Path) -> Iterator[Leftover]:
    """The path with its age and size; nothing if it went away meanwhile."""
    try:
        found = path.lstat()
    except OSError:
        return
    # The change of the inode, which moving a file counts as, or the last write if that is later.
    changed_ns = max(found.st_ctime_ns, found.st_mtime_ns)
    yield Leftover(kind=kind, path=path, changed_ns=changed_ns, size_bytes=size_of(path))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; what goes away meanwhile counts nothing."""
    try:
        if path.is_dir() and not path.is_symlink():
            return sum(size_of(entry) for entry in entries(path))
        return path.lstat().st_size
    except OSError:
        return 0


def entries(folder: Path) -> Iterator[Path]:
    """What is in a folder, in no order; nothing if it is no folder or went away."""
    try:
        with os.scandir(folder) as found:
            for entry in found:
                yield folder / entry.name
    except (FileNotFoundError, NotADirectoryError):
        return


def _batches(paths: Iterable[Path]) -> Iterator[list[Path]]:
    left = iter(paths)
    while batch := list(itertools.islice(left, BATCH)):
        yield batch


def _known(store: Store, column: sa.Column[str], names: Iterable[str]) -> set[str]:
    query = sa.select(column).where(column.in_(list(names)))
    with store.database.read() as connection:
        return set(connection.execute(query).scalars())
