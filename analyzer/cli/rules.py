"""`outgate rules`: the rule data, as its maintainer wants to see it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyzer import ruleset
from analyzer.cli.terminal import say, text_options
from analyzer.escape import escape
from analyzer.report.explain import print_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analyzer.ruleset import Notice, RuleSet

FAILED = 1
KINDS = ("pools", "relays", "coins", "payloads")


def rules_options(command: Callable[..., object]) -> Callable[..., object]:
    """Adds --rules and --nursery to a command."""
    with_folder = click.option(
        "--rules",
        metavar="FOLDER",
        type=click.Path(path_type=Path),
        help="Rule data to use, laid out as signatures/.  [default: the installed rules]",
    )(command)
    return click.option(
        "--nursery", is_flag=True, help="Read rules that no sample proves yet as well."
    )(with_folder)


@click.group("rules")
def command() -> None:
    """List, check, test and explain the rule data."""


@command.command("list")
@rules_options
def list_rules(*, rules: Path | None, nursery: bool) -> None:
    """List every rule with its id, by kind."""
    loaded = ruleset.load(rules, nursery=nursery)
    sections = [(f"{kind} ({len(getattr(loaded, kind))})", _listed(loaded, kind)) for kind in KINDS]
    print_facts(sections, sys.stdout, text_options(sys.stdout))
    say(f"rules version {loaded.version}")


@command.command("lint")
@click.option("--strict", is_flag=True, help="Exit 1 if anything wants attention.")
@rules_options
def lint(*, rules: Path | None, nursery: bool, strict: bool) -> None:
    """Check rules: what is wrong is an error, what wants attention is listed."""
    loaded = ruleset.load(rules, nursery=nursery)
    notices = ruleset.lint(loaded, datetime.now(UTC).date())
    _list(notices)
    wanting = {notice.rule_id for notice in notices}
    say(f"{_count(loaded)} rules are valid, {len(wanting)} of them want attention")
    if notices and strict:
        click.get_current_context().exit(FAILED)


@command.command("test")
@rules_options
def test(*, rules: Path | None, nursery: bool) -> None:
    """Run each payload pattern against its own tests; exit 1 if one fails."""
    loaded = ruleset.load(rules, nursery=nursery)
    tests = sum(len(payload.tests) for payload in loaded.payloads)
    failures = ruleset.run_tests(loaded)
    _list(failures)
    if failures:
        click.get_current_context().exit(FAILED)
    say(f"{tests} tests of {len(loaded.payloads)} patterns pass")


@command.command("explain")
@click.argument("rule_id", metavar="ID")
@rules_options
def explain(*, rule_id: str, rules: Path | None, nursery: bool) -> None:
    """Say what the rule ID holds, where it comes from and when that was checked."""
    text = ruleset.explain(ruleset.load(rules, nursery=nursery), rule_id)
    for line in text.splitlines():
        click.echo(escape(line))


def _list(notices: Sequence[Notice]) -> None:
    for notice in notices:
        click.echo(escape(f"{notice.rule_id}: {notice.problem}"))


def _listed(loaded: RuleSet, kind: str) -> list[tuple[str, str]]:
    lines = {
        "pools": [(rule.id, f"{rule.operator}: {', '.join(rule.coins)}") for rule in loaded.pools],
        "relays": [(rule.id, f"{rule.title} ({rule.kind})") for rule in loaded.relays],
        "coins": [(rule.id, f"{rule.name}: {', '.join(rule.dialects)}") for rule in loaded.coins],
        "payloads": [(rule.id, f"{rule.title} ({rule.category})") for rule in loaded.payloads],
    }
    return sorted(lines[kind])


def _count(loaded: RuleSet) -> int:
    return sum(len(getattr(loaded, kind)) for kind in KINDS)
