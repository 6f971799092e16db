"""Findings in the formats of others, as `analyzer.formats` writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from analyzer.formats import FORMATS, render_many

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from analyzer.model import Report


class ForeignWriter:
    """Lines as reports come; a STIX bundle or an array of MISP events once all are there.

    Args:
        stream: Where to.
        name: One of `analyzer.formats.FORMATS`.
        inside: Networks that count as inside, as CIDR text.
    """

    def __init__(self, stream: TextIO, name: str, inside: Sequence[str]) -> None:
        self._stream = stream
        self._name = name
        self._inside = inside
        self._kept: list[dict[str, Any]] = []

    def add(self, report: Report) -> None:
        """Writes a line for each finding, or keeps it for the end."""
        made_by = {"tool_version": report.tool_version, "ruleset_version": report.ruleset_version}
        documents = [{**finding.to_dict(), **made_by} for finding in report.findings]
        if FORMATS[self._name].line:
            self._write(documents)
        else:
            self._kept += documents

    def fail(self, path: str, message: str) -> None:
        """Nothing: these formats hold findings alone."""

    def close(self) -> None:
        """Writes what had to be kept."""
        if not FORMATS[self._name].line:
            self._write(self._kept)
            self._stream.write("\n")

    def _write(self, documents: Iterable[dict[str, Any]]) -> None:
        for piece in render_many(documents, self._name, inside=self._inside):
            self._stream.write(piece.decode("utf-8"))
        self._stream.flush()
