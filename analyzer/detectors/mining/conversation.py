"""What the mining messages of one flow come to: one dialect, two roles, and what was said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Message = dict[str, Any]
"""A row of the `mining` table; docs/architecture.md lists its columns."""

DIALECT_TITLES = {
    "stratum_v1": "Stratum v1",
    "ethereumstratum_v1": "EthereumStratum/1.0.0",
    "ethereumstratum_v2": "EthereumStratum/2.0.0",
    "eth_proxy": "eth-proxy",
    "cryptonote": "CryptoNote stratum",
    "equihash": "Equihash stratum",
    "grin": "Grin stratum",
    "beam": "Beam stratum",
    "kawpow": "KawPow stratum",
    "kaspa": "Kaspa stratum",
    "ergo": "Ergo stratum",
    "alephium": "AlephiumStratum",
    "conflux": "Conflux stratum",
    "ironfish": "Iron Fish stratum",
    "xelis": "Xelis stratum",
    "xatum": "Xatum",
    "pearl": "PEARL stratum",
    "getwork": "getwork over HTTP",
    "getblocktemplate": "getblocktemplate over HTTP",
    "browser": "browser mining",
}
"""How people call the dialects the core tells apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """The messages of one flow, by the dialect that explains most of them.

    Attributes:
        dialect: Its name in the tables.
        miner: Valid messages only a miner's side sends, in order.
        pool: Valid messages only a pool's side sends, in order.
        misshapen: Messages of the dialect with fields that are not of its form.
        miner_is_up: The flow's initiator is the miner.
    """

    dialect: str
    miner: Sequence[Message]
    pool: Sequence[Message]
    misshapen: Sequence[Message]
    miner_is_up: bool

    @property
    def title(self) -> str:
        """The dialect as people call it."""
        return DIALECT_TITLES.get(self.dialect, self.dialect)

    @property
    def messages(self) -> list[Message]:
        """All valid messages in the order of the capture."""
        return sorted((*self.miner, *self.pool), key=lambda row: (row["ts_ns"], row["frame"]))

    @property
    def specific(self) -> list[Message]:
        """Valid messages that no other kind of software sends."""
        return [row for row in self.messages if row["specific"]]

    @property
    def agreeing(self) -> list[Message]:
        """The pool's messages that show it takes part, not that it refuses."""
        return [row for row in self.pool if row["kind"] != "result" or row["outcome"] != "rejected"]

    def first(self, field: str) -> Any:
        """The first value a valid message gives for a field; empty if none does."""
        return next((row[field] for row in self.messages if row[field]), "")

    def values(self, field: str) -> list[Any]:
        """Distinct values of a field, in order of appearance."""
        return list(dict.fromkeys(row[field] for row in self.messages if row[field]))

    def of_kind(self, *kinds: str) -> list[Message]:
        """Valid messages of these kinds."""
        return [row for row in self.messages if row["kind"] in kinds]


def conversation_of(rows: Sequence[Message]) -> Conversation | None:
    """Reads one flow's messages; None if none of them is of a valid form.

    Messages several dialects share count for each of them; the dialect that explains the most
    messages wins, and between equals the one named in the most particular message.
    """
    valid = [row for row in rows if row["shape"] == "valid" and row["dialects"]]
    if not valid:
        return None
    dialect = _best_dialect(valid)
    own = [row for row in valid if dialect in row["dialects"].split("|")]
    miner = [row for row in own if row["role"] == "miner"]
    pool = [row for row in own if row["role"] == "pool"]
    miner_is_up = _miner_is_up(miner, pool)
    return Conversation(
        dialect=dialect,
        miner=[row for row in miner if row["up"] == miner_is_up],
        pool=[row for row in pool if row["up"] != miner_is_up],
        misshapen=[
            row
            for row in rows
            if row["shape"] == "invalid" and dialect in row["dialects"].split("|")
        ],
        miner_is_up=miner_is_up,
    )


def _best_dialect(rows: Sequence[Message]) -> str:
    explained: Counter[str] = Counter()
    particular: Counter[str] = Counter()
    for row in rows:
        names = row["dialects"].split("|")
        for name in names:
            explained[name] += 1
            particular[name] = max(particular[name], -len(names) + 100)
    order = {name: -place for place, name in enumerate(DIALECT_TITLES)}
    return max(explained, key=lambda n: (explained[n], particular[n], order.get(n, -100)))


def _miner_is_up(miner: Sequence[Message], pool: Sequence[Message]) -> bool:
    """Who mines, by what each side says; ports and SYN do not matter."""
    votes = Counter(row["up"] for row in miner)
    votes.update(not row["up"] for row in pool)
    return votes[True] >= votes[False]
