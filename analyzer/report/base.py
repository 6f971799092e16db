"""What every renderer is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from analyzer.model import Report

DEFAULT_SHOWN_FINDINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOptions:
    """How the terminal view looks.

    Attributes:
        width: Columns to fill.
        colour: Whether escape codes for colour may be written.
        limit: Findings shown for one capture, 0 for all; the rest is counted.
        many: Whether several captures follow each other, so that quiet ones take one line.
    """

    width: int = 100
    colour: bool = False
    limit: int = DEFAULT_SHOWN_FINDINGS
    many: bool = False


class ReportWriter(Protocol):
    """Takes reports as they come and writes each at once."""

    def add(self, report: Report) -> None:
        """Writes one capture's report."""

    def fail(self, path: str, message: str) -> None:
        """Notes an input that could not be read."""

    def close(self) -> None:
        """Writes what comes after the last report."""
