"""Pushing: at least once, in order, and nobody waits for somebody else's sink."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analyzer.errors import StoreUnavailable
from analyzer.push import Dispatcher
from analyzer.sinks import Message, Outcome
from analyzer.sinks.webhook import WebhookSender
from analyzer.store import Store
from analyzer.store.outbox import Outbox
from analyzer.store.records import SERVICE, DeliveryState
from analyzer.times import NS_PER_SECOND
from tests.analyzer.pushing import (
    add_sink,
    count,
    document,
    found,
    pushing,
    settings,
    until,
    until_counted,
)
from tests.analyzer.sinks.receivers import Reply, Request, hanging, receiver
from tests.shared import ROOT

if TYPE_CHECKING:
    from tests.databases import PostgresServer

PENDING, DELIVERED = DeliveryState.PENDING, DeliveryState.DELIVERED
DEAD, SKIPPED = DeliveryState.DEAD, DeliveryState.SKIPPED


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """SQLite, unless a test asks for both."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield ""
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


on_both = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


def ids(requests: list[Request]) -> list[str]:
    return [request.headers["webhook-id"] for request in requests]


@on_both
def test_a_burst_is_delivered_once_each_in_order(store: Store, tmp_path: Path) -> None:
    lines = tmp_path / "out" / "findings.ndjson"
    lines.parent.mkdir()
    with receiver() as server:
        hook = add_sink(store, url=server.url)
        file = add_sink(store, "file", path="findings.ndjson")
        found(store, [document(number) for number in range(1000)])
        with pushing(store, lines.parent):
            until_counted(store, hook, DELIVERED, 1000)
            until_counted(store, file, DELIVERED, 1000)

    wanted = [f"f-{number:016x}" for number in range(1000)]
    assert ids(server.requests) == [f"{each}-v1" for each in wanted]
    assert [json.loads(line)["id"] for line in lines.read_bytes().splitlines()] == wanted
    sink = store.sinks.get(hook.id)
    assert sink.last_success_ns
    assert not sink.last_error


def test_a_broken_sink_delays_no_other(store: Store, tmp_path: Path) -> None:
    with hanging() as (port, release):
        stuck = add_sink(store, name="stuck", url=f"http://127.0.0.1:{port}", timeout_s=30)
        refused = add_sink(store, name="refused", url="http://127.0.0.1:1")
        nowhere = add_sink(store, name="nowhere", url="https://no-such-host.invalid")
        good = add_sink(store, "file", path="findings.ndjson")
        found(store, [document(number) for number in range(50)])
        with pushing(store, tmp_path):
            until_counted(store, good, DELIVERED, 50)
            until(lambda: bool(store.sinks.get(refused.id).last_error), "an error is noted")
            until(lambda: bool(store.sinks.get(nowhere.id).last_error), "an error is noted")
            assert not any(each.attempts for each in store.outbox.list(stuck.id)), "it hangs"
            release.set()

    assert "connection refused" in store.sinks.get(refused.id).last_error
    assert "cannot resolve" in store.sinks.get(nowhere.id).last_error


def test_killed_between_sending_and_recording_it_sends_again_with_the_same_id(
    tmp_path: Path,
) -> None:
    processes: list[subprocess.Popen[str]] = []

    def kill(_: Request) -> Reply:
        os.kill(processes[0].pid, signal.SIGKILL)
        return Reply()

    with Store.open(tmp_path) as store, receiver(kill) as server:
        sink = add_sink(store, url=server.url)
        found(store, [document(1)])
        command = [sys.executable, "-m", "tests.analyzer.pushing", str(tmp_path)]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            processes.append(process)
            server.wait_for(1)
            assert process.wait(20) == -signal.SIGKILL
        assert count(store, sink, PENDING) == 1, "nobody recorded that it was sent"

        server.answer = lambda _: Reply()
        with pushing(store):
            until_counted(store, sink, DELIVERED, 1)

    assert ids(server.requests) == ["f-0000000000000001-v1"] * 2


