"""Idempotency-Key: what was asked twice is done once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from analyzer.store import Store
from analyzer.store.records import Scope
from api.main import create_app
from tests.asgi import ApiClient

if TYPE_CHECKING:
    from pathlib import Path

    from api.settings import ServiceSettings
    from tests.api.conftest import MakeClient

WANTED = {"name": "poller", "scopes": ["findings:read"]}
KEY = {"Idempotency-Key": '"7c9e6679-7425-40de-944b-e07fc1f90ae7"'}
REPLAYED = "idempotency-replayed"


def test_the_same_request_is_done_once_and_answered_twice(admin: ApiClient, store: Store) -> None:
    before = len(store.keys.list())
    first = admin.post("/v1/keys", json=WANTED, headers=KEY)
    again = admin.post("/v1/keys", json=WANTED, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["key"] == first.json()["key"]
    assert again.headers["location"] == first.headers["location"]
    assert (REPLAYED in first.headers, again.headers[REPLAYED]) == (False, "true")
    assert len(store.keys.list()) == before + 1


def test_a_secret_is_never_kept_with_an_answer(admin: ApiClient, store: Store) -> None:
    first = admin.post("/v1/keys", json=WANTED, headers=KEY).json()
    again = admin.post("/v1/keys", json=WANTED, headers=KEY).json()
    assert (bool(first["text"]), again["text"]) == (True, "")
    secret = first["text"].rpartition("_")[2].encode()
    for path in store.folder.root.rglob("*"):
        assert path.is_dir() or secret not in path.read_bytes(), path


def test_the_same_key_with_another_body_or_path_is_refused(admin: ApiClient) -> None:
    admin.post("/v1/keys", json=WANTED, headers=KEY)
    for path, body in (("/v1/keys", {**WANTED, "name": "x"}), ("/v1/keys?a=b", WANTED)):
        response = admin.post(path, json=body, headers=KEY)
        assert (response.status_code, response.json()["code"]) == (422, "key-reused")


def test_two_callers_do_not_share_a_key(client_with: MakeClient) -> None:
    one, two = client_with(Scope.ADMIN), client_with(Scope.ADMIN)
    first = one.post("/v1/keys", json=WANTED, headers=KEY).json()
    assert two.post("/v1/keys", json=WANTED, headers=KEY).json()["key"] != first["key"]


def test_a_request_that_failed_may_be_tried_again_with_the_same_key(admin: ApiClient) -> None:
    assert admin.post("/v1/keys", json={"name": "x"}, headers=KEY).status_code == 422
    assert admin.post("/v1/keys", content=b"{", headers=KEY).status_code in {400, 422}
    assert admin.post("/v1/keys", json=WANTED, headers=KEY).status_code == 201


@pytest.mark.parametrize("key", ["", '""', "a" * 300, "a b", "é", "a\tb"])
def test_a_key_that_makes_no_sense_is_refused(admin: ApiClient, key: str) -> None:
    headers = [*admin.headers.raw, (b"Idempotency-Key", key.encode())]
    response = admin.post("/v1/keys", json=WANTED, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "bad-request")


def test_while_the_first_is_being_answered_the_second_is_told_to_wait(
    admin: ApiClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    create = store.keys.create

    def slowly(*arguments: object, **named: object) -> object:
        begun.set()
        assert go_on.wait(10)
        return create(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(store.keys, "create", slowly)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: admin.post("/v1/keys", json=WANTED, headers=KEY).status_code)
        assert begun.wait(10)
        second = admin.post("/v1/keys", json=WANTED, headers=KEY)
        go_on.set()
        assert first.result(10) == 201
    assert (second.status_code, second.json()["code"]) == (409, "request-in-flight")
    assert admin.post("/v1/keys", json=WANTED, headers=KEY).headers[REPLAYED] == "true"


def test_the_answer_survives_a_restart(
    tmp_path: Path, settings: ServiceSettings, store: Store, admin: ApiClient
) -> None:
    first = admin.post("/v1/keys", json=WANTED, headers=KEY)
    with (
        Store.open(tmp_path / "data") as reopened,
        ApiClient(create_app(settings, reopened), dict(admin.headers)) as client,
    ):
        again = client.post("/v1/keys", json=WANTED, headers=KEY)
    assert again.headers[REPLAYED] == "true"
    assert again.json()["key"] == first.json()["key"]
