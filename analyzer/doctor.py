"""What is installed, what is missing, and what that costs."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import metadata
from typing import TYPE_CHECKING

from analyzer import __version__, ruleset
from analyzer.confinement import confinement
from analyzer.confinement.probe import ON
from analyzer.dissect import TSHARK_INSTALL_HINT
from analyzer.errors import OutgateError

if TYPE_CHECKING:
    from pathlib import Path

TSHARK_TIMEOUT_S = 10
STALE_RULES_DAYS = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that `outgate doctor` looked at.

    Attributes:
        name: What.
        ok: Whether it is as it should be.
        found: What is there, with its version.
        cost: What does not work without it; "" if all is well.
        remedy: What to do; "" if all is well.
        required: Whether nothing works without it.
    """

    name: str
    ok: bool
    found: str
    cost: str = ""
    remedy: str = ""
    required: bool = False


def examine(state_folder: Path, today: date) -> list[Check]:
    """Looks at everything Outgate uses; changes nothing but a probe file in the state folder.

    Args:
        state_folder: Where reports are remembered.
        today: The day the age of the rules is counted to.
    """
    return [
        _python(),
        _core(),
        _rules(today),
        _library("pyarrow", "analysis", required=True),
        _library("pandas", "detectors that work on tables", required=True),
        _library("rich", "the terminal view", required=True),
        _library("fastapi", "outgate serve"),
        _library("uvicorn", "outgate serve"),
        _library("pyshark", "outgate dissect"),
        _tshark(),
        _confinement(),
        _state(state_folder),
    ]


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check(name="python", ok=True, found=found)


def _core() -> Check:
    try:
        from analyzer import _core  # noqa: PLC0415 - whether it loads is the question
    except ImportError as error:
        return Check(
            name="core",
            ok=False,
            found=f"not loaded: {error}",
            cost="no capture can be read",
            remedy="build it: `make build`, or install the wheel",
            required=True,
        )
    version = str(getattr(_core, "__version__", __version__))
    if version != __version__:
        return Check(
            name="core",
            ok=False,
            found=version,
            cost=f"it does not belong to outgate {__version__}; tables may differ",
            remedy="build it again: `make build`",
        )
    return Check(name="core", ok=True, found=version)


def _rules(today: date) -> Check:
    try:
        rules = ruleset.load()
    except OutgateError as error:
        return Check(
            name="rules",
            ok=False,
            found=error.message,
            cost="no capture can be analysed",
            remedy=error.hint or "install outgate again",
            required=True,
        )
    dates = [pool.checked_on for pool in rules.pools]
    dates += [relay.checked_on for relay in rules.relays]
    newest = max(dates, default=None)
    count = f"{len(rules.pools)} pools, {len(rules.relays)} relays, {len(rules.coins)} coins"
    found = f"version {rules.version}, {count}, {len(rules.payloads)} patterns"
    if newest is None:
        return Check(
            name="rules",
            ok=False,
            found=f"{found}: no pool or relay is known",
            cost="contact with pools and relays is not found by name",
            remedy="install outgate again",
        )
    found = f"{found}, newest of {newest}"
    if today - newest > timedelta(days=STALE_RULES_DAYS):
        return Check(
            name="rules",
            ok=False,
            found=found,
            cost="pools and relays that are newer are not known by name",
            remedy="install a newer outgate",
        )
    return Check(name="rules", ok=True, found=found)


def _library(name: str, serves: str, *, required: bool = False) -> Check:
    if importlib.util.find_spec(name) is None:
        return Check(
            name=name,
            ok=False,
            found="not installed",
            cost=f"no {serves}",
            remedy=f"pip install {name}",
            required=required,
        )
    return Check(name=name, ok=True, found=metadata.version(name))


def _tshark() -> Check:
    path = shutil.which("tshark")
    if path is None:
        return Check(
            name="tshark",
            ok=False,
            found="not installed",
            cost="no outgate dissect; all else works",
            remedy=TSHARK_INSTALL_HINT,
        )
    try:
        done = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            timeout=TSHARK_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(
            name="tshark",
            ok=False,
            found=f"{path} does not answer: {error}",
            cost="no outgate dissect; all else works",
            remedy=TSHARK_INSTALL_HINT,
        )
    version = re.search(r"\d+\.\d+\.\d+", done.stdout)
    return Check(name="tshark", ok=True, found=f"{version[0] if version else 'unknown'} at {path}")


def _confinement() -> Check:
    """What keeps the service's workers from doing harm, tried in one."""
    try:
        measures = confinement()
    except (OutgateError, OSError) as error:
        return Check(
            name="confinement",
            ok=False,
            found=f"no worker can be started: {error}",
            cost="outgate serve analyses nothing; the other commands work",
            remedy="see that /tmp is writable and processes may be started",
        )
    missing = {name: said for name, said in measures.items() if not said.startswith(ON)}
    if missing:
        return Check(
            name="confinement",
            ok=False,
            found="; ".join(f"{name} {said}" for name, said in missing.items()),
            cost="a hostile capture that takes over a worker of outgate serve can do more harm",
            remedy="a newer kernel has Landlock; a container may need to allow user namespaces",
        )
    return Check(name="confinement", ok=True, found=f"{len(measures)} measures hold")


def _state(folder: Path) -> Check:
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Check(
            name="state",
            ok=False,
            found=f"{folder} is not writable: {(error.strerror or str(error)).lower()}",
            cost="`why`, `carve` and `dissect` need the capture named each time",
            remedy="set OUTGATE_STATE to a folder that is",
        )
    return Check(name="state", ok=True, found=f"{folder} is writable")
