"""Webhooks, received by a real HTTP server that verifies them with the standardwebhooks package."""

import base64
import json
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from analyzer.errors import ConfigError
from analyzer.sinks import Delivered, Disable, Retry, open_sender
from analyzer.sinks.trial import trial_finding
from tests.analyzer.sinks.authority import Authority
from tests.analyzer.sinks.receivers import HERE, Receiver, Reply, Request, message, receiver

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(100, 124))).decode()


def sender(server: Receiver, **config: Any) -> Any:
    return open_sender("webhook", {"url": server.url, "secrets": [SECRET], **config}, HERE)


def test_receivers_can_verify_what_they_get(authority: Authority) -> None:
    with receiver(authority=authority) as server:
        outcomes = sender(server, ca_pem=authority.ca_pem).deliver([message(1), message(2)])

    assert outcomes == [Delivered(), Delivered()]
    first = server.requests[0]
    told = Webhook(SECRET).verify(first.body, dict(first.headers))
    assert told == {
        "type": "finding.created",
        "timestamp": "2026-03-02T09:07:01.014000001Z",
        "data": json.loads(message(1).body),
    }
    assert first.headers["content-type"] == "application/json"
    assert first.headers["webhook-id"] == "f-0000000000000001-v1"
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(first.body, dict(first.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(first.body + b" ", dict(first.headers))


def test_both_secrets_sign_while_one_replaces_the_other() -> None:
    with receiver() as server:
        sender(server, secrets=[OTHER, SECRET]).deliver([message()])

    (request,) = server.requests
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(request.body, dict(request.headers))


def test_a_second_attempt_has_the_same_id() -> None:
    with receiver() as server:
        for _ in range(2):
            sender(server).deliver([message()])

    assert len({request.headers["webhook-id"] for request in server.requests}) == 1


def test_the_type_tells_new_findings_from_changed_ones_and_tests() -> None:
    trial = message()
    finding = trial_finding("hook", "00", 1)
    with receiver() as server:
        sender(server).deliver([message(version=3)])
        sender(server).deliver(
            [type(trial)(id="x", finding=finding, body=b"{}", at_ns=1, test=True)]
        )

    assert [request.json()["type"] for request in server.requests] == [
        "finding.updated",
        "finding.test",
    ]


def test_other_formats_travel_as_text() -> None:
    one = message()
    cef = type(one)(id=one.id, finding=one.finding, body=b"CEF:0|Outgate|", at_ns=one.at_ns)
    with receiver() as server:
        sender(server).deliver([cef])

    assert server.requests[0].json()["data"] == "CEF:0|Outgate|"


def test_gone_disables() -> None:
    with receiver(lambda _: Reply(status=410)) as server:
        outcomes = sender(server).deliver([message(1), message(2)])

    assert all(isinstance(outcome, Disable) for outcome in outcomes)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_asks_for_rest_gets_it(status: int) -> None:
    with receiver(lambda _: Reply(status=status, headers={"Retry-After": "77"})) as server:
        outcomes = sender(server).deliver([message(1), message(2), message(3)])

    assert outcomes == [Retry(f"answered {status}", 77.0)] * 3
    assert len(server.requests) == 1, "what follows waits too"


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 413, 500, 502])
def test_every_other_failure_is_tried_again(status: int) -> None:
    reply = Reply(status=status, body=b"no\x1b[31m thanks", headers={"Location": "/elsewhere"})
    with receiver(lambda _: reply) as server:
        (outcome,) = sender(server).deliver([message()])

    assert isinstance(outcome, Retry)
    assert outcome.after_s is None
    assert str(status) in outcome.reason
    assert "\x1b" not in outcome.reason


def test_one_refused_message_does_not_hold_up_the_others() -> None:
    def picky(request: Request) -> Reply:
        return Reply(status=400 if b"finding 2" in request.body else 200)

    with receiver(picky) as server:
        outcomes = sender(server).deliver([message(1), message(2), message(3)])

    assert [type(outcome) for outcome in outcomes] == [Delivered, Retry, Delivered]


def test_own_header_fields_are_sent_and_cannot_replace_the_services() -> None:
    with receiver() as server:
        sender(server, headers={"Authorization": "Bearer abc"}).deliver([message()])
        for name in ("Webhook-Id", "host", "Content-Length", "Transfer-Encoding"):
            with pytest.raises(ConfigError, match="option headers"):
                sender(server, headers={name: "x"})
        for value in ("a\r\nX: y", "\u00e9", 5):
            with pytest.raises(ConfigError, match="option headers"):
                sender(server, headers={"X-Own": value})

    assert server.requests[0].headers["authorization"] == "Bearer abc"


@pytest.mark.parametrize(
    "secret",
    ["", "abcd", "whsec_!!!!", "whsec_" + base64.b64encode(b"x" * 23).decode(), 5, None],
)
def test_a_weak_secret_is_refused_and_not_repeated(secret: Any) -> None:
    with pytest.raises(ConfigError, match="option secrets of the webhook sink") as caught:
        open_sender("webhook", {"url": "https://example.com", "secrets": [secret]}, HERE)

    assert not secret or str(secret) not in str(caught.value)


def test_a_client_certificate_is_shown_to_receivers_that_ask(authority: Authority) -> None:
    own = authority.issue("outgate.example.com")
    tls = {"ca_pem": authority.ca_pem}
    with receiver(authority=authority, client_certificates=True) as server:
        (refused,) = sender(server, **tls).deliver([message()])
        (taken,) = sender(
            server, **tls, client_cert_pem=own.cert_pem, client_key_pem=own.key_pem
        ).deliver([message()])

    assert isinstance(refused, Retry)
    assert taken == Delivered()
