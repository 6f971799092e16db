"""Packets as dpkt decodes them, and datagrams put together from their fragments."""

from __future__ import annotations

import gzip
import socket
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dpkt

from bench.flow_oracles import ICMP, ICMPV6, PORTED, TCP, UDP, Packet, Piece

if TYPE_CHECKING:
    from pathlib import Path

LINK_BITS = 0xFFFF
"""The bits above say how long the frame check sequence is."""

GZIP_MAGIC = b"\x1f\x8b"
IPV6_FRAGMENT = 44
AUTHENTICATION = 51
LINKS: dict[int, Any] = {
    0: dpkt.loopback.Loopback,
    1: dpkt.ethernet.Ethernet,
    113: dpkt.sll.SLL,
    276: dpkt.sll2.SLL2,
}
VERSION_6_AS_4 = "dpkt reads IPv6 as IPv4 where the Ethernet type says so"
JUMBO = "IPv6 length 0: a jumbogram or an offloaded send"
COOKED_LINKS = {113: 16, 276: 20}
VLAN = 0x8100
RAW_LINKS = frozenset({12, 14, 101, 228, 229})


class UnreadableError(Exception):
    """dpkt does not read this capture; the message says what it lacks."""


def read(path: Path) -> tuple[list[Packet], int]:
    """Packets of a capture as dpkt decodes them, and how many frames it read.

    Raises:
        UnreadableError: dpkt does not know the file, or its link type.
    """
    with path.open("rb") as plain:
        packed = plain.read(2) == GZIP_MAGIC
    with gzip.open(path) if packed else path.open("rb") as stream:
        try:
            reader = dpkt.pcap.UniversalReader(stream)
        except (ValueError, OSError, dpkt.Error) as e:
            raise UnreadableError(str(e)) from e
        link = reader.datalink() & LINK_BITS
        if link not in LINKS and link not in RAW_LINKS:
            message = f"link type {link}"
            raise UnreadableError(message)
        try:
            frames = [(round(time * 10**9), bytes(frame)) for time, frame in reader]
        except (ValueError, OSError, EOFError, dpkt.Error) as e:
            message = f"stops inside the file: {e}"
            raise UnreadableError(message) from e
    decoded = (_decode(link, time_ns, frame) for time_ns, frame in frames)
    packets = [packet for packet in decoded if packet is not None]
    if any(packet.reason == VERSION_6_AS_4 for packet in packets):
        raise UnreadableError(VERSION_6_AS_4)
    return packets, len(frames)


def _decode(link: int, time_ns: int, frame: bytes) -> Packet | None:
    try:
        ip, carrier = _network(link, frame)
    except (dpkt.Error, struct.error, IndexError, ValueError):
        return None
    if ip is None:
        return None
    if isinstance(ip, dpkt.ip6.IP6):
        packet, body = _ip6(ip, time_ns)
    else:
        packet, body = _ip4(ip, time_ns)
    if carrier or packet.reason:
        return replace(packet, reason=f"inside {carrier}" if carrier else packet.reason)
    if packet.piece is not None:
        return replace(packet, piece=replace(packet.piece, body=body))
    return transport(packet, body)


def _network(link: int, frame: bytes) -> tuple[Any, str]:
    if link in RAW_LINKS:
        kind = dpkt.ip6.IP6 if frame[:1] >= b"\x60" else dpkt.ip.IP
        return kind(frame), ""
    outer = LINKS[link](frame)
    inner = outer.data
    if link in COOKED_LINKS and outer.ethtype == VLAN:
        inner = dpkt.ip.IP(frame[COOKED_LINKS[link] + 4 :])
    if isinstance(inner, dpkt.ip.IP | dpkt.ip6.IP6):
        return inner, "mpls" if getattr(outer, "mpls_labels", None) else ""
    deeper = getattr(inner, "data", None)
    if isinstance(inner, dpkt.pppoe.PPPoE):
        deeper = getattr(deeper, "data", None)
    if isinstance(deeper, dpkt.ip.IP | dpkt.ip6.IP6):
        return deeper, type(inner).__name__.lower()
    return None, ""


def _ip4(ip: dpkt.ip.IP, time_ns: int) -> tuple[Packet, bytes]:
    body = ip.data if isinstance(ip.data, bytes) else bytes(ip.data)
    src, dst = socket.inet_ntoa(ip.src), socket.inet_ntoa(ip.dst)
    piece = None
    if ip.offset or ip.mf:
        length = ip.len - ip.hl * 4
        piece = Piece(
            group=(src, dst, ip.p, ip.id), offset=ip.offset * 8, length=length, more=bool(ip.mf)
        )
    ip_bytes = ip.len or ip.hl * 4 + len(body)
    packet = Packet(
        time_ns=time_ns,
        src=src,
        dst=dst,
        proto=ip.p,
        ip_bytes=ip_bytes,
        piece=piece,
        body_bytes=ip_bytes - ip.hl * 4,
        reason={4: "", 6: VERSION_6_AS_4}.get(ip.v, "malformed IP header"),
    )
    return packet, body


def _ip6(ip: dpkt.ip6.IP6, time_ns: int) -> tuple[Packet, bytes]:
    body = ip.data if isinstance(ip.data, bytes) else bytes(ip.data)
    src = socket.inet_ntop(socket.AF_INET6, ip.src)
    dst = socket.inet_ntop(socket.AF_INET6, ip.dst)
    proto = getattr(ip, "p", ip.nxt)
    headers = sum(header.length for header in ip.all_extension_headers)
    piece = None
    fragment = ip.extension_hdrs.get(IPV6_FRAGMENT)
    if fragment is not None and (fragment.frag_off or fragment.m_flag):
        piece = Piece(
            group=(src, dst, proto, fragment.id),
            offset=fragment.frag_off * 8,
            length=ip.plen - headers,
            more=bool(fragment.m_flag),
        )
    ip_bytes = 40 + (ip.plen or headers + len(body))
    packet = Packet(
        time_ns=time_ns,
        src=src,
        dst=dst,
        proto=proto,
        ip_bytes=ip_bytes,
        piece=piece,
        body_bytes=ip_bytes - 40 - headers,
        reason="" if ip.v == 6 else "malformed IP header",
        doubt="" if ip.plen else JUMBO,
    )
    return packet, body


def transport(packet: Packet, body: bytes) -> Packet:
    """Adds what the transport header says."""
    if packet.proto == AUTHENTICATION and len(body) >= 12:
        length = (body[1] + 2) * 4
        inner = replace(packet, proto=body[0], body_bytes=packet.body_bytes - length)
        return transport(inner, body[length:])
    if packet.proto == TCP:
        return _tcp(packet, body)
    least = {UDP: 8, ICMP: 2, ICMPV6: 2}.get(packet.proto, 4)
    if packet.proto not in PORTED and packet.proto not in (ICMP, ICMPV6):
        return packet
    if len(body) < least:
        return replace(packet, reason="transport header cut")
    if packet.proto in PORTED:
        return replace(packet, ports=struct.unpack_from(">HH", body))
    return replace(packet, ports=(body[0], body[1]))


def _tcp(packet: Packet, body: bytes) -> Packet:
    if len(body) < 16:
        return replace(packet, reason="transport header cut")
    source, target, seq, _, offset, flags = struct.unpack_from(">HHIIBB", body)
    length = (offset >> 4) * 4
    claimed = len(body) if packet.piece is not None else packet.body_bytes
    if not 20 <= length <= claimed:
        return replace(packet, reason="malformed TCP header")
    return replace(
        packet, ports=(source, target), seq=seq, flags=flags, advance=max(0, claimed - length)
    )
