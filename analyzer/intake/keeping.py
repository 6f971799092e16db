"""A part that is whole becomes a capture with a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.errors import StoreUnavailable
from analyzer.intake.parts import MIB, IntakeLimits, NoSpace, check_space

if TYPE_CHECKING:
    from analyzer.intake.parts import Part
    from analyzer.store import Store
    from analyzer.store.captures import Adopted
    from analyzer.store.records import Actor

NEEDED_BYTES = MIB
"""Free space below which a database that refuses is taken to be full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What became of bytes that arrived.

    Attributes:
        queued: Whether a job was queued for them; else they were known, with the job they have.
    """

    adopted: Adopted
    queued: bool


def keep(
    store: Store,
    part: Part,
    *,
    name: str,
    by: Actor,
    priority: int = 0,
    reanalyse: bool = False,
) -> Kept:
    """Takes a whole part into the store and queues its analysis; the part is gone afterwards.

    Args:
        store: Where it goes.
        part: Whole, still open.
        name: As `clean_name` gives it.
        by: Who sent it.
        priority: Of the job.
        reanalyse: Whether to queue a job for bytes that are known as well.

    Raises:
        NotACapture: It is none.
        NoSpace: The disk is full.
        StoreUnavailable: The disk or the database refuses; the part may still be there.
    """
    whole = part.finish()
    began_ns = store.now_ns()
    try:
        adopted = store.captures.adopt(
            part.path,
            sha256=whole.sha256,
            size_bytes=whole.size_bytes,
            name=name,
            by=by,
            format=whole.kind.format,
            compression=whole.kind.compression,
            priority=priority,
            reanalyse=reanalyse,
        )
    except StoreUnavailable as error:
        if not _has_room(part):
            raise NoSpace("the disk is full") from error
        raise
    part.close()
    return Kept(adopted=adopted, queued=adopted.job.created_ns >= began_ns)


def _has_room(part: Part) -> bool:
    try:
        check_space(part.path.parent, IntakeLimits(max_bytes=0, min_free_bytes=NEEDED_BYTES))
    except NoSpace:
        return False
    return True
