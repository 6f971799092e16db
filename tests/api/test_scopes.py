"""Every route with every scope: a key without the right one gets nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from analyzer.store import Store
from analyzer.store.records import SERVICE, Scope
from analyzer.times import NS_PER_SECOND
from api.main import create_app
from api.settings import ServiceSettings
from tests.asgi import ApiClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

PUBLIC = {
    "healthz",
    "readyz",
    "list_problems",
    "read_problem",
    "login",
    "finish_login",
}
"""Operations that anybody may call; nothing joins this list by accident."""

KNOWN_ONLY = {"read_version", "read_limits", "read_session", "logout"}
"""Operations for whoever is known, with any scope."""

PARAMETER = re.compile(r"\{[^}]*\}")
ASKING = {"dry_run_suppression", "test_rules"}
"""Operations that ask with a body and change nothing."""

METHODS = ("get", "put", "post", "patch", "delete", "head", "options")
REFUSED = {401, 403}


Operation = tuple[str, str, dict[str, Any]]


def operations() -> Iterator[Operation]:
    """Method, path and description of each operation there is."""
    app = create_app(ServiceSettings())
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield method.upper(), path, operation


OPERATIONS = list(operations())
GUARDED = [entry for entry in OPERATIONS if entry[2]["operationId"] not in PUBLIC]


@dataclass(frozen=True, slots=True)
class Service:
    """One service for all operations of this module.

    Attributes:
        keys: A key's text for each scope.
        refused: Texts that are no valid key, by what is wrong with them.
    """

    client: ApiClient
    keys: dict[Scope, str]
    refused: dict[str, str]

    def ask(self, operation: Operation, headers: dict[str, str]) -> httpx.Response:
        method, path, _ = operation
        url = PARAMETER.sub("0" * 16, path)
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        return self.client.request(method, url, headers=encoded)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose keys have one scope each, and others that are worth nothing."""
    folder = tmp_path_factory.mktemp("scopes")
    settings = ServiceSettings(data=folder, failures_per_minute=10**6, rate_per_minute=10**6)
    with Store.open(folder) as store, ApiClient(create_app(settings, store)) as client:
        keys = {scope: store.keys.create(scope, [scope], by=SERVICE)[1] for scope in Scope}
        yield Service(client, keys, worthless(store, keys[Scope.ADMIN]))


def worthless(store: Store, right: str) -> dict[str, str]:
    revoked, revoked_text = store.keys.create("revoked", [Scope.ADMIN], by=SERVICE)
    store.keys.revoke(revoked.id, by=SERVICE)
    soon_ns = store.now_ns() + NS_PER_SECOND // 20
    _, expired_text = store.keys.create("old", [Scope.ADMIN], expires_ns=soon_ns, by=SERVICE)
    while store.now_ns() <= soon_ns:
        pass
    return {
        "revoked": revoked_text,
        "expired": expired_text,
        "another secret": right[:-1] + ("A" if right[-1] != "A" else "B"),
        "longer": right + "x",
        "shorter": right[:-1],
        "unknown id": "og_000000000000_" + right[-43:],
        "empty": "",
        "no secret": "og_1_",
        "long": "a" * 5000,
        "not ASCII": "é" * 20,
    }


def needed(operation: Operation) -> set[Scope]:
    return {Scope(name) for name in next(iter(operation[2]["security"][0].values()))}


def name_of(operation: Operation) -> str:
    return str(operation[2]["operationId"])


def test_all_operations_but_a_short_list_need_a_known_caller() -> None:
    free = {name_of(operation) for operation in OPERATIONS if not operation[2].get("security")}
    assert free == PUBLIC & {name_of(operation) for operation in OPERATIONS}


def test_all_guarded_operations_but_a_short_list_need_a_scope() -> None:
    without = {name_of(operation) for operation in GUARDED if not needed(operation)}
    assert without == KNOWN_ONLY & {name_of(operation) for operation in OPERATIONS}


def test_nothing_is_changed_with_a_scope_for_reading() -> None:
    reading = {Scope.CAPTURES_READ, Scope.FINDINGS_READ, Scope.EVIDENCE_READ}
    for operation in GUARDED:
        if operation[0] not in {"GET", "HEAD"} and name_of(operation) not in KNOWN_ONLY | ASKING:
            assert not needed(operation) <= reading, name_of(operation)


@pytest.mark.parametrize("operation", GUARDED, ids=name_of)
def test_a_key_without_the_scope_gets_nothing(service: Service, operation: Operation) -> None:
    wanted = needed(operation)
    for scope, text in service.keys.items():
        response = service.ask(operation, {"Authorization": f"Bearer {text}"})
        if scope is Scope.ADMIN or scope in wanted or not wanted:
            assert response.status_code not in REFUSED, f"{scope}: {response.text}"
            continue
        assert response.status_code == 403, f"{scope}: {response.text}"
        if operation[0] != "HEAD":
            assert response.json()["code"] == "forbidden"
            assert any(name in response.json()["detail"] for name in wanted)


@pytest.mark.parametrize("operation", GUARDED, ids=name_of)
def test_a_caller_who_is_not_known_gets_nothing(service: Service, operation: Operation) -> None:
    assert service.ask(operation, {}).status_code == 401
    for what, text in service.refused.items():
        for headers in ({"Authorization": f"Bearer {text}"}, {"X-Api-Key": text}):
            response = service.ask(operation, headers)
            assert response.status_code == 401, what
            assert response.headers["www-authenticate"].startswith("Bearer ")
    right = service.keys[Scope.ADMIN]
    for header in (f"Basic {right}", right, f"bearer: {right}"):
        assert service.ask(operation, {"Authorization": header}).status_code == 401
