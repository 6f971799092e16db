"""`outgate analyze`: captures in, findings out."""

from __future__ import annotations

import dataclasses
import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from analyzer import ingest
from analyzer.cli.session import Session, inside_option, progress_option
from analyzer.cli.terminal import say, say_error, text_options
from analyzer.errors import CaptureUnreadable
from analyzer.model import CoverageStatus, Report, Severity
from analyzer.quality import plural
from analyzer.report import FORMATS, ReportWriter, writer_for
from analyzer.report.base import DEFAULT_SHOWN_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FOUND, UNREADABLE = 1, 3
MAX_NAMED_FILES = 3

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a run over several captures came to."""

    captures: int = 0
    findings: int = 0
    unreadable: int = 0
    reached: bool = False

    @property
    def status(self) -> int:
        """The exit status: a finding asked about comes before an input that failed."""
        if self.reached:
            return FOUND
        return UNREADABLE if self.unreadable else 0


@click.command("analyze")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--join", is_flag=True, help="Take the files as pieces of one stream.")
@click.option(
    "--format", "format_name", type=click.Choice(FORMATS), default="table", show_default=True
)
@inside_option
@click.option(
    "--fail-on",
    type=click.Choice([str(level) for level in Severity]),
    help="Exit 1 if a finding reaches this severity.",
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Leave out findings below this probability.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=DEFAULT_SHOWN_FINDINGS,
    show_default=True,
    help="Findings in the table for one capture; 0 shows all.",
)
@progress_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    paths: tuple[str, ...],
    join: bool,
    format_name: str,
    inside: tuple[str, ...],
    fail_on: str | None,
    min_confidence: float,
    limit: int,
    no_progress: bool,
) -> None:
    """Find mining and reverse tunnels in captures.

    PATH is a capture (pcap or pcapng, also compressed), a folder of captures, or - for standard
    input. Each capture is analysed by itself; --join takes rotated files as one stream.
    """
    session = Session.open(inside, progress=not no_progress)
    inputs = ingest.expand_paths(paths)
    _say_what_was_left_out(inputs)
    tally = Tally()
    groups: Sequence[Sequence[str]] = [[path] for path in inputs.captures]
    if join and inputs.captures:
        groups = [pieces] if (pieces := _in_time_order(inputs.captures, tally)) else []
    options = text_options(sys.stdout, limit=limit, many=len(groups) > 1)
    writer = writer_for(format_name, sys.stdout, options, session.context.settings.inside)
    for report in _reports(session, groups, writer, tally):
        kept = tuple(f for f in report.findings if f.confidence >= min_confidence)
        shown = dataclasses.replace(report, findings=kept)
        tally.findings += len(kept)
        threshold = Severity(fail_on).rank if fail_on else None
        tally.reached |= any(threshold is not None and f.severity.rank >= threshold for f in kept)
        session.history.save(shown)
        writer.add(shown)
        _say_notes(shown)
    writer.close()
    if len(groups) > 1:
        _say_summary(tally)
    ctx.exit(tally.status)


def _reports(
    session: Session, groups: Sequence[Sequence[str]], writer: ReportWriter, tally: Tally
) -> Iterator[Report]:
    """The report of each capture as it is done; those that fail are said and passed over."""
    for group in groups:
        try:
            report = session.judge(session.load(group))
        except CaptureUnreadable as error:
            failure = error
        except Exception as error:
            log.debug("analysis of %s failed", group[0], exc_info=True)
            reason = f"internal error, {type(error).__name__}: {error}"
            failure = CaptureUnreadable(
                group[0], 0, reason, hint="this is a defect; `outgate -v analyze` shows where"
            )
        else:
            tally.captures += 1
            yield report
            continue
        tally.unreadable += 1
        say_error(failure)
        writer.fail(group[0], failure.message)


def _in_time_order(paths: Sequence[str], tally: Tally) -> list[str]:
    """The pieces of one stream by the time of their first frame; empty ones keep their place."""
    from analyzer.frames import read_frames  # noqa: PLC0415 - only for --join

    starts: list[tuple[int, int, str]] = []
    latest_ns = 0
    for place, path in enumerate(paths):
        if path == ingest.STDIN:
            starts.append((latest_ns, place, path))
            continue
        try:
            first = read_frames(path, [1])
        except CaptureUnreadable as error:
            tally.unreadable += 1
            say_error(error)
            continue
        latest_ns = first[0].ts_ns if first else latest_ns
        starts.append((latest_ns, place, path))
    return [path for _, _, path in sorted(starts)]


def _say_what_was_left_out(inputs: ingest.Inputs) -> None:
    for folder in inputs.empty_folders:
        say(f"note: {folder} holds no capture")
    if inputs.ignored:
        names = ", ".join(inputs.ignored[:MAX_NAMED_FILES])
        more = ", …" if len(inputs.ignored) > MAX_NAMED_FILES else ""
        count = plural(len(inputs.ignored), "file")
        say(f"note: {count} passed over, being no captures: {names}{more}")


def _say_notes(report: Report) -> None:
    """What must not be missed, whatever the format."""
    path, quality = report.capture.path, report.quality
    if not quality.frames:
        say(f"note: {path}: the capture holds no frame")
    if quality.truncated_tail:
        say(f"warning: {path}: cut off in its last packet; what could be read was analysed")
    if quality.issue_counts:
        kinds = ", ".join(f"{kind} {count}" for kind, count in quality.issue_counts.items())
        say(f"warning: {path}: could not make sense of all of it ({kinds})")
    for entry in report.coverage:
        if entry.status is CoverageStatus.FAILED:
            say(f"warning: {path}: detector {entry.detector} failed: {entry.reason}")


def _say_summary(tally: Tally) -> None:
    parts = [plural(tally.captures, "capture"), plural(tally.findings, "finding")]
    if tally.unreadable:
        parts.append(f"{tally.unreadable} unreadable")
    say(", ".join(parts))
