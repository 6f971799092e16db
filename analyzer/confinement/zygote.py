"""The fork server: one thread, everything imported, never a byte of a capture.

It reads requests from a socket of the service, forks a worker for each, and says on the request's
own channel what became of it. When the service ends the socket does, and with it every worker.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analyzer.confinement.inside import work
from analyzer.confinement.requests import KILL, MAX_REQUEST_BYTES, Request

if TYPE_CHECKING:
    from types import ModuleType

FDS_OF_A_REQUEST = 3
"""The channel, the messages and the errors."""

MAX_DRAINED_BYTES = 4096


@dataclass(slots=True, kw_only=True)
class Zygote:
    """Its state: the workers that live, by process id."""

    control: socket.socket
    module: ModuleType
    selector: selectors.BaseSelector
    channels: dict[int, socket.socket] = field(default_factory=dict)

    def serve(self) -> None:
        """Forks and reaps until the service is gone."""
        wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self.selector.register(self.control, selectors.EVENT_READ)
        self.selector.register(wake, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.control:
                    if not self._answer():
                        self._kill_all()
                        return
                elif key.fileobj == wake:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake, MAX_DRAINED_BYTES)
                else:
                    self._obey(key.data)
            self._reap()

    def _answer(self) -> bool:
        """Forks the worker asked for; False when nobody is there any more."""
        try:
            data, fds, _, _ = socket.recv_fds(self.control, MAX_REQUEST_BYTES, FDS_OF_A_REQUEST)
        except ConnectionError:
            return False
        if not data:
            return False
        channel_fd, messages, errors = fds
        channel = socket.socket(fileno=channel_fd)
        try:
            self._fork(Request.decode(data), channel, (messages, errors))
        except OSError as error:
            _say(channel, {"failed": f"cannot start a process: {error.strerror}"})
            channel.close()
        finally:
            os.close(messages)
            os.close(errors)
        return True

    def _fork(self, request: Request, channel: socket.socket, fds: tuple[int, int]) -> None:
        own = os.getpid()
        pid = os.fork()
        if pid == 0:
            work(request, self.module, zygote_pid=own, fds=fds)
        self.channels[pid] = channel
        self.selector.register(channel, selectors.EVENT_READ, pid)
        _say(channel, {"pid": pid})

    def _obey(self, pid: int) -> None:
        """Kills a worker that was given up, or whose watcher is gone."""
        channel = self.channels.get(pid)
        if channel is None:
            return
        try:
            word = channel.recv(MAX_DRAINED_BYTES)
        except ConnectionError:
            word = b""
        if word in {b"", KILL}:
            _kill(pid)
        if not word:
            self.selector.unregister(channel)

    def _reap(self) -> None:
        """Says how each worker that ended did so, once nothing of it is left."""
        for pid in list(self.channels):
            # The process id stays taken until wait4, so that the group killed is the worker's.
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            _kill(pid)
            _, status, usage = os.wait4(pid, 0)
            channel = self.channels.pop(pid)
            with contextlib.suppress(KeyError):
                self.selector.unregister(channel)
            _say(
                channel,
                {
                    "status": os.waitstatus_to_exitcode(status),
                    "cpu_s": usage.ru_utime + usage.ru_stime,
                    "peak_bytes": usage.ru_maxrss * 1024,
                },
            )
            channel.close()

    def _kill_all(self) -> None:
        for pid in self.channels:
            _kill(pid)


def _kill(pid: int) -> None:
    """The worker with all it started; itself alone if it had no time to leave our group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _say(channel: socket.socket, words: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # whoever asked has gone; the worker was or is killed
        channel.send(json.dumps(words).encode())


def main(control_fd: int, module_name: str) -> None:
    """Imports the module with the tasks, says so, and serves."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=control_fd)
    control.set_inheritable(False)
    try:
        module = importlib.import_module(module_name)
        module.warm()
    except Exception as error:  # noqa: BLE001 - the service says it
        _say(control, {"failed": f"{type(error).__name__}: {error}"[:1000]})
        return
    # What is here by now stays; the collector shall not touch, and so copy, its pages in workers.
    gc.collect()
    gc.freeze()
    _say(control, {"ready": os.getpid()})
    Zygote(control=control, module=module, selector=selectors.DefaultSelector()).serve()
