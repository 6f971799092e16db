"""Splunk, by a strict stand-in for its HTTP Event Collector (there is none to start here)."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from analyzer.errors import ConfigError
from analyzer.sinks import Dead, Delivered, Retry, open_sender, splunk
from tests.analyzer.sinks.receivers import HERE, Receiver, Reply, Request, message, receiver

TOKEN = "11111111-2222-4333-8444-555555555555"
SUCCESS = (200, 0, "Success")


class Collector:
    """Answers as HEC does, and takes nothing that HEC would not.

    Attributes:
        events: What it indexed.
        confirm: Whether acknowledgements come true.
    """

    def __init__(self, *, ack: bool = False, max_bytes: int = 1_000_000) -> None:
        self.ack = ack
        self.confirm = True
        self.max_bytes = max_bytes
        self.events: list[dict[str, Any]] = []
        self.channels: set[str] = set()
        self.asked = 0

    def __call__(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Splunk {TOKEN}":
            return said(403, 4, "Invalid token")
        channel = request.headers.get("x-splunk-request-channel", "")
        if self.ack and not channel:
            return said(400, 10, "Data channel is missing")
        self.channels.add(channel)
        place = urlsplit(request.path)
        if place.path == "/services/collector/ack":
            assert parse_qs(place.query) == {"channel": [channel]}
            self.asked += 1
            done = self.confirm and self.asked > 1
            return Reply(body=json.dumps({"acks": dict.fromkeys(["7"], done)}).encode())
        assert request.path == "/services/collector/event"
        assert request.headers["content-type"] == "application/json"
        return self._index(request)

    def _index(self, request: Request) -> Reply:
        if len(request.body) > self.max_bytes:
            return Reply(status=413, body=b"Content-Length too long")
        events = parse_concatenated(request.body)
        if not events:
            return said(400, 5, "No data")
        for number, event in enumerate(events):
            if not event.get("event"):
                return said(400, 13, "Event field cannot be blank", number)
            if "bad" in json.dumps(event["event"]):
                return said(400, 6, "Invalid data format", number)
            assert set(event) <= {
                "time",
                "host",
                "source",
                "sourcetype",
                "index",
                "event",
                "fields",
            }
            assert all(isinstance(value, str) for value in event["fields"].values())
            assert isinstance(event["time"], float)
            if event.get("index") == "nowhere":
                return said(400, 7, "Incorrect index")
            self.events.append(event)
        return said(*SUCCESS, more={"ackId": 7} if self.ack else {})


def said(status: int, code: int, text: str, number: int | None = None, more: Any = None) -> Reply:
    body = {"text": text, "code": code, **(more or {})}
    if number is not None:
        body["invalid-event-number"] = number
    return Reply(status=status, body=json.dumps(body).encode())


def parse_concatenated(body: bytes) -> list[dict[str, Any]]:
    text, place, found = body.decode(), 0, []
    while place < len(text):
        value, place = json.JSONDecoder().raw_decode(text, place)
        found.append(value)
    return found


def sender(server: Receiver, **config: Any) -> Any:
    return open_sender("splunk", {"url": server.url, "token": TOKEN, **config}, HERE)


def test_events_arrive_as_one_request_without_separators() -> None:
    collector = Collector()
    with receiver(collector) as server:
        outcomes = sender(server, index="main").deliver([message(1), message(2)])

    assert outcomes == [Delivered(), Delivered()]
    assert len(server.requests) == 1
    assert collector.events[0] == {
        "time": pytest.approx(1772442421.014),
        "host": "sensor.example.com",
        "source": "outgate",
        "sourcetype": "outgate:finding",
        "index": "main",
        "event": json.loads(message(1).body),
        "fields": {
            "outgate_message_id": "f-0000000000000001-v1",
            "outgate_kind": "finding.created",
        },
    }


def test_a_bad_event_is_told_from_those_around_it() -> None:
    collector = Collector()
    with receiver(collector) as server:
        batch = [message(1), message(2, title="bad"), message(3)]
        outcomes = sender(server).deliver(batch)

    assert [type(outcome) for outcome in outcomes] == [Retry, Dead, Retry]
    assert outcomes[0] == Retry("another event of the same request was refused", 0.0)
    assert outcomes[1] == Dead("answered 400, code 6: Invalid data format")


def test_a_bad_event_nobody_names_is_found_by_halving() -> None:
    def unnamed(request: Request) -> Reply:
        return said(400, 6, "Invalid data format") if b"bad" in request.body else said(*SUCCESS)

    with receiver(unnamed) as server:
        batch = [message(number, title="bad" if number == 5 else "good") for number in range(9)]
        outcomes = sender(server).deliver(batch)

    assert [place for place, each in enumerate(outcomes) if isinstance(each, Dead)] == [5]
    assert sum(isinstance(each, Delivered) for each in outcomes) == 8


@pytest.mark.parametrize(
    ("status", "code"), [(401, 2), (403, 1), (403, 4), (400, 7), (500, 8), (503, 9), (503, 18)]
)
def test_trouble_with_the_sink_itself_is_tried_again(status: int, code: int) -> None:
    with receiver(lambda _: said(status, code, "no")) as server:
        outcomes = sender(server).deliver([message(1), message(2)])

    assert outcomes == [Retry(f"answered {status}, code {code}: no")] * 2


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"code": 9}', b"[" * 100_000])
def test_a_success_that_does_not_say_code_0_is_none(body: bytes) -> None:
    with receiver(lambda _: Reply(body=body)) as server:
        (outcome,) = sender(server).deliver([message()])

    assert isinstance(outcome, Retry)


def test_events_count_when_the_indexer_has_acknowledged_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(splunk, "ACK_POLL_S", 0.01)
    collector = Collector(ack=True)
    with receiver(collector) as server:
        assert sender(server, ack=True).deliver([message(1), message(2)]) == [Delivered()] * 2
        assert collector.asked == 2, "asked until it was so"
        assert len(collector.channels) == 1

        collector.confirm = False
        outcomes = sender(server, ack=True, ack_wait_s=1).deliver([message(1)])
        assert outcomes == [Retry("not acknowledged within 1 s")]


def test_a_token_without_acknowledgement_is_said() -> None:
    with receiver(Collector()) as server:
        (outcome,) = sender(server, ack=True).deliver([message()])

    assert isinstance(outcome, Retry)
    assert "does not acknowledge" in outcome.reason


def test_large_batches_are_cut_into_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splunk, "MAX_REQUEST_BYTES", 2000)
    collector = Collector(max_bytes=1000)
    with receiver(collector) as server:
        outcomes = sender(server).deliver([message(number) for number in range(20)])
        huge = sender(server).deliver([message(1, title="x" * 2000)])

    assert outcomes == [Delivered()] * 20
    assert len(collector.events) == 20
    assert [type(each) for each in huge] == [Dead]


def test_options_that_are_missing_or_misspelt_are_named() -> None:
    with pytest.raises(ConfigError, match="option token of the splunk sink: it is missing"):
        open_sender("splunk", {"url": "https://example.com"}, HERE)
    with pytest.raises(ConfigError, match=r"option indexes .*: there is none") as caught:
        open_sender("splunk", {"url": "https://example.com", "token": "t", "indexes": "a"}, HERE)
    assert "index" in caught.value.hint
