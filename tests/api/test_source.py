"""Where requests come from: what a proxy says of it is believed of those the operator named."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from analyzer.errors import ConfigError
from analyzer.store.records import SERVICE, Scope
from api.limits import RateLimits
from api.main import create_app
from api.settings import ServiceSettings, check
from api.source import MAX_FORWARDED_CHARS, MAX_PROXIES, networks, source_of
from tests.asgi import ApiClient

if TYPE_CHECKING:
    from analyzer.store import Store

PROXIES = networks(("192.0.2.0/28", "2001:db8:1::/64"), "OUTGATE_TRUSTED_PROXIES")
PROXY, CLIENT = "192.0.2.1", "198.51.100.7"


def source(peer: str, *forwarded: str) -> str:
    headers = [(b"x-forwarded-for", text.encode("latin-1")) for text in forwarded]
    return source_of({"type": "http", "client": (peer, 5000), "headers": headers}, PROXIES)


@pytest.mark.parametrize(
    ("forwarded", "wanted"),
    [
        ((CLIENT,), CLIENT),
        ((f"203.0.113.9, {CLIENT}",), CLIENT),
        (("203.0.113.9", CLIENT), CLIENT),
        ((f"203.0.113.9,{CLIENT} , 192.0.2.2,192.0.2.3",), CLIENT),
        ((f"{CLIENT}:41000",), CLIENT),
        (("[2001:db8::9]:41000",), "2001:db8::9"),
        (("2001:0DB8::0009",), "2001:db8::9"),
        ((f"::ffff:{CLIENT}",), CLIENT),
        (("2001:db8::9%eth0",), "2001:db8::9"),
        (("192.0.2.4, 192.0.2.5",), "192.0.2.4"),
        ((), PROXY),
        (("",), PROXY),
        (("unknown",), PROXY),
        ((f"{CLIENT}, nonsense, 192.0.2.5",), "192.0.2.5"),
        ((f"{CLIENT}, \x1b[31m\u00ff",), PROXY),
        (("9" * 5000,), PROXY),
    ],
)
def test_a_trusted_proxy_says_who_asked_it(forwarded: tuple[str, ...], wanted: str) -> None:
    assert source(PROXY, *forwarded) == wanted


def test_nobody_else_is_believed() -> None:
    assert source(CLIENT, "203.0.113.9") == CLIENT
    assert source(CLIENT, "192.0.2.1") == CLIENT
    assert source("2001:db8:2::1", CLIENT) == "2001:db8:2::1"
    assert source("2001:db8:1::1", CLIENT) == CLIENT
    assert source_of({"type": "http", "client": None, "headers": []}, PROXIES) == ""


def test_a_proxy_seen_through_ipv6_is_the_same_proxy() -> None:
    assert source(f"::ffff:{PROXY}", CLIENT) == CLIENT


def test_a_header_without_end_hides_nobody() -> None:
    padding = "203.0.113.9," * 1000
    assert source(PROXY, padding + CLIENT) == CLIENT
    assert source(PROXY, "1" * MAX_FORWARDED_CHARS + "," + CLIENT) == CLIENT
    rounds = ",".join([CLIENT, *["192.0.2.5"] * (MAX_PROXIES + 5)])
    assert source(PROXY, rounds) == "192.0.2.5"


@pytest.mark.parametrize("text", ["proxy.example", "192.0.2.1/24", "192.0.2.0/40", "0.0.0.0/0/0"])
def test_a_network_that_is_none_stops_the_start(text: str) -> None:
    with pytest.raises(ConfigError, match="OUTGATE_TRUSTED_PROXIES"):
        check(ServiceSettings(trusted_proxies=text))


def test_the_logs_and_the_limit_of_failures_name_who_is_behind_the_proxy(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ServiceSettings(
        data=store.folder.root, failures_per_minute=2, trusted_proxies="127.0.0.0/8"
    )
    app = create_app(settings, store)
    app.state.outgate.limits = RateLimits(settings)
    _, text = store.keys.create("test", [Scope.ADMIN], by=SERVICE)
    with ApiClient(app, {}) as client, caplog.at_level(logging.INFO, "outgate.access"):
        wrong = {"X-Api-Key": "og_000000000000_" + "a" * 43}
        for _ in range(2):
            answer = client.get("/v1/limits", headers={**wrong, "X-Forwarded-For": CLIENT})
            assert answer.status_code == 401
        answer = client.get("/v1/limits", headers={**wrong, "X-Forwarded-For": CLIENT})
        assert answer.status_code == 429
        answer = client.get("/v1/limits", headers={**wrong, "X-Forwarded-For": "203.0.113.9"})
        assert answer.status_code == 401
        made = client.post(
            "/v1/keys",
            json={"name": "poller", "scopes": ["findings:read"]},
            headers={"X-Api-Key": text, "X-Forwarded-For": f"203.0.113.9, {CLIENT}"},
        )
        assert made.status_code == 201
        entries = client.get("/v1/audit", headers={"X-Api-Key": text}).json()["data"]
    assert CLIENT in [entry["source_ip"] for entry in entries], json.dumps(entries)
    assert [vars(record)["source"] for record in caplog.records][:2] == [CLIENT, CLIENT]


def test_without_the_setting_no_header_is_believed(admin: ApiClient, store: Store) -> None:
    made = admin.post(
        "/v1/keys",
        json={"name": "poller", "scopes": ["findings:read"]},
        headers={"X-Forwarded-For": CLIENT},
    )
    assert made.status_code == 201
    assert CLIENT not in admin.get("/v1/audit").text
