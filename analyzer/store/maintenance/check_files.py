"""Whether the files of a store are there, whole, and named by rows."""

from __future__ import annotations

import hashlib
import stat
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.store import schema
from analyzer.store.maintenance.inventory import Kind, entries, leftovers
from analyzer.store.maintenance.problems import MAX_TEXT_CHARS, Checking, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

READ_BYTES = 1024 * 1024
BATCH = 500
OTHERS = 0o077
STALE_PART_NS = 24 * 3600 * 10**9
"""A part without a row may belong to a request that is still sending; after a day it does not."""

RESTORE = "restore the file from a backup, or upload the capture again"
ANALYSE = "analyse the capture again: upload it with `reanalyse`"


def access(checking: Checking) -> Iterator[Problem]:
    """Nobody but the owner can read the database or the secret."""
    folder = checking.store.folder
    if not stat.S_IMODE(folder.root.stat().st_mode) & OTHERS:
        return
    for path in (folder.root / "secret", folder.sqlite):
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & OTHERS:
            yield Problem(
                kind="access",
                subject=str(path),
                what="others than its owner may read it",
                remedy=f"chmod go-rwx {folder.root}",
            )


def captures(checking: Checking) -> Iterator[Problem]:
    """Every capture that is not deleted has its file, of the right size (deep: the right bytes)."""
    table = schema.captures
    query = sa.select(table.c.sha256, table.c.size_bytes, table.c.created_ns)
    query = query.where(table.c.deleted.is_(False)).order_by(table.c.sha256)
    for row in _rows(checking, query, table.c.sha256):
        checking.examined["captures"] += 1
        problem = _capture(checking, row)
        if problem and _still_there(checking, row["sha256"]):
            yield problem


def _capture(checking: Checking, row: Mapping[str, Any]) -> Problem | None:
    sha256, path = row["sha256"], checking.store.folder.capture_path(row["sha256"])

    def problem(kind: str, what: str) -> Problem:
        return Problem(kind=f"capture.{kind}", subject=sha256, what=what, remedy=RESTORE)

    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            return problem("damaged", "its file is no regular file")
        if found.st_size != row["size_bytes"]:
            return problem("damaged", f"it has {found.st_size} bytes, not {row['size_bytes']}")
        checking.examined["capture_bytes"] += found.st_size
        if checking.deep and sha256_of(path) != sha256:
            return problem("damaged", "its bytes are not those that were uploaded")
    except FileNotFoundError:
        return problem("missing", "its file is not there")
    except OSError as error:
        return problem("unreadable", f"its file cannot be read: {error.strerror or error}")
    return None


def _still_there(checking: Checking, sha256: str) -> bool:
    """False if the capture was deleted while it was looked at."""
    return not checking.store.captures.get(sha256).deleted


def tables(checking: Checking) -> Iterator[Problem]:
    """Every current analysis that speaks of flows has their table, and tables can be read."""
    analyses, held = schema.analyses, schema.captures
    query = (
        sa.select(analyses.c.id, analyses.c.current, analyses.c.report)
        .join(held, held.c.sha256 == analyses.c.capture)
        .where(held.c.deleted.is_(False))
        .order_by(analyses.c.id)
    )
    for row in _rows(checking, query, analyses.c.id):
        folder = checking.store.folder.tables_path(row["id"])
        found = [_table(checking, row["id"], path) for path in sorted(entries(folder))]
        problems = [problem for problem in found if problem]
        if row["current"] and _flows_of(row["report"]) and not (folder / "flows.parquet").exists():
            problems.append(_missing(row["id"]))
        if problems and _is_kept(checking, row["id"], current=row["current"]):
            yield from problems


def _missing(analysis_id: str) -> Problem:
    return Problem(
        kind="tables.missing",
        subject=analysis_id,
        what="its report counts flows, and their table is not there",
        remedy=ANALYSE,
    )


