"""Who mines what and where: wallet, coin, pool, and how each was inferred."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analyzer import wallets
from analyzer.detectors.sightings import own_names
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.detectors.mining.conversation import Conversation
    from analyzer.observations import Flow, Observations
    from analyzer.ruleset import PoolMatch, RuleSet

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

MAX_CANDIDATES = 8
"""Coins listed where several are possible; a longer list says nothing."""

MERGE_NS = 1_663_224_162 * NS_PER_SECOND
"""2022-09-15T06:42:42Z: the block from which on Ethereum itself is not mined any more."""

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
        is_wrapped: The login names the coin to be paid in before the address.
    """

    address: str
    checksum: str
    coins: tuple[str, ...]
    frame: int
    is_wrapped: bool = False


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
        name_source: `dns`, `sni`, `host`, `connect` where a proxy is asked for it, or `client`
            where the miner names it itself.
        operator: Of the pool in signatures/pools, if it is known.
        rule: Which rule knows it.
        proxy: `address:port` of the proxy in between, whose address `ip` then is; "" if none.
    """

    ip: str
    port: int
    name: str
    name_source: str
    operator: str
    rule: str
    proxy: str = ""

    @property
    def attributes(self) -> dict[str, object]:
        """The end as a finding describes it."""
        return {
            "ip": "" if self.proxy else self.ip,
            "port": self.port,
            "name": self.name,
            "name_source": self.name_source,
            "operator": self.operator,
        }


def wallet_of(talk: Conversation) -> Wallet | None:
    """The wallet the miner names; one whose checksum holds goes first."""
    found: list[Wallet] = []
    for row in (*talk.miner, *talk.partial):
        login = row["wallet"]
        if login and login not in {wallet.address for wallet in found}:
            checked = wallets.check(login, dialect=talk.dialect)
            found.append(
                Wallet(
                    address=login,
                    checksum=str(checked.checksum),
                    coins=checked.coins,
                    frame=row["frame"],
                    is_wrapped=any(login.startswith(f"{coin}:") for coin in checked.coins),
                )
            )
    return min(found, key=lambda wallet: wallet.checksum != "valid", default=None)


def pool_host(
    talk: Conversation, flow: Flow, observations: Observations, ruleset: RuleSet
) -> PoolHost:
    """The pool's end of a flow, with the best name the capture has for it."""
    ip, port = (flow.dst_ip, flow.dst_port) if talk.miner_is_up else (flow.src_ip, flow.src_port)
    asked = [own for own in own_names(observations, flow.flow_id) if own.source == "connect"]
    if asked and talk.miner_is_up:
        behind = _named_pool(ip, asked[0].port or port, [(asked[0].name, "connect")], ruleset)
        return replace(behind, proxy=flow.ref.dst)
    seen = [(name.name, name.source) for name in observations.names_for(ip, flow.end_ns)]
    told = talk.first("host")
    names = [*seen, (told, "client")] if told else seen
    return _named_pool(ip, port, names, ruleset)


def _named_pool(ip: str, port: int, names: Sequence[tuple[str, str]], ruleset: RuleSet) -> PoolHost:
    listed = next((entry for entry in names if ruleset.match_name(entry[0])), None)
    name, source = listed or (names[0] if names else ("", ""))
    match = ruleset.match_name(name) if listed else ruleset.match_address(ip)
    return PoolHost(
        ip=ip,
        port=port,
        name=name,
        name_source=source,
        operator=match.pool.operator if match else "",
        rule=match.rule if match else "",
    )


def coin_of(
    talk: Conversation, wallet: Wallet | None, pool: PoolHost, ruleset: RuleSet, start_ns: int = 0
) -> Coin | None:
    """The coin, from the surest of what names one."""
    mined = () if wallet is None or is_payout(talk, wallet, ruleset) else wallet.coins
    if wallet and wallet.checksum == "valid" and len(mined) == 1:
        return Coin(id=mined[0], inferred_from="the wallet's checksum")
    hint = _hint(talk, start_ns)
    pool_coin = _pool_coin(pool, ruleset)
    if hint and pool_coin and _same_dialect(hint, pool_coin, ruleset):
        return Coin(id=pool_coin, inferred_from="the pool's name and port")
    if hint:
        return Coin(id=hint, inferred_from="the form of the messages")
    if len(mined) == 1:
        return Coin(id=mined[0], inferred_from="the wallet's form")
    if pool_coin:
        return Coin(id=pool_coin, inferred_from="the pool's name and port")
    if talk.is_dialect_certain and talk.dialect in DIALECT_COINS:
        return Coin(id=DIALECT_COINS[talk.dialect], inferred_from="the dialect")
    job_algorithms = {row["algo"] for row in talk.pool if row["algo"]}
    if talk.dialect == "cryptonote" and job_algorithms & set(CRYPTONOTE_MONERO):
        return Coin(id="XMR", inferred_from="the job's algorithm, most likely")
    return None


def possible_coins(
    talk: Conversation, wallet: Wallet | None, pool: PoolHost, ruleset: RuleSet, start_ns: int = 0
) -> tuple[str, ...]:
    """The coins it may be where no single one could be inferred; () if nothing narrows them."""
    match = _pool_match(pool, ruleset)
    by_pool = ruleset.coins_of(match.pool, pool.name, pool.port) if match else ()
    by_wallet = () if wallet is None or is_payout(talk, wallet, ruleset) else wallet.coins
    both = tuple(coin for coin in by_wallet if coin in by_pool)
    ended = {"ETH"} if start_ns > MERGE_NS else set()
    for coins in (both, by_wallet, by_pool):
        left = tuple(coin for coin in coins if coin not in ended)
        if 0 < len(left) <= MAX_CANDIDATES:
            return left
    return ()


def is_payout(talk: Conversation, wallet: Wallet, ruleset: RuleSet) -> bool:
    """Whether the wallet's coin is what the miner is paid in, and another coin is what it mines.

    So it is where the login says so (`COIN:address`), and where no miner of the wallet's coin
    speaks the dialect.
    """
    if len(wallet.coins) != 1:
        return False
    if wallet.is_wrapped:
        return True
    coin = ruleset.coin(wallet.coins[0])
    return bool(coin and coin.dialects and not set(coin.dialects) & set(talk.candidates))


def _hint(talk: Conversation, start_ns: int) -> str:
    """What the messages' form says; Ethereum's form outlived the mining of Ethereum."""
    hint = str(talk.first("coin_hint"))
    return "" if hint == "ETH" and start_ns > MERGE_NS else hint


def _pool_match(pool: PoolHost, ruleset: RuleSet) -> PoolMatch | None:
    return ruleset.match_name(pool.name) if pool.name else ruleset.match_address(pool.ip)


def _pool_coin(pool: PoolHost, ruleset: RuleSet) -> str:
    match = _pool_match(pool, ruleset)
    return ruleset.coin_of(match.pool, pool.name, pool.port) if match else ""


def _same_dialect(left: str, right: str, ruleset: RuleSet) -> bool:
    one, other = ruleset.coin(left), ruleset.coin(right)
    return bool(one and other and set(one.dialects) & set(other.dialects))
