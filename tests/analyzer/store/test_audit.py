"""The audit log: whatever is done to it shows."""

import hashlib
import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from analyzer.errors import StoreUnavailable
from analyzer.store import Store, schema
from analyzer.store.database import set_meta
from tests.builders_store import ANA

TABLE = schema.audit
NUMBER = TABLE.c.number
Tamper = Callable[[sa.Connection], object]


def write(store: Store, count: int = 5) -> None:
    for place in range(count):
        store.audit.record(ANA, "evidence.read", f"f-{place}", {"frames": [1, 2], "n": place / 3})


def row(connection: sa.Connection, number: int) -> dict[str, object]:
    return dict(
        connection.execute(sa.select(TABLE).where(TABLE.c.number == number)).mappings().one()
    )


def forged(connection: sa.Connection) -> None:
    """An entry at the end, with all that somebody without the secret can compute."""
    last = row(connection, 5)
    digest = hashlib.sha256(str(last).encode()).hexdigest()
    new = {**last, "number": 6, "previous": last["digest"], "digest": digest}
    connection.execute(sa.insert(TABLE).values(**new))


def swapped(connection: sa.Connection) -> None:
    connection.execute(sa.update(TABLE).where(NUMBER == 2).values(number=99))
    connection.execute(sa.update(TABLE).where(NUMBER == 3).values(number=2))
    connection.execute(sa.update(TABLE).where(NUMBER == 99).values(number=3))


def copied(connection: sa.Connection) -> None:
    first = row(connection, 1)
    connection.execute(sa.delete(TABLE).where(NUMBER == 3))
    connection.execute(sa.insert(TABLE).values(**{**first, "number": 3}))


TAMPERED: dict[str, tuple[Tamper, int]] = {
    "who did it": (lambda c: c.execute(_set(3, actor="user:eve@example.com")), 3),
    "what was done": (lambda c: c.execute(_set(3, action="finding.comment")), 3),
    "when": (lambda c: c.execute(_set(3, at_ns=1)), 3),
    "its detail": (lambda c: c.execute(_set(3, detail={"frames": []})), 3),
    "from where": (lambda c: c.execute(_set(3, source_ip="203.0.113.9")), 3),
    "the digest before it": (lambda c: c.execute(_set(3, previous="0" * 64)), 3),
    "its digest": (lambda c: c.execute(_set(3, digest="0" * 64)), 3),
    "one from the middle is gone": (lambda c: c.execute(sa.delete(TABLE).where(NUMBER == 3)), 3),
    "the first is gone": (lambda c: c.execute(sa.delete(TABLE).where(NUMBER == 1)), 1),
    "the last is gone": (lambda c: c.execute(sa.delete(TABLE).where(NUMBER == 5)), 5),
    "all are gone": (lambda c: c.execute(sa.delete(TABLE)), 1),
    "one was added": (forged, 6),
    "two changed places": (swapped, 2),
    "one is there twice": (copied, 3),
    "the signed length is gone": (lambda c: set_meta(c, "audit_head", ""), 6),
}


def _set(number: int, **values: object) -> sa.Update:
    return sa.update(TABLE).where(TABLE.c.number == number).values(**values)


@pytest.mark.parametrize("what", TAMPERED)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_done_to_the_log_shows(store: Store, what: str) -> None:
    write(store)
    tamper, expected = TAMPERED[what]
    with store.database.write() as connection:
        tamper(connection)

    found = store.audit.verify()

    assert found.broken_at == expected
    assert found.problem
    assert not found.intact


def test_a_log_holds_on_both_databases_and_breaks_on_both(store: Store) -> None:
    write(store)
    assert store.audit.verify().intact
    assert store.audit.verify().entries == 5
    with store.database.write() as connection:
        connection.execute(_set(4, subject="f-9"))

    assert store.audit.verify().broken_at == 4


def test_an_empty_log_is_intact(store: Store) -> None:
    assert store.audit.verify().intact


def test_an_entry_and_its_change_are_there_together_or_not_at_all(store: Store) -> None:
    def fail_behind_it() -> None:
        with store.database.write() as connection:
            store.audit.write(connection, ANA, "capture.delete", "x")
            raise StoreUnavailable("cannot go on")

    with pytest.raises(StoreUnavailable):
        fail_behind_it()

    assert store.audit.page() == []
    assert store.audit.verify().intact
    store.audit.record(ANA, "x", "y")
    assert [one.number for one in store.audit.page()] == [1]


def test_entries_written_at_once_make_one_chain(store: Store) -> None:
    threads = [threading.Thread(target=write, args=(store,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.audit.verify().entries == 20
    assert store.audit.verify().intact


def test_pages_go_on_behind_a_number_and_by_subject(store: Store) -> None:
    write(store)

    assert [one.number for one in store.audit.page(after=2, limit=2)] == [3, 4]
    (entry,) = store.audit.page(subject="f-3")
    assert (entry.actor, entry.source_ip, entry.request_id) == (ANA.name, "192.0.2.7", "r-1")
    assert entry.detail == {"frames": [1, 2], "n": 1.0}


def test_hostile_text_is_bounded_and_keeps_the_chain(store: Store) -> None:
    store.audit.record(ANA, "finding.comment", "\x00\ud800\u202e" + "x" * 5000)

    (entry,) = store.audit.page()
    assert len(entry.subject) <= 1002, "half a pair becomes three marks"
    assert store.audit.verify().intact
