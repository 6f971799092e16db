"""Finds mining spoken in clear, in any dialect of the stratum family, on any port.

The core recognises messages and checks their fields; here it is judged whether a conversation is
mining: two messages that play their roles, or a wallet whose checksum holds, confirm it; a single
message that only a miner or a pool sends is an attempt; words alone are nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from analyzer.detectors.base import Context, DetectorMeta, make_finding
from analyzer.detectors.evidence import FAMILY_CAPS, Case
from analyzer.detectors.mining import hashrate
from analyzer.detectors.mining.conversation import Conversation, Message, conversation_of
from analyzer.detectors.mining.identity import (
    Coin,
    PoolHost,
    Wallet,
    coin_of,
    pool_host,
    wallet_of,
)
from analyzer.model import Category, Severity
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analyzer.model import Finding
    from analyzer.observations import Flow, Observations

PRIOR = -6.91
"""One in a thousand: of conversations that hold a message of a mining form, before it is looked at
whether anybody plays a part in it."""
SPECIFIC = 7.6
"""One message that only a miner or a pool sends makes it two to one: somebody may be testing."""
AMBIGUOUS = 4.0
OPPOSITE_ROLES = 5.4
SAME_ROLE_AGAIN = 4.2
FURTHER_KIND = 0.4
WALLET_VALID = 5.5
SHARES_ACCEPTED = 3.0
SHARES_SUBMITTED = 1.5
KNOWN_POOL = 3.0
MISSHAPEN_SOME = -0.5
MISSHAPEN_MOST = -2.5
CAPS = {**FAMILY_CAPS, "protocol": 14.5}
"""Here the protocol is not one family of signs among others: it is what the claim is about."""

EXCERPT_CHARS = 140
WEB_PORTS = frozenset({22, 25, 53, 80, 443, 993, 5222, 8080, 8443})
"""Ports of other services; a pool that listens there hides among them (ATT&CK T1571)."""
WORDS = {
    "subscribe": "subscribes",
    "authorize": "logs in",
    "login": "logs in",
    "submit": "submits shares",
    "get_job": "asks for work",
    "job": "hands out jobs",
    "difficulty": "sets the difficulty",
    "target": "sets the target",
    "extranonce": "sets the extranonce",
    "result": "answers",
    "hashrate": "reports its hash rate",
    "keepalive": "keeps alive",
    "configure": "negotiates extensions",
    "hello": "introduces itself",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Miner:
    """One flow's conversation and what it says of who mines what."""

    flow: Flow
    talk: Conversation
    wallet: Wallet | None
    pool: PoolHost
    coin: Coin | None
    carriers: tuple[str, ...]

    @property
    def host(self) -> str:
        """The address that mines."""
        return self.flow.src_ip if self.talk.miner_is_up else self.flow.dst_ip

    @property
    def is_confirmed(self) -> bool:
        """Two role-consistent messages, or a message with a wallet whose checksum holds."""
        if not self.talk.specific:
            return False
        valid_wallet = self.wallet is not None and self.wallet.checksum == "valid"
        both_roles = bool(self.talk.miner and self.talk.agreeing)
        one_side = max(_specific_kinds(self.talk.miner), _specific_kinds(self.talk.agreeing))
        return valid_wallet or both_roles or one_side > 1

    @property
    def key(self) -> tuple[str, str, int, str, bool]:
        """Flows with the same key are one finding."""
        return (self.host, self.pool.ip, self.pool.port, self.talk.dialect, self.is_confirmed)


def _specific_kinds(rows: Sequence[Message]) -> int:
    return sum(1 for row in rows if row["specific"])


@dataclass(frozen=True, slots=True)
class Stratum:
    """Finds mining in clear."""

    meta: ClassVar[DetectorMeta] = DetectorMeta(
        id="mining.stratum",
        version=1,
        title="mining spoken in clear",
        category=Category.MINING,
        needs=frozenset({"mining"}),
        attack=("T1496.001",),
    )

    def run(self, observations: Observations, context: Context) -> Iterator[Finding]:
        """Yields one finding for each miner, pool endpoint and dialect."""
        groups: dict[tuple[str, str, int, str, bool], list[Miner]] = defaultdict(list)
        for flow_id in observations.flow_ids("mining"):
            rows = observations.rows("mining", flow_id)
            talk = conversation_of(rows)
            if talk is None:
                continue
            miner = self._miner(observations, context, flow_id, talk)
            groups[miner.key].append(miner)
        for miners in groups.values():
            yield self._finding(observations, context, miners)

    def _miner(
        self, observations: Observations, context: Context, flow_id: int, talk: Conversation
    ) -> Miner:
        flow = observations.flow(flow_id)
        wallet = wallet_of(talk)
        pool = pool_host(talk, flow, observations, context.ruleset)
        return Miner(
            flow=flow,
            talk=talk,
            wallet=wallet,
            pool=pool,
            coin=coin_of(talk, wallet, pool, context.ruleset),
            carriers=tuple(talk.values("carrier")),
        )

    def _finding(
        self, observations: Observations, context: Context, miners: Sequence[Miner]
    ) -> Finding:
        best = max(miners, key=lambda m: (len(m.talk.of_kind("submit")), len(m.talk.messages)))
        ordered = [best, *(miner for miner in miners if miner is not best)]
        case = _case(best)
        coin = context.ruleset.coin(best.coin.id) if best.coin else None
        rate = hashrate.estimate(best.talk, coin)
        return make_finding(
            self.meta,
            observations,
            case,
            [miner.flow for miner in ordered],
            title=_title(best, case.confidence),
            severity=_severity(best, observations),
            attributes=_attributes(ordered, rate),
            not_visible=_not_visible(best),
            next_steps=_next_steps(best),
        )


