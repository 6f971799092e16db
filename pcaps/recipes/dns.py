"""DNS over UDP (RFC 1035), as a resolver inside the cluster's gateway answers it."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import TYPE_CHECKING

from pcaps.recipes.model import EPOCH_NS, Frame, seconds
from pcaps.recipes.packets import Endpoint, Wrap, ethernet, udp_packet

if TYPE_CHECKING:
    from pcaps.recipes.chance import Chance

RESOLVER = Endpoint("192.0.2.53", 53)
RESOLVER_RTT_S = 0.012
TYPE_NUMBERS = {"A": 1, "CNAME": 5, "TXT": 16, "AAAA": 28, "SRV": 33}
ANSWER_TTL_S = 300
FLAGS_QUERY = 0x0100
FLAGS_ANSWER = 0x8180
FLAGS_NO_SUCH_NAME = 0x8183


def encode_name(name: str) -> bytes:
    """Labels with their lengths and the final zero."""
    labels = (bytes([len(label)]) + label.encode() for label in name.split("."))
    return b"".join(labels) + b"\0"


def _data_of(kind: str, value: str) -> bytes:
    if kind in ("A", "AAAA"):
        return ip_address(value).packed
    if kind == "CNAME":
        return encode_name(value)
    if kind == "SRV":
        port, target = value.split(" ")
        return struct.pack("!HHH", 1, 1, int(port)) + encode_name(target)
    return bytes([len(value)]) + value.encode()


def message(ident: int, name: str, kind: str, answers: tuple[tuple[str, str], ...] | None) -> bytes:
    """A query (`answers` is None) or an answer; answers are (type, value), empty for NXDOMAIN."""
    flags = FLAGS_QUERY
    if answers is not None:
        flags = FLAGS_ANSWER if answers else FLAGS_NO_SUCH_NAME
    records = answers or ()
    head = struct.pack("!HHHHHH", ident, flags, 1, len(records), 0, 0)
    body = encode_name(name) + struct.pack("!HH", TYPE_NUMBERS[kind], 1)
    owner = b"\xc0\x0c"
    for answer_kind, value in records:
        data = _data_of(answer_kind, value)
        head_of_record = struct.pack("!HHIH", TYPE_NUMBERS[answer_kind], 1, ANSWER_TTL_S, len(data))
        body += owner + head_of_record + data
        if answer_kind == "CNAME":
            owner = data
    return head + body


def lookup(
    client_ip: str,
    name: str,
    *answers: str,
    chance: Chance,
    at_s: float,
    kind: str = "A",
    wrap: Wrap = ethernet,
    resolver: Endpoint = RESOLVER,
) -> list[Frame]:
    """A query and its answer; each answer is an address, or `TYPE value`; none is NXDOMAIN."""
    client = Endpoint(client_ip, chance.integer(32768, 60999))
    ident = chance.integer(0, 0xFFFF)
    records = tuple(_record(answer) for answer in answers)
    exchange = (
        (at_s, client, resolver, message(ident, name, kind, None)),
        (at_s + RESOLVER_RTT_S, resolver, client, message(ident, name, kind, records)),
    )
    return [
        datagram(src, dst, payload, at_s=when_s, chance=chance, wrap=wrap)
        for when_s, src, dst, payload in exchange
    ]


def _record(answer: str) -> tuple[str, str]:
    kind, space, value = answer.partition(" ")
    if space:
        return kind, value
    return ("AAAA" if ":" in answer else "A"), answer


def datagram(
    src: Endpoint,
    dst: Endpoint,
    payload: bytes,
    *,
    at_s: float,
    chance: Chance,
    wrap: Wrap = ethernet,
) -> Frame:
    """One UDP datagram as a frame."""
    packet = udp_packet(src, dst, payload, ident=chance.integer(1, 0xFFFF))
    return Frame(ts_ns=EPOCH_NS + seconds(at_s), data=wrap(packet, src.ip, dst.ip))
