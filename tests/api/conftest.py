"""A service with a store of its own, asked without a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from analyzer.store import Store
from analyzer.store.records import SERVICE, Scope
from api.main import create_app
from api.settings import ServiceSettings
from tests.asgi import ApiClient

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI

MakeClient = Callable[..., ApiClient]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store in a folder of its own."""
    with Store.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    """The defaults, with the test's own data folder."""
    return ServiceSettings(data=tmp_path / "data")


@pytest.fixture
def app(settings: ServiceSettings, store: Store) -> FastAPI:
    """The application on that store; it runs no jobs and pushes nothing."""
    return create_app(settings, store)


@pytest.fixture
def client_with(app: FastAPI, store: Store) -> Iterator[MakeClient]:
    """Makes clients whose key has just the scopes that are named; none for no key."""
    made: list[ApiClient] = []

    def make(*scopes: Scope) -> ApiClient:
        headers = {}
        if scopes:
            _, text = store.keys.create("test", scopes, by=SERVICE)
            headers["Authorization"] = f"Bearer {text}"
        client = ApiClient(app, headers)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def admin(client_with: MakeClient) -> ApiClient:
    """A client that may do everything."""
    return client_with(Scope.ADMIN)


@pytest.fixture
def nobody(client_with: MakeClient) -> ApiClient:
    """A client without a key."""
    return client_with()
