"""IP packets with correct lengths and checksums, and the link layers around them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import dpkt

INSIDE = (ip_network("10.20.0.0/16"), ip_network("2001:db8:20::/48"))
GATEWAY_MAC = bytes.fromhex("020000000001")
ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD
PROTO_ICMP = 1
PROTO_TCP = 6
PROTO_UDP = 17
INSIDE_TTL = 64
OUTSIDE_TTL = 52
IPV4_HEADER_BYTES = 20

Wrap = Callable[[bytes, str, str], bytes]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a conversation."""

    ip: str
    port: int


def is_inside(ip: str) -> bool:
    """True for the addresses that stand for the cluster."""
    address = ip_address(ip)
    return any(address in network for network in INSIDE)


def ip_packet(
    src: str, dst: str, proto: int, payload: dpkt.Packet, *, ident: int = 0, mtu_bytes: int = 1500
) -> list[bytes]:
    """One IP packet, or its fragments if it is longer than `mtu_bytes` (IPv4 only)."""
    ttl = INSIDE_TTL if is_inside(src) else OUTSIDE_TTL
    source, target = ip_address(src), ip_address(dst)
    if source.version == 6:
        six = dpkt.ip6.IP6(src=source.packed, dst=target.packed, nxt=proto, hlim=ttl, data=payload)
        six.plen = len(bytes(payload))
        return [bytes(six)]
    four = dpkt.ip.IP(
        src=source.packed, dst=target.packed, p=proto, ttl=ttl, id=ident, data=payload
    )
    four.len = IPV4_HEADER_BYTES + len(bytes(payload))
    if four.len > mtu_bytes:
        return fragments(bytes(four), mtu_bytes)
    if ident:
        four.df = 1
    return [bytes(four)]


def fragments(packet: bytes, mtu_bytes: int) -> list[bytes]:
    """An IPv4 packet without options cut into fragments of at most `mtu_bytes` (RFC 791)."""
    room = (mtu_bytes - IPV4_HEADER_BYTES) // 8 * 8
    whole = dpkt.ip.IP(packet)
    body = packet[IPV4_HEADER_BYTES:]
    pieces = []
    for offset in range(0, len(body), room):
        piece = dpkt.ip.IP(
            src=whole.src, dst=whole.dst, p=whole.p, ttl=whole.ttl, id=whole.id, sum=0
        )
        piece.mf = int(offset + room < len(body))
        piece.offset = offset // 8
        piece.data = body[offset : offset + room]
        piece.len = IPV4_HEADER_BYTES + len(piece.data)
        pieces.append(bytes(piece))
    return pieces


def udp_packet(src: Endpoint, dst: Endpoint, payload: bytes, *, ident: int = 0) -> bytes:
    """One UDP datagram in its IP packet."""
    datagram = dpkt.udp.UDP(sport=src.port, dport=dst.port, data=payload)
    datagram.ulen = 8 + len(payload)
    return ip_packet(src.ip, dst.ip, PROTO_UDP, datagram, ident=ident)[0]


def tcp_segment(
    src: Endpoint, dst: Endpoint, *, seq: int, ack: int, flags: int, options: bytes, payload: bytes
) -> dpkt.tcp.TCP:
    """One TCP segment; the checksum is filled in when it is put into an IP packet."""
    return dpkt.tcp.TCP(
        sport=src.port,
        dport=dst.port,
        seq=seq & 0xFFFFFFFF,
        ack=ack & 0xFFFFFFFF,
        flags=flags,
        off=5 + len(options) // 4,
        win=502,
        opts=options,
        data=payload,
    )


def mac_of(ip: str) -> bytes:
    """A made-up, locally administered hardware address; all outside hosts are the gateway."""
    if not is_inside(ip):
        return GATEWAY_MAC
    return b"\x02\x14" + ip_address(ip).packed[-4:]


def _ethertype(packet: bytes) -> int:
    return ETHERTYPE_IPV6 if packet[0] >> 4 == 6 else ETHERTYPE_IPV4


def ethernet(packet: bytes, src_ip: str, dst_ip: str) -> bytes:
    """Ethernet II."""
    return mac_of(dst_ip) + mac_of(src_ip) + struct.pack("!H", _ethertype(packet)) + packet


def qinq(packet: bytes, src_ip: str, dst_ip: str) -> bytes:
    """Ethernet with a service tag (VLAN 100) around a customer tag (VLAN 42), IEEE 802.1ad."""
    tags = struct.pack("!HHHHH", 0x88A8, 100, 0x8100, 42, _ethertype(packet))
    return mac_of(dst_ip) + mac_of(src_ip) + tags + packet


def sll2(packet: bytes, src_ip: str, _dst_ip: str) -> bytes:
    """Linux cooked capture v2 (LINKTYPE_LINUX_SLL2): protocol first, no destination address."""
    outgoing = 4 if is_inside(src_ip) else 0
    head = struct.pack("!HHIHBB", _ethertype(packet), 0, 2, 1, outgoing, 6)
    return head + mac_of(src_ip) + b"\0\0" + packet


def raw_ip(packet: bytes, _src_ip: str, _dst_ip: str) -> bytes:
    """No link layer at all (LINKTYPE_RAW)."""
    return packet