def _case(miner: Miner) -> Case:
    talk = miner.talk
    case = Case(
        prior=PRIOR,
        prior_summary="before any reason: one in a thousand conversations with such words mines",
        caps=CAPS,
    )
    _add_messages(case, talk)
    if miner.wallet and miner.wallet.checksum == "valid":
        coins = " or ".join(miner.wallet.coins) or "some coin"
        text = f"the login is a {coins} address whose checksum holds: {miner.wallet.address}"
        case.add("wallet", text, WALLET_VALID, frames=[miner.wallet.frame])
    _add_shares(case, talk)
    if miner.pool.operator:
        text = f"{miner.pool.name or miner.pool.ip} belongs to the pool {miner.pool.operator}"
        case.add("intel", text, KNOWN_POOL, signature=miner.pool.rule)
    if talk.misshapen:
        most = len(talk.misshapen) > len(talk.messages)
        text = f"{len(talk.misshapen)} messages have fields that are not of the dialect's form"
        frames = [row["frame"] for row in talk.misshapen]
        case.add("protocol", text, MISSHAPEN_MOST if most else MISSHAPEN_SOME, frames=frames)
    return case


def _add_messages(case: Case, talk: Conversation) -> None:
    """The miner's part, then the pool's; of which the first message alone weighs the most."""
    first = (talk.specific or talk.messages)[0]
    frames = [row["frame"] for row in talk.messages]
    who = "the miner" if first["role"] == "miner" else "the pool"
    text = f"{who} {_doing(talk, first)} in {talk.title}: {_excerpt(first)}"
    weight = SPECIFIC if talk.specific else AMBIGUOUS
    own = [row["frame"] for row in talk.messages if row["role"] == first["role"]]
    case.add("protocol", text, weight, frames=[first["frame"], *own])
    other = talk.agreeing if first["role"] == "miner" else talk.miner
    if other:
        answer = next((row for row in other if row["specific"]), other[0])
        side = "the pool" if first["role"] == "miner" else "the miner"
        text = f"{side} plays its part, it {_doing(talk, answer)}: {_excerpt(answer)}"
        weight = OPPOSITE_ROLES if talk.specific else 1.0
        case.add("protocol", text, weight, frames=[row["frame"] for row in other])
    elif _specific_kinds(talk.miner) > 1 or _specific_kinds(talk.agreeing) > 1:
        text = f"{who} goes on in the same dialect: {len(own)} messages"
        case.add("protocol", text, SAME_ROLE_AGAIN, frames=own)
    kinds = {(row["role"], row["kind"]) for row in talk.messages}
    if len(kinds) > 2 and talk.specific:
        named = ", ".join(sorted({row["method"] or row["kind"] for row in talk.messages})[:8])
        text = f"{len(kinds)} kinds of message of one dialect: {named}"
        case.add("protocol", text, FURTHER_KIND * (len(kinds) - 2), frames=frames)


def _add_shares(case: Case, talk: Conversation) -> None:
    submitted = [row for row in talk.miner if row["kind"] == "submit"]
    accepted = _answers(talk, "accepted")
    if accepted:
        text = f"{len(accepted)} of {len(submitted)} submitted shares accepted by the pool"
        case.add("behaviour", text, SHARES_ACCEPTED, frames=[row["frame"] for row in accepted])
    elif submitted:
        text = f"{len(submitted)} shares submitted; no acceptance was seen"
        case.add("behaviour", text, SHARES_SUBMITTED, frames=[row["frame"] for row in submitted])


def _answers(talk: Conversation, outcome: str) -> list[Message]:
    """The pool's answers to shares; an answer carries the method of what it answers."""
    submits = {row["method"] for row in talk.miner if row["kind"] == "submit"}
    return [
        row
        for row in talk.pool
        if row["kind"] == "result" and row["outcome"] == outcome and row["method"] in submits
    ]


def _doing(talk: Conversation, row: Message) -> str:
    same = [other for other in talk.messages if other["role"] == row["role"]]
    kinds = list(dict.fromkeys(str(other["kind"]) for other in same))
    words = [WORDS[kind] for kind in kinds if kind in WORDS]
    return ", ".join(dict.fromkeys(words)) or "speaks"


