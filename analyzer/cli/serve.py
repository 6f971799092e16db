"""`outgate serve`: the service on this machine."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import click

from analyzer.errors import ToolMissingError

SERVER = "api.server"
"""Named and not imported, so that the analyzer does not depend on the web layer."""

PREFIX = "OUTGATE_"
MIB = 1024 * 1024
FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("serve")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65_535), help="TCP port.  [default: 8000]")
@click.option("--data", type=FOLDER, help="Folder for captures, tables and the database.")
@click.option("--database", help="postgresql+psycopg://… instead of SQLite in the folder.")
@click.option("--no-auth", is_flag=True, help="Ask for no key; on a loopback address alone.")
@click.option("--tls-cert", type=FILE, help="Certificate chain, PEM.")
@click.option("--tls-key", type=FILE, help="Its key, PEM.")
@click.option("--allowed-host", multiple=True, help="Name the service answers for; repeatable.")
@click.option("--max-upload", type=click.IntRange(1), help="Largest capture in MiB.")
@click.option("--workers", type=click.IntRange(1, 64), help="Analyses at the same time.")
@click.option("--watch", type=FOLDER, help="Take new captures from this folder.")
@click.option("--rate", type=click.IntRange(1), help="Requests of one key in a minute.")
def command(  # one parameter for each option
    *,
    host: str | None,
    port: int | None,
    data: Path | None,
    database: str | None,
    no_auth: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    allowed_host: tuple[str, ...],
    max_upload: int | None,
    workers: int | None,
    watch: Path | None,
    rate: int | None,
) -> None:
    """Start the service on this machine.

    The first start prints one administrator's key on standard output. Every option can be given as
    a variable too (OUTGATE_HOST, OUTGATE_MAX_UPLOAD in bytes, ...), and so can the settings for
    log-in by OpenID Connect; docs/service.md lists them.
    """
    if importlib.util.find_spec("uvicorn") is None:
        raise ToolMissingError("uvicorn", "serve", hint="install it with `pip install uvicorn`")
    given = {
        "HOST": host,
        "PORT": port,
        "DATA": data,
        "DATABASE": database,
        "AUTH": "false" if no_auth else None,
        "TLS_CERT": tls_cert,
        "TLS_KEY": tls_key,
        "ALLOWED_HOSTS": ",".join(allowed_host) or None,
        "MAX_UPLOAD": max_upload * MIB if max_upload else None,
        "WORKERS": workers,
        "WATCH": watch,
        "RATE_PER_MINUTE": rate,
    }
    environ = dict(os.environ)
    environ.update(
        {PREFIX + name: str(value) for name, value in given.items() if value is not None}
    )
    sys.stdout.flush()
    # -P: a folder named `api` where the command is run is not ours.
    arguments = [sys.executable, "-P", "-m", SERVER]
    os.execve(sys.executable, arguments, environ)  # noqa: S606 - our own interpreter
