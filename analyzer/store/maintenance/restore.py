"""`outgate store restore`: a backup becomes a store, all of it or nothing.

Everything is unpacked beside the folder it is for, every hash is compared, the database is filled
in one transaction and the whole is checked; only then does it get its name.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy import exc

from analyzer.errors import ConflictError, StoreUnavailable
from analyzer.store import Store, migrations, schema
from analyzer.store.database import Database, set_meta
from analyzer.store.folder import OWNER_ONLY_FOLDER, Folder, sync_file, sync_folder
from analyzer.store.maintenance.archive import (
    MANIFEST,
    SECRET,
    DamagedBackup,
    Member,
    read_members,
)
from analyzer.store.maintenance.backup import FORMAT
from analyzer.store.maintenance.check import check
from analyzer.store.maintenance.dump import (
    dumped_tables,
    load_table,
    set_last_numbers,
    tables_of,
)
from analyzer.store.maintenance.recovery import recover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from analyzer.store.maintenance.problems import CheckReport
    from analyzer.store.records import Actor

MAX_MEMBERS = 5_000_000
MAX_MANIFEST_BYTES = 512 * 1024 * 1024
IGNORED = frozenset({"lost+found"})
"""What an empty disk holds by itself."""

READ_ONLY_FILE = 0o400


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a backup became.

    Attributes:
        created_at: When the backup was made.
        members: How many files it held.
        report: What a check of the store says.
    """

    folder: Path
    created_at: str
    members: int
    report: CheckReport


def restore(
    archive: Path,
    folder: Path,
    database: str = "",
    *,
    by: Actor,
    clock: Callable[[], int] = time.time_ns,
) -> Restored:
    """Makes a store from a backup.

    Args:
        archive: As `backup` wrote it.
        folder: Not there, or empty.
        database: An empty database; "" is SQLite in the folder.
        by: Who, for the audit log of the store.
        clock: Nanoseconds since 1970.

    Raises:
        ConflictError: The folder or the database is not empty.
        DamagedBackup: The file is no backup, or not a whole one.
        StoreUnavailable: The disk or the database refuses.
    """
    _check_empty(folder)
    with _disk(archive, folder), _stage(folder) as stage:
        manifest = _unpacked(archive, stage)
        with _filled(stage, database, manifest):
            with Store.open(stage, database, exclusive=True, clock=clock) as store:
                _settle(store, manifest, by)
            with Store.open(stage, database, clock=clock) as store:
                report = check(store)
            _put_in_place(stage, folder)
    return Restored(
        folder=folder,
        created_at=str(manifest["created_at"]),
        members=len(manifest["members"]),
        report=report,
    )


def _check_empty(folder: Path) -> None:
    try:
        found = [path.name for path in folder.iterdir() if path.name not in IGNORED]
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreUnavailable(
            f"cannot restore to {folder}: {(error.strerror or str(error)).lower()}",
            hint="name a folder that is not there yet",
        ) from error
    if found:
        raise ConflictError(
            f"cannot restore to {folder}: it holds {min(found)!r}",
            hint="name an empty folder, or one that is not there yet",
        )


# Unpacking


def _unpacked(archive: Path, stage: Path) -> Mapping[str, Any]:
    """Unpacks everything, and gives the manifest once all hashes are right."""

    def take(name: str) -> IO[bytes]:
        path = stage / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
        path.touch(mode=0o600, exist_ok=False)
        return path.open("wb")

    with archive.open("rb") as file:
        found = {m.name: m for m in read_members(file, take, max_members=MAX_MEMBERS)}
    manifest = _manifest(stage / MANIFEST, found)
    (stage / MANIFEST).unlink()
    for name in found:
        if name.startswith("captures/"):
            (stage / name).chmod(READ_ONLY_FILE)
            sync_file(stage / name)
        elif name.startswith(("tables/", "secret")):
            sync_file(stage / name)
    return manifest


