from __future__ import annotations

from typing import Any

import pytest

from analyzer.detectors.mining import stratum_words
from analyzer.detectors.mining.stratum import Stratum
from tests.analyzer.detectors.mining.mining_rows import answered, said
from tests.builders import context, flow, observations
from tests.builders_wallets import monero_address

AGENT = "XMRig/6.26.0 (Linux x86_64) libuv/1.51.0 gcc/13.1"
SUBSCRIBE = said(">", "subscribe", agent=AGENT)
JOB = said("<", "job", job_id="j1")
SHARE = said(">", "submit", at_s=1)


@pytest.mark.parametrize(
    ("rows", "values", "title"),
    [
        (
            [SUBSCRIBE, SHARE, answered("accepted", at_s=2)],
            {},
            "10.0.0.1 mines a coin at 198.51.100.20:3333 with XMRig/6.26.0, 1 share accepted",
        ),
        (
            [SHARE, SHARE, answered("rejected"), answered("rejected"), JOB],
            {},
            "10.0.0.1 mines a coin at 198.51.100.20:3333, 2 shares sent, all refused",
        ),
        (
            [SHARE, JOB],
            {},
            "10.0.0.1 mines a coin at 198.51.100.20:3333, 1 share sent, no acceptance seen",
        ),
        ([JOB, SUBSCRIBE], {}, "takes mining work from 198.51.100.20:3333 with XMRig/6.26.0"),
        (
            [said(">", "login", wallet=monero_address(1)), answered("rejected", method="login")],
            {},
            "10.0.0.1 tries to mine XMR at 198.51.100.20:3333 and is refused",
        ),
        ([SUBSCRIBE], {"down_payload": 0}, "with XMRig/6.26.0, unanswered"),
        ([SUBSCRIBE], {}, "without an answer that shows mining"),
        ([JOB], {}, "is sent mining work"),
        ([{**SUBSCRIBE, "specific": False}], {}, "use words of Stratum v1"),
    ],
)
def test_the_title_tells_how_far_it_came(
    rows: list[dict[str, Any]], values: dict[str, Any], title: str
) -> None:
    ends = [flow("10.0.0.1:4000", "198.51.100.20:3333", **values)]

    (found,) = Stratum().run(observations(ends, mining=rows), context())

    assert title in found.title
    assert "libuv" not in found.title
    assert found.next_steps


@pytest.mark.parametrize(
    ("rows", "values", "words"),
    [
        ([SHARE, JOB], {}, "the login was not captured"),
        ([SUBSCRIBE, JOB], {"up_gap": 7, "down_gap": 3}, "10 bytes of the conversation"),
        ([SUBSCRIBE], {}, "nothing of the pool's side"),
        ([JOB], {}, "nothing of the miner's side"),
        ([SUBSCRIBE, said("<", "compressed", shape="partial")], {}, "is compressed"),
        ([said(">", "login", wallet="account"), JOB], {}, "may be an account name"),
        ([SUBSCRIBE, JOB], {}, "no name of the pool"),
        (
            [
                said("<", "difficulty", difficulty=1.0),
                *(said(">", "submit", at_s=n) for n in (1, 9, 20)),
            ],
            {},
            "what a difficulty of 1 stands for",
        ),
    ],
)
def test_what_is_not_visible_is_said(
    rows: list[dict[str, Any]], values: dict[str, Any], words: str
) -> None:
    ends = [flow("10.0.0.1:4000", "198.51.100.20:3333", **values)]

    (found,) = Stratum().run(observations(ends, mining=rows), context())

    assert any(words in text for text in found.not_visible)


def test_long_addresses_keep_both_ends() -> None:
    address = monero_address(1)

    assert stratum_words.short_address(address) == f"{address[:16]}…{address[-8:]}"
    assert stratum_words.short_address("1short") == "1short"


def test_names_are_listed_as_people_do() -> None:
    texts = [
        stratum_words.alternatives(names) for names in ([], ["A"], ["A", "B"], ["A", "B", "C"])
    ]

    assert texts == ["", "A", "A or B", "A, B or C"]
