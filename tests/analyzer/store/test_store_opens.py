"""Opening a store: what is made, what is refused."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from analyzer.errors import ConfigError, StoreUnavailable
from analyzer.store import Store, migrations
from analyzer.store.schema import METADATA


def test_the_migrations_lead_to_the_tables_of_the_schema(store: Store) -> None:
    with store.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})

        assert compare_metadata(context, METADATA) == []


def test_an_open_store_is_at_the_newest_revision(store: Store) -> None:
    with store.database.read() as connection:
        assert migrations.current(connection) == migrations.newest()


def test_opening_again_changes_nothing(tmp_path: Path, empty_database_url: str) -> None:
    with Store.open(tmp_path, empty_database_url) as first:
        epoch = first.epoch

    with Store.open(tmp_path, empty_database_url) as second:
        assert second.epoch == epoch
        assert migrations.upgrade(second.database) == (migrations.newest(), migrations.newest())


def test_a_second_service_on_one_folder_is_refused_and_says_why(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="another outgate service has it open"):
        Store.open(store.folder.root, exclusive=True)


def test_a_database_of_another_folder_is_refused(tmp_path: Path, empty_database_url: str) -> None:
    if not empty_database_url:
        empty_database_url = f"sqlite:///{tmp_path}/shared.sqlite"
    Store.open(tmp_path / "one", empty_database_url).close()

    with pytest.raises(StoreUnavailable, match="belongs to another data folder"):
        Store.open(tmp_path / "two", empty_database_url)


def test_a_database_of_a_newer_version_is_refused_and_left_alone(store: Store) -> None:
    with store.database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(StoreUnavailable, match="revision 9999, which this version does not know"):
        migrations.upgrade(store.database)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreUnavailable, match=r"cannot use .*/file as data folder"):
        Store.open(tmp_path / "file")


@pytest.mark.parametrize("url", ["mysql://db/outgate", "not a url", "postgresql://db/outgate"])
def test_a_database_of_an_unknown_kind_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError):
        Store.open(tmp_path, url)


def test_a_server_that_is_not_there_is_said_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://ana:secret@/outgate?host={tmp_path}"

    with pytest.raises(StoreUnavailable) as caught:
        Store.open(tmp_path / "data", url)

    assert "secret" not in str(caught.value)


def test_the_secret_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    with Store.open(tmp_path) as opened:
        secret = opened.folder.secret()
    path = tmp_path / "secret"

    assert len(secret) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    with Store.open(tmp_path) as again:
        assert again.folder.secret() == secret


def test_a_damaged_secret_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    (tmp_path / "secret").write_bytes(b"short")

    with pytest.raises(StoreUnavailable, match="holds 5 bytes, not 32"):
        Store.open(tmp_path)