def _manifest(path: Path, found: Mapping[str, Member]) -> Mapping[str, Any]:
    if MANIFEST not in found or found[MANIFEST].size_bytes > MAX_MANIFEST_BYTES:
        raise DamagedBackup("it has no manifest")
    try:
        manifest = json.loads(path.read_bytes())
        listed = {m["name"]: Member(**m) for m in manifest["members"]}
        known = manifest["format"] == FORMAT
        complete = all(
            isinstance(manifest[name], kind)
            for name, kind in {
                "revision": str,
                "created_at": str,
                "store_id": str,
                "numbers": dict,
                "deleted_meanwhile": list,
            }.items()
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedBackup("its manifest is none") from error
    if not known or not complete:
        raise DamagedBackup(f"its manifest is not of the form {FORMAT}")
    there = {name: member for name, member in found.items() if name != MANIFEST}
    for name in sorted(listed.keys() | there.keys()):
        if listed.get(name) != there.get(name):
            raise DamagedBackup(f"{name} is not what its manifest says")
        if name.startswith("captures/") and not name.endswith(there[name].sha256):
            raise DamagedBackup(f"{name} does not hold the bytes it is named by")
    if SECRET not in there:
        raise DamagedBackup("it lacks the secret")
    return dict(manifest)


# The database


@contextmanager
def _filled(stage: Path, url: str, manifest: Mapping[str, Any]) -> Iterator[None]:
    """The database with the backup's rows; empty again if what follows fails."""
    database = Database(Folder(stage), url)
    try:
        with database.read() as connection:
            if sa.inspect(connection).get_table_names():
                raise ConflictError(
                    f"cannot restore to {database.url}: the database is not empty",
                    hint="create a new one and name that",
                )
        try:
            _fill(database, stage / "database", manifest)
            database.close()
            yield
        except BaseException:
            _empty(database)
            raise
    finally:
        database.close()


def _fill(database: Database, dump: Path, manifest: Mapping[str, Any]) -> None:
    try:
        migrations.upgrade(database, manifest["revision"])
    except CommandError as error:
        raise StoreUnavailable(
            f"cannot restore this backup: its database is at revision {manifest['revision'][:50]},"
            " which this version does not know",
            hint="it was made by a newer outgate; restore it with that one",
        ) from error
    try:
        with database.write() as connection:
            tables = tables_of(connection)
            # Tables that are newer than the backup are not there yet.
            for name in (table.name for table in dumped_tables() if table.name in tables):
                if not (dump / f"{name}.jsonl").is_file():
                    raise DamagedBackup(f"it lacks the table {name}")
                with (dump / f"{name}.jsonl").open("rb") as file:
                    load_table(connection, tables[name], file)
            set_last_numbers(connection, manifest["numbers"])
    except (exc.SQLAlchemyError, TypeError, ValueError, OverflowError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise DamagedBackup(f"its rows do not fit together: {reason}") from error


def _empty(database: Database) -> None:
    """Takes back what was made in a database that was empty before."""
    try:
        with database.write() as connection:
            tables = sa.MetaData()
            tables.reflect(connection)
            tables.drop_all(connection)
    except StoreUnavailable:
        return  # it is this that failed; the first error says more


def _settle(store: Store, manifest: Mapping[str, Any], by: Actor) -> None:
    """Tells the restored store what it is, and undoes what was half done in it."""
    held = schema.captures
    gone = [str(sha256) for sha256 in manifest["deleted_meanwhile"]]
    values = {
        "deleted": True,
        "deleted_ns": store.now_ns(),
        "deleted_by": by.name,
        "delete_reason": "deleted while the backup was made",
    }
    detail = {"created_at": manifest["created_at"], "deleted_meanwhile": gone}
    with store.database.write() as connection:
        for sha256 in gone:
            connection.execute(sa.update(held).where(held.c.sha256 == sha256).values(**values))
        # Cursors of the store that was backed up may be ahead of this one.
        set_meta(connection, "epoch", secrets.token_hex(4))
        store.audit.write(connection, by, "store.restore", manifest["store_id"], detail)
    recover(store)


# The folder


@contextmanager
def _stage(folder: Path) -> Iterator[Path]:
    """A folder on the disk of `folder`, which is gone at the end whatever became of it."""
    parent = folder if folder.is_mount() else folder.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    stage = parent / f".{folder.name}.restore-{secrets.token_hex(4)}"
    stage.mkdir(mode=OWNER_ONLY_FOLDER)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _put_in_place(stage: Path, folder: Path) -> None:
    shutil.rmtree(stage / "database", ignore_errors=True)
    if stage.parent != folder:
        stage.replace(folder)  # an empty folder gives way
        sync_folder(folder.parent)
        return
    # The secret last: without it there is no store, should this be cut off.
    for path in sorted(stage.iterdir(), key=lambda path: path.name == "secret"):
        path.replace(folder / path.name)
    sync_folder(folder)


@contextmanager
def _disk(archive: Path, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"cannot restore {archive} to {folder}: {(error.strerror or str(error)).lower()}",
            hint="check that the file is there and that the disk has room for it",
        ) from error
