"""Openings of tunnel protocols that are more than a literal pattern: lengths, JSON, both sides."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

MAX_TOKEN_CHARS = 4096
"""Of a bearer token that is decoded; wstunnel's has about 200."""
MAX_TOKEN_TEXT = 64

FRP_TYPE_LOGIN = b"o"
FRP_TYPE_WORK = b"w"
FRP_HEADER_BYTES = 9
FRP_MAX_MESSAGE_BYTES = 65_535
GSOCKET_LISTEN = bytes.fromhex("010103")
GSOCKET_ANSWERS = tuple(bytes.fromhex(text) for text in ("040103", "050103"))
GSOCKET_ZERO_BYTES = 8
LABELS = {
    "bore": ("bore", "opens with bore's JSON and a zero byte: {detail}"),
    "frp": ("frp", "opens with the magic of frp's wire protocol 2"),
    "derp": ("tailscale", "switches HTTP to DERP, Tailscale's relay protocol"),
    "tailscale": ("tailscale", "sends Tailscale's path discovery"),
    "wireguard": ("wireguard", "sends a WireGuard {detail} message"),
    "socks": ("socks", "opens with a whole SOCKS {detail} request and nothing else"),
}
"""Labels of the core: the tool, and what was seen."""

RULES = {"bore": "bore", "frp": "frp magic", "derp": "DERP", "tailscale": "disco"}
"""What to call a label's form where its detail is text from the wire, or empty."""

WIREGUARD_HANDSHAKES = frozenset({"initiation", "response"})
BEARER = "authorization.bearer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """An opening that was recognised.

    Attributes:
        relay: Id of the tool in signatures/relays, or `socks`.
        text: What was seen, as a clause.
        rule: The form, in short.
        is_clear: Nothing else opens so.
    """

    relay: str
    text: str
    rule: str
    is_clear: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WstunnelToken:
    """What a wstunnel client asks for.

    Attributes:
        mode: As in `Tcp`, `ReverseTcp`, `ReverseSocks5`.
        target: Host and port, "" if there is none.
    """

    mode: str
    target: str

    @property
    def is_reverse(self) -> bool:
        """The outside gets a way in."""
        return self.mode.startswith("Reverse")


def is_label(name: str) -> bool:
    """Whether a label of the core may say something of a tool."""
    return name in LABELS or name == "http_upgrade"


def of_label(name: str, detail: str) -> Greeting | None:
    """What a label of the core says of a tool."""
    if name == "http_upgrade":
        name = detail.lower()
    relay, words = LABELS.get(name, ("", ""))
    if not relay:
        return None
    # a WireGuard data packet is known by eight bytes of small numbers, a handshake by its size too
    clear = name != "wireguard" or detail in WIREGUARD_HANDSHAKES
    text = words.format(detail=detail)
    return Greeting(relay=relay, text=text, rule=RULES.get(name, detail), is_clear=clear)


def of_opening(up: bytes, down: bytes) -> Greeting | None:
    """A tool by the first bytes of both sides of a TCP flow.

    frp's wire protocol 1: a type byte, eight bytes of length, JSON (fatedier/frp). gs-netcat: type,
    version 1.3, zeros (hackerschoice/gsocket).
    """
    if _is_frp(up, FRP_TYPE_LOGIN, b'{"version":'):
        text = "logs in as a client of frp does: a type, a length and JSON with its version"
        return Greeting(relay="frp", text=text, rule="frp login")
    if _is_frp(up, FRP_TYPE_WORK, b'{"run_id":'):
        text = "brings a connection as a client of frp does: a type, a length and JSON"
        return Greeting(relay="frp", text=text, rule="frp work connection")
    zeros = up[len(GSOCKET_LISTEN) :][:GSOCKET_ZERO_BYTES]
    if up.startswith(GSOCKET_LISTEN) and zeros == bytes(GSOCKET_ZERO_BYTES):
        answered = down.startswith(GSOCKET_ANSWERS)
        text = "opens as gs-netcat does when it waits for a caller"
        if answered:
            text += ", and is answered as by its relay"
        return Greeting(relay="gsocket", text=text, rule="gsocket listen", is_clear=answered)
    return None


def wstunnel_token(ws_protocol: str) -> WstunnelToken | None:
    """What the token in `Sec-WebSocket-Protocol` asks for; `None` if it is none of wstunnel's.

    The token is a JSON Web Token (RFC 7519) whose body has the protocol in `p` and the target in
    `r` and `rp`. It is read, not believed: nobody checked its signature.
    """
    _, mark, rest = ws_protocol.partition(BEARER)
    parts = rest.partition(",")[0].strip().split(".")
    if not mark or len(parts) != 3 or len(parts[1]) > MAX_TOKEN_CHARS:
        return None
    body = parts[1] + "=" * (-len(parts[1]) % 4)
    try:
        claims = json.loads(base64.b64decode(body, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
    if not isinstance(claims, dict):
        return None
    protocol = claims.get("p")
    mode = next(iter(protocol), "") if isinstance(protocol, dict) else protocol
    if not isinstance(mode, str) or not mode:
        return None
    host, port = claims.get("r"), claims.get("rp")
    target = f"{host[:MAX_TOKEN_TEXT]}:{port}" if isinstance(host, str) and _is_port(port) else ""
    return WstunnelToken(mode=mode[:MAX_TOKEN_TEXT], target=target)


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0xFFFF


def _is_frp(up: bytes, message_type: bytes, body: bytes) -> bool:
    length = int.from_bytes(up[1:FRP_HEADER_BYTES])
    return (
        up[:1] == message_type
        and len(body) <= length <= FRP_MAX_MESSAGE_BYTES
        and up[FRP_HEADER_BYTES:].startswith(body)
    )
