"""Packets as tshark decodes them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.flow_oracles import (
    ICMP,
    ICMPV6,
    PORTED,
    SCTP,
    TCP,
    TCP_HEADER_MIN,
    UDP,
    Packet,
    Piece,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

TRANSPORTS = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmpv6": ICMPV6, "sctp": SCTP}
OTHERS = {"ip": 4, "ipv6": 41, "gre": 47, "esp": 50, "ipcomp": 108}
"""Protocols by their layer's name, for packets whose header does not name them itself."""
IP_LAYERS = frozenset({"ip", "ipv6"})
LINK_LAYERS = frozenset({"eth", "ethertype", "vlan", "ieee8021ad", "sll", "raw", "null", "loop"})
"""Layers below IP that the core looks through."""

FIELDS = (
    *("frame.time_epoch", "frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst"),
    *("ip.proto", "ipv6.nxt", "ip.len", "ip.hdr_len", "ipv6.plen", "ip.id", "ip.flags.mf"),
    *("ip.frag_offset", "ipv6.fraghdr.ident", "ipv6.fraghdr.offset", "ipv6.fraghdr.more"),
    *("tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport", "sctp.srcport", "sctp.dstport"),
    *("icmp.type", "icmp.code", "icmpv6.type", "icmpv6.code", "tcp.flags", "tcp.seq_raw"),
    *("tcp.len", "tcp.hdr_len", "tcp.stream", "udp.stream", "communityid", "null.type"),
    *("ip.version", "ipv6.version"),
)


def tshark_rows(path: Path, *, program: str = "tshark") -> Iterator[dict[str, str]]:
    """The fields of every frame, of the outermost layer where a field comes more than once.

    Raises:
        OSError: tshark could not read the file at all.
    """
    command = [program, "-r", str(path), "-n", "--enable-protocol", "communityid", "-T", "fields"]
    command += ["-E", "occurrence=f", "-E", "separator=/t"]
    for name in FIELDS:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
    if done.returncode and not done.stdout:
        raise OSError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed")
    for line in done.stdout.splitlines():
        yield dict(zip(FIELDS, line.split("\t"), strict=False))


def read(path: Path) -> tuple[list[Packet], int]:
    """Packets of a capture as tshark decodes them, and how many frames it read.

    Raises:
        OSError: tshark could not read the file at all.
    """
    return from_rows(list(tshark_rows(path)))


def from_rows(rows: list[dict[str, str]]) -> tuple[list[Packet], int]:
    """Packets, and how many frames; a custom block of pcapng has a row and is no frame."""
    frames = [row for row in rows if row["frame.time_epoch"] or row["frame.protocols"] != "data"]
    return list(tshark_packets(frames)), len(frames)


def tshark_packets(rows: Iterable[Mapping[str, str]]) -> Iterator[Packet]:
    """Packets from tshark's fields."""
    for row in rows:
        packet = _from_row(row)
        if packet is not None:
            yield packet


def _number(text: str) -> int:
    return int(text, 0) if text else 0


def _from_row(row: Mapping[str, str]) -> Packet | None:
    layers = row["frame.protocols"].split(":")
    place = next((i for i, layer in enumerate(layers) if layer in IP_LAYERS), None)
    if place is None:
        return None
    if not row["ip.src"] and layers[place : place + 2] == ["ip", "ipv6"]:
        place += 1  # an IPv6 header where the link layer promises IPv4
    v6 = layers[place] == "ipv6"
    src, dst = (row["ipv6.src"], row["ipv6.dst"]) if v6 else (row["ip.src"], row["ip.dst"])
    # A simple packet block has no time.
    whole, _, fraction = (row["frame.time_epoch"] or "0").partition(".")
    packet = Packet(
        time_ns=int(whole) * 10**9 + int(fraction[:9].ljust(9, "0")),
        src=src,
        dst=dst,
        proto=_number(row["ipv6.nxt" if v6 else "ip.proto"]),
    )
    carriers = [layer for layer in layers[:place] if layer not in LINK_LAYERS | IP_LAYERS]
    if carriers:
        return replace(packet, reason=f"inside {carriers[0]}")
    if not packet.src or row["ipv6.version" if v6 else "ip.version"] != ("6" if v6 else "4"):
        return replace(packet, reason="malformed IP header")
    if row["null.type"]:
        return replace(packet, reason="Ethernet type in a loopback header")
    above = [layer for layer in layers[place + 1 :] if not layer.startswith("ipv6.")]
    above = [layer for layer in above if layer != "ah"]
    if v6 and not above and not row["ipv6.fraghdr.ident"]:
        packet = replace(packet, doubt="IPv6 extension headers with nothing readable above")
    return _with_transport(packet, row, above, v6=v6)


def _with_transport(
    packet: Packet, row: Mapping[str, str], above: list[str], *, v6: bool
) -> Packet:
    name = above[0] if above else ""
    proto = (TRANSPORTS | OTHERS).get(name, packet.proto)
    ip_bytes = 40 + _number(row["ipv6.plen"]) if v6 else _number(row["ip.len"])
    if v6 and not _number(row["ipv6.plen"]):
        packet = replace(packet, doubt="IPv6 length 0: a jumbogram or an offloaded send")
    packet = replace(packet, proto=proto, ip_bytes=ip_bytes, piece=_piece(packet, row, v6=v6))
    if proto not in TRANSPORTS.values():
        return packet
    if name not in TRANSPORTS:
        if packet.piece is not None:
            return replace(packet, doubt="fragments that tshark puts together otherwise")
        return replace(packet, reason="transport header cut")
    if proto in PORTED:
        ports = (_number(row[f"{name}.srcport"]), _number(row[f"{name}.dstport"]))
    else:
        ports = (_number(row[f"{name}.type"]), _number(row[f"{name}.code"]))
    nested = any(layer in IP_LAYERS for layer in above) and proto in PORTED
    packet = replace(packet, ports=ports, community_id=row["communityid"])
    room = ip_bytes - (40 if v6 else _number(row["ip.hdr_len"]))
    cut = packet.piece is None and not TCP_HEADER_MIN <= _number(row["tcp.hdr_len"]) <= room
    if proto == TCP and cut:
        return replace(packet, reason="malformed TCP header")
    if proto not in (TCP, UDP):
        return packet
    stream = row[f"{name}.stream"]
    return replace(
        packet,
        stream=int(stream) if stream and not nested else None,
        flags=_number(row["tcp.flags"]) if proto == TCP else 0,
        seq=_number(row["tcp.seq_raw"]) if proto == TCP else 0,
        advance=_number(row["tcp.len"]) if proto == TCP else 0,
    )


def _piece(packet: Packet, row: Mapping[str, str], *, v6: bool) -> Piece | None:
    if v6:
        if not row["ipv6.fraghdr.ident"]:
            return None
        offset = _number(row["ipv6.fraghdr.offset"]) * 8
        more = row["ipv6.fraghdr.more"] in ("1", "True")
        length = _number(row["ipv6.plen"]) - 8
        identification = _number(row["ipv6.fraghdr.ident"])
    else:
        offset = _number(row["ip.frag_offset"])
        more = row["ip.flags.mf"] in ("1", "True")
        length = _number(row["ip.len"]) - _number(row["ip.hdr_len"])
        identification = _number(row["ip.id"])
    if not more and not offset:
        return None
    group = (packet.src, packet.dst, packet.proto, identification)
    return Piece(group=group, offset=offset, length=length, more=more)
