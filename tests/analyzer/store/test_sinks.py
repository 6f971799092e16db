"""Sinks as rows."""

import pytest

from analyzer.errors import ConflictError, LimitError, NotFoundError, UsageError
from analyzer.store import Store, sinks
from tests.builders_store import ANA, analysed, sink


def test_a_sink_is_changed_and_its_name_is_its_own(store: Store) -> None:
    one, two = sink(store, "one"), sink(store, "two")

    changed = store.sinks.update(one, name="first", only={"categories": ["mining"]}, by=ANA)
    assert (changed.name, changed.only) == ("first", {"categories": ["mining"]})
    assert [one.name for one in store.sinks.list()] == ["first", "two"]
    with pytest.raises(ConflictError, match="another one has that name"):
        store.sinks.update(two, name="first", by=ANA)
    with pytest.raises(ConflictError, match="another one has that name"):
        sink(store, "two")
    with pytest.raises(UsageError, match="cannot change id of a sink"):
        store.sinks.update(two, id="k-1", by=ANA)
    with pytest.raises(UsageError, match="0 characters"):
        store.sinks.update(two, name="", by=ANA)


def test_a_sink_that_was_stopped_says_why_until_it_is_enabled(store: Store) -> None:
    where = sink(store)
    store.sinks.disable(where, "the receiver said 410", by=ANA)
    stopped = store.sinks.get(where)
    assert (stopped.enabled, stopped.disabled_because) == (False, "the receiver said 410")

    again = store.sinks.update(where, enabled=True, by=ANA)
    assert (again.enabled, again.disabled_because) == (True, "")


def test_how_it_went_last_is_known(store: Store) -> None:
    where = sink(store)
    store.sinks.record_result(where, error="x" * 5000)
    failed = store.sinks.get(where)
    assert failed.last_failure_ns > 0
    assert len(failed.last_error) == 1000

    store.sinks.record_result(where)
    assert store.sinks.get(where).last_error == ""
    assert store.sinks.get(where).last_success_ns > 0


def test_a_sink_goes_with_what_waits_for_it(store: Store) -> None:
    where = sink(store)
    analysed(store)

    store.sinks.delete(where, by=ANA)

    assert store.outbox.list(where) == []
    for missing in (store.sinks.get, lambda one: store.sinks.delete(one, by=ANA)):
        with pytest.raises(NotFoundError):
            missing(where)
    assert [one.action for one in store.audit.page(subject=where)] == ["sink.add", "sink.delete"]


def test_there_are_only_so_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "MAX_SINKS", 1)
    sink(store, "one")

    with pytest.raises(LimitError, match="there are 1"):
        sink(store, "two")
