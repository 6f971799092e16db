"""The scores that must hold on labelled captures, where the captures are beside the repository."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
EVALUATE = SHARED / "evaluate.py"
OUTGATE = Path(sys.executable).parent / "outgate"
SECONDS = 120
ALL_OF = ("mining.stratum_v1", "mining.cryptonote", "mining.eth_proxy", "mining.getblocktemplate")
SSH_REVERSE_LEAST = 65

pytestmark = pytest.mark.captures


def score(folder: str, labels: str) -> str:
    """What evaluate.py prints for a folder of captures."""
    pytest.importorskip("analyzer._core", reason="the core is not built: `make build`")
    if not EVALUATE.is_file() or not (SHARED / labels).is_file():
        pytest.skip(f"no labelled captures: {SHARED / labels} is not there")
    if not OUTGATE.is_file():
        pytest.skip(f"no {OUTGATE}: `make build` installs it")
    paths = [str(SHARED / folder), str(SHARED / labels)]
    program = f"{shlex.quote(str(OUTGATE))} analyze --format ndjson"
    done = subprocess.run(
        [sys.executable, str(EVALUATE), *paths, "--cmd", program],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        cwd=ROOT,
    )
    assert "captures " in done.stdout, done.stderr
    return done.stdout


def recalls(printed: str) -> dict[str, tuple[int, int]]:
    """Label to how many were found, of how many."""
    found = re.findall(r"^recall (\S+)\s+(\d+) of\s+(\d+)$", printed, re.MULTILINE)
    return {label: (int(hits), int(total)) for label, hits, total in found}


def counted(printed: str, what: str) -> int:
    """How many false alarms or crashes the last line of counts tells of."""
    match = re.search(rf"\b{what} (\d+)", printed)
    assert match, printed
    return int(match.group(1))


def test_real_captures() -> None:
    printed = score("captures", "captures/labels.csv")

    found = recalls(printed)
    assert counted(printed, "false alarms") == 0, printed
    assert counted(printed, "crashed") == 0, printed
    for label in (*ALL_OF, "ssh.reverse", "tunnel.chisel"):
        hits, total = found[label]
        assert hits == total > 0, printed


def test_ssh_sessions_with_ground_truth() -> None:
    printed = score("lab/ssh", "lab/ssh/evaluate_labels.csv")

    hits, total = recalls(printed)["ssh.reverse"]
    assert total == 75
    assert hits >= SSH_REVERSE_LEAST, printed
    assert counted(printed, "false alarms") == 0, printed
    assert counted(printed, "crashed") == 0, printed
