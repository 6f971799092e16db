"""The captures beside the repository, which are read and never copied."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("OUTGATE_SHARED", ROOT.parent / "shared"))

needs_captures = pytest.mark.skipif(
    not (SHARED / "captures").is_dir(),
    reason=f"no captures at {SHARED}; OUTGATE_SHARED names another place",
)


def captures(*folders: str) -> list[Path]:
    """Captures in these folders of ../shared/captures, in order of name."""
    found = [path for folder in folders for path in (SHARED / "captures" / folder).glob("*cap*")]
    return sorted(path for path in found if path.is_file())
