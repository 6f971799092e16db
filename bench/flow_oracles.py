"""Conversations counted from packets by the rules of docs/decisions/0003, to check the core by.

The readers beside this module give `Packet`s of the outermost IP header; `tally` counts them into
conversations by Community ID, and says which packets it left out and why. Every reason is a rule
on the packet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import communityid

if TYPE_CHECKING:
    from collections.abc import Iterable

TCP, UDP, ICMP, ICMPV6, SCTP = 6, 17, 1, 58, 132
PORTED = frozenset({TCP, UDP, SCTP})

TCP_IDLE_NS = 3600 * 10**9
TCP_LINGER_NS = 60 * 10**9
OTHER_IDLE_NS = 180 * 10**9
FRAGMENT_NS = 60 * 10**9
FIN, SYN, RST, ACK = 1, 2, 4, 16
TCP_HEADER_MIN = 20


Group = tuple[str, str, int, int]
"""Source, destination, protocol and identification: what the fragments of a datagram share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A fragment's place in its datagram, in bytes."""

    group: Group
    offset: int
    length: int
    more: bool
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One frame's outermost IP packet.

    `ports` holds type and code for ICMP, (0, 0) where the protocol has none. `reason` says why the
    packet is left out, `doubt` why nothing between its hosts can be compared.
    """

    time_ns: int
    src: str
    dst: str
    proto: int
    ports: tuple[int, int] = (0, 0)
    ip_bytes: int = 0
    body_bytes: int = 0
    flags: int = 0
    seq: int = 0
    advance: int = 0
    stream: int | None = None
    community_id: str = ""
    piece: Piece | None = None
    reason: str = ""
    doubt: str = ""


Transport = Callable[[Packet, bytes], Packet]


@dataclass(slots=True)
class Conversation:
    """What one Community ID adds up to: packets and bytes by sender, splits, tshark's streams."""

    sent: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    splits: Counter[str] = field(default_factory=Counter)
    streams: set[int] = field(default_factory=set)
    streams_without_syn: int = 0

    @property
    def flows(self) -> int:
        """How many flows the rules make of it."""
        return 1 + self.splits.total()

    def add(self, packet: Packet, weight: int) -> None:
        """Adds a packet that stands for `weight` of them."""
        sender = (packet.src, packet.ports[0] if packet.proto in PORTED else 0)
        self.count(sender, weight, packet.ip_bytes)
        if packet.stream is not None and packet.stream not in self.streams:
            if self.streams and packet.flags & (SYN | ACK) != SYN:
                self.streams_without_syn += 1
            self.streams.add(packet.stream)

    def count(self, sender: tuple[str, int], packets: int, ip_bytes: int) -> None:
        """Adds packets of one sender."""
        totals = self.sent.setdefault(sender, [0, 0])
        totals[0] += packets
        totals[1] += ip_bytes


@dataclass(slots=True)
class Tally:
    """Conversations by Community ID, and packets left out by reason.

    `ordered` is false where time runs backwards by more than a minute: what has been silent for how
    long is then not defined, and flows are not counted. Nothing of `doubtful` hosts is compared.
    """

    conversations: dict[str, Conversation] = field(default_factory=dict)
    ordered: bool = True
    left_out: Counter[str] = field(default_factory=Counter)
    doubtful: set[str] = field(default_factory=set)

    def leaves_out(self, packet: Packet) -> bool:
        """Counts what is odd about a packet; true if it is not to be compared."""
        if packet.doubt:
            self.left_out[packet.doubt] += 1
            self.doubtful.update((packet.src, packet.dst))
        if packet.reason:
            self.left_out[packet.reason] += 1
        return bool(packet.reason)


def hash_of(packet: Packet) -> str:
    """The packet's Community ID, by the reference implementation."""
    return hash_of_tuple(packet.proto, packet.src, packet.dst, packet.ports)


@lru_cache(maxsize=100_000)
def hash_of_tuple(proto: int, src: str, dst: str, ports: tuple[int, int]) -> str:
    """The Community ID of an address pair, with ports or type and code where there are any."""
    if proto in PORTED or proto in (ICMP, ICMPV6):
        flow = communityid.FlowTuple(proto, src, dst, *ports)
    else:
        flow = communityid.FlowTuple(proto, src, dst)
    return str(communityid.CommunityID().calc(flow))


