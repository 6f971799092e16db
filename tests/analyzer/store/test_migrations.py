"""Migrations: forward, one at a time, each whole or not at all."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from analyzer.errors import StoreUnavailable
from analyzer.store import Store, migrations
from analyzer.store.database import Database
from analyzer.store.folder import Folder
from analyzer.store.maintenance.check import check
from analyzer.store.schema import METADATA
from tests.builders_store import analysed

REVISIONS = [
    script.revision
    for script in ScriptDirectory(str(Path(migrations.__file__).parent)).walk_revisions()
][::-1]


@contextmanager
def database(folder: Path, url: str) -> Iterator[Database]:
    place = Folder(folder)
    place.make()
    opened = Database(place, url)
    try:
        yield opened
    finally:
        opened.close()


def tables(opened: Database) -> set[str]:
    with opened.read() as connection:
        return set(sa.inspect(connection).get_table_names())


def test_revisions_follow_one_another_and_are_numbered() -> None:
    assert [f"{number:04d}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS


@pytest.mark.parametrize("known", REVISIONS)
def test_a_database_of_every_earlier_version_is_brought_up_to_date(
    known: str, tmp_path: Path, empty_database_url: str
) -> None:
    with database(tmp_path / "data", empty_database_url) as opened:
        assert migrations.upgrade(opened, known) == ("", known)
        with opened.read() as connection:
            assert migrations.current(connection) == known

    with Store.open(tmp_path / "data", empty_database_url, exclusive=True) as store:
        with store.database.read() as connection:
            assert migrations.current(connection) == migrations.newest()
            context = MigrationContext.configure(connection, opts={"compare_type": False})
            assert compare_metadata(context, METADATA) == []
        analysed(store)
        assert check(store, deep=True, grace_s=0).clean


def test_an_older_database_is_not_used_as_it_is(tmp_path: Path, empty_database_url: str) -> None:
    with database(tmp_path / "data", empty_database_url):
        pass

    with pytest.raises(StoreUnavailable, match="it is at revision none, this version needs"):
        Store.open(tmp_path / "data", empty_database_url, migrate=False)


def test_a_step_that_fails_leaves_the_database_as_it_was(
    tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = migrations._run

    def cut_off(*given: object) -> None:
        run(*given)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with database(tmp_path / "data", empty_database_url) as opened:
        monkeypatch.setattr(migrations, "_run", cut_off)
        with pytest.raises(KeyboardInterrupt):
            migrations.upgrade(opened)
        assert tables(opened) == set()
        monkeypatch.undo()

        assert migrations.upgrade(opened) == ("", migrations.newest())


KILLED = """
import os, signal, sys
from pathlib import Path
from analyzer.store import Store, migrations

run = migrations._run

def killed(connection, *rest):
    run(connection, *rest)
    os.kill(os.getpid(), signal.SIGKILL)  # all is written, nothing is committed

migrations._run = killed
Store.open(Path(sys.argv[1]), sys.argv[2])
"""


def test_a_kill_in_the_middle_of_a_step_leaves_a_database_that_can_be_used(
    tmp_path: Path, empty_database_url: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "data"), empty_database_url],
        check=False,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    with database(tmp_path / "data", empty_database_url) as opened:
        assert tables(opened) == set()

    with Store.open(tmp_path / "data", empty_database_url, exclusive=True) as store:
        analysed(store)
        assert check(store, deep=True, grace_s=0).clean


def test_two_that_start_at_once_migrate_once(tmp_path: Path, empty_database_url: str) -> None:
    command = [sys.executable, "-c", OPEN, str(tmp_path / "data"), empty_database_url]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    both = [
        subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors


OPEN = """
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from analyzer.store import Store
Store.open(Path(sys.argv[1]), sys.argv[2]).close()
"""
