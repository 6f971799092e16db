"""The fields of rule data, once: the reader validates by them, the JSON schema is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FieldType = Literal[
    "text", "texts", "number", "integer", "flag", "date", "names", "cidr", "hex", "table_list"
]

KEY_PATTERN = r"[a-z0-9][a-z0-9_.-]{0,63}"
SYMBOL_PATTERN = r"[A-Z0-9]{2,8}"
CATEGORIES = ("mining", "reverse_tunnel", "tunnel", "vpn")
STRENGTHS = ("clear", "weak")
DIALECTS = (
    "stratum_v1",
    "ethereumstratum_v1",
    "ethereumstratum_v2",
    "eth_proxy",
    "cryptonote",
    "equihash",
    "kawpow",
    "kaspa",
    "ergo",
    "grin",
    "beam",
    "pearl",
    "ironfish",
    "alephium",
    "conflux",
    "xatum",
    "xelis",
    "getwork",
    "getblocktemplate",
    "browser",
    "stratum_v2",
)
ADDRESS_FORMS = (
    "alephium",
    "base58check",
    "bech32",
    "bech32m",
    "conflux",
    "cryptonote",
    "ergo",
    "ethereum",
    "ironfish",
    "kaspa",
    "tari",
    "xelis",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One key of a table.

    Attributes:
        type: What its value is.
        about: What it means, for editors and error messages.
        required: Whether a table without it is an error.
        choices: The values it may have, () for any.
        pattern: A regular expression that each text must match as a whole, "" for any.
        lowest: The lowest number allowed.
        highest: The highest number allowed.
        fields: The keys of its tables, for `table_list`.
    """

    type: FieldType
    about: str
    required: bool = False
    choices: tuple[str, ...] = ()
    pattern: str = ""
    lowest: float = 0
    highest: float = 1e30
    fields: dict[str, Field] | None = None


_ID = Field(type="text", about="Unique over all rules", required=True, pattern=KEY_PATTERN)
_SOURCE = Field(
    type="text", about="Where the facts come from: a document, file or measurement", required=True
)
_CHECKED_ON = Field(
    type="date", about="Day the facts were last compared with the source", required=True
)
_CONFIDENCE = Field(type="number", about="How sure the facts are, 0 to 1", required=True, highest=1)
_NOTE = Field(type="text", about="What a reader should know besides")
_STRENGTH = Field(
    type="text",
    about="`clear`: nothing else does this; `weak`: others may",
    required=True,
    choices=STRENGTHS,
)
_PORT = Field(type="integer", about="Port number", required=True, lowest=1, highest=65535)
_COINS = Field(type="texts", about="Coin symbols, each described in coins/", pattern=SYMBOL_PATTERN)
_DIRECTION = Field(
    type="text", about="`up` is from the side that opened the flow", choices=("any", "up", "down")
)

POOL = {
    "id": _ID,
    "operator": Field(type="text", about="Who runs it", required=True),
    "coins": _COINS,
    "domains": Field(type="names", about="Hosts that miners connect to", required=True),
    "not_mining": Field(type="names", about="Hosts below `domains` that serve people or programs"),
    "networks": Field(
        type="table_list",
        about="Addresses, each with the day it was seen",
        fields={
            "cidr": Field(type="cidr", about="Address or network", required=True),
            "seen": Field(type="date", about="Day it was known to be theirs", required=True),
        },
    ),
    "ports": Field(
        type="table_list",
        about="What is mined on which port",
        fields={
            "port": _PORT,
            "through": Field(type="integer", about="Last port of a range", lowest=1, highest=65535),
            "coins": _COINS,
            "tls": Field(type="flag", about="Whether the port speaks TLS"),
            "note": _NOTE,
        },
    ),
    "protocols": Field(type="texts", about="Dialects spoken", choices=DIALECTS),
    "source": _SOURCE,
    "checked_on": _CHECKED_ON,
    "first_seen": Field(type="date", about="Day it was first known"),
    "closed": Field(type="flag", about="Whether it no longer works"),
    "confidence": _CONFIDENCE,
    "note": _NOTE,
}

