"""The loaded rules and the questions they answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from analyzer.ruleset.lookup import AddressIndex, NameIndex, host_labels

if TYPE_CHECKING:
    from analyzer.ruleset.kinds import (
        Coin,
        Direction,
        HttpMark,
        Payload,
        Pool,
        PoolPort,
        Relay,
        Strength,
    )

PoolRole = Literal["mining", "web", "unknown"]

WEB_PORTS = frozenset({80, 443})
"""Where browsers go: contact there is mining only if the pool lists the port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMatch:
    """A pool that a name or an address belongs to.

    Attributes:
        pool: The pool.
        rule: The domain or network that matched, as the rule writes it.
        by: Whether a name or an address matched.
        web: The name is one that serves people or programs, not miners.
    """

    pool: Pool
    rule: str
    by: Literal["name", "address"]
    web: bool = False

    def role(self, port: int) -> PoolRole:
        """What a connection to this port is for.

        `web` for a name that only serves pages, and for the web's ports where the pool does not
        list them; `mining` for a listed port; `unknown` for any other port.
        """
        if self.web:
            return "web"
        if port_of(self.pool, port) is not None:
            return "mining"
        return "web" if port in WEB_PORTS else "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayMatch:
    """A tunnel tool or service, by one mark.

    Attributes:
        relay: The tool or service.
        mark: The kind of mark: `name`, `query`, `alpn`, `http`, `ssh`, `udp`, `payload` or `port`.
        rule: What matched, as the rule writes it.
        strength: How much the mark says by itself.
    """

    relay: Relay
    mark: str
    rule: str
    strength: Strength


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFacts:
    """One HTTP request as the `http` table has it."""

    target: str = ""
    ws_protocol: str = ""
    user_agent: str = ""
    upgrade: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """All rules that were read, with lookups made once.

    Attributes:
        version: Beginning of the SHA-256 over the files' names and contents.
        pools: Mining pools, in file order.
        relays: Tunnel tools and services, in file order.
        coins: Coins, in file order.
        payloads: Byte patterns, in file order.
    """

    version: str
    pools: tuple[Pool, ...] = ()
    relays: tuple[Relay, ...] = ()
    coins: tuple[Coin, ...] = ()
    payloads: tuple[Payload, ...] = ()
    _pool_names: NameIndex[tuple[Pool, bool]] = field(init=False, repr=False, compare=False)
    _pool_addresses: AddressIndex[PoolMatch] = field(init=False, repr=False, compare=False)
    _relay_names: NameIndex[Relay] = field(init=False, repr=False, compare=False)
    _coins: dict[str, Coin] = field(init=False, repr=False, compare=False)
    _coin_words: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = [(rule, (pool, False)) for pool in self.pools for rule in pool.domains]
        names += [(rule, (pool, True)) for pool in self.pools for rule in pool.not_mining]
        addresses = [
            (rule.cidr, PoolMatch(pool=pool, rule=str(rule.cidr), by="address"))
            for pool in self.pools
            for rule in pool.networks
        ]
        relays = [(rule, relay) for relay in self.relays for rule in relay.names]
        words = {
            word: coin.id
            for coin in self.coins
            for word in (coin.id.lower(), coin.name.lower(), *coin.aliases)
        }
        for name, value in (
            ("_pool_names", NameIndex(names)),
            ("_pool_addresses", AddressIndex(addresses)),
            ("_relay_names", NameIndex(relays)),
            ("_coins", {coin.id: coin for coin in self.coins}),
            ("_coin_words", words),
        ):
            object.__setattr__(self, name, value)

    def match_name(self, name: str) -> PoolMatch | None:
        """The pool that a host name belongs to, by the most specific rule."""
        for rule, (pool, web) in self._pool_names.covering(name):
            return PoolMatch(pool=pool, rule=rule.name, by="name", web=web)
        return None

    def match_address(self, address: str) -> PoolMatch | None:
        """The pool that an IPv4 or IPv6 address belongs to; other text matches nothing."""
        return self._pool_addresses.find(address)

    def coin(self, coin_id: str) -> Coin | None:
        """A coin by its symbol."""
        return self._coins.get(coin_id)

    def coins_of(self, pool: Pool, host: str = "", port: int = 0) -> tuple[str, ...]:
        """The coins a miner may mine there, by the words of the host name and by the port.

        Where both speak and disagree neither is believed: operators move coins between ports
        faster than lists follow.
        """
        known = frozenset(pool.coins)
        words = [word for label in host_labels(host) for word in (label, *label.split("-"))]
        named = tuple(
            dict.fromkeys(self._coin_words[word] for word in words if word in self._coin_words)
        )
        by_host = tuple(coin for coin in named if coin in known)
        entry = port_of(pool, port)
        by_port = entry.coins if entry else ()
        both = tuple(coin for coin in by_port if coin in by_host)
        if named and by_port and not both:
            return ()
        return both or by_port or by_host or (pool.coins if len(pool.coins) == 1 else ())

    def coin_of(self, pool: Pool, host: str = "", port: int = 0) -> str:
        """The one coin that `coins_of` leaves, "" if there are none or several."""
        coins = self.coins_of(pool, host, port)
        return coins[0] if len(coins) == 1 else ""

    def match_relay_name(self, name: str) -> RelayMatch | None:
        """The tunnel service that a name in DNS, SNI or Host belongs to."""
        for rule, relay in self._relay_names.covering(name):
            return RelayMatch(relay=relay, mark="name", rule=rule.name, strength=rule.strength)
        return None

    def match_relay_query(self, name: str) -> RelayMatch | None:
        """The tunnel tool whose DNS queries begin with this name's first label."""
        first = host_labels(name)[:1]
        for relay in self.relays:
            if first and first[0] in relay.query_prefixes:
                return RelayMatch(relay=relay, mark="query", rule=first[0], strength="weak")
        return None

    def match_alpn(self, offered: str) -> tuple[RelayMatch, ...]:
        """Tools that offer one of these application protocols (comma separated)."""
        protocols = frozenset(offered.split(","))
        return tuple(
            RelayMatch(relay=relay, mark="alpn", rule=alpn, strength="clear")
            for relay in self.relays
            for alpn in relay.alpn
            if alpn in protocols
        )

    def match_http(self, request: HttpFacts) -> tuple[RelayMatch, ...]:
        """Tools that send such a request."""
        return tuple(
            RelayMatch(relay=relay, mark="http", rule=_http_rule(mark), strength=mark.strength)
            for relay in self.relays
            for mark in relay.http
            if _is_http_match(mark, request)
        )

    def match_ssh(
        self, *, client_banner: str = "", server_banner: str = ""
    ) -> tuple[RelayMatch, ...]:
        """Tools that greet with one of these SSH banners."""
        banners = {"client": client_banner, "server": server_banner}
        return tuple(
            RelayMatch(relay=relay, mark="ssh", rule=mark.prefix, strength=mark.strength)
            for relay in self.relays
            for mark in relay.ssh
            if banners[mark.side].startswith(mark.prefix)
        )

    def match_udp(
        self, prefix: bytes, direction: Direction, size_bytes: int = 0
    ) -> tuple[RelayMatch, ...]:
        """Tools whose datagrams begin like this.

        Args:
            prefix: The first payload bytes of one direction.
            direction: Which direction, `up` or `down`.
            size_bytes: Payload size of that datagram; 0 if unknown, which fits only rules that
                ask for no size.
        """
        return tuple(
            RelayMatch(relay=relay, mark="udp", rule=mark.prefix.hex(" "), strength=mark.strength)
            for relay in self.relays
            for mark in relay.udp
            if prefix.startswith(mark.prefix)
            and mark.direction in ("any", direction)
            and mark.size_bytes in (0, size_bytes)
        )

    def relays_of_payload(self, payload_id: str) -> tuple[RelayMatch, ...]:
        """Tools that a payload pattern gives away."""
        strengths = {payload.id: payload.strength for payload in self.payloads}
        return tuple(
            RelayMatch(relay=relay, mark="payload", rule=payload_id, strength=strengths[payload_id])
            for relay in self.relays
            if payload_id in relay.payload
        )

    def match_relay_port(self, port: int, transport: str = "tcp") -> tuple[RelayMatch, ...]:
        """Tools that use this port unless told otherwise: worth nothing alone."""
        return tuple(
            RelayMatch(relay=relay, mark="port", rule=f"{transport}/{port}", strength="weak")
            for relay in self.relays
            for entry in relay.ports
            if entry.port == port and entry.transport == transport
        )

    def patterns(self) -> list[tuple[str, bytes, str, bool]]:
        """The payload patterns as the core takes them: id, bytes, direction, only at the start."""
        return [
            (payload.id, payload.pattern, payload.direction, payload.at_start)
            for payload in self.payloads
        ]


