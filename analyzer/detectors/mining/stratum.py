"""Finds mining spoken in clear, in any dialect of the stratum family, on any port.

The core recognises messages and checks their fields; here it is judged whether a conversation is
mining: two messages that play their roles, or a wallet whose checksum holds, confirm it; a single
message that only a miner or a pool sends is an attempt; words alone are nothing.
docs/detectors/mining.stratum.md tells where the weights come from.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from analyzer.detectors.base import Context, DetectorMeta, make_finding
from analyzer.detectors.evidence import FAMILY_CAPS, Case
from analyzer.detectors.mining import hashrate, quotation, stratum_words
from analyzer.detectors.mining.conversation import (
    Conversation,
    conversation_of,
    distinct,
    is_pool_hidden,
)
from analyzer.detectors.mining.identity import (
    Coin,
    PoolHost,
    Wallet,
    coin_of,
    is_payout,
    pool_host,
    possible_coins,
    wallet_of,
)
from analyzer.detectors.mining.request_login import with_request_logins
from analyzer.model import Category, Severity, endpoint
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
AMBIGUOUS_ANSWER = 1.0
SAME_ROLE_AGAIN = 4.2
FURTHER_KIND = 0.4
WALLET_VALID = 5.5
SHARES_ACCEPTED = 3.0
SHARES_SUBMITTED = 1.5
QUOTED = -2.5
KNOWN_POOL = {"confirmed": 3.0, "attempt": 0.6, "suspect": 1.0}
"""A listed pool makes what was said surer; what was not said it does not replace."""
MISSHAPEN_SOME = -0.5
MISSHAPEN_MOST = -2.5
CAPS = {**FAMILY_CAPS, "protocol": 14.5}
"""Here the protocol is not one family of signs among others: it is what the claim is about."""

TIERS = ("confirmed", "attempt", "suspect")
MAX_DIFFICULTIES = 32


@dataclass(frozen=True, kw_only=True)
class Miner:
    """One flow's conversation and what it says of who mines what.

    Attributes:
        flow: Which flow.
        talk: What was said.
        wallet: What the miner logs in with.
        pool: The other end.
        coin: What is mined, if it could be inferred.
        coin_candidates: What may be mined, where it could not.
        coin_name: The coin as people call it.
        paid_in: The wallet's coin, where that is not what is mined.
        quoted: Why the messages may be no more than quoted; "" if nothing says so.
    """

    flow: Flow
    talk: Conversation
    wallet: Wallet | None
    pool: PoolHost
    coin: Coin | None
    coin_candidates: tuple[str, ...]
    coin_name: str
    paid_in: str
    quoted: str

    @property
    def host(self) -> str:
        """The address that mines."""
        return self.flow.src_ip if self.talk.miner_is_up else self.flow.dst_ip

    @property
    def pool_text(self) -> str:
        """The pool's name, or address, and port."""
        return endpoint(self.pool.name or self.pool.ip, self.pool.port)

    @property
    def flow_end(self) -> str:
        """The address and port at the flow's other end."""
        return self.flow.ref.dst if self.talk.miner_is_up else self.flow.ref.src

    @cached_property
    def tier(self) -> str:
        """`confirmed`, `attempt` or `suspect`.

        Two role-consistent messages confirm, or a message with a wallet whose checksum holds. What
        is repeated counts once; what was refused throughout, or got no answer, is an attempt.
        """
        talk = self.talk
        if not talk.specific:
            return "suspect"
        if self.quoted:
            both = {row["role"] for row in talk.specific} == {"miner", "pool"}
            return "confirmed" if both else "suspect"
        if self.has_valid_wallet or (talk.miner and talk.agreeing):
            return "confirmed"
        goes_on = distinct(talk.miner) > 1 and not talk.refusals and is_pool_hidden(talk, self.flow)
        return "confirmed" if goes_on or distinct(talk.agreeing) > 1 else "attempt"

    @property
    def has_valid_wallet(self) -> bool:
        """The miner names a wallet whose checksum holds."""
        return self.wallet is not None and self.wallet.checksum == "valid"

    @property
    def weight(self) -> tuple[int, int, int]:
        """How much there is to say, for choosing whom a finding is about."""
        shares = len(self.talk.of_kind("submit"))
        return (-TIERS.index(self.tier), shares, len(self.talk.messages))


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
        """Yields one finding for each miner, pool endpoint and confirmed dialect."""
        found: dict[tuple[str, str, int], list[Miner]] = defaultdict(list)
        for flow_id in observations.flow_ids("mining"):
            requests = observations.rows("http", flow_id)
            rows = with_request_logins(observations.rows("mining", flow_id), requests)
            talk = conversation_of(rows)
            if talk is not None:
                miner = _miner(observations, context, flow_id, talk)
                found[(miner.host, miner.pool.ip, miner.pool.port)].append(miner)
        for miners in found.values():
            for group in _groups(miners):
                yield _finding(self.meta, observations, context, group)


