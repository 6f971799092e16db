"""Starts the OpenID provider of the tests; Node and npm bring it, at the versions of the lock."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PLACE = ROOT / "build" / "oidc-provider"
INSTALL_S = 300
START_LINES = 50
SECRET = "a secret of the tests, 32 characters or more"


@contextmanager
def running(redirect_uri: str) -> Iterator[str]:
    """The issuer of a provider on loopback, as long as the context lasts."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed: no OpenID provider to log in at")
    _install()
    command = [node, str(PLACE / "provider.mjs"), redirect_uri, SECRET]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            issuer = ""
            for _ in range(START_LINES):
                issuer = process.stdout.readline().strip()
                if issuer.startswith("http"):
                    break
            assert issuer, "the provider did not start"
            yield issuer
        finally:
            process.kill()


def _install() -> None:
    """Brings `node_modules` to the lock file, once, whoever comes first."""
    PLACE.mkdir(parents=True, exist_ok=True)
    lock = HERE / "package-lock.json"
    with (PLACE / "install.lock").open("w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        for name in ("package.json", "package-lock.json", "provider.mjs"):
            shutil.copyfile(HERE / name, PLACE / name)
        stamp = PLACE / "installed"
        if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
            return
        stamp.unlink(missing_ok=True)
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=PLACE,
            env={**os.environ, "CI": "1"},
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"npm cannot install oidc-provider: {done.stderr[-300:]}")
        shutil.copyfile(lock, stamp)