def _table(checking: Checking, analysis_id: str, path: Path) -> Problem | None:
    checking.examined["tables"] += 1
    problem = parquet_problem(path, deep=checking.deep)
    if not problem:
        return None
    return Problem(
        kind="tables.unreadable",
        subject=f"{analysis_id}/{path.name}",
        what=problem,
        remedy=ANALYSE,
    )


def parquet_problem(path: Path, *, deep: bool) -> str:
    """What is wrong with a Parquet file, "" if nothing: of its footer, or of all its pages."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import parquet  # noqa: PLC0415 - as above

    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return "it is no regular file"
        with parquet.ParquetFile(path) as file:
            expected = file.metadata.num_rows
            rows = sum(batch.num_rows for batch in file.iter_batches()) if deep else expected
    except (OSError, pa.ArrowException, ValueError) as error:
        reason = " ".join(str(error).split()).replace(str(path), path.name)
        return f"it cannot be read: {reason[:MAX_TEXT_CHARS]}"
    return "" if rows == expected else f"it has {rows} rows, not {expected}"


def _is_kept(checking: Checking, analysis_id: str, *, current: bool) -> bool:
    """False if the analysis was superseded, or its capture deleted, while it was looked at."""
    analyses, held = schema.analyses, schema.captures
    query = (
        sa.select(analyses.c.id)
        .join(held, held.c.sha256 == analyses.c.capture)
        .where(analyses.c.id == analysis_id, analyses.c.current.is_(current))
        .where(held.c.deleted.is_(False))
    )
    with checking.store.database.read() as connection:
        return connection.execute(query).first() is not None


def _flows_of(report: object) -> int:
    quality = report.get("quality") if isinstance(report, dict) else None
    flows = quality.get("flows") if isinstance(quality, dict) else None
    return flows if isinstance(flows, int) else 0


def uploads(checking: Checking) -> Iterator[Problem]:
    """Every open upload has the bytes its row speaks of."""
    for upload in checking.store.uploads.list():
        checking.examined["uploads"] += 1
        path = checking.store.uploads.part_path(upload.id)
        if upload.capture or not upload.offset or checking.young(upload.created_ns):
            continue
        size = path.stat().st_size if path.exists() else -1
        if size < upload.offset and not checking.in_use:
            yield Problem(
                kind="upload.short",
                subject=upload.id,
                what=f"{max(size, 0)} bytes are there, not {upload.offset}",
                remedy="the next start of the service sets it back; its client then goes on there",
                leftover=True,
            )


def without_rows(checking: Checking) -> Iterator[Problem]:
    """No file is without a row, but for what a kill left or a service is at work on."""
    for left in leftovers(checking.store):
        if left.kind is Kind.UNKNOWN:
            yield Problem(
                kind="file.unknown",
                subject=str(left.path),
                what=f"{left.kind}",
                remedy="look what it is and move it away",
            )
            continue
        part = left.kind is Kind.PART
        if checking.young(left.changed_ns):
            continue
        if part and checking.in_use and checking.now_ns - left.changed_ns < STALE_PART_NS:
            continue
        yield Problem(
            kind="file.leftover",
            subject=str(left.path),
            what=f"{left.kind}, {left.size_bytes} bytes",
            remedy="the next start of the service removes it",
            # Beside a service that started after it came to be, it is no leftover of a kill.
            leftover=not checking.in_use,
        )


def sha256_of(path: Path) -> str:
    """The hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows(
    checking: Checking, query: sa.Select[Any], key: sa.Column[str]
) -> Iterator[Mapping[str, Any]]:
    """Rows in pages of one transaction each: a long one would keep the log of the database."""
    last = ""
    while True:
        page = query.where(key > last).limit(BATCH)
        with checking.store.database.read() as connection:
            rows = [dict(row) for row in connection.execute(page).mappings()]
        yield from rows
        if len(rows) < BATCH:
            return
        last = str(rows[-1][key.name])
