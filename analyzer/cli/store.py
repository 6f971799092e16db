"""`outgate store`: check, compact, back up and restore what the service keeps."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer.cli.store_options import COMMAND_LINE, data_folder, open_store, store_options
from analyzer.cli.terminal import say
from analyzer.errors import ConflictError, UsageError
from analyzer.escape import escape

if TYPE_CHECKING:
    from analyzer.store.maintenance.problems import CheckReport, Problem

PROBLEMS = 1
FILE = click.Path(dir_okay=False, path_type=Path)
FORMATS = click.Choice(["text", "json"])


@click.group("store")
def command() -> None:
    """Look after what the service keeps.

    All of this works beside a running service, but for `restore`.
    """


@command.command("check")
@store_options
@click.option("--deep", is_flag=True, help="Read every byte: hashes, tables, histories.")
@click.option("--format", "form", type=FORMATS, default="text", show_default=True)
@click.pass_context
def check_command(
    ctx: click.Context, *, data: Path | None, database: str, deep: bool, form: str
) -> None:
    """Say whether everything fits together.

    Exits 0 if it does and 1 if it does not. What a killed service left behind is named, and is no
    problem: the next start removes it.
    """
    from analyzer.store.maintenance.check import check  # noqa: PLC0415 - slow to import

    with open_store(data, database) as store:
        report = check(store, deep=deep)
    if form == "json":
        click.echo(json.dumps({"clean": report.clean, **asdict(report)}))
    else:
        _print_check(report)
    ctx.exit(0 if report.clean else PROBLEMS)


@command.command("backup")
@click.argument("file", type=FILE)
@store_options
@click.pass_context
def backup_command(ctx: click.Context, *, file: Path, data: Path | None, database: str) -> None:
    """Write everything into one tar FILE, of one moment, while the service goes on.

    It holds the secret that keys and the audit log are checked with: keep it as safe as the data.
    Exits 1 if files were missing that it should hold.
    """
    from analyzer.store.maintenance.backup import backup  # noqa: PLC0415 - slow to import

    with open_store(data, database) as store:
        made = backup(store, file.absolute())
    for name in made.missing:
        say(f"missing: {name}; `outgate store check` says more")
    say(
        f"{made.path}: {made.size_bytes} bytes, {made.captures} captures"
        + (f", {len(made.deleted_meanwhile)} deleted meanwhile" if made.deleted_meanwhile else "")
    )
    ctx.exit(PROBLEMS if made.missing else 0)


@command.command("restore")
@click.argument("file", type=FILE)
@store_options
@click.pass_context
def restore_command(ctx: click.Context, *, file: Path, data: Path | None, database: str) -> None:
    """Make a store of a backup, in a folder and a database that are empty.

    Every hash is compared before anything is put in place; a damaged file leaves nothing behind.
    Whoever polls with a cursor from before is told to begin again. Exits 1 if the store that was
    backed up had problems, which are shown; it is in place nevertheless.
    """
    from analyzer.store.maintenance.restore import restore  # noqa: PLC0415 - slow to import

    restored = restore(file, data_folder(data), database, by=COMMAND_LINE)
    say(f"{restored.folder}: {restored.members} files of a backup made {restored.created_at}")
    _print_check(restored.report)
    ctx.exit(0 if restored.report.clean else PROBLEMS)


@command.command("compact")
@store_options
@click.option(
    "--keep-days",
    type=click.IntRange(0),
    default=30,
    show_default=True,
    help="How long progress of jobs and deliveries that arrived are kept.",
)
def compact_command(*, data: Path | None, database: str, keep_days: int) -> None:
    """Give back room that nothing needs; history is never touched."""
    from analyzer.store.maintenance.compaction import compact  # noqa: PLC0415 - slow to import

    with open_store(data, database) as store:
        made = compact(store, keep_days=keep_days)
    click.echo(
        f"{made.freed_bytes} bytes given back: tables of {made.tables} analyses,"
        f" {made.events} events, {made.deliveries} deliveries, {made.requests} answers"
    )


@command.command("retain")
@store_options
@click.option("--keep-days", type=click.IntRange(0), default=0, help="Delete older captures.")
@click.option("--keep-bytes", type=click.IntRange(0), default=0, help="Delete the oldest beyond.")
@click.option("--force", is_flag=True, help="Also captures with findings that are in a case.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
def retain_command(
    *,
    data: Path | None,
    database: str,
    keep_days: int,
    keep_bytes: int,
    force: bool,
    dry_run: bool,
) -> None:
    """Delete the files of the oldest captures, by age or by size.

    Rows, findings and history stay. Captures under legal hold and those a job works on are never
    deleted. OUTGATE_RETENTION_DAYS and OUTGATE_RETENTION_SIZE have the service do this by itself.
    """
    from analyzer.store.maintenance import retention  # noqa: PLC0415 - slow to import

    if not keep_days and not keep_bytes:
        raise UsageError("cannot tell what to keep", hint="give --keep-days, --keep-bytes, or both")
    wanted = retention.RetentionSettings(keep_days=keep_days, keep_bytes=keep_bytes, forced=force)
    with open_store(data, database) as store:
        done = retention.enforce_retention(store, wanted, dry_run=dry_run, by=COMMAND_LINE)
    if done.busy:
        raise ConflictError("cannot delete captures: a backup is being made of them")
    for word, captures in (
        ("would delete" if dry_run else "deleted", done.deleted),
        ("kept", done.held),
    ):
        for one in captures:
            size = f"{one.size_bytes} bytes"
            click.echo(escape(f"{word} {one.sha256} {one.name} ({size}): {one.reason}"))
    click.echo(
        f"{len(done.deleted)} captures, {done.freed_bytes} bytes"
        f" {'would go' if dry_run else 'went'}; {done.left_bytes} bytes stay"
    )


def _print_check(report: CheckReport) -> None:
    for problem in report.problems:
        _print_problem("problem", problem)
    for left in report.leftovers:
        _print_problem("left behind", left)
    for kind, count in report.not_shown.items():
        click.echo(f"and {count} more of {kind}")
    seen = report.examined
    click.echo(
        f"{'clean' if report.clean else f'{len(report.problems)} problems'}:"
        f" {seen.get('captures', 0)} captures of {seen.get('capture_bytes', 0)} bytes,"
        f" {seen.get('tables', 0)} tables, {seen.get('rows_findings', 0)} findings,"
        f" {seen.get('rows_audit', 0)} audit entries"
        f"{', every byte read' if report.deep else ''}"
        f"{', beside a running service' if report.in_use else ''}"
    )


def _print_problem(word: str, problem: Problem) -> None:
    click.echo(escape(f"{word}: {problem.kind}: {problem.subject}: {problem.what}"))
    click.echo(escape(f"  {problem.remedy}"))