def tally(packets: Iterable[Packet], transport: Transport | None = None) -> Tally:
    """Counts packets into conversations; a datagram in fragments counts when it is complete.

    Args:
        packets: In the order of the capture.
        transport: Reads the transport header of a datagram put together, for readers that do not.
    """
    found = Tally()
    datagrams: dict[Group, Datagram] = {}
    lives: dict[str, Life] = {}
    latest_ns = 0
    for packet in packets:
        whole, weight = packet, 1
        if packet.piece is not None and not packet.reason:
            found.left_out["fragment"] += 1
            datagram = collect(datagrams, packet)
            if datagram is None:
                continue
            whole, weight = datagram.packet(packet, transport), datagram.packets
        if found.leaves_out(whole):
            continue
        found.ordered = found.ordered and latest_ns - whole.time_ns <= TCP_LINGER_NS
        latest_ns = max(latest_ns, whole.time_ns)
        identity = hash_of(whole)
        if whole.community_id not in ("", identity):
            found.left_out["the reader's ID is of another layer"] += 1
        conversation = found.conversations.setdefault(identity, Conversation())
        conversation.add(whole, weight)
        split = lives.setdefault(identity, Life()).take(whole)
        if split:
            conversation.splits[split] += 1
            lives[identity] = Life()
            lives[identity].take(whole)
    incomplete = sum(datagram.packets for datagram in datagrams.values())
    if incomplete:
        found.left_out["fragment of a datagram that is never complete"] += incomplete
    return found


def collect(datagrams: dict[Group, Datagram], packet: Packet) -> Datagram | None:
    """Adds a fragment to its datagram; gives the datagram when it is complete."""
    piece = packet.piece
    if piece is None:
        return None
    datagram = datagrams.get(piece.group)
    if datagram is None or packet.time_ns - datagram.first_ns > FRAGMENT_NS:
        datagram = datagrams[piece.group] = Datagram(first_ns=packet.time_ns)
    datagram.add(packet.ip_bytes, piece)
    return datagrams.pop(piece.group) if datagram.is_complete() else None


@dataclass(slots=True, kw_only=True)
class Datagram:
    """Fragments of one datagram."""

    first_ns: int
    packets: int = 0
    ip_bytes: int = 0
    pieces: list[Piece] = field(default_factory=list)
    total: int | None = None

    def add(self, ip_bytes: int, piece: Piece) -> None:
        """Adds a fragment."""
        self.packets += 1
        self.ip_bytes += ip_bytes
        self.pieces.append(piece)
        if not piece.more:
            self.total = piece.offset + piece.length

    def is_complete(self) -> bool:
        """True when every byte up to the last fragment's end is there."""
        reached = 0
        for piece in sorted(self.pieces, key=lambda piece: piece.offset):
            if piece.offset > reached:
                return False
            reached = max(reached, piece.offset + piece.length)
        return self.total is not None and reached >= self.total

    def packet(self, last: Packet, transport: Transport | None) -> Packet:
        """The whole datagram as the packet its last fragment makes of it."""
        whole = replace(last, ip_bytes=self.ip_bytes)
        return transport(whole, self.body()) if transport else whole

    def body(self) -> bytes:
        """The bytes; where fragments overlap, those that came first."""
        whole = bytearray(self.total or 0)
        for piece in reversed(self.pieces):
            end = min(piece.offset + len(piece.body), len(whole))
            whole[piece.offset : end] = piece.body[: max(0, end - piece.offset)]
        return bytes(whole)


@dataclass(slots=True)
class Life:
    """One flow while it lasts; says when a packet cannot belong to it any more."""

    last_ns: int | None = None
    first_seq: dict[tuple[str, int], int] = field(default_factory=dict)
    finished: set[tuple[str, int]] = field(default_factory=set)
    reset: bool = False

    def take(self, packet: Packet) -> str:
        """Adds a packet; gives the reason why a new flow begins, or nothing."""
        split = self._split(packet)
        if split:
            return split
        self.last_ns = packet.time_ns
        if packet.proto == TCP:
            self._note(packet)
        return ""

    def _split(self, packet: Packet) -> str:
        if self.last_ns is None:
            return ""
        silent = packet.time_ns - self.last_ns
        if packet.proto != TCP:
            return "silent for 180 s" if silent > OTHER_IDLE_NS else ""
        if (self.reset or len(self.finished) > 1) and silent > TCP_LINGER_NS:
            return "60 s after FIN or RST"
        if silent > TCP_IDLE_NS:
            return "silent for 3600 s"
        return "new SYN" if self._is_reopened(packet) else ""

    def _is_reopened(self, packet: Packet) -> bool:
        if packet.flags & (SYN | ACK) != SYN:
            return False
        sender = (packet.src, packet.ports[0])
        if sender in self.first_seq:
            return self.first_seq[sender] != packet.seq
        return self.reset or (packet.dst, packet.ports[1]) in self.finished

    def _note(self, packet: Packet) -> None:
        sender = (packet.src, packet.ports[0])
        if packet.flags & RST:
            self.reset = True
        else:
            first = packet.seq if packet.flags & SYN else (packet.seq - 1) % 2**32
            self.first_seq.setdefault(sender, first)
        if packet.flags & FIN:
            self.finished.add(sender)
