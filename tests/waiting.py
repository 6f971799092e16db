"""Waiting for something that another thread or process does, with a deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_EVERY_S = 0.01


def until(holds: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    """Looks again and again until it holds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"waited {timeout_s:g} s in vain: {what}"
        time.sleep(LOOK_EVERY_S)