def _groups(miners: Sequence[Miner]) -> list[list[Miner]]:
    """The confirmed by dialect; what was only tried at the same endpoint goes with the first."""
    groups: dict[str, list[Miner]] = defaultdict(list)
    for miner in sorted(miners, key=lambda miner: miner.weight, reverse=True):
        if miner.tier == "confirmed":
            groups[miner.talk.dialect].append(miner)
        else:
            groups[next(iter(groups), "")].append(miner)
    return list(groups.values())


def _miner(observations: Observations, context: Context, flow_id: int, talk: Conversation) -> Miner:
    flow, ruleset = observations.flow(flow_id), context.ruleset
    wallet = wallet_of(talk)
    pool = pool_host(talk, flow, observations, ruleset)
    coin = coin_of(talk, wallet, pool, ruleset, flow.start_ns)
    known = ruleset.coin(coin.id) if coin else None
    candidates = () if coin else possible_coins(talk, wallet, pool, ruleset, flow.start_ns)
    paid = wallet is not None and is_payout(talk, wallet, ruleset)
    return Miner(
        flow=flow,
        talk=talk,
        wallet=wallet,
        pool=pool,
        coin=coin,
        coin_candidates=candidates,
        coin_name=f"{known.name} ({known.id})" if known else coin.id if coin else "a coin",
        paid_in=wallet.coins[0] if wallet and paid else "",
        quoted=quotation.reason(talk, flow),
    )


def _finding(
    meta: DetectorMeta, observations: Observations, context: Context, miners: Sequence[Miner]
) -> Finding:
    best = miners[0]
    coin = context.ruleset.coin(best.coin.id) if best.coin else None
    rate = hashrate.estimate(best.talk, coin)
    case = _case(best)
    _add_others(case, miners)
    return make_finding(
        meta,
        observations,
        case,
        [miner.flow for miner in miners],
        title=stratum_words.title(best),
        severity=_severity(best, observations),
        attributes=_attributes(miners, rate),
        not_visible=stratum_words.not_visible(best, rate),
        next_steps=stratum_words.next_steps(best),
    )


def _case(miner: Miner) -> Case:
    case = Case(
        prior=PRIOR,
        prior_summary="before any reason: one in a thousand conversations with such words mines",
        caps=CAPS,
    )
    _add_first(case, miner.talk)
    if miner.tier == "confirmed" or not miner.talk.specific:
        _add_other_side(case, miner.talk)
    if miner.tier == "confirmed":
        _add_wallet(case, miner)
        _add_shares(case, miner.talk)
    if miner.pool.operator:
        text = f"{miner.pool.name or miner.pool.ip} belongs to the pool {miner.pool.operator}"
        case.add("intel", text, KNOWN_POOL[miner.tier], signature=miner.pool.rule)
    if miner.quoted:
        case.add("protocol", miner.quoted, QUOTED)
    _add_misshapen(case, miner.talk)
    return case


def _add_first(case: Case, talk: Conversation) -> None:
    """The first message that shows mining weighs the most; its side's others stand with it."""
    first = (talk.specific or talk.messages)[0]
    own = talk.miner if first["role"] == "miner" else talk.pool
    text = (
        f"the {first['role']} {stratum_words.doing(own)} ({talk.title}): "
        f"{stratum_words.excerpt(first)}"
    )
    weight = SPECIFIC if talk.specific else AMBIGUOUS
    case.add("protocol", text, weight, frames=[first["frame"], *(row["frame"] for row in own)])


def _add_other_side(case: Case, talk: Conversation) -> None:
    by_miner = (talk.specific or talk.messages)[0]["role"] == "miner"
    own, other = (talk.miner, talk.agreeing) if by_miner else (talk.agreeing, talk.miner)
    if other:
        answer = next((row for row in other if row["specific"]), other[0])
        side = "pool" if by_miner else "miner"
        text = (
            f"the {side} plays its part, it {stratum_words.doing(other)}: "
            f"{stratum_words.excerpt(answer)}"
        )
        weight = OPPOSITE_ROLES if talk.specific else AMBIGUOUS_ANSWER
        case.add("protocol", text, weight, frames=[row["frame"] for row in other])
    elif distinct(own) > 1:
        side = "miner" if by_miner else "pool"
        text = f"the {side} goes on in the same dialect: {len(own)} messages"
        case.add("protocol", text, SAME_ROLE_AGAIN, frames=[row["frame"] for row in own])
    taken = (*talk.miner, *talk.agreeing)
    kinds = {(row["role"], row["kind"]) for row in taken}
    if len(kinds) > 2 and talk.specific:
        named = ", ".join(sorted({row["method"] or row["kind"] for row in taken})[:8])
        text = f"{len(kinds)} kinds of message of one dialect: {named}"
        frames = [row["frame"] for row in taken]
        case.add("protocol", text, FURTHER_KIND * (len(kinds) - 2), frames=frames)


