"""Suppressions and allow-lists: what a scope covers, what it counts, how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analyzer.errors import ConflictError, LimitError, NotFoundError, UsageError
from analyzer.store import Store
from analyzer.store import suppressions as suppressions_module
from analyzer.store.findings import TriageChange
from analyzer.store.queries import FindingQuery, Hidden, Position
from analyzer.store.records import (
    StoredFinding,
    SuppressionState,
    TriageStatus,
    Verdict,
)
from analyzer.store.scopes import MAX_FINDINGS, MAX_VALUE_CHARS, Subject, compile_scope
from analyzer.store.suppressions import NewSuppression
from analyzer.times import NS_PER_SECOND
from tests.stored import ANA, WALLET, Clock, analyse, document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ID_1, ID_2, ID_3 = (document(number)["id"] for number in (1, 2, 3))
SHA256 = "ab" * 32


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[Store]:
    """A store whose time goes on when the test says so."""
    with Store.open(tmp_path / "data", database_url, clock=clock) as opened:
        yield opened


def stored(**changes: Any) -> StoredFinding:
    made = document(1, **changes)
    return StoredFinding(
        id=made["id"],
        sequence=1,
        version=1,
        capture=SHA256,
        analysis_id="a-1",
        current=True,
        document=made,
        status=TriageStatus.NEW,
        verdict=Verdict.NONE,
        assignee="",
        tags=(),
        created_ns=1,
        updated_ns=1,
    )


def covers(scope: dict[str, Any], **changes: Any) -> bool:
    return compile_scope(scope)(Subject(stored(**changes)))


def add(store: Store, scope: dict[str, Any], **changes: Any) -> str:
    given = {"kind": "suppress", "reason": "noise", "expires_ns": 0, **changes}
    return store.suppressions.add(scope=scope, by=ANA, **given).id


def shown(store: Store, suppressed: Hidden = Hidden.HIDE) -> list[str]:
    page = store.findings.page(FindingQuery(suppressed=suppressed), after=None, limit=100)
    return [finding.id for finding in page.findings]


def poll(store: Store, after: Position | None) -> tuple[list[str], Position]:
    page = store.findings.page(FindingQuery(), after=after, limit=100)
    return [finding.id for finding in page.findings], page.next


# --- scopes ---


@pytest.mark.parametrize(
    ("scope", "near_miss"),
    [
        ({"detector": "mining.stratum"}, {"detector": "mining.stratum_v2"}),
        ({"detector": "mining.*"}, {"detector": "miningx.stratum"}),
        ({"category": "mining"}, {"category": "tunnel"}),
        ({"src": "192.0.2.10"}, {"flow": {"src_ip": "192.0.2.11"}}),
        ({"src": "192.0.2.0/28"}, {"flow": {"src_ip": "192.0.2.16"}}),
        ({"src": "192.0.2.9/28"}, {"flow": {"src_ip": "192.0.2.16"}}),
        ({"dst": "198.51.100.20"}, {"flow": {"dst_ip": "192.0.2.10", "src_ip": "198.51.100.20"}}),
        ({"host": "198.51.100.20"}, {"flow": {"dst_ip": "198.51.100.2"}}),
        ({"host": "192.0.2.10"}, {"flow": {"src_ip": "192.0.2.100"}}),
        ({"dst_port": 3333}, {"flow": {"dst_port": 3334}}),
        ({"name": "pool.example.com"}, {"attributes": {"pool": {"name": "a.pool.example.com"}}}),
        ({"name": "POOL.Example.com."}, {"attributes": {"pool": {"name": "pool.example.co"}}}),
        ({"name": "*.example.com"}, {"attributes": {"pool": {"name": "pool.notexample.com"}}}),
        ({"name": "*.pool.example.com"}, {"attributes": {"pool": {"name": "example.com"}}}),
        ({"wallet": WALLET}, {"attributes": {"wallet": WALLET + "x"}}),
        ({"wallet": WALLET}, {"attributes": {"wallet": None}}),
        ({"pool": "Example Pool"}, {"attributes": {"pool": {"operator": "Example"}}}),
        ({"pool": "pool.example.com"}, {"attributes": {"pool": None}}),
        ({"pool": "198.51.100.20"}, {"attributes": {"pool": {"ip": "198.51.100.2"}}}),
        ({"finding": ID_1}, {"id": ID_2}),
        ({"finding": [ID_3, ID_1]}, {"id": ID_2}),
        ({"severity_at_most": "high"}, {"severity": "critical"}),
        ({"src": "192.0.2.10", "dst_port": 3333}, {"flow": {"dst_port": 443}}),
    ],
)
def test_each_field_covers_its_own_and_not_what_is_near(
    scope: dict[str, Any], near_miss: dict[str, Any]
) -> None:
    assert covers(scope)
    assert not covers(scope, **near_miss)


def test_a_capture_is_named_by_its_hash() -> None:
    assert covers({"capture": SHA256})
    assert not covers({"capture": SHA256[:-1] + "0"})


def test_a_star_covers_the_name_itself_and_all_below_it() -> None:
    for name in ("pool.example.com", "a.pool.example.com", "b.a.POOL.example.com."):
        assert covers({"name": "*.pool.example.com"}, attributes={"pool": {"name": name}}), name


@pytest.mark.parametrize(
    "attributes",
    [
        {"sni": "pool.example.com"},
        {"host": "POOL.example.com"},
        {"names": ["other.example.net", "pool.example.com"]},
        {"names": [{"name": "pool.example.com", "source": "dns"}]},
        {"pool": "pool.example.com"},
    ],
)
def test_a_name_is_found_wherever_a_finding_has_names(attributes: dict[str, Any]) -> None:
    assert covers({"name": "pool.example.com"}, attributes={"pool": None, **attributes})


def test_a_name_is_not_what_merely_stands_beside_names() -> None:
    for word in ("dns", "198.51.100.20", WALLET):
        assert not covers({"name": word}), word


def test_addresses_of_the_other_family_and_odd_ones_are_not_inside() -> None:
    assert not covers({"src": "::/0"})
    assert not covers({"src": "0.0.0.0/0"}, flow={"src_ip": "2001:db8::1"})
    assert not covers({"host": "0.0.0.0/0"}, flow={"src_ip": "", "dst_ip": "not an address"})
    assert covers({"dst": "2001:DB8::/32"}, flow={"dst_ip": "2001:db8::1"})


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"nonsense": "x"},
        {"detector": ""},
        {"detector": "*"},
        {"detector": ".*"},
        {"detector": "mi*ing.stratum"},
        {"category": "none"},
        {"src": "192.0.2.0/33"},
        {"src": "pool.example.com"},
        {"dst": 7},
        {"dst_port": "3333"},
        {"dst_port": -1},
        {"dst_port": 65_536},
        {"dst_port": True},
        {"name": "*"},
        {"name": "*."},
        {"name": "a.*.example.com"},
        {"name": "a b"},
        {"name": "x" * (MAX_VALUE_CHARS + 1)},
        {"wallet": None},
        {"finding": []},
        {"finding": [7]},
        {"finding": ["f"] * (MAX_FINDINGS + 1)},
        {"severity_at_most": "worst"},
    ],
)
def test_a_scope_that_makes_no_sense_is_refused_when_it_is_made(scope: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        compile_scope(scope)


# --- what they do ---


def test_a_suppression_hides_and_names_itself(store: Store) -> None:
    analyse(store, [document(1), document(2, detector="tunnel.relay")])
    made = add(store, {"detector": "mining.*"})

    assert shown(store) == [ID_2]
    assert shown(store, Hidden.ONLY) == [ID_1]
    assert shown(store, Hidden.SHOW) == [ID_1, ID_2]
    assert store.findings.get(ID_1).suppressed_by == made
    assert store.findings.get(ID_2).suppressed_by == ""


def test_of_several_the_oldest_is_named(store: Store) -> None:
    analyse(store, [document(1)])
    first = add(store, {"src": "192.0.2.10"})
    add(store, {"detector": "mining.*"})

    assert store.findings.get(ID_1).suppressed_by == first


def test_one_that_is_new_counts_what_it_hides(store: Store) -> None:
    analyse(store, [document(1), document(2), document(3, category="tunnel")])
    analyse(store, [document(2), document(3, category="tunnel")])

    made = store.suppressions.get(add(store, {"category": "mining"}, kind="allow"))

    assert (made.kind, made.hits, made.state) == ("allow", 1, SuppressionState.ACTIVE)
    assert made.last_hit_ns == made.created_ns


def test_hits_are_counted_again_as_findings_come(store: Store) -> None:
    made = add(store, {"category": "mining"})
    other = add(store, {"category": "tunnel"})
    assert store.suppressions.get(made).last_hit_ns == 0

    analyse(store, [document(1), document(2)])
    store.suppressions.recount()

    found = store.suppressions.get(made)
    assert found.hits == 2
    assert found.last_hit_ns > found.created_ns
    assert store.suppressions.get(other).hits == 0


def test_a_dry_run_counts_and_changes_nothing(store: Store) -> None:
    analyse(
        store,
        [
            document(1, severity="low", confidence=0.5),
            document(2, severity="critical", confidence=0.99),
            document(3, severity="low", confidence=0.6),
            document(4, detector="tunnel.relay"),
        ],
    )
    store.findings.triage([ID_1], TriageChange(verdict=Verdict.TRUE_POSITIVE), reason="", by=ANA)

    found = store.suppressions.dry_run({"detector": "mining.*"})

    assert found.count == 3
    assert found.by_severity == {"low": 2, "critical": 1}
    assert found.confirmed == 2
    assert found.examples == (ID_2, ID_3, ID_1)
    assert store.suppressions.list() == []
    assert len(shown(store)) == 4


def test_a_dry_run_shows_a_few_of_the_gravest(store: Store) -> None:
    severities = ["low", "high"] * 10
    documents = [document(n, severity=severity) for n, severity in enumerate(severities)]
    analyse(store, documents)

    found = store.suppressions.dry_run({"category": "mining"})

    assert len(found.examples) == suppressions_module.MAX_EXAMPLES
    assert all(store.findings.get(one).document["severity"] == "high" for one in found.examples)


def test_several_are_added_all_or_none(store: Store) -> None:
    good = NewSuppression(kind="allow", scope={"dst_port": 1}, reason="x", expires_ns=0)
    bad = NewSuppression(kind="allow", scope={"dst_port": -1}, reason="x", expires_ns=0)

    with pytest.raises(UsageError):
        store.suppressions.add_all([good, bad], by=ANA)
    assert store.suppressions.list() == []

    assert len(store.suppressions.add_all([good, good], by=ANA)) == 2


def test_there_is_a_bound_on_active_ones(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppressions_module, "MAX_ACTIVE", 2)
    add(store, {"dst_port": 1})
    second = add(store, {"dst_port": 2})

    with pytest.raises(LimitError, match="more than 2"):
        add(store, {"dst_port": 3})

    store.suppressions.revoke(second, by=ANA)
    add(store, {"dst_port": 3})


@pytest.mark.parametrize(
    "given",
    [{"kind": "other"}, {"reason": ""}, {"reason": " "}, {"reason": "x" * 2001}, {"expires_ns": 1}],
)
def test_what_makes_no_sense_is_refused(store: Store, given: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        add(store, {"dst_port": 1}, **given)

    assert store.suppressions.list() == []


# --- how they end ---


def test_revoking_shows_again_and_says_so_in_feed_history_and_audit(store: Store) -> None:
    made = add(store, {"category": "mining"})
    analyse(store, [document(1), document(2, category="tunnel")])
    seen, end = poll(store, None)
    assert seen == [ID_2]

    ended = store.suppressions.revoke(made, reason="it was no noise", by=ANA)

    assert (ended.state, ended.ended_by, ended.end_reason) == (
        SuppressionState.REVOKED,
        ANA.name,
        "it was no noise",
    )
    assert ended.ended_ns > ended.created_ns
    assert poll(store, end)[0] == [ID_1]
    last = store.findings.versions(ID_1)[-1]
    assert (last.change, last.by, last.reason) == ("unsuppressed", ANA.name, "it was no noise")
    assert last.changes == {"suppressed_by": [made, ""]}
    assert [entry.action for entry in store.audit.page(subject=made)] == [
        "suppression.add",
        "suppression.revoked",
    ]


def test_what_another_one_still_hides_stays_hidden_and_comes_with_its_end(store: Store) -> None:
    analyse(store, [document(1)])
    first, second = add(store, {"category": "mining"}), add(store, {"dst_port": 3333})
    _, end = poll(store, None)

    store.suppressions.revoke(first, by=ANA)
    assert store.findings.get(ID_1).suppressed_by == second
    between, end = poll(store, end)
    assert between == []

    store.suppressions.revoke(second, by=ANA)
    assert poll(store, end)[0] == [ID_1]
    assert store.findings.get(ID_1).version == 2


def test_superseded_findings_come_back_to_those_who_ask_for_them(store: Store) -> None:
    analyse(store, [document(1)])
    made = add(store, {"category": "mining"})
    analyse(store, [])
    query = FindingQuery(superseded=Hidden.SHOW)
    end = store.findings.page(query, after=None, limit=10).next

    store.suppressions.revoke(made, by=ANA)

    found = store.findings.page(query, after=end, limit=10).findings
    assert [(finding.id, finding.current) for finding in found] == [(ID_1, False)]


def test_one_ends_once(store: Store) -> None:
    made = add(store, {"category": "mining"})
    store.suppressions.revoke(made, reason="a", by=ANA)

    with pytest.raises(ConflictError, match="it is revoked already"):
        store.suppressions.revoke(made, reason="b", by=ANA)
    with pytest.raises(NotFoundError):
        store.suppressions.revoke("s-none", by=ANA)
    assert store.suppressions.get(made).end_reason == "a"


def test_one_whose_time_is_over_ends_when_the_service_looks(store: Store, clock: Clock) -> None:
    analyse(store, [document(1)])
    soon = store.now_ns() + 60 * NS_PER_SECOND
    made, forever = add(store, {"category": "mining"}, expires_ns=soon), add(store, {"dst_port": 1})
    assert store.suppressions.expire() == []
    _, end = poll(store, None)

    clock.forward(61)
    assert poll(store, end)[0] == [], "it acts until its end is written, so nothing is missed"
    ended = store.suppressions.expire()

    assert [item.id for item in ended] == [made]
    assert ended[0].state is SuppressionState.EXPIRED
    assert poll(store, end)[0] == [ID_1]
    assert store.suppressions.get(forever).state is SuppressionState.ACTIVE
    assert store.suppressions.expire() == []


def test_lists_have_the_newest_first_and_ended_ones_too(store: Store) -> None:
    first, second = add(store, {"dst_port": 1}), add(store, {"dst_port": 2})
    store.suppressions.revoke(first, by=ANA)

    assert [item.id for item in store.suppressions.list()] == [second, first]
    assert [item.id for item in store.suppressions.list(SuppressionState.ACTIVE)] == [second]
    assert [item.id for item in store.suppressions.list(SuppressionState.REVOKED)] == [first]
