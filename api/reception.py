"""What is arriving at a service, and who watches: bounded, one writer for each upload."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from analyzer.intake import Part
from api.errors import Problem

MAX_ARRIVING = 256
MAX_ARRIVING_EACH = 128
"""Bodies of captures that arrive at the same time, of everybody and of one caller."""

MAX_OPEN_PARTS = 128
"""Resumable uploads whose hash is kept going between two pieces; others are read again."""

MAX_STREAMS = 256
MAX_STREAMS_EACH = 32
"""Event streams at the same time, of everybody and of one caller."""

RETRY_AFTER_S = 5


@dataclass(slots=True)
class Reception:
    """The uploads and event streams of one application; safe from several threads."""

    _arriving: Counter[str] = field(default_factory=Counter)
    _busy: set[str] = field(default_factory=set)
    _parts: OrderedDict[str, Part] = field(default_factory=OrderedDict)
    _streams: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def arriving(self, caller: str) -> Iterator[None]:
        """Holds a place for a body.

        Raises:
            Problem: 503 when all are taken, or all that one caller may have.
        """
        bounds = (MAX_ARRIVING, MAX_ARRIVING_EACH)
        with self._place(self._arriving, caller, bounds, "uploads"):
            yield

    @contextmanager
    def alone(self, upload_id: str) -> Iterator[None]:
        """Keeps others from an upload.

        Raises:
            Problem: 423 when somebody has it.
        """
        with self._lock:
            if upload_id in self._busy:
                raise Problem(
                    "upload-locked",
                    detail=f"cannot change upload {upload_id}: another request is writing to it",
                )
            self._busy.add(upload_id)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(upload_id)

    def take(self, upload_id: str) -> Part | None:
        """The open part of an upload, handed over; None if it has to be opened."""
        with self._lock:
            return self._parts.pop(upload_id, None)

    def give(self, upload_id: str, part: Part) -> None:
        """Keeps a part open for the next piece; the one longest unused is closed for it."""
        with self._lock:
            self._parts[upload_id] = part
            dropped = []
            while len(self._parts) > MAX_OPEN_PARTS:
                dropped.append(self._parts.popitem(last=False)[1])
        for old in dropped:
            old.close()

    @contextmanager
    def watching(self, caller: str) -> Iterator[None]:
        """Holds a place for an event stream.

        Raises:
            Problem: 503 when all are taken, or all that one caller may have.
        """
        bounds = (MAX_STREAMS, MAX_STREAMS_EACH)
        with self._place(self._streams, caller, bounds, "event streams"):
            yield

    @contextmanager
    def _place(
        self, taken: Counter[str], caller: str, bounds: tuple[int, int], what: str
    ) -> Iterator[None]:
        """Holds a place of so many for everybody and so many for each caller."""
        of_all, of_each = bounds
        with self._lock:
            if taken.total() >= of_all:
                raise _busy(f"{of_all} {what} at the same time")
            if taken[caller] >= of_each:
                raise _busy(f"{of_each} {what} of one caller at the same time")
            taken[caller] += 1
        try:
            yield
        finally:
            with self._lock:
                taken[caller] -= 1
                if not taken[caller]:
                    del taken[caller]

    def close(self) -> None:
        """Closes all parts; their bytes stay."""
        with self._lock:
            parts = list(self._parts.values())
            self._parts.clear()
        for part in parts:
            part.close()


def _busy(what: str) -> Problem:
    return Problem(
        "unavailable",
        detail=f"cannot serve more than {what}",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )
