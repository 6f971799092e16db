"""Watches one worker from outside: what it says, what it uses, and how it ends."""

from __future__ import annotations

import json
import os
import select
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analyzer.confinement import usage
from analyzer.confinement.endings import Ending, outcome
from analyzer.confinement.inside import SCRATCH
from analyzer.confinement.limits import Failure, Outcome, WorkerLimits
from analyzer.confinement.messages import MessageReader, Tail, text
from analyzer.confinement.requests import ARGUMENTS_FILE, KILL, Request
from analyzer.files import remove_tree

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

    from analyzer.confinement.server import ForkServer

OnMessage = Callable[[Mapping[str, Any]], None]
Cancelled = Callable[[], bool]

TICK_S = 0.1
"""How often limits are looked at, and whether the task was given up."""

READ_BYTES = 64 * 1024
PAUSE_S = 0.02
"""After a full read: a worker that floods its pipes gets 3 MB/s of attention."""

END_TIMEOUT_S = 30.0
"""From the kill to the word that it is dead; only a kernel in trouble takes longer."""

MAX_STDERR_BYTES = 16 * 1024
MAX_APPLIED = 16


def run(
    server: ForkServer,
    task: str,
    arguments: Mapping[str, Any],
    *,
    folder: Path,
    limits: WorkerLimits | None = None,
    read: Sequence[Path] = (),
    programs: bool = False,
    on_message: OnMessage | None = None,
    cancelled: Cancelled | None = None,
) -> Outcome:
    """Runs a task in a worker of its own and waits for its end.

    Args:
        server: Forks the worker.
        task: A name in `TASKS` of the server's module.
        arguments: JSON values.
        folder: Exists and is empty; the task writes there and nowhere else.
        limits: What it may use; None stands for the defaults.
        read: The files it may read, besides programs and libraries.
        programs: Whether it may start other programs.
        on_message: Called with the data of each progress message, from a hostile process: what
            `messages.text` and `messages.count` take from it is bounded.
        cancelled: Asked ten times a second; True kills the worker with all it started.

    Raises:
        OutgateError: No worker can be started at all.
        OSError: The folder cannot be written to.
    """
    limits = limits or WorkerLimits()
    (folder / ARGUMENTS_FILE).write_text(json.dumps(arguments), encoding="utf-8")
    request = Request(
        task=task,
        folder=str(folder.resolve()),
        read=tuple(str(path.resolve()) for path in read),
        limits=limits,
        programs=programs,
    )
    with ExitStack() as stack:
        (messages, theirs), (errors, theirs_too) = pipes = os.pipe(), os.pipe()
        for end in (messages, errors):
            stack.callback(os.close, end)
            os.set_blocking(end, False)
        try:
            channel = stack.enter_context(server.fork(request, (theirs, theirs_too)))
        finally:
            for _, end in pipes:
                os.close(end)
        watch = Watch(
            folder=folder,
            limits=limits,
            programs=programs,
            channel=channel,
            messages=messages,
            errors=errors,
            on_message=on_message,
            cancelled=cancelled,
        )
        ended = watch.until_the_end()
    remove_tree(folder / SCRATCH)
    with suppress(OSError):
        (folder / ARGUMENTS_FILE).unlink()
    return outcome(task, limits, ended)


@dataclass(slots=True, kw_only=True)
class Watch:
    """One worker while it lives."""

    folder: Path
    limits: WorkerLimits
    programs: bool
    channel: socket.socket
    messages: int
    errors: int
    on_message: OnMessage | None
    cancelled: Cancelled | None
    _started: float = field(default_factory=time.monotonic)
    _reader: MessageReader = field(default_factory=MessageReader)
    _stderr: Tail = field(default_factory=lambda: Tail(MAX_STDERR_BYTES))
    _ending: Ending = field(default_factory=Ending)
    _pid: int = 0
    _killed_at: float = 0.0

    def until_the_end(self) -> Ending:
        """Reads and looks, until the zygote says how it ended."""
        poller = select.poll()
        for fd in (self.channel.fileno(), self.messages, self.errors):
            poller.register(fd, select.POLLIN)
        looked = 0.0
        while not self._ending.over:
            for fd, _ in poller.poll(TICK_S * 1000):
                if fd == self.channel.fileno():
                    self._hear_of_it()
                elif self._read(fd) is None:
                    poller.unregister(fd)
            if time.monotonic() - looked >= TICK_S:
                self._look()
                looked = time.monotonic()
        if self._ending.given_up is None:
            self._look_at_folder()
        while self._read(self.messages) or self._read(self.errors):
            continue  # what it said last; nobody writes any more
        self._ending.wall_s = time.monotonic() - self._started
        self._ending.stderr = self._stderr.text
        return self._ending

    def _read(self, fd: int) -> int | None:
        """Takes what a pipe has, and says how many bytes that was; None at its end."""
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return 0
        except OSError:
            return None
        if not data:
            return None
        if fd == self.errors:
            self._stderr.feed(data)
        else:
            for kind, content in self._reader.feed(data):
                self._take(kind, content)
        if len(data) == READ_BYTES:
            time.sleep(PAUSE_S)
        return len(data)

    def _take(self, kind: str, data: dict[str, Any]) -> None:
        ending = self._ending
        if kind == "confined" and not ending.applied:
            names = list(data)[:MAX_APPLIED]
            ending.applied = {text({"": name}, "", 40): text(data, name, 200) for name in names}
        elif kind == "result":
            ending.result = data
        elif kind == "error":
            ending.error = data
        elif kind == "progress" and self.on_message is not None and not ending.given_up:
            self.on_message(data)

    def _hear_of_it(self) -> None:
        """What the zygote says of the worker: its process id, or its end."""
        try:
            said = json.loads(self.channel.recv(READ_BYTES) or b"{}")
        except (OSError, ValueError):
            said = {}
        if "pid" in said:
            self._pid = said["pid"]
        elif "status" in said:
            self._ending.status = said["status"]
            self._ending.cpu_s = said["cpu_s"]
            self._ending.peak_bytes = said["peak_bytes"]
            self._ending.over = True
        else:
            self._ending.lost = str(said.get("failed", "the fork server ended"))
            self._ending.over = True

    def _look(self) -> None:
        """Kills the worker if it was given up or took more than it may."""
        if self._killed_at:
            if time.monotonic() - self._killed_at > END_TIMEOUT_S:
                self._ending.lost = f"process {self._pid} does not end"
                self._ending.over = True
            return
        if self.cancelled is not None and self.cancelled():
            self._kill(Failure.CANCELLED)
        elif time.monotonic() - self._started > self.limits.wall_s:
            self._kill(Failure.TIME_LIMIT)
        else:
            self._look_at_folder()
            self._look_at_processes()

    def _look_at_folder(self) -> None:
        used = usage.of_folder(self.folder, most_files=self.limits.output_files)
        if used.bytes > self.limits.output_bytes or used.entries > self.limits.output_files:
            self._kill(Failure.OUTPUT_LIMIT)
        elif self.limits.min_free_bytes:
            # What was written and has no name any more is seen here alone.
            with suppress(OSError):
                if shutil.disk_usage(self.folder).free < self.limits.min_free_bytes:
                    self._kill(Failure.DISK_FULL)

    def _look_at_processes(self) -> None:
        if not self._pid:
            return
        # A look at every process of the machine, for the few tasks that may have several.
        used = usage.of_session(self._pid) if self.programs else usage.of_process(self._pid)
        if used.resident_bytes > self.limits.memory_bytes:
            self._kill(Failure.OUT_OF_MEMORY)
        elif used.count > self.limits.processes:
            self._kill(Failure.PROCESS_LIMIT)

    def _kill(self, why: Failure) -> None:
        self._ending.given_up = self._ending.given_up or why
        self._killed_at = self._killed_at or time.monotonic()
        with suppress(OSError):
            self.channel.send(KILL)