RELAY = {
    "id": _ID,
    "title": Field(type="text", about="The tool's or service's name", required=True),
    "kind": Field(
        type="text",
        about="What it is for",
        required=True,
        choices=("reverse_tunnel", "tunnel", "vpn"),
    ),
    "names": Field(type="names", about="Names in DNS, SNI and Host"),
    "query_prefixes": Field(
        type="texts", about="First labels of DNS queries", pattern=r"[a-z0-9_-]{1,63}"
    ),
    "alpn": Field(type="texts", about="Application protocols in a ClientHello"),
    "http": Field(
        type="table_list",
        about="HTTP requests; all conditions of one table must hold",
        fields={
            "ws_protocol": Field(type="text", about="One of Sec-WebSocket-Protocol's values"),
            "path": Field(type="text", about="Request target without its query"),
            "user_agent": Field(type="text", about="User-Agent"),
            "upgrade": Field(type="text", about="Upgrade, in any letter case"),
            "strength": _STRENGTH,
            "note": _NOTE,
        },
    ),
    "ssh": Field(
        type="table_list",
        about="SSH banners",
        fields={
            "side": Field(
                type="text", about="Whose banner", required=True, choices=("client", "server")
            ),
            "prefix": Field(type="text", about="How it begins", required=True, pattern="SSH-.+"),
            "strength": _STRENGTH,
            "note": _NOTE,
        },
    ),
    "udp": Field(
        type="table_list",
        about="First bytes of UDP payloads",
        fields={
            "hex": Field(type="hex", about="The bytes", required=True),
            "direction": _DIRECTION,
            "size_bytes": Field(type="integer", about="Payload size, 0 for any", highest=65535),
            "strength": _STRENGTH,
            "note": _NOTE,
        },
    ),
    "payload": Field(type="texts", about="Ids of payload patterns", pattern=KEY_PATTERN),
    "ports": Field(
        type="table_list",
        about="Ports used unless told otherwise: a weak mark",
        fields={
            "port": _PORT,
            "transport": Field(type="text", about="`tcp` if absent", choices=("tcp", "udp")),
        },
    ),
    "source": _SOURCE,
    "checked_on": _CHECKED_ON,
    "confidence": _CONFIDENCE,
    "note": _NOTE,
}

COIN = {
    "id": Field(type="text", about="Symbol", required=True, pattern=SYMBOL_PATTERN),
    "name": Field(type="text", about="Name in full", required=True),
    "dialects": Field(type="texts", about="Mining dialects", required=True, choices=DIALECTS),
    "algorithms": Field(
        type="texts", about="Names of its proof of work", required=True, pattern=KEY_PATTERN
    ),
    "address_forms": Field(
        type="texts", about="Forms that analyzer.wallets checks", choices=ADDRESS_FORMS
    ),
    "aliases": Field(type="texts", about="Other words for it in host names", pattern=KEY_PATTERN),
    "hashes_per_difficulty": Field(
        type="number", about="Hashes expected for a share of difficulty 1"
    ),
    "block_interval_s": Field(type="number", about="Mean seconds between blocks"),
    "gpu": Field(type="flag", about="Whether it is mined on GPUs"),
    "tag": Field(
        type="text",
        about="S read in the source, M measured, K general knowledge",
        required=True,
        choices=("S", "M", "K"),
    ),
    "source": _SOURCE,
    "note": _NOTE,
}

_TEST = {
    "text": Field(type="text", about="Example payload as text"),
    "hex": Field(type="hex", about="Example payload as hexadecimal"),
    "direction": Field(
        type="text", about="Which way it was sent", required=True, choices=("up", "down")
    ),
    "match": Field(type="flag", about="Whether the pattern must be found", required=True),
}

PAYLOAD = {
    "id": _ID,
    "title": Field(type="text", about="What it marks", required=True),
    "text": Field(type="text", about="The bytes as text"),
    "hex": Field(type="hex", about="The bytes as hexadecimal"),
    "direction": _DIRECTION,
    "at_start": Field(type="flag", about="Only as the first bytes of a direction"),
    "category": Field(
        type="text",
        about="Category of the finding it speaks for",
        required=True,
        choices=CATEGORIES,
    ),
    "strength": _STRENGTH,
    "source": _SOURCE,
    "checked_on": _CHECKED_ON,
    "tests": Field(
        type="table_list",
        about="At least one that matches and one that does not",
        required=True,
        fields=_TEST,
    ),
    "note": _NOTE,
}

TABLES: dict[str, dict[str, Field]] = {
    "pool": POOL,
    "relay": RELAY,
    "coin": COIN,
    "payload": PAYLOAD,
}

NAME_FIELDS = {
    "name": Field(type="text", about="Host name, `*` for a label in front", required=True),
    "exact": Field(type="flag", about="Not what is below it"),
    "strength": Field(type="text", about="`clear` if absent", choices=STRENGTHS),
    "note": _NOTE,
}
