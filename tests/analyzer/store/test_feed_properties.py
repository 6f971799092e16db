"""Polling while everything changes: each version comes once, in order, and none is missed.

Writers run in threads: analyses of several captures (findings new, changed, gone, back, captures
that come late), triage, comments, suppressions that are made, revoked and run out. Pollers follow
the feed meanwhile with limits and conditions of their own. Hypothesis picks what everybody does;
the database and the threads pick the order.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from analyzer.errors import ConflictError, LimitError, NotFoundError
from analyzer.store import Store
from analyzer.store.findings import TriageChange
from analyzer.store.queries import FindingQuery, Hidden, Position
from analyzer.store.records import TriageStatus
from tests.stored import ANA, Clock, analyse, document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

EXAMPLES = int(os.environ.get("OUTGATE_FEED_EXAMPLES", "12"))
JOIN_S = 60
CAPTURES = 3
FINDINGS_OF_CAPTURE = 4
SEVERITIES = ("low", "medium", "high", "critical")
QUERIES: tuple[Mapping[str, Any], ...] = (
    {},
    {"severity_at_least": 3},
    {"superseded": Hidden.SHOW},
    {"suppressed": Hidden.SHOW, "superseded": Hidden.SHOW},
    {"statuses": ("new",)},
    {"detectors": ("mining.stratum",), "confidence_at_least": 0.5},
    {"text": "(2)"},
)


@pytest.fixture
def feed_store(tmp_path: Path, database_url: str) -> Iterator[tuple[Store, Clock]]:
    """One store for all examples, and its clock."""
    clock = Clock()
    with Store.open(tmp_path / "data", database_url, clock=clock) as opened:
        yield opened, clock


Step = tuple[Any, ...]
numbers = st.integers(0, CAPTURES * FINDINGS_OF_CAPTURE - 1)
scopes = st.one_of(
    st.builds(lambda number: {"finding": document(number)["id"]}, numbers),
    st.sampled_from([{"severity_at_most": "medium"}, {"dst_port": 3333}, {"dst_port": 4444}]),
)
variants = st.fixed_dictionaries(
    {
        "severity": st.sampled_from(SEVERITIES),
        "confidence": st.sampled_from([0.3, 0.9]),
        "port": st.sampled_from([3333, 4444]),
    }
)
analyses = st.tuples(
    st.just("analyse"),
    st.dictionaries(st.integers(0, FINDINGS_OF_CAPTURE - 1), variants),
)
writings = st.one_of(
    st.tuples(st.just("status"), numbers, st.sampled_from(list(TriageStatus))),
    st.tuples(st.just("comment"), numbers),
    st.tuples(st.just("suppress"), scopes, st.sampled_from([0, 5])),
    st.tuples(st.just("revoke")),
    st.tuples(st.just("expire")),
)


@dataclass
class Poller:
    """Follows the feed as a SIEM does.

    Attributes:
        query: Its conditions.
        limits: Of its requests, in turn.
        got: What it received: sequence, id, version.
    """

    query: FindingQuery
    limits: tuple[int, ...]
    got: list[tuple[int, str, int]] = field(default_factory=list)
    position: Position | None = None
    turn: int = 0

    def ask(self, store: Store) -> bool:
        """One request; whether more waits."""
        limit = self.limits[self.turn % len(self.limits)]
        self.turn += 1
        page = store.findings.page(self.query, after=self.position, limit=limit)
        assert len(page.findings) <= limit
        self.got += [(one.sequence, one.id, one.version) for one in page.findings]
        self.position = page.next
        return page.has_more

    def drain(self, store: Store) -> None:
        """Asks until nothing is left."""
        while self.ask(store):
            pass


def perform(store: Store, clock: Clock, step: Step, made: list[str]) -> None:
    """Does one step of a writer; what cannot be done now is left."""
    with contextlib.suppress(NotFoundError, ConflictError, LimitError):
        match step:
            case ("status", number, status):
                change = TriageChange(status=status)
                store.findings.triage([document(number)["id"]], change, reason="", by=ANA)
            case ("comment", number):
                store.findings.comment(document(number)["id"], "x", by=ANA)
            case ("suppress", scope, lasts_s):
                expires_ns = store.now_ns() + lasts_s * 1_000_000_000 if lasts_s else 0
                added = store.suppressions.add(
                    kind="suppress", scope=scope, reason="x", expires_ns=expires_ns, by=ANA
                )
                made.append(added.id)
            case ("revoke",) if made:
                store.suppressions.revoke(made.pop(), reason="x", by=ANA)
            case ("expire",):
                clock.forward(6)
                store.suppressions.expire()


def analyse_capture(store: Store, capture: int, said: Mapping[int, Mapping[str, Any]]) -> None:
    """An analysis of one of the captures; the first one of a capture is its late arrival."""
    documents = [
        document(
            capture * FINDINGS_OF_CAPTURE + number,
            severity=variant["severity"],
            confidence=variant["confidence"],
            flow={"dst_port": variant["port"]},
        )
        for number, variant in said.items()
    ]
    analyse(store, documents, f"capture {capture}".encode())


def run_all(work: list[Callable[[], None]]) -> None:
    """Everything at once, in threads; fails with the first that failed."""
    failures: list[BaseException] = []

    def guarded(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - it is raised again below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(task,), daemon=True) for task in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_S)
        assert not thread.is_alive(), "a writer waits for another without end"
    if failures:
        raise failures[0]


def check(store: Store, poller: Poller) -> None:
    """What a poller may rely on."""
    sequences = [sequence for sequence, _, _ in poller.got]
    assert sequences == sorted(set(sequences)), "the order of the feed"
    versions = [(finding_id, version) for _, finding_id, version in poller.got]
    assert len(versions) == len(set(versions)), "each version once"
    now = store.findings.page(poller.query, after=None, limit=1000)
    last: dict[str, int] = dict(versions)
    for finding in now.findings:
        assert last.get(finding.id) == finding.version, f"{finding.id} was missed"
    before = poller.position
    assert not poller.ask(store)
    assert poller.position == before, "nothing new leaves the position as it is"


def keep_polling(store: Store, poller: Poller, stop: threading.Event) -> None:
    while not stop.is_set():
        poller.ask(store)


@contextlib.contextmanager
def polled(store: Store, pollers: list[Poller]) -> Iterator[None]:
    """Pollers ask on and on until the block ends."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=keep_polling, args=(store, poller, stop), daemon=True)
        for poller in pollers
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(JOIN_S)


