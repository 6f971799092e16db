from __future__ import annotations

import math
from typing import Any

import pytest

from analyzer.detectors.mining.hashrate import Hashrate, estimate, hashes_per_share, readable
from analyzer.ruleset import Coin
from tests.analyzer.detectors.mining.mining_rows import answered, messages, said, talk_of

BITCOIN = 2.0**32


def coin(**values: Any) -> Coin:
    given: dict[str, Any] = {"id": "LTC", "name": "Litecoin", "source": "made up", "tag": "K"}
    given |= {"dialects": ("stratum_v1",), "algorithms": ("scrypt",)}
    return Coin(**(given | values))


def shares(count: int, *, start_s: float = 1.0, every_s: float = 10.0, **values: Any) -> list[Any]:
    return [
        said(">", "submit", at_s=start_s + every_s * n, msg_id=f"s{start_s}-{n}", **values)
        for n in range(count)
    ]


def test_the_rate_is_work_by_time_and_its_error_that_of_a_count() -> None:
    rate = estimate(talk_of(said("<", "difficulty", difficulty=2.0), *shares(5)), None)

    assert rate is not None
    assert rate.per_second == pytest.approx(2 * BITCOIN / 10)
    assert rate.error == pytest.approx(rate.per_second / math.sqrt(4))
    assert (rate.shares, rate.is_unit_assumed) == (4, True)


def test_fewer_than_three_shares_say_nothing() -> None:
    first = said("<", "difficulty", difficulty=2.0)

    assert estimate(talk_of(first, *shares(2)), None) is None
    assert estimate(talk_of(first, *shares(9, every_s=0.01)), None) is None
    assert estimate(talk_of(*shares(9)), None) is None


def test_each_share_counts_with_the_difficulty_of_its_time() -> None:
    rows = [
        said("<", "difficulty", difficulty=1.0),
        *shares(3),
        said("<", "difficulty", at_s=25, difficulty=10.0),
        *shares(2, start_s=30),
    ]

    rate = estimate(talk_of(*rows), None)

    assert rate is not None
    assert rate.per_second == pytest.approx((1 + 1 + 10 + 10) * BITCOIN / 39)


def test_refused_shares_do_not_count_unless_their_id_was_used_again() -> None:
    opening = said("<", "difficulty", difficulty=1.0)
    refused = answered("rejected", at_s=12, msg_id="s1.0-1")
    again = answered("accepted", at_s=13, msg_id="s1.0-1")

    without = estimate(talk_of(opening, *shares(5), refused), None)
    reused = estimate(talk_of(opening, *shares(5), refused, again), None)

    assert without is not None
    assert reused is not None
    assert (without.shares, reused.shares) == (3, 4)


def test_a_whole_target_is_exact_for_any_coin() -> None:
    (row,) = messages(said("<", "target", target="0x" + "0" * 8 + "f" * 56))

    assert hashes_per_share(row, "", None) == pytest.approx(2.0**32)
    opening = said("<", "target", target="0" * 8 + "f" * 56)
    rate = estimate(talk_of(opening, *shares(4)), None)
    assert rate is not None
    assert not rate.is_unit_assumed


def test_the_coin_says_what_a_difficulty_of_one_stands_for() -> None:
    (row,) = messages(said("<", "difficulty", difficulty=3.0))

    assert hashes_per_share(row, "stratum_v1", coin(hashes_per_difficulty=65536)) == 3 * 65536
    assert hashes_per_share(row, "stratum_v1", None) == 3 * BITCOIN
    assert hashes_per_share(row, "eth_proxy", coin(hashes_per_difficulty=65536)) == 3.0
    assert hashes_per_share(row, "", None) == 0.0


def test_a_difficulty_of_a_dialect_in_doubt_says_nothing() -> None:
    dialects = "stratum_v1|ergo"
    opening = said("<", "difficulty", dialects=dialects, difficulty=2.0)

    assert estimate(talk_of(opening, *shares(5, dialects=dialects)), None) is None


@pytest.mark.parametrize(
    "values",
    [{"difficulty": math.inf}, {"difficulty": -1.0}, {"target": "z" * 64}, {"role": "miner"}],
)
def test_odd_numbers_set_nothing(values: dict[str, Any]) -> None:
    (row,) = messages(said("<", "difficulty", **values))

    assert hashes_per_share(row, "stratum_v1", None) == 0.0


def test_a_rate_is_readable() -> None:
    assert readable(Hashrate(per_second=1234.0, error=185.1, shares=42)) == (
        "1.23 kH/s ± 15 % (42 shares)"
    )
    assert readable(Hashrate(per_second=3e20, error=0.0, shares=3)).startswith("300 EH/s")
