"""`outgate doctor`: what is installed, what is missing, what that costs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from analyzer import __version__
from analyzer.cli.terminal import text_options
from analyzer.doctor import examine
from analyzer.history import state_folder
from analyzer.report.explain import print_checks

BROKEN = 2


@click.command("doctor")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show what is installed, what is missing, and what that costs.

    Exits 2 if something is missing without which nothing works.
    """
    checks = examine(state_folder(), datetime.now(UTC).date())
    print_checks(f"outgate {__version__}", checks, sys.stdout, text_options(sys.stdout))
    broken = any(check.required and not check.ok for check in checks)
    ctx.exit(BROKEN if broken else 0)
