"""Takes captures from a folder that others write to.

A file is taken once it is finished: its size and time are the same at two looks, and no process
that can be seen has it open for writing. What was taken is known by its content (the captures
table), never by its name or time, so that a restart, a rename or a copy makes no second job.
Nothing is ever deleted: the original stays or moves to `done/`, what is no capture moves to
`failed/` with the reason beside it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from analyzer.errors import NotFoundError, OutgateError, StoreUnavailable, UsageError
from analyzer.intake import IntakeLimits, NoSpace, NotACapture, Part, TooLarge, clean_name, keep
from analyzer.store import schema
from analyzer.store.records import Actor
from analyzer.watch.folder import Look, being_written, move_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from analyzer.store import Store

DONE, FAILED = "done", "failed"
REASON_SUFFIX = ".reason.txt"
UNFINISHED = (".part", ".tmp")
"""Names that programs give to what they are still writing."""

MAX_FILES = 10_000
"""Looked at in one go; more wait until those are gone from the folder."""

READ_BYTES = 1 << 20
LONGEST_PAUSE_S = 60.0
WATCHER = Actor(name="watch")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """Settings of one watched folder; folders in it are not looked into.

    Attributes:
        folder: Where captures appear.
        limits: Largest capture, free space kept in reserve.
        move: Whether what was taken moves to `done/`; else it stays where it is.
        poll_s: From one look to the next.
        priority: Of the jobs.
    """

    folder: Path
    limits: IntakeLimits
    move: bool = False
    poll_s: float = 2.0
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStatus:
    """What a watcher did since it started.

    Attributes:
        taken: Files that became captures with a job.
        known: Files whose content was a capture already.
        failed: Files that are no captures.
        waiting: Files that are still being written, at the last look.
        problem: Why nothing can be taken now, or "".
    """

    taken: int
    known: int
    failed: int
    waiting: int
    problem: str


class Stopped(Exception):  # noqa: N818 - no error: somebody asked for it
    """The watcher ends while a file is being read."""


class Changed(Exception):  # noqa: N818 - no error: it is taken at a later look
    """Somebody wrote to a file while it was being read."""


@dataclass(slots=True, kw_only=True)
class Watcher:
    """Watches one folder in a thread of its own.

    Attributes:
        store: Where captures go.
        settings: Which folder, and how.
        wake: Called when a job was queued.
    """

    store: Store
    settings: WatchSettings
    wake: Callable[[], object] = lambda: None
    _seen: set[Look] = field(default_factory=set)
    _settled: set[Look] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _taken: int = 0
    _known: int = 0
    _failed: int = 0
    _waiting: int = 0
    _problem: str = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begins to watch.

        Raises:
            UsageError: The folder is none, or lies within the data folder.
        """
        folder = self.settings.folder
        if not folder.is_dir():
            raise UsageError(
                f"cannot watch {folder}: it is no folder", hint="create it, or name another one"
            )
        if folder.resolve().is_relative_to(self.store.folder.root.resolve()):
            raise UsageError(
                f"cannot watch {folder}: it lies within the data folder",
                hint="name a folder of its own",
            )
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends; a file that is being read is left for the next start."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the folder is being watched."""
        return self._thread is not None and self._thread.is_alive()

    def status(self) -> WatchStatus:
        """How it is going."""
        return WatchStatus(
            taken=self._taken,
            known=self._known,
            failed=self._failed,
            waiting=self._waiting,
            problem=self._problem,
        )

    def _work(self) -> None:
        pause_s = self.settings.poll_s
        while not self._stop.wait(pause_s):
            try:
                self.look()
            except Stopped:
                return
            except Exception as error:  # whatever it is, the next look may succeed
                self._say(f"cannot take captures from {self.settings.folder}: {error}")
                log.debug("the watcher failed", exc_info=True)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                self._problem = ""
                pause_s = self.settings.poll_s

    def look(self) -> None:
        """Looks once, and takes what is finished.

        Raises:
            StoreUnavailable: The store or its disk refuses.
            OSError: The folder cannot be read.
        """
        found = set(self._files())
        self._settled &= found
        unchanged = found & self._seen - self._settled
        self._seen = found
        written = being_written({look.path for look in unchanged}) if unchanged else set()
        finished = [look for look in unchanged if look.path not in written]
        self._waiting = len(found) - len(self._settled) - len(finished)
        no_space: NoSpace | None = None
        for look in sorted(finished, key=lambda look: (look.modified_ns, str(look.path))):
            try:
                self._handle(look)
            except NoSpace as error:  # for this one; a smaller one may have room
                no_space = error
        if no_space is not None:
            raise no_space

    def _files(self) -> Iterator[Look]:
        """Plain files with content that are nobody's work in progress by their name."""
        with os.scandir(self.settings.folder) as entries:
            for number, entry in enumerate(entries):
                if number >= MAX_FILES:
                    return
                if entry.name.startswith(".") or entry.name.lower().endswith(UNFINISHED):
                    continue
                with suppress(OSError):  # gone since
                    about = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(about.st_mode) and about.st_size:
                        yield Look.of(Path(entry.path), about)

    def _handle(self, look: Look) -> None:
        """Takes one file, or says why not."""
        try:
            fresh = self._take(look)
        except (Changed, FileNotFoundError):
            return
        except (NotACapture, TooLarge, UsageError) as error:
            self._fail(look, error)
        except StoreUnavailable:
            raise
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            log.warning("cannot read %s: %s", look.path, reason)
            self._settled.add(look)  # until it changes
        else:
            self._taken += fresh
            self._known += not fresh
            self._put_away(look)

    def _take(self, look: Look) -> bool:
        """Copies a file into the store, hashed on the way; False if its content is known."""
        name = clean_name(look.path.name)
        with self._reading(look) as handle:
            # A file of a known size may well be a known one, left here before a restart.
            if self._same_size(look) and self._is_known(self._hash(handle)):
                return False
            part = Part.create(
                self.store.folder.uploads, self.settings.limits, announced_bytes=look.size_bytes
            )
            try:
                for data in self._blocks(handle):
                    part.write(data)
                if Look.of(look.path, os.fstat(handle)) != look:
                    raise Changed
                if self._is_known(part.finish().sha256):
                    return False
                keep(self.store, part, name=name, by=WATCHER, priority=self.settings.priority)
            finally:
                part.discard()
        self.wake()
        return True

    @contextmanager
    def _reading(self, look: Look) -> Iterator[int]:
        """The file as it was looked at, and no other that took its name."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(look.path, flags)
        try:
            if Look.of(look.path, os.fstat(handle)) != look:
                raise Changed
            yield handle
        finally:
            os.close(handle)

    def _hash(self, handle: int) -> str:
        digest = hashlib.sha256()
        for data in self._blocks(handle):
            digest.update(data)
        return digest.hexdigest()

    def _blocks(self, handle: int) -> Iterator[bytes]:
        """A file from its beginning, as long as nobody asks the watcher to end."""
        os.lseek(handle, 0, os.SEEK_SET)
        while data := os.read(handle, READ_BYTES):
            if self._stop.is_set():
                raise Stopped
            yield data

    def _same_size(self, look: Look) -> bool:
        columns = schema.captures.c
        query = sa.select(columns.sha256).where(columns.size_bytes == look.size_bytes).limit(1)
        with self.store.database.read() as connection:
            return connection.execute(query).first() is not None

    def _is_known(self, sha256: str) -> bool:
        """Whether these bytes were ever a capture here: deleted ones do not come back by this."""
        try:
            self.store.captures.get(sha256)
        except NotFoundError:
            return False
        return True

    def _put_away(self, look: Look) -> None:
        if self.settings.move:
            self._move(look, DONE)
        else:
            self._settled.add(look)

    def _fail(self, look: Look, error: OutgateError) -> None:
        self._failed += 1
        log.warning("%s is not taken: %s", look.path, error.message)
        moved = self._move(look, FAILED)
        if moved is not None:
            with suppress(OSError), moved.with_name(moved.name + REASON_SUFFIX).open("x") as file:
                file.write("\n".join(error.lines()) + "\n")

    def _move(self, look: Look, to: str) -> Path | None:
        """Moves a file into a folder beside it, over no other; None if the system refuses."""
        try:
            folder = self.settings.folder / to
            folder.mkdir(exist_ok=True)
            if Look.of(look.path, look.path.lstat()) != look:
                return None  # another file took its name; it is looked at next time
            return move_beside(look.path, folder)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            log.warning("cannot move %s to %s: %s", look.path, to, reason)
            self._settled.add(look)
            return None

    def _say(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("%s", problem)
        self._problem = problem