def _add_wallet(case: Case, miner: Miner) -> None:
    if miner.wallet is None or not miner.has_valid_wallet:
        return
    coins = stratum_words.alternatives(miner.wallet.coins)
    whose = f"of {coins}" if coins else "of a coin its form does not name"
    address = stratum_words.short_address(miner.wallet.address)
    text = f"the login is an address {whose} and its checksum holds: {address}"
    case.add("wallet", text, WALLET_VALID, frames=[miner.wallet.frame])


def _add_shares(case: Case, talk: Conversation) -> None:
    submitted, accepted = talk.of_kind("submit"), talk.answers("accepted")
    shares = stratum_words.counted(len(submitted), "submitted share")
    if accepted:
        text = f"the pool accepts {len(accepted)} of {shares}"
        case.add("behaviour", text, SHARES_ACCEPTED, frames=[row["frame"] for row in accepted])
    elif submitted:
        text = f"{shares}, of which no acceptance was seen"
        case.add("behaviour", text, SHARES_SUBMITTED, frames=[row["frame"] for row in submitted])


def _add_misshapen(case: Case, talk: Conversation) -> None:
    if not talk.misshapen:
        return
    most = len(talk.misshapen) > len(talk.messages)
    text = (
        f"{stratum_words.counted(len(talk.misshapen), 'message')} of such methods with fields "
        "that are not of the dialect's form"
    )
    frames = [row["frame"] for row in talk.misshapen]
    case.add("protocol", text, MISSHAPEN_MOST if most else MISSHAPEN_SOME, frames=frames)


def _add_others(case: Case, miners: Sequence[Miner]) -> None:
    """What else was tried at the same endpoint; it explains the finding's other flows."""
    lesser = [miner for miner in miners if miner.tier != miners[0].tier]
    if lesser:
        named = stratum_words.alternatives(list(dict.fromkeys(m.talk.title for m in lesser)))
        flows = stratum_words.counted(len(lesser), "further flow")
        frames = [miner.talk.messages[0]["frame"] for miner in lesser]
        case.add("protocol", f"{flows} to the same endpoint only tried {named}", 0.0, frames=frames)


def _severity(miner: Miner, observations: Observations) -> Severity:
    if miner.tier != "confirmed":
        return Severity.MEDIUM if miner.tier == "attempt" else Severity.LOW
    leaves = bool(miner.pool.proxy) or not observations.is_inside(miner.pool.ip)
    return Severity.CRITICAL if leaves and miner.talk.answers("accepted") else Severity.HIGH


def _attributes(miners: Sequence[Miner], rate: hashrate.Hashrate | None) -> dict[str, object]:
    best = miners[0]
    talk, pool, wallet = best.talk, best.pool, best.wallet
    logins = list(dict.fromkeys(value for m in miners for value in m.talk.values("wallet")))
    certain = talk.is_dialect_certain
    return {
        "dialect": talk.dialect if certain else "",
        "dialect_candidates": [] if certain else list(talk.candidates),
        "tier": best.tier,
        "coin": best.coin.id if best.coin else "",
        "coin_inferred_from": best.coin.inferred_from if best.coin else "",
        "coin_candidates": list(best.coin_candidates),
        "miner": best.host,
        "pool": pool.attributes,
        "proxy": pool.proxy,
        "wallet": wallet.address if wallet else "",
        "wallet_checksum": wallet.checksum if wallet else "",
        "paid_in": best.paid_in,
        "wallets": logins if len(logins) > 1 else [],
        "worker": talk.first("worker"),
        "agent": talk.first("agent"),
        "algorithm": _algorithm(talk),
        "pool_as_named_by_miner": talk.first("host"),
        "difficulties": _difficulties(talk),
        "shares_submitted": sum(len(m.talk.of_kind("submit")) for m in miners),
        "shares_accepted": sum(len(m.talk.answers("accepted")) for m in miners),
        "shares_rejected": sum(len(m.talk.answers("rejected")) for m in miners),
        "hashrate": hashrate.readable(rate) if rate else "",
        "hashrate_per_second": rate.per_second if rate else None,
        "hashrate_error_per_second": rate.error if rate else None,
        "carriers": talk.values("carrier"),
        "pool_opened_connection": None if talk.miner_is_up else True,
    }


def _algorithm(talk: Conversation) -> str:
    """What a job or share names; a login lists all that the software knows."""
    rows = (*talk.pool, *talk.of_kind("submit"))
    return next((str(row["algo"]) for row in rows if row["algo"]), "")


def _difficulties(talk: Conversation) -> list[dict[str, object]]:
    """Each change of the difficulty with its time, the first `MAX_DIFFICULTIES` of them."""
    changes: list[dict[str, object]] = []
    for row in talk.pool:
        value = row["difficulty"]
        if value and (not changes or changes[-1]["difficulty"] != value):
            at = rfc3339(row["ts_ns"])
            changes.append({"at": at, "difficulty": value, "frame": row["frame"]})
    return changes[:MAX_DIFFICULTIES]
