"""Servers from Maven Central, run by the tests that need one: fetched once, kept below build/."""

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.shared import ROOT

FETCH_TIMEOUT_S = 240
START_TIMEOUT_S = 60
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>example</groupId><artifactId>servers</artifactId><version>1</version>
<dependencies>{}</dependencies></project>"""
DEPENDENCY = (
    "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
)
SMALL_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")


def jars(*coordinates: str) -> Path:
    """Folder with the jars of `group:artifact:version` and all they need; skips without them."""
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed: apt-get install maven")
    digest = hashlib.sha256(" ".join(coordinates).encode()).hexdigest()[:12]
    folder = ROOT / "build" / "maven" / digest
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _fetch(coordinates, folder)
    return folder


def _fetch(coordinates: Sequence[str], folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pom = folder / "pom.xml"
    pom.write_text(POM.format("".join(DEPENDENCY.format(*one.split(":")) for one in coordinates)))
    goal = ("dependency:copy-dependencies", f"-DoutputDirectory={folder}")
    try:
        subprocess.run(
            ["mvn", "-q", "-B", "-f", pom, *goal, "-DincludeScope=runtime"],
            check=True,
            capture_output=True,
            timeout=FETCH_TIMEOUT_S,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"Maven could not fetch {' '.join(coordinates)}")
    (folder / "complete").touch()


@contextmanager
def running(command: Sequence[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """A process that is ready; it is ended at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        end = time.monotonic() + START_TIMEOUT_S
        while not ready():
            said = log.read_text(errors="replace")[-2000:]
            assert process.poll() is None, f"{command[0]} ended: {said}"
            assert time.monotonic() < end, f"{command[0]} is not ready: {said}"
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def java(folder: Path, *arguments: str) -> list[str]:
    """A command line for a class or a source file with those jars."""
    return ["java", *SMALL_JVM, "-cp", f"{folder}{os.sep}*", *arguments]


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0
