"""`outgate carve`: a finding's frames as a capture of their own."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from analyzer.cli.session import Session
from analyzer.cli.terminal import say
from analyzer.extract import carve
from analyzer.quality import plural


@click.command("carve")
@click.argument("finding")
@click.argument("capture", required=False)
@click.option(
    "--output",
    "-o",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The pcapng file to write; a manifest FILE.json is written beside it.",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
def command(*, finding: str, capture: str | None, output: Path, force: bool) -> None:
    """Cut the frames behind FINDING into a new capture.

    Each packet has a comment that names the finding and the reasons it shows. The manifest has the
    SHA-256 of both files, the frame numbers and the finding.

    FINDING is an id or the beginning of one, as `outgate analyze` printed it; with CAPTURE that
    file is analysed again.
    """
    subject, source, _ = Session.open().find(finding, capture)
    carved = carve(subject, source, output, force=force)
    say(f"wrote {plural(len(carved.frames), 'frame')} to {carved.capture}")
    say(f"wrote the manifest to {carved.manifest}")
    if carved.missing:
        numbers = ", ".join(str(number) for number in carved.missing)
        say(f"warning: not found in {shlex.quote(source)}: frames {numbers}")
