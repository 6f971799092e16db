"""Sinks over the API: no secret is ever shown, and what became of each delivery is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analyzer.push import Dispatcher
from analyzer.store import Store
from analyzer.store.records import DeliveryState, Scope
from api.lifecycle import push_settings
from api.main import create_app
from api.settings import ServiceSettings
from tests.analyzer.pushing import SECRET, count, document, found, until, until_counted
from tests.analyzer.sinks.receivers import Reply, receiver
from tests.api.conftest import MakeClient
from tests.asgi import ApiClient

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "webhook": {
        "url": "https://siem.example.com/in?token=s3cr3t-query",
        "secrets": [SECRET, SECRET],
        "headers": {"Authorization": "Bearer s3cr3t-header"},
    },
    "syslog": {
        "host": "siem.example.com",
        "port": 6514,
    },
    "splunk": {"url": "https://siem.example.com:8088", "token": "s3cr3t-token", "index": "main"},
    "elastic": {"url": "https://siem.example.com:9200", "api_key": "s3cr3t-key"},
    "kafka": {
        "bootstrap": ["kafka.example.com:9093"],
        "topic": "findings",
        "security": "sasl_tls",
        "user": "outgate",
        "password": "s3cr3t-password",
    },
    "file": {"path": "findings.ndjson"},
}


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    """A service whose sinks may reach this machine and write files."""
    (tmp_path / "out").mkdir()
    return ServiceSettings(
        data=tmp_path / "data", sink_networks="127.0.0.0/8", sink_folder=tmp_path / "out"
    )


@pytest.fixture
def dispatcher(settings: ServiceSettings, store: Store) -> Iterator[Dispatcher]:
    """A dispatcher at work."""
    made = Dispatcher(store, push_settings(settings))
    made.start()
    yield made
    assert made.stop()


@pytest.fixture
def app(settings: ServiceSettings, store: Store, dispatcher: Dispatcher) -> Any:
    """The application with that dispatcher."""
    return create_app(settings, store, dispatcher=dispatcher)


def add(client: ApiClient, kind: str = "file", **fields: Any) -> Any:
    body = {"name": kind, "kind": kind, "config": CONFIGURATIONS[kind], **fields}
    answer = client.post("/v1/sinks", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_no_answer_holds_a_secret(admin: ApiClient, store: Store, kind: str) -> None:
    made = add(admin, kind)
    path = f"/v1/sinks/{made['id']}"
    changed = admin.patch(path, json={"name": "other", "config": made["config"]})
    answers = [
        json.dumps(made),
        admin.get(path).text,
        admin.get("/v1/sinks").text,
        changed.text,
        admin.patch(path, json={"config": {**made["config"], "nonsense": 1}}).text,
        admin.get("/v1/audit").text,
    ]

    assert changed.status_code == 200, changed.text
    for text in answers:
        assert "s3cr3t" not in text
        assert SECRET not in text
    assert store.sinks.get(made["id"]).config == CONFIGURATIONS[kind], "and kept they are"


def test_a_webhook_receives_what_is_found(admin: ApiClient, store: Store) -> None:
    with receiver() as server:
        config = {"url": server.url, "secrets": [SECRET]}
        made = add(admin, "webhook", config=config, only={"severity_at_least": "high"})
        found(store, [document(1), document(2, severity="low")])
        server.wait_for(1)
        sink = store.sinks.get(made["id"])
        until_counted(store, sink, DeliveryState.DELIVERED, 1)

    shown = admin.get(f"/v1/sinks/{made['id']}").json()
    assert shown["deliveries"] == {"pending": 0, "delivered": 1, "dead": 0, "skipped": 0}
    assert shown["format"] == "native"
    (delivery,) = admin.get(f"/v1/sinks/{made['id']}/deliveries").json()["data"]
    assert delivery["state"] == "delivered"
    assert delivery["message_id"] == server.requests[0].headers["webhook-id"]
    assert delivery["next_at"] is None
    assert len(server.requests) == 1


def test_the_test_button_tells_what_the_receiver_said(admin: ApiClient) -> None:
    with receiver() as server:
        made = add(admin, "webhook", config={"url": server.url, "secrets": [SECRET]}, enabled=False)
        path = f"/v1/sinks/{made['id']}/test"
        assert admin.post(path).json() == {
            "outcome": "delivered",
            "reason": "",
            "retry_after_s": None,
        }
        server.answer = lambda _: Reply(status=503, headers={"Retry-After": "9"})
        assert admin.post(path).json() == {
            "outcome": "retry",
            "reason": "answered 503",
            "retry_after_s": 9.0,
        }
        server.answer = lambda _: Reply(status=410)
        assert admin.post(path).json()["outcome"] == "disable"

    assert server.requests[0].json()["type"] == "finding.test"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://169.254.169.254/latest/meta-data", "169.254.169.254 is link-local"),
        ("https://10.0.0.1/", "10.0.0.1 is private"),
        ("https://[::1]/", "::1 is loopback"),
        ("http://8.8.8.8/", "without TLS"),
        ("file:///etc/passwd", "option url"),
        ("gopher://example.com", "option url"),
    ],
)
def test_addresses_inside_are_refused_when_the_sink_is_made(
    admin: ApiClient, url: str, said: str
) -> None:
    body = {"name": "x", "kind": "webhook", "config": {"url": url, "secrets": [SECRET]}}
    answer = admin.post("/v1/sinks", json=body)

    assert answer.status_code == 400
    assert said in answer.json()["detail"]


def test_a_name_that_leads_inside_is_refused_when_it_is_used(
    store: Store, tmp_path: Path, client_with: MakeClient
) -> None:
    strict = create_app(ServiceSettings(data=tmp_path / "data"), store)
    headers = dict(client_with(Scope.ADMIN).headers)
    with receiver() as server, ApiClient(strict, headers) as client:
        config = {"url": f"https://localhost:{server.port}/", "secrets": [SECRET]}
        made = add(client, "webhook", config=config)
        told = client.post(f"/v1/sinks/{made['id']}/test").json()

    assert told["outcome"] == "retry"
    assert "refused to connect to localhost" in told["reason"]
    assert not server.requests


def test_secrets_do_not_follow_to_another_destination(admin: ApiClient, store: Store) -> None:
    made = add(admin, "splunk")
    path = f"/v1/sinks/{made['id']}"
    elsewhere = {**made["config"], "url": "https://evil.example.com:8088"}

    refused = admin.patch(path, json={"config": elsewhere})
    assert refused.status_code == 400
    assert "option url is another one" in refused.json()["detail"]
    assert admin.patch(path, json={"config": {**elsewhere, "token": "new"}}).status_code == 200
    assert store.sinks.get(made["id"]).config["token"] == "new"
    assert admin.patch(path, json={"config": {**made["config"], "token": ""}}).status_code == 400


def test_secrets_are_rotated_without_knowing_the_old_one(admin: ApiClient, store: Store) -> None:
    config = {"url": "https://siem.example.com/", "secrets": [SECRET]}
    made = add(admin, "webhook", config=config)
    new = SECRET.replace("AAEC", "AAED")
    path = f"/v1/sinks/{made['id']}"

    both = {**made["config"], "secrets": [new, "[hidden]"]}
    assert admin.patch(path, json={"config": both}).json()["config"]["secrets"] == ["[hidden]"] * 2
    assert store.sinks.get(made["id"]).config["secrets"] == [new, SECRET]
    more = {**made["config"], "secrets": ["[hidden]", "[hidden]", "[hidden]"]}
    assert admin.patch(path, json={"config": more}).status_code == 400


def test_dead_deliveries_are_listed_and_replayed(admin: ApiClient, store: Store) -> None:
    with receiver(lambda _: Reply(status=500)) as server:
        made = add(admin, "webhook", config={"url": server.url, "secrets": [SECRET]})
        path = f"/v1/sinks/{made['id']}"
        admin.patch(path, json={"enabled": True})
        found(store, [document(number) for number in range(5)])
        sink = store.sinks.get(made["id"])
        until(lambda: bool(store.sinks.get(sink.id).last_error), "an attempt failed")
        admin.patch(path, json={"enabled": False})
        waiting = [each.id for each in store.outbox.list(sink.id)]
        store.outbox.dead(waiting, "given up")

        first = admin.get(f"{path}/deliveries", params={"state": "dead", "limit": 2}).json()
        assert [each["error"] for each in first["data"]] == ["given up"] * 2
        assert first["page"] == {"next_cursor": str(waiting[1]), "has_more": True}
        rest = admin.get(f"{path}/deliveries", params={"after": waiting[1], "limit": 3}).json()
        assert [each["id"] for each in rest["data"]] == waiting[2:]
        assert rest["page"]["has_more"] is False

        server.answer = lambda _: Reply()
        admin.patch(path, json={"enabled": True})
        assert admin.post(f"{path}/replay", json={"deliveries": waiting[:1]}).json() == {
            "queued": 1
        }
        until_counted(store, sink, DeliveryState.DELIVERED, 1)
        assert admin.post(f"{path}/replay", json={}).json() == {"queued": 4}
        until_counted(store, sink, DeliveryState.DELIVERED, 5)
        assert count(store, sink, DeliveryState.DEAD) == 0


def test_a_sink_that_was_disabled_is_told_of_what_it_missed(admin: ApiClient, store: Store) -> None:
    made = add(admin, only={"severity_at_least": "high"})
    path = f"/v1/sinks/{made['id']}"
    found(store, [document(1), document(2)])
    admin.patch(path, json={"enabled": False})
    found(
        store, [document(1), document(2, title="changed"), document(3), document(4, severity="low")]
    )
    admin.patch(path, json={"enabled": True})

    assert admin.post(f"{path}/fill", json={}).json() == {"queued": 2}
    assert admin.post(f"{path}/fill", json={}).json() == {"queued": 0}
    queued = {(each.finding_id[-1], each.version) for each in store.outbox.list(made["id"])}
    assert queued == {("1", 1), ("2", 1), ("2", 2), ("3", 1)}
    assert admin.post("/v1/sinks/k-0/fill", json={}).status_code == 404


def test_a_sink_is_changed_and_removed(admin: ApiClient, store: Store) -> None:
    made = add(admin, only={"categories": ["mining"], "confidence_at_least": 0.5})
    path = f"/v1/sinks/{made['id']}"

    changed = admin.patch(path, json={"name": "lines", "format": "ecs", "enabled": False}).json()
    assert (changed["name"], changed["format"], changed["enabled"]) == ("lines", "ecs", False)
    assert changed["only"]["categories"] == ["mining"], "what is left out stays"
    assert changed["config"] == {"path": "findings.ndjson"}
    assert admin.patch(path, json={"only": {}}).json()["only"]["categories"] == []
    assert admin.patch(path, json={}).status_code == 200
    assert admin.patch(path, json={"kind": "kafka"}).status_code == 422

    assert admin.delete(path).status_code == 204
    for answer in (admin.get(path), admin.delete(path), admin.post(f"{path}/test")):
        assert answer.status_code == 404
    assert admin.get(f"{path}/deliveries").status_code == 404
    assert admin.post(f"{path}/replay", json={}).status_code == 404


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"kind": "carrier-pigeon"}, 422),
        ({"format": "morse"}, 422),
        ({"name": " "}, 422),
        ({"config": {"path": "../x"}}, 400),
        ({"config": {"path": "x", "mode": "0777"}}, 400),
        ({"config": {}}, 400),
        ({"config": {"path": "[hidden]"}}, 400),
        ({"config": {f"k{number}": 1 for number in range(41)}}, 422),
        ({"config": {"path": {"a": [None]}}}, 400),
        ({"only": {"severity_at_least": "terrible"}}, 422),
        ({"only": {"unknown": 1}}, 422),
        ({"more": 1}, 422),
    ],
)
def test_what_makes_no_sense_is_refused(
    admin: ApiClient, store: Store, fields: dict[str, Any], status: int
) -> None:
    body = {"name": "x", "kind": "file", "config": {"path": "x"}, **fields}

    assert admin.post("/v1/sinks", json=body).status_code == status
    assert not store.sinks.list()


def test_two_sinks_cannot_have_one_name(admin: ApiClient) -> None:
    add(admin)
    body = {"name": "file", "kind": "file", "config": {"path": "other"}}

    assert admin.post("/v1/sinks", json=body).status_code == 409


def test_only_administrators_see_sinks(client_with: MakeClient) -> None:
    others = client_with(*[scope for scope in Scope if scope is not Scope.ADMIN])

    assert others.get("/v1/sinks").status_code == 403
    assert others.post("/v1/sinks", json={}).status_code == 403
