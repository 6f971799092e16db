"""Fixtures shared by all tests."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

import analyzer
from analyzer.store import Store, migrations
from analyzer.store.database import Database
from analyzer.store.folder import Folder
from tests.databases import PostgresServer, postgres_server
from tests.detectors import EveryLogin
from tests.fake_core import FakeCore

CheckFinding = Callable[[Mapping[str, Any]], None]
SCHEMA = Path(analyzer.__file__).parent / "report" / "finding.schema.json"


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has its own state folder and a terminal of 100 columns without colour."""
    monkeypatch.setenv("OUTGATE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def runner() -> CliRunner:
    """Runs commands with standard output and standard error apart."""
    return CliRunner()


@pytest.fixture
def fake_core(monkeypatch: pytest.MonkeyPatch) -> FakeCore:
    """A core that says what the test registers, and one detector that reports every login."""
    core = FakeCore()
    monkeypatch.setitem(sys.modules, "analyzer._core", core.module())
    monkeypatch.setattr(analyzer, "_core", core.module(), raising=False)
    monkeypatch.setattr("analyzer.cli.session.BUILTIN", (EveryLogin(),))
    return core


@pytest.fixture(scope="session")
def check_finding() -> CheckFinding:
    """Raises for what is no finding by the contract."""
    schema: dict[str, Any] = json.loads(SCHEMA.read_text())
    validator = jsonschema.Draft202012Validator(schema)

    def check(finding: Mapping[str, Any]) -> None:
        validator.validate(finding)

    return check


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole run."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Name of a database with all tables, to copy: a tenth of what making them costs."""
    with postgres.database() as url:
        database = Database(Folder(tmp_path_factory.mktemp("template")), url)
        migrations.upgrade(database)
        name = str(database.engine.url.database)
        database.close()
        yield name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database of each kind, as `--database` takes it; "" is SQLite in the folder."""
    if request.param == "sqlite":
        yield ""
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database(template=request.getfixturevalue("template")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The same without any table."""
    if request.param == "sqlite":
        yield ""
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture
def store(tmp_path: Path, database_url: str) -> Iterator[Store]:
    """An empty store of each kind, open as the service has it."""
    with Store.open(tmp_path / "data", database_url, exclusive=True) as opened:
        yield opened
