"""The outbox: what waits for a sink, in which order, and what became of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.errors import NotFoundError
from analyzer.store import Store
from analyzer.store.queries import FindingQuery
from analyzer.store.records import SERVICE, DeliveryState
from tests.builders_store import ANA, Clock, adopt, analysed, claim, finish, sink


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[Store]:
    with Store.open(tmp_path / "timed", database_url, clock=clock) as opened:
        yield opened


def test_findings_wait_for_every_sink_that_wants_them(timed: Store) -> None:
    every = sink(timed)
    off = sink(timed, "off")
    timed.sinks.update(off, enabled=False, by=ANA)
    only = {"categories": ["tunnel"]}
    tunnels = timed.sinks.create(
        name="tunnels", kind="file", format="ecs", config={}, only=only, by=ANA
    )

    analysed(timed, logins=2)

    assert [one.version for one in timed.outbox.due(every, limit=9)] == [1, 1]
    assert timed.outbox.due(off, limit=9) == []
    assert timed.outbox.due(tunnels.id, limit=9) == []


def test_what_was_delivered_skipped_or_given_up_waits_no_more(timed: Store) -> None:
    where = sink(timed)
    analysed(timed, logins=3)
    one, two, three = timed.outbox.due(where, limit=9)

    timed.outbox.delivered([one.id])
    timed.outbox.skipped([two.id], "suppressed")
    timed.outbox.dead([three.id], "refused: " + "x" * 5000)

    assert timed.outbox.due(where, limit=9) == []
    assert timed.outbox.next_due_ns(where) is None
    assert timed.outbox.counts(where) == {"delivered": 1, "skipped": 1, "dead": 1}
    (dead,) = timed.outbox.list(where, state=DeliveryState.DEAD)
    assert len(dead.error) == 1000
    timed.outbox.delivered([three.id])
    assert timed.outbox.get(three.id).state is DeliveryState.DEAD, "an end is an end"


def test_what_failed_is_due_again_at_its_time(timed: Store, clock: Clock) -> None:
    where = sink(timed)
    analysed(timed)
    (one,) = timed.outbox.due(where, limit=9)
    later_ns = clock.now_ns + 5 * 10**9

    timed.outbox.retry([one.id], error="503", next_ns=later_ns)

    assert timed.outbox.due(where, limit=9) == []
    assert timed.outbox.next_due_ns(where) == later_ns
    clock.move(seconds=5)
    (again,) = timed.outbox.due(where, limit=9)
    assert (again.id, again.attempts, again.error) == (one.id, 1, "503")


def test_dead_letters_are_replayed_all_or_by_name(timed: Store) -> None:
    where = sink(timed)
    analysed(timed, logins=3)
    ids = [one.id for one in timed.outbox.due(where, limit=9)]
    timed.outbox.dead(ids[:2], "refused")
    timed.outbox.delivered(ids[2:])

    assert timed.outbox.replay(where, by=ANA) == 2
    assert timed.outbox.replay(where, ids=ids[2:], by=ANA) == 1
    assert [one.id for one in timed.outbox.due(where, limit=9)] == ids
    assert timed.outbox.replay("k-other", ids=ids, by=ANA) == 0


def test_a_sink_that_is_new_can_be_told_of_what_there_was(timed: Store) -> None:
    analysed(timed, logins=2)
    where = sink(timed)
    assert timed.outbox.due(where, limit=9) == []

    assert timed.outbox.fill(where, after_sequence=1, by=ANA) == 1
    assert timed.outbox.fill(where, after_sequence=0, by=ANA) == 1
    assert timed.outbox.fill(where, after_sequence=0, by=ANA) == 0


def test_the_same_finding_again_is_pushed_only_when_it_differs(timed: Store) -> None:
    where = sink(timed)
    analysed(timed)
    adopt(timed, reanalyse=True)
    finish(timed, claim(timed))
    (finding,) = timed.findings.page(FindingQuery(), after=None, limit=9).findings
    timed.findings.comment(finding.id, "a comment is no news to a sink", by=SERVICE)
    assert len(timed.outbox.list(where)) == 1

    adopt(timed, reanalyse=True)
    finish(timed, claim(timed), agent="another")
    assert [one.version for one in timed.outbox.list(where)] == [1, 3]


def test_deliveries_are_listed_behind_a_number(timed: Store) -> None:
    where = sink(timed)
    analysed(timed, logins=3)
    ids = [one.id for one in timed.outbox.list(where)]

    assert [one.id for one in timed.outbox.list(where, after=ids[0], limit=1)] == [ids[1]]
    with pytest.raises(NotFoundError):
        timed.outbox.get(10**6)
