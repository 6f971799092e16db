"""Renders reports: for people as a terminal view, for programs as JSON, NDJSON or CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from analyzer.report.base import ReportWriter, TextOptions

if TYPE_CHECKING:
    from collections.abc import Callable

FORMATS = ("table", "json", "ndjson", "csv")

__all__ = ["FORMATS", "ReportWriter", "TextOptions", "writer_for"]


def writer_for(name: str, stream: TextIO, options: TextOptions) -> ReportWriter:
    """The writer of one of `FORMATS`; `options` matter to the terminal view only.

    Raises:
        KeyError: There is no such format.
    """
    if name == "table":
        from analyzer.report.text import TextWriter  # noqa: PLC0415 - machine formats do without rich

        return TextWriter(stream, options)
    from analyzer.report import machine  # noqa: PLC0415 - the table does without it

    writers: dict[str, Callable[[TextIO], ReportWriter]] = {
        "json": machine.JsonWriter,
        "ndjson": machine.NdjsonWriter,
        "csv": machine.CsvWriter,
    }
    return writers[name](stream)
