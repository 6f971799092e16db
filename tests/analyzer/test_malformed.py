"""Damaged captures: no crash, no hang, little memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.shared import SHARED, captures, needs_captures

if TYPE_CHECKING:
    from pathlib import Path

_core = pytest.importorskip("analyzer._core", reason="the core is not built: `make build`")

MALFORMED = captures("malformed")
SECONDS_PER_FILE = 5
BYTES_MAX = 500 << 20
ADDRESS_SPACE_MAX = 4 << 30
"""Libraries reserve far more than they use; this only keeps a runaway from the machine."""

PROGRAM = "from analyzer.cli import main; main()"
ONE_BY_ONE = """
import json, re, signal, sys
from analyzer import _core

def peak():  # not ru_maxrss, which begins with that of the process that forked this one
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024

for path in sys.argv[2:]:
    signal.setitimer(signal.ITIMER_REAL, float(sys.argv[1]))  # unhandled, it ends the process
    try:
        frames = _core.analyze([path]).stats["frames"]
    except _core.CaptureError as e:
        frames = -1
        assert e.args[0] == path and e.args[2], e.args
    print(json.dumps({"path": path, "frames": frames, "peak": peak()}), flush=True)
"""


def limited() -> None:
    """Runs in the child: bounds its memory."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_MAX, ADDRESS_SPACE_MAX))


def run(command: list[str], *, seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
        preexec_fn=limited,
    )


@needs_captures
def test_the_core_gets_through_every_damaged_capture() -> None:
    command = [sys.executable, "-c", ONE_BY_ONE, str(SECONDS_PER_FILE), *map(str, MALFORMED)]

    done = run(command, seconds=SECONDS_PER_FILE * len(MALFORMED))

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"after {rows[-1:]}: {done.stderr}"
    assert [row["path"] for row in rows] == [str(path) for path in MALFORMED]
    assert max(row["peak"] for row in rows) < BYTES_MAX
    assert sum(row["frames"] >= 0 for row in rows) > len(rows) // 2


@needs_captures
def test_the_command_line_gets_through_a_folder_of_them() -> None:
    folder = SHARED / "captures" / "malformed"
    command = [sys.executable, "-c", PROGRAM, "analyze", "--format", "ndjson", str(folder)]

    done = run(command, seconds=60)

    assert done.returncode in (0, 3), done.stderr
    assert "Traceback" not in done.stderr
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert [f["title"] for f in findings if f["severity"] in ("high", "critical")] == []


@pytest.mark.parametrize("kind", ["empty", "text", "cut header"])
def test_what_is_no_capture_is_an_error_with_its_path(tmp_path: Path, kind: str) -> None:
    content = {"empty": b"", "text": b"hello, world" * 9, "cut header": b"\xd4\xc3\xb2\xa1\x02"}
    path = tmp_path / "odd.pcap"
    path.write_bytes(content[kind])

    with pytest.raises(_core.CaptureError) as caught:
        _core.analyze([str(path)])

    assert caught.value.args[:2] == (str(path), 0)
