from __future__ import annotations

from typing import Any

import pytest

from analyzer.detectors.mining.quotation import reason
from tests.analyzer.detectors.mining.mining_rows import answered, said, talk_of
from tests.builders import flow, observations

SUBSCRIBE = said(">", "subscribe")


def why(*rows: dict[str, Any], prefix: bytes = b"", **values: Any) -> str:
    ends = flow("10.0.0.1:4000", "198.51.100.1:3333", prefix_up=prefix, **values)
    return reason(talk_of(*rows), observations([ends]).flow(0))


@pytest.mark.parametrize(
    "prefix", [b'{"id":1', b' \r\n{"id":1', b"[{", b"shake~{", b"PROXY TCP4 ", b"\x05\x01\x00", b""]
)
def test_a_session_is_nothing_but_its_messages(prefix: bytes) -> None:
    assert why(SUBSCRIBE, prefix=prefix) == ""


@pytest.mark.parametrize("prefix", [b"<134>Jan  1 00:00", b"NICK bob\r\n", b"hello there\n"])
def test_messages_among_other_text_are_quoted(prefix: bytes) -> None:
    assert "other text" in why(SUBSCRIBE, prefix=prefix)
    assert why(SUBSCRIBE, prefix=prefix, midstream=True) == ""


def test_bodies_of_requests_are_quoted_unless_the_dialect_goes_over_http() -> None:
    work = said(">", "submit", dialects="eth_proxy", carrier="http")

    assert "HTTP" in why(said(">", "subscribe", carrier="http"))
    assert why({**work, "kind": "get_job"}) == ""


def test_both_sides_words_in_one_direction_are_passed_on() -> None:
    assert "passes it on" in why(SUBSCRIBE, said("<", "job", up=True), said(">", "submit"))


def test_shares_for_nobody_are_quoted() -> None:
    share = said(">", "submit")

    assert "never gave any work" in why(SUBSCRIBE, share)
    assert why(SUBSCRIBE, share, answered("accepted")) == ""
    assert why(SUBSCRIBE, share, midstream=True) == ""
    assert why(SUBSCRIBE, share, down_packets=0) == ""
