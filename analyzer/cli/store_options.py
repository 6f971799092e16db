"""Which store a command works on: `--data` and `--database`, or their variables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analyzer.errors import UsageError
from analyzer.history import state_folder
from analyzer.store.records import Actor

if TYPE_CHECKING:
    from collections.abc import Callable

    from analyzer.store import Store

FOLDER = click.Path(file_okay=False, path_type=Path)
COMMAND_LINE = Actor(name="cli")


def store_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--data` and `--database` to a command."""
    data = click.option(
        "--data",
        type=FOLDER,
        envvar="OUTGATE_DATA",
        help="The service's data folder.  [default: the one `outgate serve` uses]",
    )
    database = click.option(
        "--database",
        envvar="OUTGATE_DATABASE",
        default="",
        help="Its database, if that is not SQLite in the folder.",
    )
    return data(database(function))


def data_folder(data: Path | None) -> Path:
    """The folder that was named, or the default one."""
    return data or state_folder() / "service"


def open_store(data: Path | None, database: str, *, create: bool = False) -> Store:
    """Opens a store beside whatever service may use it.

    Raises:
        UsageError: There is none in the folder, and none is to be made.
        StoreUnavailable: It cannot be opened, or is of another version.
    """
    from analyzer.store import Store  # noqa: PLC0415 - slow to import

    folder = data_folder(data)
    there = (folder / "secret").is_file()
    if not create and not there:
        raise UsageError(
            f"cannot find a store in {folder}",
            hint="name its folder with --data or OUTGATE_DATA; `outgate serve` makes one",
        )
    return Store.open(folder, database, migrate=not there)
