"""Renders reports: for people as a terminal view, for programs as JSON, CSV and others' formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from analyzer.report.base import ReportWriter, TextOptions
from analyzer.settings import PRIVATE_NETWORKS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OWN_FORMATS = ("table", "json", "ndjson", "csv")
FOREIGN_FORMATS = ("ecs", "ocsf", "stix", "eve", "cef", "leef", "asim", "misp")
"""Those of `analyzer.formats`, by name, so that they are loaded only where one is asked for."""

FORMATS = OWN_FORMATS + FOREIGN_FORMATS

__all__ = ["FORMATS", "ReportWriter", "TextOptions", "writer_for"]


def writer_for(
    name: str, stream: TextIO, options: TextOptions, inside: Sequence[str] = PRIVATE_NETWORKS
) -> ReportWriter:
    """The writer of one of `FORMATS`.

    Args:
        name: Which one.
        stream: Where it writes to.
        options: How the terminal view looks; they matter to no other.
        inside: Networks that count as inside, which the formats of others name directions by.

    Raises:
        KeyError: There is no such format.
    """
    if name == "table":
        from analyzer.report.text import TextWriter  # noqa: PLC0415 - machine formats do without rich

        return TextWriter(stream, options)
    if name in FOREIGN_FORMATS:
        from analyzer.report.foreign import ForeignWriter  # noqa: PLC0415 - others do without them

        return ForeignWriter(stream, name, inside)
    from analyzer.report import machine  # noqa: PLC0415 - the table does without it

    writers: dict[str, Callable[[TextIO], ReportWriter]] = {
        "json": machine.JsonWriter,
        "ndjson": machine.NdjsonWriter,
        "csv": machine.CsvWriter,
    }
    return writers[name](stream)
