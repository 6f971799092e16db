"""The terminal view: verdict, findings worst first, capture quality, what to do next."""

from __future__ import annotations

import math
import re
import shlex
from typing import TYPE_CHECKING, TextIO, cast

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from analyzer.escape import MAX_SHOWN_CHARS, shorten
from analyzer.model import (
    CoverageStatus,
    Evidence,
    Finding,
    Quality,
    Report,
    Severity,
)
from analyzer.quality import plural
from analyzer.report.verdict import verdict
from analyzer.times import NS_PER_SECOND, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.report.base import TextOptions

SEVERITY_STYLES = {
    Severity.CRITICAL: "bold white on red",
    Severity.HIGH: "bold red",
    Severity.MEDIUM: "bold yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}
QUIET_STYLE = "bold green"
GRADE_STYLES = {"good": "green", "fair": "yellow", "poor": "red", "empty": "yellow"}
STRONGEST_SHOWN = 2
MAX_FRAMES_SHOWN = 5
MAX_NOTES_SHOWN = 5
MAX_COMMANDS_SHOWN = 3
TRAILING_BLANKS = re.compile(r" +(?=\n)")


class _Console(Console):
    """A console that leaves a closed pipe to the command, which knows the exit status."""

    def on_broken_pipe(self) -> None:
        """Raises what rich would turn into an exit of its own."""
        raise BrokenPipeError


def console_for(stream: TextIO, options: TextOptions) -> Console:
    """A console that interprets nothing in the text it is given."""
    return _Console(
        file=stream if options.colour else cast("TextIO", _Trimmed(stream)),
        width=options.width,
        no_color=not options.colour,
        force_terminal=options.colour,
        color_system="standard" if options.colour else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


class _Trimmed:
    """Drops the blanks that fill a line up, so that pasted and compared output is clean."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes whole lines without the blanks at their ends."""
        self._stream.write(TRAILING_BLANKS.sub("", text))
        return len(text)

    def flush(self) -> None:
        """As the stream does."""
        self._stream.flush()


class TextWriter:
    """Prints each report as one screen."""

    def __init__(self, stream: TextIO, options: TextOptions) -> None:
        self._console = console_for(stream, options)
        self._options = options

    def add(self, report: Report) -> None:
        """Prints one capture: in full, or in one line if it is one of many and quiet."""
        failed = any(entry.status is CoverageStatus.FAILED for entry in report.coverage)
        if self._options.many and not report.findings and not failed:
            line = Text.assemble((f"{verdict(report).words}  ", QUIET_STYLE), _path(report))
            line.append(f"  {_size(report.quality)}", "dim")
            self._console.print(line, soft_wrap=True)
            return
        for block in _screen(report, self._options.limit):
            self._console.print(block)
        self._console.print()

    def fail(self, path: str, message: str) -> None:
        """Nothing: the error is on standard error."""

    def close(self) -> None:
        """Nothing follows the reports."""


def shown_confidence(confidence: float) -> str:
    """Two decimals, never rounded up to a certainty nobody has: 0.998 reads 0.99."""
    return f"{math.floor(min(confidence, 0.99) * 100 + 1e-9) / 100:.2f}"


def frames_text(frames: Sequence[int], most: int = MAX_FRAMES_SHOWN) -> str:
    """`frame 120`, `frames 120, 122`, `frames 1, 2, 3, 4, 5 and 36 more`."""
    if not frames:
        return ""
    shown = ", ".join(str(number) for number in frames[:most])
    more = f" and {len(frames) - most} more" if len(frames) > most else ""
    return f"{'frame' if len(frames) == 1 else 'frames'} {shown}{more}"


def strongest(finding: Finding, most: int = STRONGEST_SHOWN) -> list[Evidence]:
    """The reasons that add most, without the prior."""
    reasons = [reason for reason in finding.evidence if reason.weight > 0]
    return sorted(reasons, key=lambda reason: -reason.weight)[:most]


def duration_text(span_ns: int) -> str:
    """`14 min 3 s`, `2 h 5 min`, `3 d 4 h`, `0.214 s`."""
    seconds = span_ns / NS_PER_SECOND
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest_s = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest_s} s"
    hours, rest_min = divmod(minutes, 60)
    return f"{hours} h {rest_min} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def bytes_text(count: int) -> str:
    """A byte count with a binary suffix: `1.5 KiB`."""
    size, units = float(count), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while size >= 1024 and (larger := next(units, None)):
        size, unit = size / 1024, larger
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"


def finding_block(finding: Finding) -> Table:
    """One finding: what, between whom, and its strongest reasons."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=8)
    grid.add_column(ratio=1, overflow="fold")
    style = SEVERITY_STYLES[finding.severity]
    head = Text.assemble(
        (shown_confidence(finding.confidence), "bold"),
        f"  {finding.detector}  ",
        (finding.id, "dim"),
    )
    grid.add_row(Text(str(finding.severity), style=style), head)
    grid.add_row("", Text(shorten(finding.title), style="bold"))
    ends = f"{finding.flow.src} → {finding.flow.dst} {finding.flow.transport}"
    if finding.flows > 1:
        ends += f", {plural(finding.flows, 'flow')}"
    grid.add_row("", Text(shorten(ends)))
    for reason in strongest(finding):
        line = Text(shorten(reason.summary))
        if reason.packets:
            line.append(f"  {frames_text(reason.packets)}", style="cyan")
        grid.add_row(Text(f"{reason.weight:+.2f}", style="dim", justify="right"), line)
    return grid


def _screen(report: Report, limit: int) -> list[Text | Table | Padding]:
    blocks: list[Text | Table | Padding] = [_headline(report), Text("")]
    shown = report.findings[:limit] if limit else report.findings
    for finding in shown:
        blocks.extend((Padding(finding_block(finding), (0, 0, 0, 1)), Text("")))
    if len(shown) < len(report.findings):
        hidden = plural(len(report.findings) - len(shown), "more finding")
        blocks.extend((Text(f" {hidden} not shown; --limit 0 shows all", style="dim"), Text("")))
    blocks.append(Padding(_summary(report), (0, 0, 0, 1)))
    return blocks


def _headline(report: Report) -> Text:
    outcome = verdict(report)
    style = SEVERITY_STYLES[outcome.severity] if outcome.severity else QUIET_STYLE
    return Text.assemble((f" {outcome.words} ", style), "  ", _path(report))


def _summary(report: Report) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    if not report.findings:
        grid.add_row("looked at", _funnel(report))
    grid.add_row("capture", _quality(report.quality))
    if report.quality.not_judged:
        grid.add_row("not judged", _listed(report.quality.not_judged))
    _add_coverage(grid, report)
    grid.add_row("next", Text("\n".join(_next(report)), style="cyan"))
    return grid


def _quality(quality: Quality) -> Text:
    text = Text.assemble((quality.grade, GRADE_STYLES[quality.grade]), f" · {_size(quality)}")
    if quality.frames:
        start = rfc3339(quality.first_ns, quality.resolution_ns)
        text.append(f"\n{start}, lasting {duration_text(quality.span_ns)}")
    for note in quality.notes[:MAX_NOTES_SHOWN]:
        text.append(f"\n{shorten(note)}", style="yellow")
    hidden = len(quality.notes) - MAX_NOTES_SHOWN
    if hidden > 0:
        text.append(f"\n{plural(hidden, 'more note')}: outgate info", style="dim")
    return text


def _size(quality: Quality) -> str:
    return f"{plural(quality.frames, 'frame')}, {plural(quality.flows, 'flow')}"


def _funnel(report: Report) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    for stage in report.funnel:
        line = Text(stage.name)
        if stage.dropped:
            left = [f"{shorten(why)} {count}" for why, count in stage.dropped.items()]
            line.append(f", left out: {', '.join(left)}", style="dim")
        grid.add_row(f"{stage.count:,}".replace(",", " "), line)
    return grid


def _listed(lines: Sequence[str]) -> Text:
    shown = [shorten(line) for line in lines[:MAX_NOTES_SHOWN]]
    if len(lines) > MAX_NOTES_SHOWN:
        shown.append(f"and {len(lines) - MAX_NOTES_SHOWN} more: outgate info")
    return Text("\n".join(shown))


def _add_coverage(grid: Table, report: Report) -> None:
    failed = [entry for entry in report.coverage if entry.status is CoverageStatus.FAILED]
    skipped = [entry for entry in report.coverage if entry.status is CoverageStatus.SKIPPED]
    for entry in failed:
        words = f"{entry.detector} failed: {shorten(entry.reason)}"
        grid.add_row(Text("failed", style="bold red"), Text(words, style="red"))
    by_reason: dict[str, list[str]] = {}
    for entry in skipped:
        by_reason.setdefault(entry.reason, []).append(entry.detector)
    if by_reason:
        lines = [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]
        grid.add_row("skipped", Text("\n".join(lines), style="dim"))
    if not report.coverage:
        grid.add_row("skipped", Text("no detector is installed", style="yellow"))


def _next(report: Report) -> list[str]:
    """Commands to go on with, exact enough to paste."""
    path = shorten(shlex.quote(report.capture.path), MAX_SHOWN_CHARS)
    if not report.findings:
        return [f"outgate flows {path}", f"outgate info {path}"]
    worst = report.findings[0]
    commands = [f"outgate why {worst.id}"]
    if worst.evidence_available and report.capture.path != "-":
        commands.append(f"outgate carve {worst.id} -o {worst.id}.pcapng")
        commands.append(f"outgate dissect {worst.id}")
    steps = [shorten(step) for step in worst.next_steps]
    return [*commands[:MAX_COMMANDS_SHOWN], *steps[:MAX_COMMANDS_SHOWN]]


def _path(report: Report) -> Text:
    paths = report.capture.paths
    more = f" and {len(paths) - 1} more, joined" if len(paths) > 1 else ""
    name = "standard input" if report.capture.path == "-" else report.capture.path
    return Text(shorten(name) + more, style="dim")
