"""The traps of a feed that several write while others read it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from analyzer.store import findings as findings_module
from analyzer.store.ledger import Change, publish
from analyzer.store.queries import FindingQuery
from analyzer.store.suppressions import Shades
from tests.stored import ANA, analyse, document, poll, started

if TYPE_CHECKING:
    from analyzer.store import Store

ID_1, ID_2, ID_3 = (document(number)["id"] for number in (1, 2, 3))


def suppress(store: Store, scope: dict[str, Any]) -> str:
    made = store.suppressions.add(
        kind="suppress", scope=scope, reason="noise", expires_ns=0, by=ANA
    )
    return made.id


def revoke(store: Store, suppression_id: str) -> None:
    store.suppressions.revoke(suppression_id, reason="over", by=ANA)


def test_whoever_takes_a_number_first_is_seen_first(store: Store) -> None:
    """A transaction that took its number early and commits late must not be passed over."""
    analyse(store, [document(1), document(2)])
    _, end = poll(store, None)
    took, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with store.database.write() as connection:
            row = findings_module._one(connection, ID_1)
            publish(connection, [Change(row=row, kind="comment")], by="slow", now_ns=1)
            took.set()
            assert go_on.wait(30)

    def fast() -> None:
        store.findings.comment(ID_2, "x", by=ANA)

    first = started(slow)
    assert took.wait(30)
    second = started(fast)
    second.join(0.3)

    assert second.is_alive(), "the second writer must wait for the first to commit"
    between, position = poll(store, end)
    assert between == []
    go_on.set()
    first.join(30)
    second.join(30)
    assert poll(store, position)[0] == [(ID_1, 2), (ID_2, 2)]


def test_a_page_is_of_one_moment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suppression that ends while a page is read must not hide what it shows again."""
    analyse(store, [document(1)])
    suppression_id = suppress(store, {"finding": ID_1})
    _, end = poll(store, None)
    load = Shades.load

    def load_and_then_revoke(connection: Any) -> Shades:
        shades = load(connection)
        monkeypatch.setattr(Shades, "load", load)
        revoke(store, suppression_id)
        return shades

    monkeypatch.setattr(Shades, "load", load_and_then_revoke)
    page = store.findings.page(FindingQuery(), after=end, limit=10)

    assert page.findings == ()
    assert poll(store, page.next)[0] == [(ID_1, 2)]


def test_a_finding_written_while_its_suppression_ends_is_delivered(store: Store) -> None:
    """One who ends a suppression and did not see the finding must not let it slip through."""
    suppression_id = suppress(store, {"detector": "mining.*"})
    looked, go_on = threading.Event(), threading.Event()

    def slow(*arguments: Any, **named: Any) -> None:
        looked.set()
        assert go_on.wait(30)
        publish(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analyzer.store.suppressions.publish", slow)
        ender = started(lambda: revoke(store, suppression_id))
        assert looked.wait(30)
        writer = started(lambda: analyse(store, [document(1)]))
        writer.join(0.5)
        early, position = poll(store, None)
        go_on.set()
        ender.join(30)
    writer.join(30)
    late, _ = poll(store, position)

    assert [*early, *late] == [(ID_1, store.findings.get(ID_1).version)]
