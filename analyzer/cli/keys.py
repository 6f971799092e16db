"""`outgate keys`: API keys of the service, beside a running one too."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import click

from analyzer.cli.store_options import COMMAND_LINE, open_store, store_options
from analyzer.cli.terminal import say
from analyzer.errors import UsageError
from analyzer.escape import escape
from analyzer.store.native import service_time
from analyzer.store.records import Scope
from analyzer.times import NS_PER_SECOND, parse_rfc3339

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer.store.records import Key

UNITS_S = {"h": 3600, "d": 86_400, "w": 7 * 86_400}
SPAN = re.compile(r"(\d{1,5})([hdw])", re.ASCII)


@click.group("keys")
def command() -> None:
    """Create, list and revoke API keys."""


@command.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([str(scope) for scope in Scope]),
    multiple=True,
    required=True,
    help="What the key may do; repeatable.",
)
@click.option("--expires", default="", help="Its end: 12h, 90d, 52w, or 2027-01-31T00:00:00Z.")
@store_options
def create_command(
    *, name: str, scopes: tuple[str, ...], expires: str, data: Path | None, database: str
) -> None:
    """Make a key and print it on standard output, this once.

    A folder without a store gets one.
    """
    expires_ns = _end_ns(expires) if expires else 0
    with open_store(data, database, create=True) as store:
        wanted = [Scope(scope) for scope in scopes]
        key, text = store.keys.create(name, wanted, expires_ns=expires_ns, by=COMMAND_LINE)
    say(f"key {key.id} may do {', '.join(sorted(key.scopes))}; it is shown this once")
    click.echo(text)


@command.command("list")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@store_options
def list_command(*, form: str, data: Path | None, database: str) -> None:
    """Show all keys, without their secrets."""
    with open_store(data, database) as store:
        keys, now_ns = store.keys.list(), store.now_ns()
    if form == "json":
        click.echo(json.dumps([_values(key) for key in keys]))
        return
    for key in keys:
        used = service_time(key.last_used_ns) or "never used"
        click.echo(
            f"{key.id}  {_state(key, now_ns):<8} {escape(key.name)}"
            f"  [{', '.join(sorted(key.scopes))}]  last used: {used}"
        )


@command.command("revoke")
@click.argument("key_id", metavar="ID")
@store_options
def revoke_command(*, key_id: str, data: Path | None, database: str) -> None:
    """End a key for good, named by its id."""
    with open_store(data, database) as store:
        key = store.keys.revoke(key_id, by=COMMAND_LINE)
    say(f"key {key.id} ({key.name}) is revoked")


def _state(key: Key, now_ns: int) -> str:
    if key.revoked_ns:
        return "revoked"
    return "expired" if key.expires_ns and key.expires_ns <= now_ns else "active"


def _values(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": service_time(key.created_ns),
        "created_by": key.created_by,
        "expires_at": service_time(key.expires_ns),
        "last_used_at": service_time(key.last_used_ns),
        "revoked_at": service_time(key.revoked_ns),
        "revoked_by": key.revoked_by,
    }


def _end_ns(text: str) -> int:
    span = SPAN.fullmatch(text)
    if span:
        return time.time_ns() + int(span[1]) * UNITS_S[span[2]] * NS_PER_SECOND
    try:
        return parse_rfc3339(text)[0]
    except ValueError as error:
        raise UsageError(
            f"cannot read {text[:50]!r} as an end",
            hint="write 12h, 90d, 52w, or a time such as 2027-01-31T00:00:00Z",
        ) from error