@on_both
def test_attempts_are_used_up_then_it_is_dead_until_somebody_replays(store: Store) -> None:
    with receiver(lambda _: Reply(status=500, body=b"oh no")) as server:
        sink = add_sink(store, url=server.url)
        found(store, [document(1), document(2)])
        with pushing(store, max_attempts=3):
            dead = until_counted(store, sink, DEAD, 2)
            assert len(server.requests) == 6
            assert [(each.attempts, each.error) for each in dead] == [
                (3, "answered 500: oh no (attempt 3)")
            ] * 2

            server.answer = lambda _: Reply()
            assert store.outbox.replay(sink.id, ids=[dead[1].id], by=SERVICE) == 1
            until_counted(store, sink, DELIVERED, 1)
            assert store.outbox.replay(sink.id, by=SERVICE) == 1
            until_counted(store, sink, DELIVERED, 2)

    assert len(set(ids(server.requests))) == 2, "replays have the ids of the first attempts"


@on_both
def test_versions_of_a_finding_arrive_in_their_order(store: Store) -> None:
    refuse = True

    def picky(request: Request) -> Reply:
        first = b'"finding 1"' in request.body and request.headers["webhook-id"].endswith("-v1")
        return Reply(status=500 if refuse and first else 200)

    with receiver(picky) as server:
        sink = add_sink(store, url=server.url)
        found(store, [document(1), document(2)])
        with pushing(store):
            until_counted(store, sink, DELIVERED, 1)
            found(store, [document(1, confidence=0.9), document(2, confidence=0.9)])
            until_counted(store, sink, DELIVERED, 2)
            server.wait_for(6)
            assert "f-0000000000000001-v2" not in ids(server.requests), "it waits for version 1"
            refuse = False
            until_counted(store, sink, DELIVERED, 4)

    sent = ids(server.requests)
    assert sent.index("f-0000000000000001-v2") > max(
        place for place, each in enumerate(sent) if each == "f-0000000000000001-v1"
    )


def test_a_receiver_that_is_gone_disables_its_sink_and_loses_nothing(store: Store) -> None:
    with receiver(lambda _: Reply(status=410)) as server:
        sink = add_sink(store, url=server.url)
        found(store, [document(1), document(2)])
        with pushing(store):
            until(lambda: not store.sinks.get(sink.id).enabled, "it is disabled")
            assert "410" in store.sinks.get(sink.id).disabled_because
            assert count(store, sink, PENDING) == 2
            assert len(server.requests) == 1

            server.answer = lambda _: Reply()
            store.sinks.update(sink.id, by=SERVICE, enabled=True)
            until_counted(store, sink, DELIVERED, 2)


def test_findings_that_are_hidden_by_then_are_skipped(store: Store) -> None:
    with receiver() as server:
        sink = add_sink(store, url=server.url)
        found(store, [document(1), document(2)])
        hidden = store.suppressions.add(
            kind="suppress",
            scope={"finding": "f-0000000000000001"},
            reason="known",
            expires_ns=0,
            by=SERVICE,
        )
        with pushing(store):
            (skipped,) = until_counted(store, sink, SKIPPED, 1)
            until_counted(store, sink, DELIVERED, 1)

    assert skipped.error == f"hidden by suppression {hidden.id}"
    assert skipped.finding_id == "f-0000000000000001"
    assert ids(server.requests) == ["f-0000000000000002-v1"]


def test_a_receiver_that_asks_for_rest_is_left_alone(store: Store) -> None:
    with receiver(lambda _: Reply(status=429, headers={"Retry-After": "600"})) as server:
        sink = add_sink(store, url=server.url)
        found(store, [document(number) for number in range(100)])
        with pushing(store):
            until(lambda: bool(store.outbox.list(sink.id)[0].attempts), "it was tried")
            with server.arrived:
                came = server.arrived.wait_for(lambda: len(server.requests) > 1, 0.5)
            assert not came, "what was not tried yet waits as well"

    first, *_, last = store.outbox.list(sink.id)
    assert first.next_ns >= store.now_ns() + 590 * NS_PER_SECOND
    assert (last.attempts, last.state) == (0, PENDING)


def test_a_database_that_refuses_does_not_make_it_send_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Outbox.delivered
    refused: list[int] = []

    def refuse(self: Outbox, numbers: Any) -> None:
        if len(refused) < 3:
            refused.append(1)
            raise StoreUnavailable("cannot write: the disk is full")
        record(self, numbers)

    monkeypatch.setattr(Outbox, "delivered", refuse)
    with receiver() as server:
        sink = add_sink(store, url=server.url)
        found(store, [document(1)])
        with pushing(store):
            until_counted(store, sink, DELIVERED, 1)

    assert len(refused) == 3
    assert len(server.requests) == 1


