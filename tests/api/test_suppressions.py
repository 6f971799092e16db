"""Suppressions and allow-lists over HTTP: tried, made, listed, revoked, taken elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from analyzer.store.records import Scope
from tests.stored import analyse, document

if TYPE_CHECKING:
    import httpx

    from analyzer.store import Store
    from tests.api.conftest import MakeClient
    from tests.asgi import ApiClient

ALL = "/v1/suppressions"
ID_1, ID_2, ID_3 = (document(number)["id"] for number in (1, 2, 3))


def make(client: ApiClient, scope: dict[str, Any], **changes: Any) -> httpx.Response:
    return client.post(ALL, json={"scope": scope, "reason": "noise", **changes})


def shown(client: ApiClient) -> list[str]:
    return [one["id"] for one in client.get("/v1/findings").json()["data"]]


def test_one_is_tried_made_read_and_revoked(store: Store, admin: ApiClient) -> None:
    analyse(store, [document(1), document(2, severity="critical"), document(3, category="tunnel")])
    scope = {"category": "mining", "src": "192.0.2.0/24"}

    tried = admin.post(f"{ALL}/dry-run", json={"scope": scope}).json()
    assert tried == {
        "count": 2,
        "by_severity": {"high": 1, "critical": 1},
        "confirmed": 0,
        "examples": [ID_2, ID_1],
    }
    assert len(shown(admin)) == 3

    made = make(admin, scope)
    assert made.status_code == 201
    where = made.headers["location"]
    assert admin.get(where).json() == made.json()
    assert (made.json()["state"], made.json()["hits"], made.json()["scope"]) == ("active", 2, scope)
    assert shown(admin) == [ID_3]

    ended = admin.delete(where, params={"reason": "it is no noise"})
    assert ended.status_code == 200
    assert (ended.json()["state"], ended.json()["end_reason"]) == ("revoked", "it is no noise")
    assert ended.json()["ended_by"].startswith("key:")
    assert sorted(shown(admin)) == [ID_1, ID_2, ID_3]
    assert admin.delete(where, params={"reason": "again"}).status_code == 409


def test_it_ends_in_thirty_days_unless_somebody_says_otherwise(admin: ApiClient) -> None:
    usual = make(admin, {"dst_port": 1}).json()["expires_at"]
    never = make(admin, {"dst_port": 2}, expires_at=None).json()["expires_at"]
    given = make(admin, {"dst_port": 3}, expires_at="2199-01-01T00:00:00+01:00").json()
    endless = make(admin, {"dst_port": 4}, expires_at="9999-01-01T00:00:00Z").json()

    left = datetime.fromisoformat(usual[:19] + "+00:00") - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    assert never is None
    assert given["expires_at"].startswith("2198-12-31T23:00:00")
    assert endless["expires_at"].startswith("2262-")


def test_what_makes_no_sense_is_refused(admin: ApiClient) -> None:
    scopes: list[dict[str, Any]] = [
        {},
        {"nonsense": "x"},
        {"src": "192.0.2.0/33"},
        {"dst_port": 65_536},
        {"dst_port": "x"},
        {"name": "a.*.example.com"},
        {"name": "x" * 501},
        {"detector": "*"},
        {"capture": "abc"},
        {"finding": []},
        {"finding": ["f"] * 1001},
        {"severity_at_most": "worst"},
        {"wallet": "a\0b"},
    ]
    for scope in scopes:
        assert make(admin, scope).status_code in {400, 422}, scope
        assert admin.post(f"{ALL}/dry-run", json={"scope": scope}).status_code in {400, 422}, scope
    for changes in (
        {"reason": ""},
        {"reason": "  "},
        {"reason": "x" * 2001},
        {"kind": "delete"},
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"expires_at": "tomorrow"},
        {"hits": 7},
    ):
        assert make(admin, {"dst_port": 1}, **changes).status_code in {400, 422}, changes
    assert admin.get(ALL).json()["data"] == []


def test_revoking_needs_a_reason(admin: ApiClient) -> None:
    where = make(admin, {"dst_port": 1}).headers["location"]

    for params in ({}, {"reason": ""}, {"reason": " "}, {"reason": "x" * 2001}):
        assert admin.delete(where, params=params).status_code == 422
    assert admin.delete(f"{ALL}/s-none", params={"reason": "x"}).status_code == 404
    assert admin.get(where).json()["state"] == "active"


def test_lists_are_paged_and_filtered_by_state(admin: ApiClient) -> None:
    made = [make(admin, {"dst_port": port}).json()["id"] for port in range(1, 6)]
    admin.delete(f"{ALL}/{made[2]}", params={"reason": "x"})
    found: list[str] = []
    after, more = "", True
    while more:
        body = admin.get(ALL, params={"limit": 2, "after": after}).json()
        found += [item["id"] for item in body["data"]]
        after, more = body["page"]["next_cursor"], body["page"]["has_more"]

    assert found == made[::-1]
    revoked = admin.get(ALL, params={"state": "revoked"}).json()["data"]
    assert [item["id"] for item in revoked] == [made[2]]
    assert admin.get(ALL, params={"after": "s-none"}).status_code == 400


def test_allow_lists_go_elsewhere_and_come_back_once(store: Store, admin: ApiClient) -> None:
    make(admin, {"name": "*.example.com", "src": "192.0.2.0/24"}, kind="allow", expires_at=None)
    make(admin, {"finding": [ID_1, ID_2]}, kind="suppress")
    exported = admin.get(f"{ALL}/export", params={"kind": "allow"}).json()

    assert exported == {
        "schema": "outgate/suppressions/1",
        "items": [
            {
                "kind": "allow",
                "scope": {"name": "*.example.com", "src": "192.0.2.0/24"},
                "reason": "noise",
                "expires_at": None,
            }
        ],
    }
    again = admin.post(f"{ALL}/import", json=exported).json()
    assert (again["added"], again["known"]) == ([], 1)

    for item in admin.get(ALL).json()["data"]:
        admin.delete(f"{ALL}/{item['id']}", params={"reason": "moved"})
    entry = exported["items"][0]
    over = {**entry, "scope": {"dst_port": 1}, "expires_at": "2001-01-01T00:00:00Z"}
    taken = admin.post(f"{ALL}/import", json={"items": [entry, entry, over]}).json()

    assert [item["scope"] for item in taken["added"]] == [entry["scope"]]
    assert (taken["known"], taken["over"]) == (1, 1)
    assert taken["added"][0]["expires_at"] is None


def test_an_import_with_one_bad_entry_adds_none(admin: ApiClient) -> None:
    good = {"kind": "allow", "scope": {"dst_port": 1}, "reason": "x", "expires_at": None}
    for bad in (
        {**good, "scope": {"src": "nowhere"}},
        {**good, "scope": {}},
        {**good, "reason": ""},
        {"kind": "allow"},
    ):
        answer = admin.post(f"{ALL}/import", json={"items": [good, bad]})
        assert answer.status_code in {400, 422}, bad
    assert admin.post(f"{ALL}/import", json={"schema": "other/1", "items": []}).status_code == 422
    assert admin.get(ALL).json()["data"] == []


def test_readers_try_and_triagers_hide(client_with: MakeClient) -> None:
    reader = client_with(Scope.FINDINGS_READ)

    assert reader.get(ALL).status_code == 200
    assert reader.post(f"{ALL}/dry-run", json={"scope": {"dst_port": 1}}).status_code == 200
    assert make(reader, {"dst_port": 1}).status_code == 403
    assert reader.post(f"{ALL}/import", json={"items": []}).status_code == 403
    assert make(client_with(Scope.FINDINGS_TRIAGE), {"dst_port": 1}).status_code == 201
