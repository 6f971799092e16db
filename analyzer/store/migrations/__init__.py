"""Brings a database to the newest shape, one step at a time and never back (Alembic).

Each step is one transaction on SQLite and on PostgreSQL, so a process killed in the middle leaves
the database as it was before that step.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from analyzer.errors import StoreUnavailable
from analyzer.store.schema import METADATA

if TYPE_CHECKING:
    import sqlalchemy as sa

    from analyzer.store.database import Database

ADVISORY_LOCK = 0x0473_6174
"""Two services that start on one PostgreSQL at once migrate one after the other."""


def newest() -> str:
    """The revision this version of outgate works with."""
    return str(_scripts().get_current_head())


def current(connection: sa.Connection) -> str:
    """The revision a database is at, "" if it is empty."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def upgrade(database: Database, target: str = "heads") -> tuple[str, str]:
    """Runs every step that is missing.

    Returns:
        The revision before and the one after.

    Raises:
        StoreUnavailable: The database is newer than this version, or refuses.
    """
    scripts = _scripts()
    before: str | None = None
    while True:
        with database.write() as connection:
            if database.dialect == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
            known = current(connection)
            before = known if before is None else before
            step = _next_step(scripts, known, target)
            if not step:
                return before, known
            _run(connection, scripts, step)


def _next_step(scripts: ScriptDirectory, known: str, target: str) -> str:
    steps = [script.revision for script in scripts.walk_revisions("base", target)][::-1]
    if not known:
        return steps[0]
    if known not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreUnavailable(
            f"cannot use the database: it is at revision {known}, which this version does not know",
            hint="it was written by a newer outgate; install that one, or restore an older backup",
        )
    if known not in steps:
        return ""
    place = steps.index(known) + 1
    return steps[place] if place < len(steps) else ""


def _run(connection: sa.Connection, scripts: ScriptDirectory, step: str) -> None:
    def steps(revision: Any, _context: object) -> Any:  # noqa: ANN401 - alembic's own types
        # What alembic's own `upgrade` command passes here.
        return scripts._upgrade_revs(step, revision)  # noqa: SLF001

    with EnvironmentContext(_config(), scripts, fn=steps, destination_rev=step) as environment:
        environment.configure(
            connection=connection, target_metadata=METADATA, transaction_per_migration=False
        )
        environment.run_migrations()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
