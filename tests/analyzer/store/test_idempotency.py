"""Answers kept for requests that may come twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.errors import ConflictError
from analyzer.store import Store
from analyzer.store.idempotency import Kept, KeyReusedError
from tests.builders_store import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[Store]:
    with Store.open(tmp_path / "timed", database_url, clock=clock) as opened:
        yield opened


def test_an_answer_is_given_again_for_a_day(timed: Store, clock: Clock) -> None:
    assert timed.idempotency.begin("key:1", "k", "d") is None
    with pytest.raises(ConflictError, match="the first is running"):
        timed.idempotency.begin("key:1", "k", "d")
    timed.idempotency.finish("key:1", "k", status=202, headers={"Location": "/x"}, body="{}")

    kept = Kept(status=202, headers={"Location": "/x"}, body="{}")
    assert timed.idempotency.begin("key:1", "k", "d") == kept
    clock.move(days=0.99)
    assert timed.idempotency.begin("key:1", "k", "d") == kept
    clock.move(days=0.01)
    assert timed.idempotency.begin("key:1", "k", "d") is None


def test_a_key_belongs_to_one_request_of_one_caller(timed: Store) -> None:
    timed.idempotency.begin("key:1", "k", "d")
    timed.idempotency.finish("key:1", "k", status=200, headers={}, body="")

    with pytest.raises(KeyReusedError):
        timed.idempotency.begin("key:1", "k", "other")
    assert timed.idempotency.begin("key:2", "k", "other") is None


def test_a_request_that_failed_may_come_again(timed: Store) -> None:
    timed.idempotency.begin("key:1", "k", "d")
    timed.idempotency.drop("key:1", "k")

    assert timed.idempotency.begin("key:1", "k", "d") is None


def test_a_request_that_got_no_answer_may_come_again_after_a_while(
    timed: Store, clock: Clock
) -> None:
    timed.idempotency.begin("key:1", "k", "d")
    clock.move(seconds=599)
    with pytest.raises(ConflictError, match="the first is running"):
        timed.idempotency.begin("key:1", "k", "d")
    clock.move(seconds=1)
    with pytest.raises(KeyReusedError):
        timed.idempotency.begin("key:1", "k", "other")

    assert timed.idempotency.begin("key:1", "k", "d") is None
    with pytest.raises(ConflictError, match="the first is running"):
        timed.idempotency.begin("key:1", "k", "d")


def test_a_start_forgets_what_was_never_answered_and_keeps_answers(
    timed: Store, clock: Clock
) -> None:
    timed.idempotency.begin("key:1", "cut off", "d")
    timed.idempotency.begin("key:1", "answered", "d")
    timed.idempotency.finish("key:1", "answered", status=200, headers={}, body="")

    assert timed.idempotency.prune() == 0
    assert timed.idempotency.prune(at_start=True) == 1
    clock.move(days=1)
    assert timed.idempotency.prune() == 1
