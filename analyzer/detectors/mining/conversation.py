"""What the mining messages of one flow come to: one dialect, two roles, and what was said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from analyzer.observations import Flow

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
"""How people call the dialects the core tells apart, the likelier ones first."""

MAX_TITLES = 3
"""Dialects named in a sentence; more are called a family."""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """The messages of one flow, by the dialect that explains most of them.

    Attributes:
        candidates: Names of the dialects that explain the messages equally well, likelier first.
        miner: Valid messages only a miner's side sends, in order.
        pool: Valid messages only a pool's side sends, in order.
        partial: Messages that lack something the dialect demands; they prove nothing, but what
            they say of names is read.
        misshapen: Messages of the dialect with fields that are not of its form.
        contradicting: Messages only one side sends, sent by the other.
        miner_is_up: The flow's initiator is the miner.
    """

    candidates: tuple[str, ...]
    miner: Sequence[Message]
    pool: Sequence[Message]
    partial: Sequence[Message]
    misshapen: Sequence[Message]
    contradicting: Sequence[Message]
    miner_is_up: bool

    @property
    def dialect(self) -> str:
        """The likeliest dialect."""
        return self.candidates[0]

    @property
    def is_dialect_certain(self) -> bool:
        """No other dialect explains the messages as well."""
        return len(self.candidates) == 1

    @property
    def title(self) -> str:
        """The dialect as people call it, or the dialects that are possible."""
        names = [DIALECT_TITLES.get(name, name) for name in self.candidates]
        return " or ".join(names) if len(names) <= MAX_TITLES else "the stratum family"

    @cached_property
    def messages(self) -> list[Message]:
        """All valid messages in the order of the capture."""
        return sorted((*self.miner, *self.pool), key=_time)

    @property
    def said(self) -> list[Message]:
        """Valid and partial messages in the order of the capture."""
        return sorted((*self.messages, *self.partial), key=_time)

    @cached_property
    def specific(self) -> list[Message]:
        """Valid messages that no other kind of software sends."""
        return [row for row in self.messages if row["specific"]]

    @cached_property
    def agreeing(self) -> list[Message]:
        """The pool's messages that show it takes part, not that it refuses."""
        return [row for row in self.pool if not is_refusal(row)]

    @cached_property
    def refusals(self) -> list[Message]:
        """The pool's answers that refuse something."""
        return [row for row in self.pool if is_refusal(row)]

    def first(self, field: str) -> str:
        """The first text a message gives for a field, valid ones first; empty if none does."""
        rows = (*self.messages, *self.partial)
        return next((str(row[field]) for row in rows if row[field]), "")

    def values(self, field: str) -> list[str]:
        """Distinct texts of a field, in order of appearance."""
        return list(dict.fromkeys(str(row[field]) for row in self.said if row[field]))

    def of_kind(self, *kinds: str) -> list[Message]:
        """Valid messages of these kinds."""
        return [row for row in self.messages if row["kind"] in kinds]

    def answers(self, outcome: str) -> list[Message]:
        """The pool's answers to shares; an answer carries the method of what it answers."""
        submits = {row["method"] for row in self.miner if row["kind"] == "submit"}
        return [
            row
            for row in self.pool
            if row["kind"] == "result" and row["outcome"] == outcome and row["method"] in submits
        ]


def is_refusal(row: Message) -> bool:
    """Whether a message says no to a request."""
    return bool(row["kind"] == "result" and row["outcome"] == "rejected")


def distinct(rows: Iterable[Message]) -> int:
    """How many messages that mean mining say something new: the same said twice is said once."""
    fields = ("method", "job_id", "nonce", "wallet", "difficulty", "target")
    return len({tuple(row[field] for field in fields) for row in rows if row["specific"]})


def is_pool_hidden(talk: Conversation, flow: Flow) -> bool:
    """What the pool said is missing; a pool that was captured whole and says nothing is none."""
    up = talk.miner_is_up
    packets, gap = (flow.down_packets, flow.down_gap) if up else (flow.up_packets, flow.up_gap)
    return not packets or gap > 0 or any(row["role"] == "pool" for row in talk.partial)


def conversation_of(rows: Sequence[Message]) -> Conversation | None:
    """Reads one flow's messages; None if none of them is of a valid form.

    Messages several dialects share count for each of them; the dialect that explains the most
    messages wins, and between equals the one named in the most particular message.
    """
    valid = [row for row in rows if row["shape"] == "valid" and row["dialects"]]
    if not valid:
        return None
    candidates = _candidates(valid)

    def is_own(row: Message) -> bool:
        return candidates[0] in row["dialects"].split("|")

    own = [row for row in valid if is_own(row)]
    miner_is_up = _miner_is_up(own)
    sides = {True: miner_is_up, False: not miner_is_up}
    placed = [row for row in own if row["up"] == sides[row["role"] == "miner"]]
    return Conversation(
        candidates=candidates,
        miner=[row for row in placed if row["role"] == "miner"],
        pool=[row for row in placed if row["role"] == "pool"],
        partial=[row for row in rows if row["shape"] == "partial" and is_own(row)],
        misshapen=[row for row in rows if row["shape"] == "invalid" and is_own(row)],
        contradicting=[row for row in own if row["up"] != sides[row["role"] == "miner"]],
        miner_is_up=miner_is_up,
    )


def _time(row: Message) -> tuple[int, int]:
    return row["ts_ns"], row["frame"]


def _request(row: Message) -> tuple[str, str]:
    return row["method"], row["msg_id"]


def _candidates(rows: Sequence[Message]) -> tuple[str, ...]:
    """The dialects that explain most; what was refused explains none, a miner may be probing."""
    shares = {row["method"] for row in rows if row["kind"] == "submit"}
    refused = {_request(row) for row in rows if is_refusal(row) and row["method"] not in shares}
    taken = [row for row in rows if _request(row) not in refused]
    explained: Counter[str] = Counter()
    particular: Counter[str] = Counter()
    for row in taken or rows:
        names = row["dialects"].split("|")
        for name in names:
            explained[name] += 1
            particular[name] = max(particular[name], 100 - len(names))
    best = max((explained[name], particular[name]) for name in explained)
    equal = [name for name in explained if (explained[name], particular[name]) == best]
    order = {name: place for place, name in enumerate(DIALECT_TITLES)}
    return tuple(sorted(equal, key=lambda name: order.get(name, len(order))))


def _miner_is_up(rows: Sequence[Message]) -> bool:
    """Who mines, by what each side says; ports and SYN do not matter."""
    votes = Counter(row["up"] == (row["role"] == "miner") for row in rows)
    return votes[True] >= votes[False]
