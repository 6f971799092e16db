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
"""Bodies of captures that arrive at the same time."""

MAX_OPEN_PARTS = 128
"""Resumable uploads whose hash is kept going between two pieces; others are read again."""

MAX_STREAMS = 256
MAX_STREAMS_EACH = 32
"""Event streams at the same time, of everybody and of one caller."""

RETRY_AFTER_S = 5


@dataclass(slots=True)
class Reception:
    """The uploads and event streams of one application; safe from several threads."""

    _arriving: int = 0
    _busy: set[str] = field(default_factory=set)
    _parts: OrderedDict[str, Part] = field(default_factory=OrderedDict)
    _streams: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def arriving(self) -> Iterator[None]:
        """Holds a place for a body.

        Raises:
            Problem: 503 when all are taken.
        """
        with self._lock:
            if self._arriving >= MAX_ARRIVING:
                raise _busy(f"{MAX_ARRIVING} uploads at the same time")
            self._arriving += 1
        try:
            yield
        finally:
            with self._lock:
                self._arriving -= 1

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
            Problem: 503 when all are taken.
        """
        with self._lock:
            if self._streams.total() >= MAX_STREAMS:
                raise _busy(f"{MAX_STREAMS} event streams at the same time")
            if self._streams[caller] >= MAX_STREAMS_EACH:
                raise _busy(f"{MAX_STREAMS_EACH} event streams of one caller")
            self._streams[caller] += 1
        try:
            yield
        finally:
            with self._lock:
                self._streams[caller] -= 1
                if not self._streams[caller]:
                    del self._streams[caller]

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
