"""The service's side of the fork server: starts it, asks it for workers, starts it again."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from analyzer.confinement.requests import MAX_REQUEST_BYTES, Request
from analyzer.errors import OutgateError

if TYPE_CHECKING:
    from typing import Self

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 4096

KEPT_ENVIRONMENT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
)
"""What workers may know of the service's environment, which may hold passwords."""

SET_ENVIRONMENT = {
    # One thread, so that a fork takes all of it along.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    # An allocator that takes what it needs, so that a limit on memory is one.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "PYTHONDONTWRITEBYTECODE": "1",
}
PROGRAM = """
import sys
from analyzer.confinement.zygote import main
main(int(sys.argv[1]), sys.argv[2])
"""

log = logging.getLogger(__name__)


class ForkServer:
    """A process that forks workers; safe to use from many threads.

    Args:
        module: Has `TASKS`, by name, and `warm()`, which loads whatever they share.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id, 0 if it does not run."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else 0

    def start(self) -> None:
        """Starts it, unless it runs, and waits until it is ready.

        Raises:
            OutgateError: It cannot be started.
        """
        with self._lock:
            self._ensure()

    def stop(self) -> None:
        """Ends it and every worker."""
        with self._lock:
            self._end()

    def fork(self, request: Request, fds: tuple[int, int]) -> socket.socket:
        """Has a worker forked; the socket tells its process id and, later, how it ended.

        Args:
            request: What it is to do.
            fds: The ends it writes messages and errors to.

        Raises:
            OutgateError: The fork server cannot be started.
        """
        data = request.encode()
        if len(data) > MAX_REQUEST_BYTES:
            raise OutgateError(f"cannot ask for a worker in {len(data)} bytes")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with self._lock:
                self._send(data, [theirs.fileno(), *fds])
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    def _send(self, data: bytes, fds: list[int]) -> None:
        try:
            socket.send_fds(self._ensure(), [data], fds)
        except OSError:
            log.warning("the fork server is gone and is started again")
            self._end()
            socket.send_fds(self._ensure(), [data], fds)

    def _ensure(self) -> socket.socket:
        if self._control is not None and self.pid:
            return self._control
        self._end()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM, str(theirs.fileno()), self._module],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
        self._control = ours
        self._await_ready(ours)
        return ours

    def _await_ready(self, control: socket.socket) -> None:
        control.settimeout(START_TIMEOUT_S)
        try:
            answer = json.loads(control.recv(MAX_ANSWER_BYTES) or b"{}")
        except (OSError, ValueError) as error:
            answer = {"failed": str(error)}
        if "ready" not in answer:
            self._end()
            raise OutgateError(
                f"cannot start workers: {answer.get('failed', 'the process ended at once')}",
                hint="`outgate doctor` says what is missing",
            )
        control.settimeout(None)

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    path = os.pathsep.join(entry or str(_here()) for entry in sys.path)
    return {**kept, **SET_ENVIRONMENT, "PYTHONPATH": path}


def _here() -> str:
    with contextlib.suppress(OSError):
        return os.getcwd()  # noqa: PTH109 - as text
    return "/"