def test_a_finding_that_cannot_be_written_is_dead_and_the_others_go(store: Store) -> None:
    def render(finding: Any, name: str) -> bytes:
        if finding["title"] == "finding 2":
            raise KeyError("src_ip")
        return json.dumps(finding).encode()

    with receiver() as server:
        sink = add_sink(store, url=server.url)
        found(store, [document(1), document(2), document(3)])
        dispatcher = Dispatcher(store, settings(), render)
        dispatcher.start()
        try:
            until_counted(store, sink, DELIVERED, 2)
            (dead,) = until_counted(store, sink, DEAD, 1)
        finally:
            assert dispatcher.stop()

    assert dead.error == "cannot be written as native: KeyError"


def test_a_senders_own_fault_ends_no_thread(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[int] = []

    def faulty(*_: object) -> Any:
        faults.append(1)
        raise ZeroDivisionError

    with receiver() as server:
        sink = add_sink(store, url=server.url)
        found(store, [document(1)])
        with pushing(store):
            with monkeypatch.context() as patched:
                patched.setattr("analyzer.sinks.webhook.WebhookSender.deliver", faulty)
                until(lambda: len(faults) > 2, "it is tried again")
            until_counted(store, sink, DELIVERED, 1)


def test_a_message_a_sender_cannot_handle_keeps_no_other_waiting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver = WebhookSender.deliver

    def faulty(self: WebhookSender, messages: Sequence[Message]) -> Sequence[Outcome]:
        if any(message.finding["title"] == "finding 2" for message in messages):
            raise UnicodeError
        return deliver(self, messages)

    monkeypatch.setattr(WebhookSender, "deliver", faulty)
    with receiver() as server:
        sink = add_sink(store, url=server.url)
        found(store, [document(1), document(2), document(3)])
        with pushing(store, max_attempts=3):
            until_counted(store, sink, DELIVERED, 2)
            (dead,) = until_counted(store, sink, DEAD, 1)

    assert dead.error == "cannot be sent: UnicodeError (attempt 3)"


def test_changed_and_deleted_sinks_are_followed(store: Store) -> None:
    with receiver() as one, receiver() as two:
        sink = add_sink(store, url=one.url)
        with pushing(store):
            found(store, [document(1)])
            until_counted(store, sink, DELIVERED, 1)
            store.sinks.update(sink.id, by=SERVICE, config={**sink.config, "url": two.url})
            found(store, [document(2)], "two")
            two.wait_for(1)
            until_counted(store, sink, DELIVERED, 2)
            store.sinks.delete(sink.id, by=SERVICE)
            found(store, [document(3)], "three")
            until(lambda: not store.sinks.list(), "it is gone")

    assert len(one.requests) + len(two.requests) == 2


def test_a_sink_that_cannot_be_opened_says_why_and_works_once_it_can(store: Store) -> None:
    with receiver() as server:
        sink = add_sink(store, url=server.url, secrets=["whsec_short"])
        found(store, [document(1)])
        with pushing(store):
            until(lambda: "option secrets" in store.sinks.get(sink.id).last_error, "it says why")
            good = add_sink(store, url=server.url, name="good")
            store.sinks.update(sink.id, by=SERVICE, config=good.config)
            until_counted(store, sink, DELIVERED, 1)


def test_waking_sends_what_polling_would_send_later(store: Store) -> None:
    with receiver() as server:
        sink = add_sink(store, url=server.url)
        found(store, [document(1)])
        with pushing(store, poll_s=600.0) as dispatcher:
            until_counted(store, sink, DELIVERED, 1)
            found(store, [document(2)], "two")
            dispatcher.wake()
            until_counted(store, sink, DELIVERED, 2)


def test_stopping_takes_a_bounded_time_even_when_a_sink_hangs(store: Store) -> None:
    with hanging() as (port, release):
        sink = add_sink(store, url=f"http://127.0.0.1:{port}", timeout_s=30)
        found(store, [document(1)])
        dispatcher = Dispatcher(store, settings())
        dispatcher.start()
        until(lambda: sink.id in dispatcher._pumps, "it has started")
        started = time.monotonic()
        dispatcher.stop(0.3)
        assert time.monotonic() - started < 5
        assert not dispatcher.alive
        release.set()
        assert dispatcher.stop(10)
