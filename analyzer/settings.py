"""What a person can set about an analysis, validated once at the edge."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analyzer.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PRIVATE_NETWORKS = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
)
"""Inside unless the user says otherwise: RFC 1918, 3927, 4193, 4291, 6598 and loopback."""


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSettings:
    """Settings of one analysis.

    Attributes:
        inside: Networks that count as inside, as CIDR text.
        limits: Bounds handed to the core by name; its defaults apply to what is not named.
    """

    inside: tuple[str, ...] = PRIVATE_NETWORKS
    limits: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, inside: Iterable[str] = ()) -> AnalysisSettings:
        """Settings from command-line text; no network given means the private ranges.

        Raises:
            ConfigError: A text is no network in CIDR notation.
        """
        networks = tuple(str(parse_network(text)) for text in inside)
        return cls(inside=networks or PRIVATE_NETWORKS)


def parse_network(text: str) -> Network:
    """A network from CIDR text; host bits may be set, a bare address is a network of one.

    Raises:
        ConfigError: The text is neither.
    """
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ConfigError(
            f"cannot read {text!r} as a network: {error}",
            hint="write it as address and prefix length, as in 10.20.0.0/16 or 2001:db8::/32",
        ) from error
