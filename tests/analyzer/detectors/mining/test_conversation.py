from __future__ import annotations

from typing import Any

import pytest

from analyzer.detectors.mining.conversation import conversation_of, distinct, is_pool_hidden
from tests.analyzer.detectors.mining.mining_rows import ARRAYS, answered, messages, said, talk_of
from tests.builders import flow, observations


def test_rows_without_a_valid_form_are_no_conversation() -> None:
    rows = messages(said(">", "login", shape="partial"), said(">", "submit", shape="invalid"))

    assert conversation_of(rows) is None


def test_the_dialect_that_explains_the_most_messages_wins() -> None:
    talk = talk_of(
        said(">", "subscribe", dialects=ARRAYS),
        said("<", "job", dialects="kawpow"),
        said(">", "submit", dialects="stratum_v1|kawpow"),
    )

    assert (talk.dialect, talk.is_dialect_certain, talk.title) == ("kawpow", True, "KawPow stratum")


def test_dialects_that_explain_it_equally_well_are_all_candidates() -> None:
    talk = talk_of(said(">", "subscribe", dialects="ergo|stratum_v1"))

    assert talk.candidates == ("stratum_v1", "ergo")
    assert talk.title == "Stratum v1 or Ergo stratum"
    many = talk_of(said(">", "subscribe", dialects="ergo|stratum_v1|kaspa|kawpow"))
    assert many.title == "the stratum family"


def test_a_refused_probe_does_not_name_the_dialect() -> None:
    talk = talk_of(
        said(">", "hello", msg_id="1", dialects="ethereumstratum_v2"),
        answered("rejected", msg_id="1", method="hello", dialects="ethereumstratum_v2"),
        said(">", "login", msg_id="2", dialects="eth_proxy"),
    )

    assert talk.candidates == ("eth_proxy",)


def test_a_refused_share_still_names_the_dialect() -> None:
    talk = talk_of(
        said(">", "submit", msg_id="1", dialects="kawpow"),
        answered("rejected", msg_id="1", dialects="kawpow"),
        said("<", "difficulty", dialects="kaspa"),
    )

    assert talk.candidates == ("kawpow",)


def test_roles_are_by_what_is_said_not_by_who_connected() -> None:
    talk = talk_of(said(">", "subscribe", up=False), said("<", "job", up=True))

    assert not talk.miner_is_up
    assert (len(talk.miner), len(talk.pool)) == (1, 1)


def test_words_of_the_other_side_are_set_apart() -> None:
    talk = talk_of(said(">", "subscribe"), said(">", "submit"), said("<", "job", up=True))

    assert [row["kind"] for row in talk.contradicting] == ["job"]
    assert talk.pool == []


def test_partial_messages_tell_names_and_prove_nothing() -> None:
    login = said(">", "login", shape="partial", wallet="someone@mail.example", agent="a/1")
    talk = talk_of(said("<", "job"), login)

    assert (talk.first("wallet"), talk.values("agent")) == ("someone@mail.example", ["a/1"])
    assert talk.miner == []


def test_a_refusal_is_no_agreement_and_answers_to_shares_are_found_by_method() -> None:
    talk = talk_of(
        said(">", "submit"),
        answered("accepted"),
        answered("rejected"),
        answered("accepted", method="authorize"),
    )

    assert (len(talk.agreeing), len(talk.refusals)) == (2, 1)
    assert [len(talk.answers(outcome)) for outcome in ("accepted", "rejected")] == [1, 1]


def test_what_is_said_again_is_said_once() -> None:
    rows = [said(">", "subscribe")] * 3

    assert distinct(rows) == 1
    assert distinct([*rows, said(">", "submit", nonce="1"), said(">", "submit", nonce="2")]) == 3
    assert distinct([answered("accepted")]) == 0


@pytest.mark.parametrize(
    ("down", "hidden"),
    [({"down_packets": 0}, True), ({"down_packets": 9, "down_gap": 10}, True), ({}, False)],
)
def test_a_pool_is_hidden_only_where_bytes_are_missing(
    down: dict[str, Any], *, hidden: bool
) -> None:
    seen = observations([flow("10.0.0.1:4000", "198.51.100.1:3333", **down)]).flow(0)

    assert is_pool_hidden(talk_of(said(">", "subscribe")), seen) is hidden