pollers_of = st.lists(
    st.builds(
        lambda query, limits: Poller(query=FindingQuery(**query), limits=tuple(limits)),
        st.sampled_from(QUERIES),
        st.lists(st.integers(1, 5), min_size=1, max_size=3),
    ),
    min_size=2,
    max_size=3,
)


def wipe(store: Store) -> None:
    """An empty store again, whose feed goes on counting."""
    with store.database.write() as connection:
        for name in ("finding_versions", "comments", "findings", "suppressions"):
            connection.exec_driver_sql(f"DELETE FROM {name}")


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # threads never fail the same way twice
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    captures=st.lists(st.lists(analyses, max_size=3), min_size=CAPTURES, max_size=CAPTURES),
    writers=st.lists(st.lists(writings, max_size=6), min_size=2, max_size=2),
    pollers=pollers_of,
)
def test_a_poller_gets_each_version_once_and_misses_nothing(
    feed_store: tuple[Store, Clock],
    captures: list[list[Step]],
    writers: list[list[Step]],
    pollers: list[Poller],
) -> None:
    store, clock = feed_store
    wipe(store)
    made: list[str] = []

    def analyser(capture: int, steps: list[Step]) -> None:
        for _, said in steps:
            analyse_capture(store, capture, said)

    def writer(steps: list[Step]) -> None:
        for step in steps:
            perform(store, clock, step, made)

    work: list[Callable[[], None]] = [
        *(lambda n=n, steps=steps: analyser(n, steps) for n, steps in enumerate(captures)),
        *(lambda steps=steps: writer(steps) for steps in writers),
    ]
    with polled(store, pollers):
        run_all(work)
    for poller in pollers:
        poller.drain(store)
        check(store, poller)
