"""API keys: made by administrators, shown once, ended at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from analyzer.store.records import SERVICE, Scope
from api.lifecycle import make_first_key

if TYPE_CHECKING:
    from analyzer.store import Store
    from tests.asgi import ApiClient

WANTED = {"name": "poller", "scopes": ["findings:read"]}


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_a_key_works_by_either_header(admin: ApiClient, nobody: ApiClient) -> None:
    made = admin.post("/v1/keys", json=WANTED)
    assert made.status_code == 201
    text = made.json()["text"]
    assert made.headers["location"] == f"/v1/keys/{made.json()['key']['id']}"
    for headers in (bearer(text), {"Authorization": f"bearer {text}"}, {"X-Api-Key": text}):
        who = nobody.get("/v1/session", headers=headers).json()
        assert (who["actor"], who["scopes"]) == (
            f"key:{made.json()['key']['id']}",
            ["findings:read"],
        )


def test_no_answer_but_the_first_has_the_secret(admin: ApiClient) -> None:
    made = admin.post("/v1/keys", json=WANTED).json()
    secret = made["text"].rpartition("_")[2]
    for path in ("/v1/keys", f"/v1/keys/{made['key']['id']}", "/v1/audit"):
        assert secret not in admin.get(path).text


def test_a_revoked_key_is_refused_at_once_and_its_record_stays(
    admin: ApiClient, nobody: ApiClient
) -> None:
    made = admin.post("/v1/keys", json=WANTED).json()
    path = f"/v1/keys/{made['key']['id']}"
    assert nobody.get("/v1/session", headers=bearer(made["text"])).status_code == 200
    ended = admin.delete(path)
    assert (ended.status_code, bool(ended.json()["revoked_at"])) == (200, True)
    assert nobody.get("/v1/session", headers=bearer(made["text"])).status_code == 401
    assert admin.delete(path).json()["code"] == "conflict"
    assert admin.get(path).json()["revoked_at"]


def test_the_end_of_a_key_is_kept_to_the_second(admin: ApiClient) -> None:
    end = (datetime.now(UTC) + timedelta(days=90)).replace(microsecond=0)
    made = admin.post("/v1/keys", json={**WANTED, "expires_at": end.isoformat()}).json()
    assert datetime.fromisoformat(made["key"]["expires_at"]) == end


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"expires_at": "2001-01-01T00:00:00Z"}, 400),
        ({"expires_at": "2030-01-01T00:00:00"}, 422),
        ({"expires_at": "9999-12-31T23:59:59Z"}, 422),
        ({"expires_at": 10**30}, 422),
        ({"name": ""}, 422),
        ({"name": " "}, 422),
        ({"name": "a" * 201}, 422),
        ({"scopes": []}, 422),
        ({"scopes": ["root"]}, 422),
        ({"scopes": ["admin"] * 100}, 422),
        ({"secret": "mine"}, 422),
    ],
    ids=str,
)
def test_a_key_that_makes_no_sense_is_not_made(
    admin: ApiClient, store: Store, change: dict[str, object], status: int
) -> None:
    before = len(store.keys.list())
    assert admin.post("/v1/keys", json=WANTED | change).status_code == status
    assert len(store.keys.list()) == before


def test_making_and_revoking_are_in_the_audit_log(admin: ApiClient) -> None:
    made = admin.post("/v1/keys", json=WANTED, headers={"X-Request-Id": "request-0001"}).json()
    admin.delete(f"/v1/keys/{made['key']['id']}")
    entries = admin.get("/v1/audit", params={"subject": made["key"]["id"]}).json()["data"]
    assert [entry["action"] for entry in entries] == ["key.create", "key.revoke"]
    assert entries[0]["actor"].startswith("key:")
    assert entries[0]["source_ip"] == "127.0.0.1"
    assert entries[0]["request_id"] == "request-0001"


def test_only_a_store_that_never_had_a_key_is_given_one(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    make_first_key(store)
    shown = capsys.readouterr()
    key = store.keys.verify(shown.out.removesuffix("\n"))
    assert key is not None
    assert key.scopes == {Scope.ADMIN}
    assert "never again" in shown.err
    assert key.id in shown.err
    store.keys.revoke(key.id, by=SERVICE)
    make_first_key(store)
    assert capsys.readouterr() == ("", "")
