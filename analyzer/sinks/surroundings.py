"""What the operator's settings say to all sinks, whoever configures one."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analyzer import __version__
from analyzer.sinks.network import Guard

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a sender may use of the machine it runs on.

    Attributes:
        guard: Where it may connect to.
        folder: Where files may be written; None forbids sinks of the kind `file`.
        host_name: What messages name as their origin.
        version: The tool's version, for the user agent.
    """

    guard: Guard = field(default_factory=Guard)
    folder: Path | None = None
    host_name: str = field(default_factory=socket.gethostname)
    version: str = __version__

    @property
    def user_agent(self) -> str:
        """How HTTP requests introduce themselves."""
        return f"outgate/{self.version}"
