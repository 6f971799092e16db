"""What every part of the store works with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from analyzer.store.database import Database
    from analyzer.store.folder import Folder

ID_BYTES = 8
MAX_PAGE = 1000
"""Rows of one page, whatever was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The database, the folder and the clock of one store."""

    database: Database
    folder: Folder
    now_ns: Callable[[], int]
    secret: bytes


def new_id(prefix: str) -> str:
    """An id nobody can guess: `j-` and sixteen hexadecimal digits."""
    return f"{prefix}-{secrets.token_hex(ID_BYTES)}"


def page_size(limit: int) -> int:
    """The limit, within what one page may hold."""
    return max(1, min(limit, MAX_PAGE))
