"""Removes what uploads left behind: parts after a kill, uploads whose time is over."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.errors import NotFoundError, OutgateError
from analyzer.intake.kinds import NotACapture
from analyzer.intake.parts import IntakeLimits
from analyzer.intake.resumable import completed, name_of, open_part
from analyzer.store.records import Actor, Upload

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer.store import Store

MIN_AGE_S = 60.0
"""A part younger than this may just be about to be locked by who writes it."""

MAX_PARTS = 100_000
"""Looked at in one go; the next sweep goes on."""

ANY_SIZE = IntakeLimits(max_bytes=2**63, min_free_bytes=0)
"""What was let in before is not measured again."""

log = logging.getLogger("outgate.intake")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What was done.

    Attributes:
        removed: Parts that nobody was writing and no upload named.
        expired: Uploads whose time was over.
        completed: Uploads that were whole and had not become captures before a kill.
    """

    removed: int
    expired: int
    completed: int


def sweep(store: Store, *, min_age_s: float = MIN_AGE_S) -> Swept:
    """Clears the folder of uploads; leaves alone what is being written. At start and hourly.

    Args:
        store: Its folder and rows.
        min_age_s: Age below which a part that no upload names stays.
    """
    expired = sum(_expire(store, upload) for upload in store.uploads.expired())
    removed = ended = 0
    parts = sorted(store.folder.uploads.glob("*.part"))[:MAX_PARTS]
    for path in parts:
        try:
            upload = store.uploads.get(path.stem)
        except NotFoundError:
            removed += _remove(path, min_age_s)
            continue
        if upload.offset == upload.length and not upload.job_id:
            ended += _complete(store, upload)
    return Swept(removed=removed, expired=expired, completed=ended)


def _expire(store: Store, upload: Upload) -> bool:
    path = store.uploads.part_path(upload.id)
    if path.exists() and not _unused(path):
        return False
    try:
        store.uploads.delete(upload.id)
    except NotFoundError:
        return False
    return True


def _remove(path: Path, min_age_s: float) -> bool:
    try:
        if time.time() - path.stat().st_mtime < min_age_s or not _unused(path):
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _complete(store: Store, upload: Upload) -> bool:
    path = store.uploads.part_path(upload.id)
    if not _unused(path):
        return False
    try:
        part = open_part(store, upload, ANY_SIZE)
    except OutgateError:
        log.exception("cannot end upload %s", upload.id)
        return False
    try:
        if part.size_bytes != upload.length:
            return False
        by = Actor(name=upload.created_by)
        completed(store, upload, part, name=name_of(upload), by=by)
    except NotACapture:
        part.discard()
        store.uploads.delete(upload.id)
        return False
    except OutgateError:
        log.exception("cannot end upload %s", upload.id)
        return False
    finally:
        part.close()
    return True


def _unused(path: Path) -> bool:
    """Whether nobody has the part open."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
