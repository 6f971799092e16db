"""Where a sink may connect to: a name is resolved once, and every address is checked.

A sink's host is chosen by whoever may configure sinks, and its name server by somebody else. So
that neither can make the service talk to itself, to its neighbours or to the metadata service of
its cloud, every address a name resolves to must be a public one, or lie in a network that the
operator allowed. The connection then goes to an address that was checked, not to the name: a second
answer of the name server cannot move it (DNS rebinding). TLS is verified by the name all the same.

Without TLS only networks that the operator allowed are reached.

Source: RFC 6890 and the IANA registries of special-purpose addresses, RFC 4291 §2.4, and RFC 6052
for IPv4 addresses inside IPv6 ones.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from analyzer.errors import ConfigError
from analyzer.settings import parse_network
from analyzer.sinks.base import SendError, trouble

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analyzer.settings import Network

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_TRIED = 8
"""Addresses of one name that are tried in turn; all of them are checked."""

_SPECIAL_TEXTS = {
    "0.0.0.0/8": "this machine",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by a provider's customers",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "a metadata service",  # of Azure, on an address that is otherwise public
    "169.254.0.0/16": "link-local",  # and where most clouds have their metadata services
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved",
    "192.0.2.0/24": "for documentation",
    "192.88.99.0/24": "a relay",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "for benchmarks",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "::/128": "this machine",
    "::1/128": "loopback",
    "2001::/23": "reserved",
    "2001:db8::/32": "for documentation",
    "2002::/16": "a relay",
    "3fff::/20": "for documentation",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "private",
    "ff00::/8": "multicast",
}
"""Own table, because what `ipaddress` calls private differs between versions of Python."""

_SPECIAL = tuple((ipaddress.ip_network(text), kind) for text, kind in _SPECIAL_TEXTS.items())
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is given out for the public network."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Deadline:
    """A point in time after which nothing is waited for any more."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left_s(self) -> float:
        """Seconds that are left.

        Raises:
            TimeoutError: None are.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Decides what may be connected to.

    Attributes:
        allowed: Networks the operator lets sinks reach beside public addresses.
    """

    allowed: tuple[Network, ...] = ()

    @classmethod
    def of(cls, networks: Iterable[str]) -> Guard:
        """A guard from CIDR text.

        Raises:
            ConfigError: A text is no network.
        """
        return cls(allowed=tuple(parse_network(text) for text in networks))

    def check_literal(self, host: str, *, encrypted: bool) -> None:
        """Refuses an address early, when a sink is configured; names are checked when used.

        Raises:
            ConfigError: The host is an address that may not be reached.
        """
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return
        problem = self.problem(address, encrypted=encrypted)
        if problem:
            raise ConfigError(f"cannot send findings to {host}: {problem}", hint=_HINT)

    def problem(self, address: Address, *, encrypted: bool) -> str:
        """Why the address may not be reached; "" if it may."""
        forms = _forms(address)
        if self._allows(forms[0]):
            return ""
        for form in forms:
            kind = "" if self._allows(form) else _special(form)
            if kind:
                return f"{address} is {kind}"
        return "" if encrypted else f"{address} would be reached without TLS"

    def _allows(self, address: Address) -> bool:
        return any(address in network for network in self.allowed)

    def resolve(self, host: str, port: int, *, encrypted: bool) -> list[str]:
        """The addresses of a host, all checked, in the resolver's order.

        Raises:
            SendError: There is none, or one of them may not be reached.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise SendError(f"cannot resolve {host}: {trouble(error)}") from error
        texts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for text in texts:
            problem = self.problem(ipaddress.ip_address(text), encrypted=encrypted)
            if problem:
                raise SendError(f"refused to connect to {host}: {problem}; {_HINT}")
        return texts

    def connect(
        self, host: str, port: int, *, encrypted: bool, deadline: Deadline
    ) -> socket.socket:
        """A TCP connection to the first checked address that answers.

        Raises:
            SendError: None does, or one may not be reached.
        """
        reason = "it has no address"
        for address in self.resolve(host, port, encrypted=encrypted)[:MAX_TRIED]:
            try:
                return socket.create_connection((address, port), timeout=deadline.left_s())
            except OSError as error:
                reason = trouble(error)
        raise SendError(f"cannot connect to {host} port {port}: {reason}")


_HINT = "the operator can allow networks with the setting sink_networks"


def _forms(address: Address) -> list[Address]:
    """The address itself, and the IPv4 address inside it that a gateway would take it for."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:  # the kernel itself treats it as IPv4
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [address, ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address]


def _special(address: Address) -> str:
    """What is special about an address; "" for those of the public network."""
    kind = next((kind for network, kind in _SPECIAL if address in network), "")
    if kind or address.version == 4 or address in _UNICAST or address in _NAT64:
        return kind
    return "reserved"
