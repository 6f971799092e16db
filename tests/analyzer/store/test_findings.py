"""Findings in the store: pages, positions, conditions, history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analyzer.errors import NotFoundError
from analyzer.store import findings as findings_module
from analyzer.store.findings import TriageChange
from analyzer.store.native import native
from analyzer.store.queries import FindingQuery, Hidden, Sort
from analyzer.store.records import TriageStatus, Verdict
from analyzer.times import NS_PER_SECOND
from tests.stored import ANA, FIRST_SEEN_NS, WALLET, analyse, document, poll

if TYPE_CHECKING:
    from analyzer.store import Store
    from tests.conftest import CheckFinding

ID_1, ID_2, ID_3 = (document(number)["id"] for number in (1, 2, 3))


def ids(store: Store, **query: Any) -> list[str]:
    """What a query finds, in its order."""
    page = store.findings.page(FindingQuery(**query), after=None, limit=1000)
    return [finding.id for finding in page.findings]


def suppress(store: Store, scope: dict[str, Any]) -> str:
    made = store.suppressions.add(
        kind="suppress", scope=scope, reason="noise", expires_ns=0, by=ANA
    )
    return made.id


def test_what_tests_put_in_is_a_finding_by_contract(
    store: Store, check_finding: CheckFinding
) -> None:
    check_finding(document())
    analyse(store, [document()])

    known = native(store.findings.get(ID_1))

    check_finding({name: value for name, value in known.items() if name in document()})
    assert known["version"] == known["sequence"] == 1
    assert known["status"] == "new"
    assert known["current"] is True


# --- pages and positions ---


def test_an_empty_store_gives_a_position_to_come_back_with(store: Store) -> None:
    found, start = poll(store, None)
    assert found == []

    analyse(store, [document(1)])

    assert poll(store, start)[0] == [(ID_1, 1)]


def test_a_position_stays_as_it_is_while_nothing_is_new(store: Store) -> None:
    analyse(store, [document(1), document(2)])
    _, end = poll(store, None, limit=1)

    assert poll(store, end) == ([], end)
    assert poll(store, end) == ([], end)


def test_pages_of_any_size_give_all_findings_once_in_the_order_of_the_feed(store: Store) -> None:
    analyse(store, [document(number) for number in range(1, 8)])
    whole, _ = poll(store, None)

    assert len(whole) == 7
    for limit in (1, 2, 3, 7, 100):
        assert poll(store, None, limit=limit)[0] == whole


def test_a_position_passes_findings_that_conditions_leave_out(store: Store) -> None:
    analyse(store, [document(1, severity="low"), document(2, severity="high")])
    analyse(store, [document(3, severity="low")], b"other")

    found, end = poll(store, None, severity_at_least=3)

    assert found == [(ID_2, 1)]
    assert end.key == (3,)
    store.findings.triage([ID_1], TriageChange(assignee="ana"), reason="", by=ANA)
    assert poll(store, end, severity_at_least=3)[0] == []


def test_a_finding_that_comes_to_match_is_delivered_then(store: Store) -> None:
    analyse(store, [document(1, severity="low")])
    _, end = poll(store, None, severity_at_least=3)

    analyse(store, [document(1, severity="critical")])

    assert poll(store, end, severity_at_least=3)[0] == [(ID_1, 2)]


def test_hidden_findings_are_counted_and_passed(store: Store) -> None:
    analyse(store, [document(number) for number in (1, 2, 3)])
    suppress(store, {"finding": [ID_1, ID_3]})

    page = store.findings.page(FindingQuery(), after=None, limit=10)

    assert [finding.id for finding in page.findings] == [ID_2]
    assert (page.hidden, page.has_more, page.next.key) == (2, False, (3,))


def test_one_wanted_behind_many_hidden_ones_costs_few_queries(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyse(store, [document(number) for number in range(1, 402)])
    suppress(store, {"finding": [document(number)["id"] for number in range(1, 401)]})
    looks: list[int] = []
    look_at = findings_module._Scan._look_at

    def counted(scan: Any, rows: Any, *rest: Any) -> None:
        looks.append(len(rows))
        look_at(scan, rows, *rest)

    monkeypatch.setattr(findings_module._Scan, "_look_at", counted)

    page = store.findings.page(FindingQuery(), after=None, limit=1)

    assert [finding.id for finding in page.findings] == [document(401)["id"]]
    assert page.hidden == 400
    assert len(looks) == 3


def test_a_page_ends_after_so_many_hidden_findings_and_says_that_there_is_more(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings_module, "MAX_EXAMINED", 4)
    monkeypatch.setattr(findings_module, "LEAST_BATCH", 2)
    analyse(store, [document(number) for number in range(1, 11)])
    suppress(store, {"finding": [document(number)["id"] for number in range(1, 10)]})

    page = store.findings.page(FindingQuery(), after=None, limit=1)

    assert (page.findings, page.hidden, page.has_more) == ((), 4, True)
    assert poll(store, page.next, limit=1)[0] == [(document(10)["id"], 1)]


def test_a_page_that_is_full_in_the_middle_of_a_batch_goes_on_right_there(store: Store) -> None:
    analyse(store, [document(number) for number in range(1, 6)])
    suppress(store, {"finding": [ID_2]})

    page = store.findings.page(FindingQuery(), after=None, limit=2)

    assert [finding.id for finding in page.findings] == [ID_1, ID_3]
    assert (page.hidden, page.has_more, page.next.key) == (1, True, (3,))


@pytest.mark.parametrize("sort", [Sort.WORST, Sort.LATEST])
def test_other_orders_page_through_everything_too(store: Store, sort: Sort) -> None:
    severities = ["low", "critical", "medium", "critical", "info", "high"]
    documents = [
        document(number, severity=severity, confidence=0.5 + number / 100)
        for number, severity in enumerate(severities, start=1)
    ]
    analyse(store, documents)
    by_time = [one["id"] for one in reversed(documents)]
    wanted = [documents[index]["id"] for index in (3, 1, 5, 2, 0, 4)]

    found, _ = poll(store, None, limit=2, sort=sort)

    assert [finding_id for finding_id, _ in found] == (wanted if sort is Sort.WORST else by_time)


# --- conditions ---


def test_each_condition_lets_its_own_through_and_nothing_else(store: Store) -> None:
    other = document(
        2,
        detector="tunnel.ssh_reverse",
        category="reverse_tunnel",
        severity="low",
        confidence=0.4,
        title="a tunnel",
        flow={"src_ip": "192.0.2.99", "dst_ip": "203.0.113.9"},
        attributes={"pool": {"name": "other.example.net"}, "wallet": "44other"},
    )
    analyse(store, [document(1)])
    analyse(store, [other], b"other")
    store.findings.triage(
        [ID_2],
        TriageChange(
            status=TriageStatus.RESOLVED, verdict=Verdict.BENIGN, assignee="ben@example.com"
        ),
        reason="",
        by=ANA,
    )
    sha256 = store.findings.get(ID_1).capture
    for query in (
        {"severity_at_least": 3},
        {"confidence_at_least": 0.9},
        {"detectors": ("mining.stratum", "mining.none")},
        {"categories": ("mining",)},
        {"captures": (sha256,)},
        {"hosts": ("192.0.2.10",)},
        {"hosts": ("198.51.100.20",)},
        {"statuses": ("new", "in_case")},
        {"verdicts": ("",)},
        {"wallet": WALLET},
        {"pool": "pool.example.com"},
        {"text": "MINES monero"},
        {"seen_before_ns": FIRST_SEEN_NS + 2 * NS_PER_SECOND},
    ):
        assert ids(store, **query) == [ID_1], query
    for query in (
        {"assignee": "ben@example.com"},
        {"verdicts": ("benign",)},
        {"seen_after_ns": FIRST_SEEN_NS + 62 * NS_PER_SECOND},
        {"updated_after_ns": store.findings.get(ID_2).updated_ns},
    ):
        assert ids(store, **query) == [ID_2], query
    assert ids(store, severity_at_least=3, statuses=("resolved",)) == []
    assert ids(store, wallet=WALLET[:-1]) == []


def test_text_finds_odd_characters_as_themselves(store: Store) -> None:
    odd = ["%", "_", "\\", "/", "'", '"', "*", "\u202e", "\U0001f4a3", "\x1b[31m"]
    made = [document(number, title=f"a{char}z") for number, char in enumerate(odd)]
    analyse(store, [*made, document(100, title="abz")])

    for one, char in zip(made, odd, strict=True):
        assert ids(store, text=f"A{char}Z".replace("[31M", "[31m")) == [one["id"]], char
        assert ids(store, text=char * 200) == []


def test_text_that_cannot_be_stored_finds_what_was_stored_for_it(store: Store) -> None:
    analyse(store, [document(1, title="a\N{REPLACEMENT CHARACTER}z")])

    assert ids(store, text="a\0z") == [ID_1]
    assert ids(store, text="b\ud800z") == []
    for finding_id in ("f\0", "f\ud800"):
        with pytest.raises(NotFoundError):
            store.findings.get(finding_id)
        assert store.findings.known([finding_id]) == {}


def test_superseded_findings_are_shown_to_those_who_ask(store: Store) -> None:
    analyse(store, [document(1), document(2)])
    analyse(store, [document(2)])

    assert ids(store) == [ID_2]
    assert ids(store, superseded=Hidden.SHOW) == [ID_2, ID_1]
    assert ids(store, superseded=Hidden.ONLY) == [ID_1]


# --- what analyses change ---


def kinds(store: Store, finding_id: str) -> list[str]:
    return [version.change for version in store.findings.versions(finding_id)]


def test_the_same_finding_again_changes_nothing(store: Store) -> None:
    analyse(store, [document(1)])
    _, end = poll(store, None)
    second = analyse(store, [document(1)])

    assert kinds(store, ID_1) == ["created"]
    assert store.findings.get(ID_1).analysis_id == second.id
    assert poll(store, end)[0] == []


def test_a_finding_seen_otherwise_gone_and_back_is_one_row_with_its_history(store: Store) -> None:
    analyse(store, [document(1)])
    store.findings.triage([ID_1], TriageChange(assignee="ana"), reason="mine", by=ANA)
    analyse(store, [document(1, severity="critical")])
    analyse(store, [])
    gone = store.findings.get(ID_1)
    analyse(store, [document(1)])

    assert gone.current is False
    assert kinds(store, ID_1) == ["created", "triage", "seen", "gone", "returned"]
    back = store.findings.get(ID_1)
    assert (back.current, back.assignee, back.version) == (True, "ana", 5)
    seen = store.findings.versions(ID_1)[2]
    assert seen.changes == {"severity": ["high", "critical"]}
    assert seen.document is not None
    assert seen.document["severity"] == "critical"
    assert store.findings.at_version(ID_1, 2).document["severity"] == "high"
    assert store.findings.at_version(ID_1, 4).document["severity"] == "critical"


def test_a_version_that_never_was_is_not_found(store: Store) -> None:
    analyse(store, [document(1)])

    for version in (0, 2, -1):
        with pytest.raises(NotFoundError):
            store.findings.at_version(ID_1, version)


def test_what_an_analysis_wrote_names_its_job(store: Store) -> None:
    analyse(store, [document(1)])

    (created,) = store.findings.versions(ID_1)

    assert created.by == f"job:{store.jobs.list()[0].id}"
