"""How fast a miner hashes, by the shares it sends.

A share proves, on average, as many hashes as its difficulty stands for. Shares arrive as a Poisson
process, so an estimate from n of them has a relative standard error of 1/sqrt(n).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyzer.detectors.mining.conversation import Conversation, Message
    from analyzer.ruleset import Coin

NS_PER_SECOND = 1_000_000_000
LEAST_SHARES = 3
"""Fewer say next to nothing: two intervals have an error of 70 %."""
LEAST_SECONDS = 1.0
TARGET_HEX_DIGITS = 64
HASHES_PER_DIFFICULTY = {
    "stratum_v1": 2.0**32,
    "ethereumstratum_v1": 2.0**32,
    "kaspa": 2.0**32,
    "xatum": 1.0,
    "xelis": 1.0,
    "grin": 1.0,
}
"""Expected hashes of a share of difficulty 1 where the coin is not known: Bitcoin's definition for
the first three, the coin's own difficulty for the others."""

TARGETS_READ = frozenset({"eth_proxy", "cryptonote", "browser"})
"""Dialects that send targets only; their difficulty is the core's reading of one, in hashes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashrate:
    """An estimate and what it stands on.

    Attributes:
        per_second: Hashes a second.
        error: Its standard error, in hashes a second.
        shares: Shares that were counted.
        is_unit_assumed: The coin is not known, so a difficulty is read in its dialect's usual unit.
    """

    per_second: float
    error: float
    shares: int
    is_unit_assumed: bool = False


def estimate(talk: Conversation, coin: Coin | None) -> Hashrate | None:
    """The hash rate that the submitted shares imply; None where they say too little.

    The first share opens the clock and does not count: when it was begun is not known.
    """
    expected = 0.0
    work: list[tuple[int, float]] = []
    refused = _refused_ids(talk)
    dialect = talk.dialect if talk.is_dialect_certain else ""
    for row in talk.messages:
        expected = hashes_per_share(row, dialect, coin) or expected
        if row["kind"] == "submit" and expected and row["msg_id"] not in refused:
            work.append((row["ts_ns"], expected))
    if len(work) < LEAST_SHARES:
        return None
    seconds = (work[-1][0] - work[0][0]) / NS_PER_SECOND
    if seconds < LEAST_SECONDS:
        return None
    counted = len(work) - 1
    per_second = math.fsum(hashes for _, hashes in work[1:]) / seconds
    return Hashrate(
        per_second=per_second,
        error=per_second / math.sqrt(counted),
        shares=counted,
        is_unit_assumed=coin is None and dialect in HASHES_PER_DIFFICULTY and not _has_target(talk),
    )


def _has_target(talk: Conversation) -> bool:
    return any(len(_target(row)) == TARGET_HEX_DIGITS for row in talk.pool)


def _target(row: Message) -> str:
    return str(row["target"]).removeprefix("0x")


def _refused_ids(talk: Conversation) -> set[str]:
    """Requests whose share the pool refused; ids that were used again cannot be told apart."""
    answers = [row for row in talk.pool if row["kind"] == "result" and row["msg_id"]]
    return {row["msg_id"] for row in answers if row["outcome"] == "rejected"} - {
        row["msg_id"] for row in answers if row["outcome"] == "accepted"
    }


def hashes_per_share(row: Message, dialect: str, coin: Coin | None) -> float:
    """Expected hashes of a share under the difficulty or target a message sets; 0 if it sets none.

    A 64-digit target is exact for every coin; a difficulty needs the coin's or dialect's unit,
    so where neither is known it says nothing.
    """
    if row["role"] != "pool":
        return 0.0
    target = _target(row)
    if len(target) == TARGET_HEX_DIGITS:
        try:
            return 2.0**256 / (int(target, 16) + 1)
        except ValueError:
            return 0.0
    if dialect in TARGETS_READ:
        unit = 1.0
    else:
        unit = (coin and coin.hashes_per_difficulty) or HASHES_PER_DIFFICULTY.get(dialect, 0.0)
    difficulty = float(row["difficulty"])
    return difficulty * unit if math.isfinite(difficulty) and difficulty > 0 else 0.0


def readable(hashrate: Hashrate) -> str:
    """The estimate for people, such as `1.2 kH/s ± 15 % (42 shares)`."""
    value, prefix = hashrate.per_second, ""
    for step in ("", "k", "M", "G", "T", "P", "E"):
        prefix = step
        if value < 1000:
            break
        value /= 1000
    percent = 100 * hashrate.error / hashrate.per_second if hashrate.per_second else 0
    return f"{value:.3g} {prefix}H/s ± {percent:.0f} % ({hashrate.shares} shares)"
