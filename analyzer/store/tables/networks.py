"""Whether an address, kept as text, lies in a network: as SQL.

DuckDB's own address type is an extension, and extensions are not loaded. Texts are those of the
core: IPv4 in dots, IPv6 as RFC 5952 has it, mapped IPv4 as `::ffff:192.0.2.1`.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analyzer.settings import Network
    from analyzer.store.tables.engine import Binder

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MAPPED = "0000000000000000" + "0000ffff"


def spellings(address: Address) -> list[str]:
    """How an address may be written in a table."""
    found = [str(address)]
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return [*found, f"::ffff:{mapped}"] if mapped is not None else found


def is_address(column: str, address: Address, binder: Binder) -> str:
    """SQL that is true where a column holds the address."""
    return f"{column} IN ({', '.join(binder.bind(text) for text in spellings(address))})"


def in_network(column: str, network: Network, binder: Binder, digits: str = "") -> str:
    """SQL that is true where a column holds an address in the network, never NULL.

    Text that is no address is not told apart from addresses that begin the same.

    Args:
        column: Holds the text of an address.
        network: Which network.
        binder: Takes the values.
        digits: A column that holds `six_digits` of the first one, if there is one.
    """
    if network.prefixlen == network.max_prefixlen:
        return is_address(column, network.network_address, binder)
    if isinstance(network, ipaddress.IPv4Network):
        return f"coalesce({_in_four(column, network, binder)}, false)"
    return f"coalesce({_in_six(column, network, binder, digits or six_digits(column))}, false)"


def in_any(column: str, networks: Iterable[Network], binder: Binder, digits: str = "") -> str:
    """SQL that is true where a column holds an address in any of the networks."""
    parts = [in_network(column, network, binder, digits) for network in networks]
    return f"({' OR '.join(parts)})" if parts else "false"


def is_in_any(text: str, networks: Iterable[Network]) -> bool:
    """The same for a text here."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(address.version == one.version and address in one for one in networks)


def _in_four(column: str, network: ipaddress.IPv4Network, binder: Binder) -> str:
    whole, bits = divmod(network.prefixlen, 8)
    octets = network.network_address.packed
    parts = [f"NOT contains({column}, ':')", f"contains({column}, '.')"]
    if whole:
        prefix = "".join(f"{octet}." for octet in octets[:whole])
        parts = [f"starts_with({column}, {binder.bind(prefix)})"]
    if bits:
        low = octets[whole]
        high = low | (0xFF >> bits)
        octet = f"TRY_CAST(split_part({column}, '.', {whole + 1}) AS INTEGER)"
        parts.append(f"{octet} BETWEEN {low} AND {high}")
    return f"({' AND '.join(parts)})"


def _in_six(column: str, network: ipaddress.IPv6Network, binder: Binder, digits: str) -> str:
    whole, bits = divmod(network.prefixlen, 4)
    wanted = network.network_address.packed.hex()
    parts = [f"contains({column}, ':')"]
    if whole:
        parts.append(f"starts_with({digits}, {binder.bind(wanted[:whole])})")
    if bits:
        low = int(wanted[whole], 16)
        high = low | (0xF >> bits)
        digit = f"substr({digits}, {whole + 1}, 1)"
        parts.append(f"{digit} BETWEEN '{low:x}' AND '{high:x}'")
    # The order of AND is DuckDB's choice, so the digits guard themselves.
    return f"({' AND '.join(parts)})"


def six_digits(column: str) -> str:
    """SQL of an IPv6 address as 32 hexadecimal digits; NULL or nonsense for other text."""
    left, right = f"split_part({column}, '::', 1)", f"split_part({column}, '::', 2)"
    lists = [
        f"CASE WHEN {part} = '' THEN CAST([] AS VARCHAR[]) ELSE string_split({part}, ':') END"
        for part in (left, right)
    ]
    missing = f"greatest(0, 8 - len({lists[0]}) - len({lists[1]}))"
    zeros = f"list_resize(CAST([] AS VARCHAR[]), {missing}, '0')"
    groups = f"list_concat(list_concat({lists[0]}, {zeros}), {lists[1]})"
    plain = f"array_to_string([lpad(part, 4, '0') FOR part IN {groups}], '')"
    octets = ", ".join(
        f"TRY_CAST(split_part(split_part({column}, ':', -1), '.', {place}) AS INTEGER)"
        for place in (1, 2, 3, 4)
    )
    mapped = f"'{_MAPPED}' || printf('%02x%02x%02x%02x', {octets})"
    return (
        f"CASE WHEN NOT contains({column}, ':') THEN NULL "
        f"WHEN contains({column}, '.') THEN {mapped} ELSE {plain} END"
    )
