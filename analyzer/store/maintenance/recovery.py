"""What the service does at its start, before anything works: it undoes halves.

A kill between two steps leaves files without rows, jobs that run nowhere and requests that nobody
answers. All of it was never promised to anybody: an upload is answered, and a finding is in the
feed, only once its transaction has ended. So files without rows go, and jobs wait again.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from analyzer.errors import StoreError
from analyzer.store import schema
from analyzer.store.folder import OWNER_ONLY_FILE, sync_folder
from analyzer.store.maintenance.inventory import Kind, leftovers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from analyzer.store import Store
    from analyzer.store.records import Job, Upload

log = logging.getLogger("outgate.store")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What a start cleaned up.

    Attributes:
        jobs: Jobs that were running, as they are now.
        removed: How many files and folders of each kind went.
        removed_bytes: What that gave back.
        kept: Files that could not be removed, or are not the store's.
        uploads: Open uploads that were set back to the bytes that are there.
        requests: Idempotency keys of requests that were never answered.
    """

    jobs: tuple[Job, ...]
    removed: Mapping[Kind, int]
    removed_bytes: int
    kept: tuple[Path, ...]
    uploads: int
    requests: int

    @property
    def nothing(self) -> bool:
        """Whether the last end was a clean one."""
        return not (self.jobs or self.removed or self.uploads or self.requests)


def recover(store: Store) -> Recovery:
    """Cleans up behind a service that was killed.

    Raises:
        StoreError: The store is not open exclusively: another service may be at work.
        StoreUnavailable: The database refuses.
    """
    if not store.exclusive:
        raise StoreError(
            "cannot clean up a store that another service may use",
            hint="open it exclusively, as `outgate serve` does",
        )
    jobs = tuple(store.jobs.recover())
    for job in jobs:
        log.warning("job %s was interrupted: it is %s now", job.id, job.state)
    uploads = sum(1 for upload in store.uploads.list() if _repair(store, upload))
    removed: Counter[Kind] = Counter()
    removed_bytes, kept = 0, []
    for left in leftovers(store):
        if left.kind is Kind.UNKNOWN or not _remove(left.path):
            log.warning("left alone: %s: %s", left.kind, left.path)
            kept.append(left.path)
            continue
        removed[left.kind] += 1
        removed_bytes += left.size_bytes
        log.warning("removed: %s: %s (%d bytes)", left.kind, left.path, left.size_bytes)
    return Recovery(
        jobs=jobs,
        removed=dict(removed),
        removed_bytes=removed_bytes,
        kept=tuple(kept),
        uploads=uploads,
        requests=store.idempotency.prune(at_start=True),
    )


def _remove(path: Path) -> bool:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    return not path.exists()


def _repair(store: Store, upload: Upload) -> bool:
    if upload.job_id:
        return False
    return _give_back(store, upload) if upload.capture else _set_back(store, upload)


def _give_back(store: Store, upload: Upload) -> bool:
    """Makes a capture without a row a part again, if its upload is known: nothing was lost.

    Its client sees all bytes at their end and need not send anything again; so they must not go.
    """
    path = store.folder.capture_path(upload.capture)
    part = store.uploads.part_path(upload.id)
    query = sa.select(schema.captures.c.deleted).where(schema.captures.c.sha256 == upload.capture)
    with store.database.read() as connection:
        deleted = connection.execute(query).scalar()
    if deleted is False or part.exists() or not path.exists():
        return False
    path.chmod(OWNER_ONLY_FILE)
    path.replace(part)
    sync_folder(part.parent)
    log.warning("upload %s was cut off as it became a capture: it is a part again", upload.id)
    return True


def _set_back(store: Store, upload: Upload) -> bool:
    """Brings an upload's row to the bytes that are there; its client asks where to go on."""
    path = store.uploads.part_path(upload.id)
    there = path.stat().st_size if path.exists() else 0
    if there >= upload.offset:
        return False
    store.uploads.advance(upload.id, offset=there, from_offset=upload.offset)
    log.warning("upload %s has %d bytes, not %d: set back", upload.id, there, upload.offset)
    return True
