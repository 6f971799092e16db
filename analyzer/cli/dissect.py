"""`outgate dissect`: a finding's frames as Wireshark decodes them."""

from __future__ import annotations

import sys

import click

from analyzer.cli.session import Session
from analyzer.cli.terminal import say, text_options
from analyzer.dissect import DEFAULT_FRAMES, MAX_FRAMES, dissect
from analyzer.report.explain import print_dissections


@click.command("dissect")
@click.argument("finding")
@click.argument("capture", required=False)
@click.option(
    "--max",
    "most",
    type=click.IntRange(1, MAX_FRAMES),
    default=DEFAULT_FRAMES,
    show_default=True,
    help="Frames to decode.",
)
def command(*, finding: str, capture: str | None, most: int) -> None:
    """Show the frames behind FINDING as Wireshark decodes them.

    Needs tshark. FINDING is an id or the beginning of one, as `outgate analyze` printed it; with
    CAPTURE that file is analysed again.
    """
    subject, source, _ = Session.open().find(finding, capture)
    decoded = dissect(subject, source, most)
    print_dissections(decoded, sys.stdout, text_options(sys.stdout))
    left = len(subject.frames) - len(decoded)
    if left > 0:
        say(f"note: {left} more of the evidence's frames; --max {MAX_FRAMES} shows more")
