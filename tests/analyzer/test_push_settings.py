"""What is asked of a dispatcher beside its work: tests of sinks, checks, and how long it waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.errors import ConfigError
from analyzer.push import Dispatcher, PushSettings
from analyzer.sinks import Delivered, Disable, Retry
from analyzer.store import Store
from analyzer.store.records import SERVICE
from tests.analyzer.pushing import SECRET, add_sink, settings
from tests.analyzer.sinks.receivers import Reply, receiver


@pytest.fixture
def database_url() -> str:
    """SQLite; what is tested here is the same on any database."""
    return ""


def test_the_test_button_sends_a_marked_finding_and_tells_the_outcome(store: Store) -> None:
    dispatcher = Dispatcher(store, settings())
    with receiver() as server:
        sink = add_sink(store, url=server.url)
        assert dispatcher.test(sink) == Delivered()
        server.answer = lambda _: Reply(status=410)
        assert isinstance(dispatcher.test(sink), Disable)
        server.answer = lambda _: Reply(status=500)
        assert dispatcher.test(sink) == Retry("answered 500")

    told = server.requests[0].json()
    assert told["type"] == "finding.test"
    assert told["data"]["title"] == "Test of the sink webhook: nothing happened"
    assert told["data"]["tags"] == ["outgate-test"]
    assert store.sinks.get(sink.id).enabled, "a test changes nothing"


@pytest.mark.parametrize("name", ["native", "ecs", "ocsf", "stix", "eve", "cef", "leef", "asim"])
def test_the_test_finding_can_be_written_in_every_format(store: Store, name: str) -> None:
    dispatcher = Dispatcher(store, settings())
    with receiver() as server:
        sink = add_sink(store, url=server.url)
        changed = store.sinks.update(sink.id, by=SERVICE, format=name)
        assert dispatcher.test(changed) == Delivered()

    assert b"nothing happened" in server.requests[0].body


def test_a_configuration_is_checked_without_connecting(store: Store) -> None:
    dispatcher = Dispatcher(store, PushSettings())
    with pytest.raises(ConfigError, match="loopback"):
        dispatcher.check("webhook", {"url": "https://127.0.0.1/", "secrets": [SECRET]})
    with pytest.raises(ConfigError, match="no folder is allowed"):
        dispatcher.check("file", {"path": "x"})
    dispatcher.check("webhook", {"url": "https://no-such-host.invalid/", "secrets": [SECRET]})


@given(attempts=st.integers(1, 10_000), chance=st.floats(0, 1))
def test_waits_grow_and_stay_within_their_bounds(attempts: int, chance: float) -> None:
    usual = PushSettings()
    delay_s = usual.delay_s(attempts, chance)

    assert 0 <= delay_s <= usual.cap_s
    assert delay_s <= usual.base_s * 2.0 ** min(attempts - 1, 1000)
    assert usual.delay_s(attempts, 1.0) <= usual.delay_s(attempts + 1, 1.0)


def test_a_receiver_may_be_away_over_a_weekend() -> None:
    usual = PushSettings()
    on_average_s = sum(usual.delay_s(attempt, 0.5) for attempt in range(1, usual.max_attempts))

    assert on_average_s > 65 * 3600
