"""`outgate store backup`: everything a store keeps in one file, while the service goes on.

The rows are those of one moment: one read transaction, written as JSON lines, which SQLite and
PostgreSQL restore alike; so a backup is also the way from one to the other. Files are copied after
that. They never change, and what removes them waits (`Folder.maintenance_lock`); a capture that a
person deletes meanwhile is noted, and is deleted in what is restored.

What is under way is left out: parts of uploads, workers' folders, answers kept for repetition.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer import __version__
from analyzer.errors import ConflictError, StoreUnavailable
from analyzer.store import migrations, schema
from analyzer.store.database import get_meta
from analyzer.store.folder import held_alone, sync_folder
from analyzer.store.maintenance.archive import MANIFEST, SECRET, ArchiveWriter
from analyzer.store.maintenance.dump import dumped_tables, last_numbers, write_table
from analyzer.store.maintenance.inventory import entries
from analyzer.store.native import service_time
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer.store import Store

FORMAT = "outgate/backup/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What was written.

    Attributes:
        captures: How many capture files it holds.
        deleted_meanwhile: Captures that were deleted while it was made.
        missing: Captures and tables that should have been there and were not.
    """

    path: Path
    size_bytes: int
    members: int
    captures: int
    deleted_meanwhile: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """What the rows say at the moment of the backup."""

    facts: dict[str, Any]
    captures: tuple[str, ...]
    analyses: tuple[str, ...]


def backup(store: Store, target: Path) -> Backup:
    """Writes a backup; the file is there whole or not at all, and its owner's alone.

    Raises:
        ConflictError: There is such a file.
        StoreUnavailable: The disk or the database refuses.
    """
    if target.exists():
        raise ConflictError(
            f"cannot write the backup to {target}: there is such a file",
            hint="name another one; a backup never replaces one",
        )
    with (
        _disk(target),
        held_alone(store.folder.maintenance_lock, shared=True),
        _new_file(target) as file,
    ):
        writer = ArchiveWriter(file, store.now_ns() // NS_PER_SECOND)
        moment = _rows(store, writer, target.parent)
        _add_file(writer, SECRET, store.folder.root / "secret")
        lost = _captures(store, writer, moment) + _tables(store, writer, moment)
        gone = {sha256 for sha256 in lost if sha256 in moment.captures and _deleted(store, sha256)}
        missing = tuple(name for name in lost if name not in gone)
        facts = {
            **moment.facts,
            "deleted_meanwhile": sorted(gone),
            "missing": list(missing),
            "members": [asdict(member) for member in writer.members],
        }
        text = json.dumps(facts).encode()
        writer.add(MANIFEST, io.BytesIO(text), len(text))
        writer.end()
    return Backup(
        path=target,
        size_bytes=target.stat().st_size,
        members=len(writer.members),
        captures=len(moment.captures) - sum(1 for name in lost if name in moment.captures),
        deleted_meanwhile=tuple(sorted(gone)),
        missing=missing,
    )


def _rows(store: Store, writer: ArchiveWriter, spool: Path) -> _Moment:
    tables = dumped_tables()
    with tempfile.TemporaryDirectory(dir=spool, prefix=".outgate-backup-") as place:
        with store.database.read() as connection:
            for table in tables:
                with (Path(place) / table.name).open("wb") as file:
                    write_table(connection, table, file)
            held, analyses = schema.captures.c, schema.analyses.c
            captures = sa.select(held.sha256).where(held.deleted.is_(False)).order_by(held.sha256)
            kept = (
                sa.select(analyses.id)
                .join(schema.captures, held.sha256 == analyses.capture)
                .where(held.deleted.is_(False))
                .order_by(analyses.id)
            )
            moment = _Moment(
                facts={
                    "format": FORMAT,
                    "tool_version": __version__,
                    "revision": migrations.current(connection),
                    "created_at": service_time(store.now_ns()),
                    "store_id": get_meta(connection, "store_id"),
                    "database": store.database.dialect,
                    "numbers": last_numbers(connection),
                },
                captures=tuple(connection.execute(captures).scalars()),
                analyses=tuple(connection.execute(kept).scalars()),
            )
        for table in tables:
            _add_file(writer, f"database/{table.name}.jsonl", Path(place) / table.name)
    return moment


def _captures(store: Store, writer: ArchiveWriter, moment: _Moment) -> list[str]:
    lost = []
    for sha256 in moment.captures:
        try:
            name = f"captures/{sha256[:2]}/{sha256}"
            _add_file(writer, name, store.folder.capture_path(sha256))
        except FileNotFoundError:
            lost.append(sha256)
    return lost


def _tables(store: Store, writer: ArchiveWriter, moment: _Moment) -> list[str]:
    lost = []
    for analysis_id in moment.analyses:
        for path in sorted(entries(store.folder.tables_path(analysis_id))):
            try:
                _add_file(writer, f"tables/{analysis_id}/{path.name}", path)
            except FileNotFoundError:
                lost.append(f"{analysis_id}/{path.name}")
    return lost


def _add_file(writer: ArchiveWriter, name: str, path: Path) -> None:
    with path.open("rb") as source:
        writer.add(name, source, os.fstat(source.fileno()).st_size)


def _deleted(store: Store, sha256: str) -> bool:
    return store.captures.get(sha256).deleted


@contextmanager
def _new_file(target: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name once it is whole and on the disk; mkstemp makes it 0600."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.link(name, target)  # unlike a rename it replaces nothing
        sync_folder(target.parent)
    finally:
        Path(name).unlink()


@contextmanager
def _disk(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"cannot write the backup to {target}: {(error.strerror or str(error)).lower()}",
            hint="name a folder that is there, may be written, and has room for all captures",
        ) from error
