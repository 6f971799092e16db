"""Who mines what and where: wallet, coin, pool, and how each was inferred."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer import wallets

if TYPE_CHECKING:
    from analyzer.detectors.mining.conversation import Conversation
    from analyzer.observations import Flow, Observations
    from analyzer.ruleset import RuleSet

DIALECT_COINS = {
    "pearl": "PRL",
    "ironfish": "IRON",
    "kaspa": "KAS",
    "ergo": "ERG",
    "alephium": "ALPH",
    "conflux": "CFX",
    "xelis": "XEL",
    "xatum": "XEL",
    "grin": "GRIN",
    "beam": "BEAM",
}
"""Dialects that one coin alone speaks, or nearly so."""

CRYPTONOTE_MONERO = ("rx/0", "rx-0", "randomx")
"""Algorithm names that stand for Monero where nothing else names the coin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """What a miner logs in with.

    Attributes:
        address: The login without its worker.
        checksum: `valid`, `invalid` or `none`.
        coins: Coins whose addresses have this form.
        frame: Where it was sent.
    """

    address: str
    checksum: str
    coins: tuple[str, ...]
    frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coin:
    """The coin mined, if it could be inferred, and from what."""

    id: str
    inferred_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolHost:
    """The pool's end.

    Attributes:
        ip: Its address.
        port: Its port.
        name: The name it goes by in the capture; empty if none.
        name_source: `dns`, `sni`, `host`, or `client` where the miner names it itself.
        operator: Of the pool in signatures/pools, if it is known.
        rule: Which rule knows it.
    """

    ip: str
    port: int
    name: str
    name_source: str
    operator: str
    rule: str


def wallet_of(talk: Conversation) -> Wallet | None:
    """The wallet the miner names; one whose checksum holds goes first."""
    found: list[Wallet] = []
    for row in talk.miner:
        login = row["wallet"]
        if login and login not in {wallet.address for wallet in found}:
            checked = wallets.check(login, dialect=talk.dialect)
            found.append(
                Wallet(
                    address=login,
                    checksum=str(checked.checksum),
                    coins=checked.coins,
                    frame=row["frame"],
                )
            )
    return min(found, key=lambda wallet: wallet.checksum != "valid", default=None)


def pool_host(
    talk: Conversation, flow: Flow, observations: Observations, ruleset: RuleSet
) -> PoolHost:
    """The pool's end of a flow, with the best name the capture has for it."""
    ip, port = (flow.dst_ip, flow.dst_port) if talk.miner_is_up else (flow.src_ip, flow.src_port)
    seen = [(name.name, name.source) for name in observations.names_for(ip, flow.end_ns)]
    told = talk.first("host")
    names = [*seen, (told, "client")] if told else seen
    known = next(
        ((name, source, hit) for name, source in names if (hit := ruleset.match_name(name))), None
    )
    if known:
        name, source, hit = known
        return _pool(ip, port, name, source, hit.pool.operator, hit.rule)
    by_address = ruleset.match_address(ip)
    name, source = names[0] if names else ("", "")
    if by_address:
        return _pool(ip, port, name, source, by_address.pool.operator, by_address.rule)
    return _pool(ip, port, name, source, "", "")


def _pool(ip: str, port: int, name: str, source: str, operator: str, rule: str) -> PoolHost:
    return PoolHost(ip=ip, port=port, name=name, name_source=source, operator=operator, rule=rule)


def coin_of(
    talk: Conversation, wallet: Wallet | None, pool: PoolHost, ruleset: RuleSet
) -> Coin | None:
    """The coin, from the surest of what names one."""
    if wallet and wallet.checksum == "valid" and len(wallet.coins) == 1:
        return Coin(id=wallet.coins[0], inferred_from="the wallet's checksum")
    hint = talk.first("coin_hint")
    pool_coin = _pool_coin(pool, ruleset)
    if hint and pool_coin and _same_dialect(hint, pool_coin, ruleset):
        return Coin(id=pool_coin, inferred_from="the pool's name and port")
    if hint:
        return Coin(id=str(hint), inferred_from="the form of the messages")
    if wallet and len(wallet.coins) == 1:
        return Coin(id=wallet.coins[0], inferred_from="the wallet's form")
    if pool_coin:
        return Coin(id=pool_coin, inferred_from="the pool's name and port")
    if talk.dialect in DIALECT_COINS:
        return Coin(id=DIALECT_COINS[talk.dialect], inferred_from="the dialect")
    job_algorithms = {row["algo"] for row in talk.pool if row["algo"]}
    if talk.dialect == "cryptonote" and job_algorithms & set(CRYPTONOTE_MONERO):
        return Coin(id="XMR", inferred_from="the job's algorithm, most likely")
    return None


def _pool_coin(pool: PoolHost, ruleset: RuleSet) -> str:
    match = ruleset.match_name(pool.name) if pool.name else ruleset.match_address(pool.ip)
    return ruleset.coin_of(match.pool, pool.name, pool.port) if match else ""


def _same_dialect(left: str, right: str, ruleset: RuleSet) -> bool:
    one, other = ruleset.coin(left), ruleset.coin(right)
    return bool(one and other and set(one.dialects) & set(other.dialects))