def _excerpt(row: Message) -> str:
    text = str(row["excerpt"]).strip()
    return text if len(text) <= EXCERPT_CHARS else f"{text[:EXCERPT_CHARS]}…"


def _severity(miner: Miner, observations: Observations) -> Severity:
    if not miner.is_confirmed:
        return Severity.MEDIUM if miner.talk.specific else Severity.LOW
    leaves = not observations.is_inside(miner.pool.ip)
    return Severity.CRITICAL if leaves and _answers(miner.talk, "accepted") else Severity.HIGH


def _title(miner: Miner, confidence: float) -> str:
    pool = f"{miner.pool.name or miner.pool.ip}:{miner.pool.port}"
    coin = miner.coin.id if miner.coin else "a coin"
    talk = miner.talk
    with_what = f" with {talk.first('agent')}" if talk.first("agent") else ""
    if not miner.is_confirmed:
        verb = "tries to mine" if talk.specific else "may be mining"
        answers = [row for row in talk.pool if row["outcome"] == "rejected"]
        how = "and was refused" if answers else "without an answer that shows mining"
        return f"{miner.host} {verb} {coin} at {pool}{with_what}, {how}"
    accepted = len(_answers(talk, "accepted"))
    shares = f", {accepted} shares accepted" if accepted else ""
    return f"{miner.host} mines {coin} at {pool} in {talk.title}{with_what}{shares}"


def _attributes(miners: Sequence[Miner], rate: hashrate.Hashrate | None) -> dict[str, object]:
    best = miners[0]
    talk, pool, wallet = best.talk, best.pool, best.wallet
    submitted = sum(len(m.talk.of_kind("submit")) for m in miners)
    return {
        "dialect": talk.dialect,
        "tier": "confirmed" if best.is_confirmed else "attempt" if talk.specific else "suspect",
        "coin": best.coin.id if best.coin else "",
        "coin_inferred_from": best.coin.inferred_from if best.coin else "",
        "miner": best.host,
        "pool": {
            "ip": pool.ip,
            "port": pool.port,
            "name": pool.name,
            "name_source": pool.name_source,
            "operator": pool.operator,
        },
        "wallet": wallet.address if wallet else "",
        "wallet_checksum": wallet.checksum if wallet else "",
        "wallets": _distinct(miners, "wallet")[1:] and _distinct(miners, "wallet"),
        "worker": talk.first("worker"),
        "agent": talk.first("agent"),
        "algorithm": talk.first("algo"),
        "pool_as_named_by_miner": talk.first("host"),
        "difficulties": _difficulties(talk),
        "shares_submitted": submitted,
        "shares_accepted": sum(len(_answers(m.talk, "accepted")) for m in miners),
        "shares_rejected": sum(len(_answers(m.talk, "rejected")) for m in miners),
        "hashrate": hashrate.readable(rate) if rate else "",
        "hashrate_per_second": rate.per_second if rate else None,
        "hashrate_error_per_second": rate.error if rate else None,
        "carriers": list(best.carriers),
        "pool_opened_connection": None if talk.miner_is_up else True,
    }


def _distinct(miners: Sequence[Miner], field: str) -> list[object]:
    return list(dict.fromkeys(value for m in miners for value in m.talk.values(field)))


MAX_DIFFICULTIES = 32


def _difficulties(talk: Conversation) -> list[dict[str, object]]:
    """Each change of the difficulty with its time, the first `MAX_DIFFICULTIES` of them."""
    changes: list[dict[str, object]] = []
    for row in talk.pool:
        value = row["difficulty"]
        if value and (not changes or changes[-1]["difficulty"] != value):
            at = rfc3339(row["ts_ns"])
            changes.append({"at": at, "difficulty": value, "frame": row["frame"]})
    return changes[:MAX_DIFFICULTIES]


def _not_visible(miner: Miner) -> list[str]:
    flow, talk = miner.flow, miner.talk
    hidden: list[str] = []
    if not talk.of_kind("login", "authorize", "subscribe", "hello"):
        hidden.append("the login was not captured, so wallet, worker and agent may be unknown")
    if flow.up_gap or flow.down_gap:
        hidden.append(f"{flow.up_gap + flow.down_gap} bytes of the conversation were not captured")
    if not talk.pool:
        hidden.append("nothing of the pool's side was recognised")
    if miner.wallet and miner.wallet.checksum == "none":
        hidden.append("the login has no checksum, so it may be an account name")
    if not miner.pool.name:
        hidden.append("no name of the pool was seen before the connection")
    return hidden


def _next_steps(miner: Miner) -> list[str]:
    steps = [f"find which job or process on {miner.host} held this connection at that time"]
    if miner.wallet:
        steps.append("search other captures for the same wallet")
    steps.append(f"block {miner.pool.ip}:{miner.pool.port} once the evidence is kept")
    return steps
