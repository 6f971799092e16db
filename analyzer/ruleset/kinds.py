"""What rule data consists of, as frozen values. The fields are described in `spec.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date
    from ipaddress import IPv4Network, IPv6Network

Strength = Literal["clear", "weak"]
Direction = Literal["any", "up", "down"]

MAX_PREFIX_BYTES = 64
"""How much of each direction's payload the flow table keeps (`prefix_up`, `prefix_down`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRule:
    """A host name: itself and what is below it, or with `exact` itself alone.

    Each leading `*` label asks for one more label in front, so `*.example.net` is not the apex.
    """

    name: str
    exact: bool = False
    strength: Strength = "clear"
    note: str = ""

    @property
    def suffix(self) -> str:
        """The name without its `*` labels."""
        return self.name.lstrip("*.")

    @property
    def least_labels(self) -> int:
        """How many labels there must be in front of the suffix."""
        return self.name.count("*")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRule:
    """An address or network, and the day it was known to belong to the operator."""

    cidr: IPv4Network | IPv6Network
    seen: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPort:
    """A port, or the ports from `port` through `through`, and what is mined there."""

    port: int
    through: int
    coins: tuple[str, ...] = ()
    tls: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A mining pool: one operator's hosts that speak one set of coins."""

    id: str
    operator: str
    coins: tuple[str, ...] = ()
    domains: tuple[NameRule, ...]
    not_mining: tuple[NameRule, ...] = ()
    networks: tuple[NetworkRule, ...] = ()
    ports: tuple[PoolPort, ...] = ()
    protocols: tuple[str, ...] = ()
    source: str
    checked_on: date
    first_seen: date | None = None
    closed: bool = False
    confidence: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpMark:
    """Conditions on one HTTP request that must all hold; `*` at an end stands for any text."""

    strength: Strength
    ws_protocol: str = ""
    path: str = ""
    user_agent: str = ""
    upgrade: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshMark:
    """The beginning of an SSH banner of one side."""

    side: Literal["client", "server"]
    prefix: str
    strength: Strength
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpMark:
    """First bytes of a UDP flow's first datagram; `size_bytes` 0 stands for any size."""

    prefix: bytes
    direction: Direction = "any"
    size_bytes: int = 0
    strength: Strength
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPort:
    """A port the tool uses unless told otherwise: never more than a weak mark."""

    port: int
    transport: Literal["tcp", "udp"] = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A tunnel tool or service and what gives it away."""

    id: str
    title: str
    kind: Literal["reverse_tunnel", "tunnel", "vpn"]
    names: tuple[NameRule, ...] = ()
    query_prefixes: tuple[str, ...] = ()
    alpn: tuple[str, ...] = ()
    http: tuple[HttpMark, ...] = ()
    ssh: tuple[SshMark, ...] = ()
    udp: tuple[UdpMark, ...] = ()
    payload: tuple[str, ...] = ()
    ports: tuple[RelayPort, ...] = ()
    source: str
    checked_on: date
    confidence: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coin:
    """A coin: how it is mined, how its addresses look, how fast its blocks come.

    `hashes_per_difficulty` and `block_interval_s` are 0 where they are not known.
    """

    id: str
    name: str
    dialects: tuple[str, ...]
    algorithms: tuple[str, ...]
    address_forms: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    hashes_per_difficulty: float = 0.0
    block_interval_s: float = 0.0
    gpu: bool = False
    tag: Literal["S", "M", "K"]
    source: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadTest:
    """An example payload and whether the pattern must be found in it."""

    payload: bytes
    direction: Literal["up", "down"]
    match: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A literal byte pattern for the one-pass matcher."""

    id: str
    title: str
    pattern: bytes
    direction: Direction = "any"
    at_start: bool = False
    category: str
    strength: Strength
    source: str
    checked_on: date
    tests: tuple[PayloadTest, ...]
    note: str = ""

    def found_in(self, payload: bytes, direction: Literal["up", "down"]) -> bool:
        """Whether the pattern is in one direction's payload, given from its first byte on."""
        if self.direction not in ("any", direction):
            return False
        return payload.startswith(self.pattern) if self.at_start else self.pattern in payload
