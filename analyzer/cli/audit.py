"""`outgate audit`: who did what, and whether the log still says all of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from analyzer.cli.store_options import open_store, store_options
from analyzer.store.native import service_time

if TYPE_CHECKING:
    from pathlib import Path

BROKEN = 1
PAGE = 1000


@click.group("audit")
def command() -> None:
    """Verify and export the audit log."""


@command.command("verify")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@store_options
@click.pass_context
def verify_command(ctx: click.Context, *, form: str, data: Path | None, database: str) -> None:
    """Recompute the whole chain.

    Exits 0 if it holds and 1 if it does not, saying from which entry on.
    """
    with open_store(data, database) as store:
        found = store.audit.verify()
    if form == "json":
        click.echo(json.dumps({"intact": found.intact, **asdict(found)}))
    elif found.intact:
        click.echo(f"intact: {found.entries} entries")
    else:
        click.echo(f"broken at entry {found.broken_at}: {found.problem}")
        click.echo(
            f"  the {found.entries} entries before it hold; compare the rest with a backup"
            " or an export"
        )
    ctx.exit(0 if found.intact else BROKEN)


@command.command("export")
@click.option("--format", "form", type=click.Choice(["ndjson"]), default="ndjson")
@click.option("--after", type=click.IntRange(0), default=0, help="Begin behind this entry.")
@store_options
def export_command(*, form: str, after: int, data: Path | None, database: str) -> None:  # noqa: ARG001 - one form so far
    """Write all entries, the oldest first, one JSON object a line.

    Entries carry their digests, so that an export kept elsewhere bears witness against a log that
    was rewritten with its secret.
    """
    with open_store(data, database) as store:
        while entries := store.audit.page(after=after, limit=PAGE):
            for entry in entries:
                values = {name: getattr(entry, name) for name in type(entry).__slots__}
                values["at"] = service_time(entry.at_ns)
                click.echo(json.dumps(values))
            after = entries[-1].number
