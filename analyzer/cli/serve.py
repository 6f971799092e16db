"""`outgate serve`: the API on this machine."""

from __future__ import annotations

import importlib.util
import os
import sys

import click

from analyzer.errors import ToolMissingError

APPLICATION = "api.main:from_environment"
"""Named and not imported, so that the analyzer does not depend on the web layer."""


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="TCP port."
)
def command(*, host: str, port: int) -> None:
    """Start the API on this machine.

    It has no log-in yet: leave it on the loopback address.
    """
    if importlib.util.find_spec("uvicorn") is None:
        raise ToolMissingError("uvicorn", "serve", hint="install it with `pip install uvicorn`")
    server = [sys.executable, "-m", "uvicorn", "--factory", APPLICATION]
    sys.stdout.flush()
    os.execv(sys.executable, [*server, "--host", host, "--port", str(port)])  # noqa: S606 - our own interpreter
