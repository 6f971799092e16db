"""Where a request comes from: its connection, or what a proxy the operator trusts says of it.

`X-Forwarded-For` is a list to which every proxy appends who asked it; what stands left of the last
trusted proxy's word is whatever the client chose to send.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.types import Scope

from analyzer.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_FORWARDED_CHARS = 2048
"""Characters read of all such headers of a request, from their end."""

MAX_PROXIES = 16
"""Trusted proxies in a row."""

MAX_ENTRY_CHARS = 64
FORWARDED = b"x-forwarded-for"


def networks(entries: Sequence[str], name: str) -> tuple[Network, ...]:
    """Networks from their text, as `192.0.2.0/24` or one address.

    Raises:
        ConfigError: An entry is none; the message names the setting.
    """
    found = []
    for entry in entries:
        try:
            found.append(ipaddress.ip_network(entry))
        except ValueError as error:
            raise ConfigError(
                f"cannot use {name}: {error}",
                hint="write networks as 192.0.2.0/24, separated by commas",
            ) from error
    return tuple(found)


def source_of(scope: Scope, trusted: Sequence[Network]) -> str:
    """The address a request comes from, "" where the connection has none.

    It is the connection's, unless that is a trusted proxy's: then the rightmost entry of
    `X-Forwarded-For` that is not a trusted proxy's itself. An entry that is no address ends the
    search at the proxy that passed it on.
    """
    client = scope.get("client")
    peer = str(client[0]) if client else ""
    address = _address(peer)
    if address is None or not _within(address, trusted):
        return peer
    for entry in _forwarded(scope):
        found = _address(entry)
        if found is None:
            break
        address = found
        if not _within(address, trusted):
            break
    return str(address)


def _forwarded(scope: Scope) -> list[str]:
    """Entries of the header, the last one first."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == FORWARDED]
    text = ",".join(values)
    entries = text[-MAX_FORWARDED_CHARS:].split(",")
    if len(text) > MAX_FORWARDED_CHARS:
        del entries[0]  # it may have been cut
    return [entry.strip() for entry in reversed(entries)][:MAX_PROXIES] if text else []


def _address(text: str) -> Address | None:
    """An address, which some proxies write with a port: `192.0.2.1:5000`, `[2001:db8::1]:5000`."""
    if len(text) > MAX_ENTRY_CHARS:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.scope_id is not None:
            return ipaddress.IPv6Address(int(parsed))
        return parsed.ipv4_mapped or parsed
    return parsed


def _within(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)
