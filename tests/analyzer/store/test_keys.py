"""API keys: shown once, never readable, refused for every reason there is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from analyzer.errors import ConflictError, LimitError, NotFoundError, UsageError
from analyzer.store import Store, keys, schema
from analyzer.store.records import Scope
from tests.builders_store import ANA, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[Store]:
    with Store.open(tmp_path / "timed", database_url, clock=clock) as opened:
        yield opened


def test_a_key_opens_what_its_scopes_say_and_its_secret_is_nowhere(timed: Store) -> None:
    key, text = timed.keys.create("poller", [Scope.FINDINGS_READ], by=ANA)

    assert re.fullmatch(rf"og_{key.id}_[\w-]{{43}}", text, re.ASCII)
    found = timed.keys.verify(text)
    assert found is not None
    assert found.scopes == {Scope.FINDINGS_READ}
    secret = text.split("_", 2)[2]
    with timed.database.read() as connection:
        for table in schema.METADATA.sorted_tables:
            for row in connection.execute(sa.select(table)):
                assert secret not in str(row)


def test_what_is_not_quite_the_key_is_no_key(timed: Store) -> None:
    _, text = timed.keys.create("a", [Scope.ADMIN], by=ANA)
    _, other = timed.keys.create("b", [Scope.ADMIN], by=ANA)
    last = "A" if text[-1] != "A" else "B"
    crossed = text[:16] + other[16:]

    for wrong in (
        "",
        text[:-1],
        text + "A",
        text[:-1] + last,
        text.upper(),
        f" {text}",
        f"{text}\n",
        crossed,
        "og_000000000000_" + "A" * 43,
        "og_\N{FULLWIDTH DIGIT ONE}" + text[4:],
        "x" * 100_000,
    ):
        assert timed.keys.verify(wrong) is None


def test_a_revoked_key_is_refused_for_good(timed: Store) -> None:
    key, text = timed.keys.create("a", [Scope.ADMIN], by=ANA)

    revoked = timed.keys.revoke(key.id, by=ANA)

    assert revoked.revoked_by == ANA.name
    assert timed.keys.verify(text) is None
    with pytest.raises(ConflictError):
        timed.keys.revoke(key.id, by=ANA)
    with pytest.raises(NotFoundError):
        timed.keys.revoke("000000000000", by=ANA)


def test_a_key_ends_at_its_end(timed: Store, clock: Clock) -> None:
    end_ns = clock.now_ns + 60 * 10**9
    _, text = timed.keys.create("a", [Scope.ADMIN], expires_ns=end_ns, by=ANA)

    clock.move(seconds=59)
    assert timed.keys.verify(text)
    clock.move(seconds=1)
    assert timed.keys.verify(text) is None


def test_the_last_use_is_written_once_a_minute(timed: Store, clock: Clock) -> None:
    key, text = timed.keys.create("a", [Scope.ADMIN], by=ANA)
    first_ns = clock.now_ns
    timed.keys.verify(text)
    assert timed.keys.note_uses() == 1
    clock.move(seconds=30)
    timed.keys.verify(text)
    assert timed.keys.note_uses() == 0
    assert timed.keys.get(key.id).last_used_ns == first_ns

    clock.move(seconds=31)
    timed.keys.verify(text)
    assert timed.keys.note_uses() == 1
    assert timed.keys.get(key.id).last_used_ns == clock.now_ns


def test_a_key_needs_a_name_a_scope_and_an_end_to_come(
    timed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("", "  ", "x" * 201):
        with pytest.raises(UsageError):
            timed.keys.create(name, [Scope.ADMIN], by=ANA)
    with pytest.raises(UsageError, match="may do nothing"):
        timed.keys.create("a", [], by=ANA)
    with pytest.raises(UsageError, match="has expired"):
        timed.keys.create("a", [Scope.ADMIN], expires_ns=1, by=ANA)
    monkeypatch.setattr(keys, "MAX_KEYS", 0)
    with pytest.raises(LimitError):
        timed.keys.create("a", [Scope.ADMIN], by=ANA)
    assert timed.keys.list() == []
    assert timed.audit.page() == []


def test_keys_of_another_folder_open_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path / "one") as one, Store.open(tmp_path / "two") as two:
        key, text = one.keys.create("a", [Scope.ADMIN], by=ANA)
        with one.database.read() as old:
            row = old.execute(sa.select(schema.keys)).mappings().one()
        with two.database.write() as new:
            new.execute(sa.insert(schema.keys).values(**row))

        assert two.keys.get(key.id) == key
        assert two.keys.verify(text) is None
