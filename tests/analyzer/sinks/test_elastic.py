"""The bulk API, by a real OpenSearch from Maven Central and by a strict stand-in."""

import base64
import json
import shutil
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from analyzer import formats
from analyzer.errors import ConfigError
from analyzer.sinks import Dead, Delivered, Retry, elastic, open_sender
from tests.analyzer.formats import samples
from tests.analyzer.sinks import maven
from tests.analyzer.sinks.receivers import HERE, Receiver, Reply, Request, message, receiver

OPENSEARCH = (
    "org.opensearch:opensearch:2.19.1",
    "org.opensearch.plugin:transport-netty4-client:2.19.1",
    "org.apache.logging.log4j:log4j-core:2.21.0",
)
STREAM = "logs-outgate.finding-default"


@pytest.fixture(scope="module")
def opensearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A node with a data stream for findings; its address."""
    if shutil.which("javac") is None:
        pytest.skip("no Java compiler is installed: apt-get install default-jdk-headless")
    folder = maven.jars(*OPENSEARCH)
    home = tmp_path_factory.mktemp("opensearch")
    (home / "config").mkdir()
    port = maven.free_port()
    source = str(Path(__file__).parent / "OpenSearch.java")
    command = maven.java(folder, "-Xmx512m", source, str(home), str(port), str(maven.free_port()))
    address = f"http://127.0.0.1:{port}"
    with maven.running(command, home / "log", lambda: maven.is_listening(port)):
        template = {
            "index_patterns": ["logs-outgate*"],
            "data_stream": {},
            "template": {"settings": {"number_of_replicas": 0}},
        }
        ask(f"{address}/_index_template/outgate", "PUT", template)
        yield address


def ask(url: str, method: str = "GET", body: object = None) -> Any:
    request = urllib.request.Request(
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def stored(address: str, index: str) -> list[dict[str, Any]]:
    ask(f"{address}/{index}/_refresh", "POST")
    hits = ask(f"{address}/{index}/_search?size=1000&sort=_id&track_total_hits=true")["hits"]
    assert hits["total"]["value"] == len(hits["hits"])
    return list(hits["hits"])


def sender(url: str, **config: Any) -> Any:
    return open_sender("elastic", {"url": url, **config}, HERE)


def test_opensearch_takes_findings_into_a_data_stream_once(opensearch: str) -> None:
    batch = [message(1), message(2), message(2, version=2)]

    assert sender(opensearch).deliver(batch) == [Delivered()] * 3
    assert sender(opensearch).deliver(batch) == [Delivered()] * 3, "again, after a kill"

    found = stored(opensearch, STREAM)
    assert [hit["_id"] for hit in found] == [each.id for each in batch]
    assert found[0]["_source"]["title"] == "finding 1"
    assert found[0]["_source"]["@timestamp"] == "2026-03-02T09:07:01.014000001Z"


@pytest.mark.parametrize(
    "name", ["native", "ecs", "ocsf", "stix", "eve", "asim", "cef", "leef"]
)  # not misp: one field of it holds texts, numbers and times
def test_opensearch_takes_real_findings_in_most_formats(opensearch: str, name: str) -> None:
    batch = [
        replace(message(number), body=formats.render(samples.finding(sample), name))
        for number, sample in enumerate(samples.NAMES)
    ]

    outcomes = sender(opensearch, index=f"logs-outgate.{name}-default").deliver(batch)

    assert outcomes == [Delivered()] * len(batch)


def test_opensearch_refuses_one_document_and_takes_the_others(opensearch: str) -> None:
    mapping = {"mappings": {"properties": {"title": {"type": "long"}}}}
    ask(f"{opensearch}/numbers", "PUT", mapping)
    batch = [message(1, title=1), message(2, title="no number"), message(3, title=3)]

    outcomes = sender(opensearch, index="numbers").deliver(batch)

    assert [type(outcome) for outcome in outcomes] == [Delivered, Dead, Delivered]
    assert isinstance(outcomes[1], Dead)
    assert outcomes[1].reason.startswith("answered 400: mapper_parsing_exception: ")
    assert [hit["_id"] for hit in stored(opensearch, "numbers")] == [batch[0].id, batch[2].id]


def test_opensearch_gets_smaller_requests_when_one_is_too_long(opensearch: str) -> None:
    batch = [message(number, title="x" * 50_000) for number in range(12)]
    batch.append(message(99, title="x" * 300_000))

    outcomes = sender(opensearch, index="long").deliver(batch)

    assert outcomes[:12] == [Delivered()] * 12
    assert isinstance(outcomes[12], Dead)
    assert len(stored(opensearch, "long")) == 12


def test_opensearch_that_blocks_writes_is_tried_again(opensearch: str) -> None:
    ask(f"{opensearch}/blocked", "PUT", {"settings": {"index.blocks.write": True}})

    (outcome,) = sender(opensearch, index="blocked").deliver([message()])

    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("answered 403: cluster_block_exception")


def bulk(*statuses: int) -> Any:
    """A stand-in that checks a request byte for byte and answers with these item statuses."""

    def answer(request: Request) -> Reply:
        assert request.path.split("?")[0] == "/_bulk"
        assert request.headers["content-type"] == "application/x-ndjson"
        assert request.body.endswith(b"\n")
        lines = request.body.split(b"\n")
        assert lines.pop() == b""
        assert len(lines) == 2 * len(statuses)
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            ((verb, place),) = json.loads(action).items()
            assert verb == "create"
            assert place == {"_index": STREAM, "_id": place["_id"]}
            assert "@timestamp" in json.loads(document)
        items = [{"create": item(status)} for status in statuses]
        errors = any(status >= 300 for status in statuses)
        return Reply(body=json.dumps({"errors": errors, "items": items}).encode())

    return answer


def item(status: int) -> dict[str, Any]:
    said = {"type": "some_exception", "reason": HTTPStatus(status).phrase}
    return {"status": status, **({} if status < 300 else {"error": said})}


def deliver(server: Receiver, count: int, **config: Any) -> Sequence[Any]:
    outcomes: Sequence[Any] = sender(server.url, **config).deliver(
        [message(number) for number in range(count)]
    )
    return outcomes


def test_each_document_has_an_outcome_of_its_own() -> None:
    with receiver(bulk(201, 409, 429, 503, 400, 404)) as server:
        assert deliver(server, 6) == [
            Delivered(),
            Delivered(),
            Retry("answered 429: some_exception: Too Many Requests"),
            Retry("answered 503: some_exception: Service Unavailable"),
            Dead("answered 400: some_exception: Bad Request"),
            Retry("answered 404: some_exception: Not Found"),
        ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>",
        b'{"items": []}',
        b'{"items": [{"index": {"status": 201}}]}',
        b'{"items": [{"create": {}}]}',
        b'{"items": [[]]}',
        b'{"items": {"create": 1}}',
        b"[" * 100_000,
    ],
)
def test_an_answer_that_is_none_of_the_bulk_api_delivers_nothing(body: bytes) -> None:
    with receiver(lambda _: Reply(body=body)) as server:
        assert deliver(server, 1) == [Retry("the answer is not that of a bulk API")]


def test_a_cluster_that_refuses_the_request_is_tried_again() -> None:
    reply = Reply(status=429, headers={"Retry-After": "5"}, body=b"circuit breaker")
    with receiver(lambda _: reply) as server:
        assert deliver(server, 2) == [Retry("answered 429: circuit breaker", 5.0)] * 2


def test_both_ways_to_log_in_are_sent() -> None:
    basic = base64.b64encode("ana:pässword".encode()).decode()
    with receiver(bulk(201)) as server:
        deliver(server, 1, api_key="a2V5")
        deliver(server, 1, user="ana", password="pässword")
        deliver(server, 1)

    assert [request.headers.get("authorization") for request in server.requests] == [
        "ApiKey a2V5",
        f"Basic {basic}",
        None,
    ]


def test_documents_that_are_no_objects_are_wrapped() -> None:
    one = message()
    cef = type(one)(id=one.id, finding=one.finding, body=b"CEF:0|a|", at_ns=one.at_ns)
    with receiver(bulk(201)) as server:
        assert sender(server.url).deliver([cef]) == [Delivered()]

    assert json.loads(server.requests[0].body.split(b"\n")[1])["message"] == "CEF:0|a|"


def test_large_batches_are_cut_into_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elastic, "MAX_REQUEST_BYTES", 1)
    with receiver(bulk(201)) as server:
        assert deliver(server, 3) == [Delivered()] * 3

    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("key", "config"),
    [
        ("index", {"index": "Upper"}),
        ("index", {"index": "a/b"}),
        ("index", {"index": "_all"}),
        ("api_key", {"api_key": "a", "user": "b", "password": "c"}),
        ("user", {"user": "a:b", "password": "c"}),
        ("user", {"user": "a"}),
        ("timeout_s", {"timeout_s": True}),
        ("timeout_s", {"timeout_s": 10_000}),
        ("password", {"password": ["x"]}),
    ],
)
def test_an_option_that_cannot_be_used_is_named(key: str, config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"option {key} of the elastic sink"):
        sender("https://example.com", **config)
