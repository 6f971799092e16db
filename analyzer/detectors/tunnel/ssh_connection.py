"""One SSH connection as the rules see it: sizes per cipher, tokens by side, round-trip times.

Packet arithmetic from RFC 4253 section 6, RFC 5647 and OpenSSH's PROTOCOL files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.observations import Flow

NS_PER_MS = 1_000_000
MIN_PADDING_BYTES = 4
LENGTH_FIELD_BYTES = 4
PADDING_LENGTH_BYTES = 1
RFC_MIN_BODY_BYTES = 16
"""RFC 4253 asks for packets of 16 bytes or more; Dropbear keeps to it where others do not."""

DEFAULT_RTT_NS = 50 * NS_PER_MS
"""Taken for a round trip that the capture does not show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """How one side's packets are framed.

    Attributes:
        block: Padding block in bytes.
        tag: Authentication tag in bytes.
        framing: `aead` and `etm` leave the length field out of the padding, `mac` does not.
        min_body: Least bytes between length field and tag.
    """

    block: int
    tag: int
    framing: str
    min_body: int = 0

    def wire(self, payload: int) -> int:
        """Bytes on the wire of a message of `payload` bytes, its number included."""
        inner = PADDING_LENGTH_BYTES + payload + MIN_PADDING_BYTES
        if self.framing == "mac":
            padded = _ceil(inner + LENGTH_FIELD_BYTES, self.block)
            return max(padded, RFC_MIN_BODY_BYTES) + self.tag
        return LENGTH_FIELD_BYTES + max(_ceil(inner, self.block), self.min_body) + self.tag

    def sizes(self, least: int, most: int) -> frozenset[int]:
        """Wire sizes of messages of `least` to `most` bytes."""
        return frozenset(self.wire(payload) for payload in range(least, most + 1))


def _ceil(value: int, step: int) -> int:
    return -(-value // step) * step


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One SSH packet, or a segment standing for one."""

    ts_ns: int
    frame: int
    from_client: bool
    size: int
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What the rules are given.

    Attributes:
        tokens: In order of their place in the connection.
        client: Framing of what the SSH client sends.
        server: Framing of what the SSH server sends.
        compressed: Either side may compress after login.
        server_rtt_ns: From the capture point to the SSH server and back.
        client_rtt_ns: From the capture point to the SSH client and back.
    """

    tokens: Sequence[Token]
    client: Suite
    server: Suite
    compressed: bool
    server_rtt_ns: int
    client_rtt_ns: int


def connection_of(
    flow: Flow, ssh: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Connection | None:
    """The connection of one row of the `ssh` table; None if its framing is not known."""
    client_is_up = ssh["roles"] != "reversed"
    client_side, server_side = ("up", "down") if client_is_up else ("down", "up")
    client, server = _suite(ssh, client_side), _suite(ssh, server_side)
    if client is None or server is None:
        return None
    tokens = tuple(
        Token(
            ts_ns=row["ts_ns"],
            frame=row["frame"],
            from_client=row["up"] == client_is_up,
            size=row["size"],
            exact=row["exact"],
        )
        for row in sorted(rows, key=lambda row: row["index"])
    )
    up_rtt, down_rtt = flow.rtt_up_ns, flow.rtt_down_ns or DEFAULT_RTT_NS
    server_rtt, client_rtt = (down_rtt, up_rtt) if client_is_up else (up_rtt, down_rtt)
    return Connection(
        tokens=tokens,
        client=client,
        server=server,
        compressed="zlib" in ssh["comp_up"] or "zlib" in ssh["comp_down"],
        server_rtt_ns=server_rtt or DEFAULT_RTT_NS,
        client_rtt_ns=client_rtt,
    )


def _suite(ssh: Mapping[str, Any], side: str) -> Suite | None:
    if not ssh[f"framing_{side}"] or not ssh[f"block_{side}"]:
        return None
    is_dropbear = "dropbear" in ssh[f"{side}_banner"].lower()
    return Suite(
        block=ssh[f"block_{side}"],
        tag=ssh[f"tag_{side}"],
        framing=ssh[f"framing_{side}"],
        min_body=RFC_MIN_BODY_BYTES if is_dropbear else 0,
    )
