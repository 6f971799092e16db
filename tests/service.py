"""The real service as a process of its own, for the tests that need it whole."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


class Service:
    """`outgate serve` on a free port of loopback.

    Attributes:
        url: Where it is, once started.
        key: The administrator's key of the first start.
    """

    def __init__(
        self, data: Path, *, database: str = "", environ: Mapping[str, str] | None = None
    ) -> None:
        self.data = data
        self.key = ""
        self.url = ""
        self._database = database
        self._environ = dict(environ or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._log = data.parent / f"{data.name}.log"

    @property
    def pid(self) -> int:
        """Of the service's own process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it said on standard error, of all its starts."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self, *, wait: bool = True) -> "Service":
        """Starts it; the key is known after the first start."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        printed = self.data.parent / f"{self.data.name}.out"
        command = [str(Path(sys.executable).parent / "outgate"), "serve", "--port", str(port)]
        command += ["--data", str(self.data)]
        command += ["--database", self._database] if self._database else []
        with printed.open("ab") as out, self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **self._environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        """Returns once it answers.

        Raises:
            RuntimeError: It ended, or did not answer in time.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if not self.running:
                raise RuntimeError(f"the service ended:\n{self.log[-3000:]}")
            try:
                if httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        else:
            raise RuntimeError(f"the service does not answer:\n{self.log[-3000:]}")
        printed = (self.data.parent / f"{self.data.name}.out").read_text().split()
        self.key = next((word for word in printed if word.startswith("og_")), self.key)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """What the kernel does when memory is short: no warning, no goodbye."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """Asks it to end; its exit status."""
        assert self._process is not None
        if self.running:
            self._process.terminate()
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def headers(self) -> dict[str, str]:
        """For requests as administrator."""
        return {"Authorization": f"Bearer {self.key}"}

    def peak_memory_bytes(self) -> int:
        """Largest resident set of the service's own process so far."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0

    def __enter__(self) -> "Service":
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.running:
            self.stop()


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
