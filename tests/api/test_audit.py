"""The audit log by the API: in pages, and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from analyzer.store import schema
from analyzer.store.records import SERVICE

if TYPE_CHECKING:
    from analyzer.store import Store
    from tests.asgi import ApiClient


def fill(store: Store, count: int) -> None:
    for number in range(count):
        store.audit.record(SERVICE, "test.note", f"s{number}", {"number": number})


def test_pages_give_every_entry_once_and_in_order(admin: ApiClient, store: Store) -> None:
    fill(store, 25)
    numbers: list[int] = []
    after, more = 0, True
    while more:
        page = admin.get("/v1/audit", params={"after": after, "limit": 7}).json()
        numbers += [entry["number"] for entry in page["data"]]
        after, more = page["next_after"], page["has_more"]
    assert numbers == list(range(1, 27))  # and the making of the admin's own key


def test_behind_the_last_entry_the_place_stays(admin: ApiClient) -> None:
    page = admin.get("/v1/audit", params={"after": 1000}).json()
    assert page == {"data": [], "next_after": 1000, "has_more": False}


def test_a_whole_chain_is_intact(admin: ApiClient, store: Store) -> None:
    fill(store, 5)
    answer = admin.get("/v1/audit/verify").json()
    assert answer == {"intact": True, "entries": 6, "broken_at": None, "problem": ""}


def test_a_changed_entry_is_named(admin: ApiClient, store: Store) -> None:
    fill(store, 5)
    with store.database.write() as connection:
        changed = sa.update(schema.audit).where(schema.audit.c.number == 3)
        connection.execute(changed.values(actor="key:somebody-else"))
    answer = admin.get("/v1/audit/verify").json()
    assert (answer["intact"], answer["broken_at"]) == (False, 3)


def test_a_trial_of_a_sink_is_noted_because_something_is_sent(
    admin: ApiClient, store: Store
) -> None:
    config = {"url": "https://localhost/", "secrets": ["whsec_" + "A" * 43 + "="]}
    wanted = {"name": "soc", "kind": "webhook", "config": config, "enabled": False}
    made = admin.post("/v1/sinks", json=wanted).json()
    assert admin.post(f"/v1/sinks/{made['id']}/test").json()["outcome"] == "retry"
    entry = store.audit.page(limit=1000)[-1]
    assert (entry.action, entry.subject) == ("sink.test", made["id"])
    assert entry.actor.startswith("key:")
    assert entry.source_ip
    assert entry.request_id
    assert "AAAA" not in str(entry)
