"""What the commands say beside their output, and how the output looks on this terminal."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, TextIO

import click

from analyzer.escape import escape
from analyzer.report.base import DEFAULT_SHOWN_FINDINGS, TextOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from analyzer.errors import OutgateError

MIN_WIDTH, DEFAULT_WIDTH, MAX_WIDTH = 60, 100, 160
"""Columns of the terminal view: narrower is unreadable, wider is hard to follow."""


def say(message: str) -> None:
    """A line on standard error, escaped."""
    click.echo(escape(message), err=True)


def say_error(error: OutgateError) -> None:
    """An error that does not end the command, and its hint."""
    say(f"error: {error.message}")
    if error.hint:
        say(f"hint: {error.hint}")


def text_options(
    stream: TextIO, *, limit: int = DEFAULT_SHOWN_FINDINGS, many: bool = False
) -> TextOptions:
    """How the terminal view should look on this stream."""
    columns = shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns
    width = max(MIN_WIDTH, min(MAX_WIDTH, columns))
    return TextOptions(width=width, colour=wants_colour(stream), limit=limit, many=many)


def wants_colour(stream: TextIO) -> bool:
    """Colour only on a terminal that can, and never against NO_COLOR (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def log_to_stderr() -> None:
    """Turns on log lines: events with fields, in UTC."""
    formatter = logging.Formatter(
        "%(asctime)sZ %(levelname)s %(name)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logger = logging.getLogger("analyzer")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)


def _nothing() -> None:
    """What there is to stop when nothing is drawn."""


class ProgressBar:
    """Progress of reading one capture, from the bytes read, on standard error.

    It draws only on a terminal and removes itself at the end. Off a terminal it still takes the
    core's calls, which is what lets an interrupt through.
    """

    def __init__(self, label: str, *, enabled: bool) -> None:
        self._label = escape(label)
        self._enabled = enabled and sys.stderr.isatty()
        self._stop: Callable[[], None] = _nothing

    def __enter__(self) -> ProgressBar:
        if self._enabled:
            self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def __call__(self, done_bytes: int, total_bytes: int) -> None:
        """Takes a report of progress; a total of 0 is not known."""
        self._update(done_bytes, total_bytes)

    def _update(self, done_bytes: int, total_bytes: int) -> None:
        """Replaced by the drawing one when the bar starts."""

    def _start(self) -> None:
        from rich import progress  # noqa: PLC0415 - only a terminal pays for it
        from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
        from rich.text import Text  # noqa: PLC0415 - only a terminal pays for it

        colour = wants_colour(sys.stderr)
        console = Console(stderr=True, no_color=not colour, markup=False, emoji=False)
        bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=30),
            progress.DownloadColumn(binary_units=True),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        task = bar.add_task(Text(self._label).plain, total=None)

        def update(done_bytes: int, total_bytes: int) -> None:
            bar.update(task, completed=done_bytes, total=total_bytes or None)

        self._update = update  # type: ignore[method-assign]
        self._stop = bar.stop
        bar.start()
