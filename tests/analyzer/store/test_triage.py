"""What people say of findings: triage, comments, several people at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer.errors import NotFoundError, StaleVersionError, UsageError
from analyzer.store.findings import MAX_BULK, MAX_COMMENT_CHARS, MAX_TAGS, TriageChange
from analyzer.store.records import TriageStatus, Verdict
from tests.stored import ANA, analyse, document, poll, started

if TYPE_CHECKING:
    from analyzer.store import Store

ID_1, ID_2, ID_3 = (document(number)["id"] for number in (1, 2, 3))


def kinds(store: Store, finding_id: str) -> list[str]:
    return [version.change for version in store.findings.versions(finding_id)]


# --- triage ---


def test_triage_is_a_new_version_with_who_why_and_what(store: Store) -> None:
    analyse(store, [document(1)])
    change = TriageChange(
        status=TriageStatus.IN_CASE, verdict=Verdict.TRUE_POSITIVE, add_tags=("a", "b", "a")
    )

    (after,) = store.findings.triage([ID_1], change, reason="ticket 7", by=ANA)

    assert (after.status, after.verdict, after.tags) == ("in_case", "true_positive", ("a", "b"))
    assert (after.version, after.sequence) == (2, 2)
    entry = store.findings.versions(ID_1)[-1]
    assert (entry.by, entry.reason, entry.change) == (ANA.name, "ticket 7", "triage")
    assert entry.changes["status"] == ["new", "in_case"]
    assert entry.changes["tags"] == [[], ["a", "b"]]
    (audited,) = store.audit.page(subject=ID_1)
    assert (audited.actor, audited.detail["reason"]) == (ANA.name, "ticket 7")
    assert store.audit.verify().intact


def test_triage_that_changes_nothing_is_no_version(store: Store) -> None:
    analyse(store, [document(1)])
    change = TriageChange(status=TriageStatus.NEW, remove_tags=("none",), tags=())

    (after,) = store.findings.triage([ID_1], change, reason="", by=ANA)

    assert after.version == 1
    assert store.audit.page(subject=ID_1) == []


def test_tags_are_replaced_added_and_removed(store: Store) -> None:
    analyse(store, [document(1)])

    def tags(change: TriageChange) -> tuple[str, ...]:
        return store.findings.triage([ID_1], change, reason="", by=ANA)[0].tags

    assert tags(TriageChange(tags=("a", "b"))) == ("a", "b")
    assert tags(TriageChange(add_tags=("b", "c"), remove_tags=("a",))) == ("b", "c")
    assert tags(TriageChange(tags=())) == ()


def test_a_stale_version_changes_nothing_and_says_both(store: Store) -> None:
    analyse(store, [document(1)])
    change = TriageChange(assignee="ana")
    store.findings.triage([ID_1], change, reason="", by=ANA, expected_version=1)

    with pytest.raises(StaleVersionError, match="version 1 was read, it is now at 2"):
        store.findings.triage(
            [ID_1], TriageChange(assignee="ben"), reason="", by=ANA, expected_version=1
        )

    assert store.findings.get(ID_1).assignee == "ana"


def test_many_are_changed_all_or_none(store: Store) -> None:
    analyse(store, [document(1), document(2)])

    with pytest.raises(NotFoundError):
        store.findings.triage([ID_1, "f-none", ID_2], TriageChange(assignee="a"), reason="", by=ANA)
    assert store.findings.get(ID_1).version == 1

    changed = store.findings.triage(
        [ID_2, ID_1, ID_2], TriageChange(assignee="a"), reason="", by=ANA
    )
    assert [finding.id for finding in changed] == [ID_2, ID_1]
    assert store.findings.known([ID_1, ID_2, "f-none"]) == {ID_1: 2, ID_2: 2}


@pytest.mark.parametrize(
    "change",
    [
        TriageChange(add_tags=("",)),
        TriageChange(add_tags=(" ",)),
        TriageChange(tags=("x" * 101,)),
        TriageChange(assignee="x" * 201),
        TriageChange(add_tags=tuple(str(number) for number in range(MAX_TAGS + 1))),
    ],
)
def test_values_out_of_bounds_are_refused(store: Store, change: TriageChange) -> None:
    analyse(store, [document(1)])

    with pytest.raises(UsageError):
        store.findings.triage([ID_1], change, reason="", by=ANA)

    assert store.findings.get(ID_1).version == 1


def test_too_many_or_none_at_once_are_refused(store: Store) -> None:
    for wanted in ([], ["f"] * (MAX_BULK + 1)):
        with pytest.raises(UsageError):
            store.findings.triage(wanted, TriageChange(), reason="", by=ANA)


def test_two_people_at_once_lose_no_change_of_each_other(store: Store) -> None:
    analyse(store, [document(1), document(2)])
    rounds = 10

    def tag(name: str, wanted: list[str]) -> None:
        for number in range(rounds):
            change = TriageChange(add_tags=(f"{name}{number}",))
            store.findings.triage(wanted, change, reason="", by=ANA)

    threads = [
        started(lambda: tag("a", [ID_1, ID_2])),
        started(lambda: tag("b", [ID_2, ID_1])),
    ]
    for thread in threads:
        thread.join(60)

    for finding_id in (ID_1, ID_2):
        finding = store.findings.get(finding_id)
        assert len(finding.tags) == 2 * rounds
        assert finding.version == 1 + 2 * rounds


def test_an_analysis_and_triage_at_once_lose_nothing_of_each_other(store: Store) -> None:
    analyse(store, [document(1, confidence=0.5)])
    rounds = 8

    def tag() -> None:
        for number in range(rounds):
            change = TriageChange(add_tags=(str(number),))
            store.findings.triage([ID_1], change, reason="", by=ANA)

    thread = started(tag)
    for number in range(rounds):
        analyse(store, [document(1, confidence=0.6 + number / 100)])
    thread.join(60)

    finding = store.findings.get(ID_1)
    assert len(finding.tags) == rounds
    assert finding.document["confidence"] == 0.6 + (rounds - 1) / 100
    assert finding.version == 1 + 2 * rounds
    assert [version.version for version in store.findings.versions(ID_1)] == list(
        range(1, 2 + 2 * rounds)
    )


# --- comments ---


def test_a_comment_is_kept_and_is_news_to_pollers(store: Store) -> None:
    analyse(store, [document(1)])
    _, end = poll(store, None)

    made = store.findings.comment(ID_1, "asked the owner \N{SNOWMAN}", by=ANA)

    assert store.findings.comments(ID_1) == [made]
    assert (made.by, made.text) == (ANA.name, "asked the owner \N{SNOWMAN}")
    assert poll(store, end)[0] == [(ID_1, 2)]
    assert kinds(store, ID_1) == ["created", "comment"]


def test_comments_have_bounds(store: Store) -> None:
    analyse(store, [document(1)])
    for text in ("", " \n", "x" * (MAX_COMMENT_CHARS + 1)):
        with pytest.raises(UsageError):
            store.findings.comment(ID_1, text, by=ANA)
    with pytest.raises(NotFoundError):
        store.findings.comment("f-none", "x", by=ANA)

    assert store.findings.comments(ID_1) == []


def test_a_comment_with_nul_is_kept_without_it(store: Store) -> None:
    analyse(store, [document(1)])

    made = store.findings.comment(ID_1, "a\0b", by=ANA)

    assert made.text == "a\N{REPLACEMENT CHARACTER}b"
    assert store.findings.comments(ID_1) == [made]


def test_one_comment_under_many_is_all_or_none(store: Store) -> None:
    analyse(store, [document(1), document(2)])

    with pytest.raises(NotFoundError):
        store.findings.comment_on([ID_1, "f-none"], "x", by=ANA)
    assert store.findings.comments(ID_1) == []

    assert [made.finding_id for made in store.findings.comment_on([ID_2, ID_1], "x", by=ANA)] == [
        ID_2,
        ID_1,
    ]