def port_of(pool: Pool, port: int) -> PoolPort | None:
    """What a pool serves on a port, by the narrowest range that holds it."""
    holding = [entry for entry in pool.ports if entry.port <= port <= entry.through]
    return min(holding, key=lambda entry: entry.through - entry.port, default=None)


def _is_http_match(mark: HttpMark, request: HttpFacts) -> bool:
    protocols = [item.strip() for item in request.ws_protocol.split(",")]
    path = request.target.split("?", 1)[0]
    return (
        any(_is_like(protocol, mark.ws_protocol) for protocol in protocols)
        and _is_like(path, mark.path)
        and _is_like(request.user_agent, mark.user_agent)
        and _is_like(request.upgrade.lower(), mark.upgrade.lower())
    )


def _is_like(text: str, wanted: str) -> bool:
    """Equality, with a `*` at either end for any text there; "" asks for nothing."""
    core = wanted.removeprefix("*").removesuffix("*")
    if not core:
        return True
    starts, ends = not wanted.startswith("*"), not wanted.endswith("*")
    if starts and ends:
        return text == core
    if starts:
        return text.startswith(core)
    return text.endswith(core) if ends else core in text


def _http_rule(mark: HttpMark) -> str:
    conditions = {
        "Sec-WebSocket-Protocol": mark.ws_protocol,
        "path": mark.path,
        "User-Agent": mark.user_agent,
        "Upgrade": mark.upgrade,
    }
    return ", ".join(f"{name} {value}" for name, value in conditions.items() if value)
