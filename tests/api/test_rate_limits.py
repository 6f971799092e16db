"""Rate limits: for each key, and for addresses that fail to log in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from analyzer.store.records import Scope
from api import limits
from api.errors import Problem
from api.limits import RateLimits, WindowStorage, network_of
from api.settings import ServiceSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from tests.api.conftest import MakeClient
    from tests.asgi import ApiClient

STRICT = ServiceSettings(rate_per_minute=3, failures_per_minute=2)


class Clock:
    """A time that only tests move."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_the_window_moves() -> None:
    clock = Clock()
    rates = RateLimits(STRICT, clock)
    for _ in range(3):
        rates.admit("key:a")
        clock.now_s += 10
    with pytest.raises(Problem) as refused:
        rates.admit("key:a")
    assert refused.value.headers is not None
    assert refused.value.headers["Retry-After"] == "30"
    rates.admit("key:b")
    clock.now_s += 31
    assert rates.admit("key:a")["RateLimit"].startswith('"requests";r=0')


def test_a_key_that_asks_too_often_is_told_when_to_come_back(
    app: FastAPI, client_with: MakeClient
) -> None:
    app.state.outgate.limits = RateLimits(STRICT)
    client, other = client_with(Scope.ADMIN), client_with(Scope.ADMIN)
    for left in (2, 1, 0):
        response = client.get("/v1/limits")
        assert response.status_code == 200
        assert response.headers["ratelimit-policy"] == '"requests";q=3;w=60'
        assert re.fullmatch(rf'"requests";r={left};t=\d+', response.headers["ratelimit"])
    response = client.get("/v1/limits")
    assert (response.status_code, response.json()["code"]) == (429, "rate-limited")
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert other.get("/v1/limits").status_code == 200


def test_an_address_that_guesses_keys_is_stopped_and_others_are_not(
    app: FastAPI, nobody: ApiClient, admin: ApiClient
) -> None:
    app.state.outgate.limits = RateLimits(STRICT)
    guess = {"X-Api-Key": "og_000000000000_" + "a" * 43}
    for _ in range(2):
        assert nobody.get("/v1/limits", headers=guess).status_code == 401
    response = nobody.get("/v1/limits", headers=guess)
    assert response.status_code == 429
    assert response.headers["retry-after"]
    assert nobody.get("/v1/limits").status_code == 401


def test_wrong_keys_lock_nobody_out_who_has_a_right_one(
    app: FastAPI, nobody: ApiClient, admin: ApiClient
) -> None:
    app.state.outgate.limits = RateLimits(STRICT)
    guess = {"X-Api-Key": "og_000000000000_" + "a" * 43}
    for _ in range(5):
        nobody.get("/v1/limits", headers=guess)
    assert nobody.get("/v1/limits", headers=guess).status_code == 429
    assert admin.get("/v1/limits").status_code == 200


def test_an_address_counts_by_what_one_customer_has() -> None:
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::")
    assert network_of("2001:db8:1:2::") != network_of("2001:db8:1:3::")
    assert network_of("192.0.2.1") != network_of("192.0.2.2")
    assert network_of("no address") == "unknown"


def test_the_number_of_windows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_WINDOWS", 10)
    storage = WindowStorage()
    for number in range(1000):
        assert storage.acquire_entry(f"key:{number}", 1, 60)
    assert storage.reset() == 10
