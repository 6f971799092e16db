"""A PostgreSQL server of Debian's, started for the tests that need one and stopped after them."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

START_TIMEOUT_S = 60
SETTINGS = (
    "listen_addresses=''",
    "fsync=off",  # these databases end with the tests
    "full_page_writes=off",
    "max_connections=200",
    "shared_buffers=64MB",
)


@dataclass(frozen=True)
class PostgresServer:
    """A server that listens on a socket in its own folder.

    Attributes:
        folder: Of the socket.
    """

    folder: Path

    def url(self, database: str) -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    @contextmanager
    def database(self, *, template: str = "template1") -> Iterator[str]:
        """A new database, empty or a copy of another, as a URL; it is dropped at the end."""
        name = f"outgate_{secrets.token_hex(6)}"
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self._run(made.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield self.url(name)
        finally:
            gone = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            self._run(gone)

    def _run(self, statement: sql.Composed) -> None:
        where = f"host={self.folder} user=postgres dbname=postgres"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement)


def programs() -> Path | None:
    """Where initdb and pg_ctl are: on PATH, or where Debian puts them."""
    found = shutil.which("pg_ctl")
    if found and shutil.which("initdb"):
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return versions[-1].parent if versions else None


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Starts a server; skips, saying so, where PostgreSQL is not installed."""
    place = programs()
    if place is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="outgate-pg-"))
    as_owner = _as_owner(folder)
    data = folder / "data"
    try:
        _run([*as_owner, place / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N"])
        options = " ".join(
            f"-c {setting}" for setting in (*SETTINGS, f"unix_socket_directories={folder}")
        )
        control = [*as_owner, place / "pg_ctl", "-D", data, "-w", "-t", START_TIMEOUT_S]
        _run([*control, "-l", folder / "log", "-o", options, "start"])
        try:
            yield PostgresServer(folder)
        finally:
            _run([*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_owner(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root; Debian's package brings a user for it."""
    if os.geteuid() != 0:
        return []
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root and there is no user called postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    folder.chmod(0o755)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _run(command: list[object]) -> None:
    subprocess.run(
        [str(part) for part in command],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=START_TIMEOUT_S * 2,
        cwd="/",
    )
