"""`outgate store`: check, compact, back up and restore what the service keeps."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from analyzer.cli.store_options import open_store, store_options
from analyzer.escape import escape

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer.store.maintenance.problems import CheckReport, Problem

PROBLEMS = 1
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
