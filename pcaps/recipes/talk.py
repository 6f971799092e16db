"""TCP conversations as a tap at the cluster's gateway would see them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dpkt.tcp import TH_ACK, TH_FIN, TH_PUSH, TH_RST, TH_SYN

from pcaps.recipes.model import EPOCH_NS, Frame, seconds
from pcaps.recipes.packets import (
    PROTO_TCP,
    Endpoint,
    Wrap,
    ethernet,
    ip_packet,
    is_inside,
    tcp_segment,
)

if TYPE_CHECKING:
    from pcaps.recipes.chance import Chance

INSIDE_RTT_S = 0.0003
OUTSIDE_RTT_S = 0.040
MSS_BYTES = 1448
SEGMENT_GAP_NS = 15_000
DELAYED_ACK_S = 0.04
RETRANSMIT_AFTER_S = 0.24
REORDER_DELAY_NS = 400_000

UP, DOWN = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment before it gets its acknowledgement number."""

    ts_ns: int
    side: int
    seq: int
    payload: bytes = b""
    flags: int = TH_ACK
    fault: str = ""
    push: bool = False

    def end(self) -> int:
        """Sequence number after this segment."""
        return self.seq + len(self.payload) + (1 if self.flags & (TH_SYN | TH_FIN) else 0)


@dataclass(frozen=True, slots=True)
class _Write:
    ts_ns: int
    side: int
    data: bytes
    segment_bytes: int
    fault: str


class Talk:
    """One TCP conversation, written as who says what when.

    `now_s` is capture time in seconds since the start of the sample. `up` and `down` move it on;
    setting it back is allowed, since the writes are put in order at the end. Faults that a write
    may have: `lost` (acknowledged but not captured), `retransmitted` (captured twice),
    `reordered` (captured after the segment that follows it). With `swapped`, `up` is what the end
    that accepted the connection says: a pool that connects to its miner.
    """

    def __init__(
        self,
        client: Endpoint,
        server: Endpoint,
        *,
        chance: Chance,
        start_s: float = 0.0,
        outside_rtt_s: float = OUTSIDE_RTT_S,
        handshake: bool = True,
        mtu_bytes: int = 1500,
        swapped: bool = False,
        comment: str = "",
    ) -> None:
        self.ends = (client, server)
        self.chance = chance
        self.now_s = start_s
        self.start_s = start_s
        self.rtt_s = tuple(
            INSIDE_RTT_S if is_inside(end.ip) else outside_rtt_s for end in self.ends
        )
        self._handshake = handshake
        self._mtu_bytes = mtu_bytes
        self._comment = comment
        self._swapped = swapped
        self._writes: list[_Write] = []
        self._closing: tuple[int, str, int] | None = None
        self._first_seq = [chance.integer(1 << 20, (1 << 32) - (1 << 24)) for _ in self.ends]
        self._clock_ms = [chance.integer(1 << 20, 1 << 30) for _ in self.ends]
        self._last_stamp = [0, 0]
        self._ident = [chance.integer(1, 40000) for _ in self.ends]
        if handshake:
            self.now_s += sum(self.rtt_s)

    def up(
        self, data: bytes, after_s: float | None = None, *, cut: int = 0, fault: str = ""
    ) -> None:
        """The client writes `data` once its own local time has passed, or `after_s` from now."""
        self._write(UP, data, after_s, cut, fault)

    def down(
        self, data: bytes, after_s: float | None = None, *, cut: int = 0, fault: str = ""
    ) -> None:
        """The server writes `data` one round trip from now, or `after_s` from now."""
        self._write(DOWN, data, after_s, cut, fault)

    def wait(self, pause_s: float) -> None:
        """Nothing is said for `pause_s`."""
        self.now_s += pause_s

    def close(self, how: str = "fin", side: int = UP) -> None:
        """Ends the conversation now: `fin` or `rst`, begun by `side`."""
        self._closing = (seconds(self.now_s + 0.002), how, side)

    def frames(self, wrap: Wrap = ethernet) -> list[Frame]:
        """The conversation as frames in time order."""
        segments = self._handshake_segments() + self._data_segments()
        segments += self._bare_acks(segments)
        segments += self._closing_segments(segments)
        segments.sort(key=lambda segment: segment.ts_ns)
        frames = self._render(segments, wrap)
        if self._comment and frames:
            frames[0] = replace(frames[0], comment=self._comment)
        return frames

    def _write(self, side: int, data: bytes, after_s: float | None, cut: int, fault: str) -> None:
        if self._swapped:
            side = 1 - side
        pause_s = after_s
        if pause_s is None:
            pause_s = self.rtt_s[side] * self.chance.between(1.0, 1.08) + 0.0001
        self.now_s += pause_s
        self._writes.append(_Write(seconds(self.now_s), side, data, cut or MSS_BYTES, fault))

    def _handshake_segments(self) -> list[Segment]:
        if not self._handshake:
            return []
        client_seq, server_seq = self._first_seq
        syn_ns = seconds(self.start_s)
        reply_ns = syn_ns + seconds(self.rtt_s[DOWN])
        ack_ns = reply_ns + seconds(self.rtt_s[UP])
        return [
            Segment(ts_ns=syn_ns, side=UP, seq=client_seq - 1, flags=TH_SYN),
            Segment(ts_ns=reply_ns, side=DOWN, seq=server_seq - 1, flags=TH_SYN | TH_ACK),
            Segment(ts_ns=ack_ns, side=UP, seq=client_seq),
        ]

    def _data_segments(self) -> list[Segment]:
        next_seq = list(self._first_seq)
        segments: list[Segment] = []
        for write in sorted(self._writes, key=lambda item: item.ts_ns):
            ts_ns = write.ts_ns
            for start in range(0, len(write.data), write.segment_bytes):
                piece = write.data[start : start + write.segment_bytes]
                last = start + write.segment_bytes >= len(write.data)
                segments.append(
                    Segment(
                        ts_ns=ts_ns + (REORDER_DELAY_NS if write.fault == "reordered" else 0),
                        side=write.side,
                        seq=next_seq[write.side],
                        payload=piece,
                        fault=write.fault,
                        push=last,
                    )
                )
                next_seq[write.side] += len(piece)
                ts_ns += SEGMENT_GAP_NS
        again = [
            replace(segment, ts_ns=segment.ts_ns + seconds(RETRANSMIT_AFTER_S), fault="")
            for segment in segments
            if segment.fault == "retransmitted"
        ]
        return segments + again

    def _bare_acks(self, segments: list[Segment]) -> list[Segment]:
        """Candidates: two full segments are answered at once, anything else after 40 ms."""
        acks = []
        unanswered = [0, 0]
        for segment in sorted(segments, key=lambda item: item.ts_ns):
            if not segment.payload:
                continue
            receiver = 1 - segment.side
            unanswered[receiver] += 1
            wait_s = self.rtt_s[receiver]
            if unanswered[receiver] < 2:
                wait_s += DELAYED_ACK_S
            else:
                unanswered[receiver] = 0
            acks.append(Segment(ts_ns=segment.ts_ns + seconds(wait_s), side=receiver, seq=-1))
        return acks

    def _closing_segments(self, segments: list[Segment]) -> list[Segment]:
        if self._closing is None:
            return []
        at_ns, how, side = self._closing
        peer = 1 - side
        latest = max((item.ts_ns for item in segments), default=at_ns)
        at_ns = max(at_ns, latest + seconds(self.rtt_s[side]))
        ends = [self._sent_end(segments, which) for which in (UP, DOWN)]
        if how == "rst":
            return [Segment(ts_ns=at_ns, side=side, seq=ends[side], flags=TH_RST | TH_ACK)]
        answer_ns = at_ns + seconds(self.rtt_s[peer])
        last_ns = answer_ns + seconds(self.rtt_s[side])
        fin = TH_FIN | TH_ACK
        return [
            Segment(ts_ns=at_ns, side=side, seq=ends[side], flags=fin),
            Segment(ts_ns=answer_ns, side=peer, seq=ends[peer], flags=fin),
            Segment(ts_ns=last_ns, side=side, seq=ends[side] + 1),
        ]

    def _sent_end(self, segments: list[Segment], side: int) -> int:
        ends = [item.end() for item in segments if item.side == side and item.seq >= 0]
        return max(ends, default=self._first_seq[side])

    def _render(self, segments: list[Segment], wrap: Wrap) -> list[Frame]:
        """Gives each segment the acknowledgement its sender could know of, drops idle ACKs."""
        sent = list(self._first_seq)
        known = [self._first_seq[DOWN], self._first_seq[UP]]
        announced = list(known)
        arrivals: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
        frames: list[Frame] = []
        for planned in segments:
            segment, side, peer = planned, planned.side, 1 - planned.side
            horizon_ns = segment.ts_ns - seconds(self.rtt_s[side])
            while arrivals[peer] and arrivals[peer][0][0] <= horizon_ns:
                known[side] = max(known[side], arrivals[peer].pop(0)[1])
            if segment.seq < 0:
                if known[side] <= announced[side]:
                    continue
                segment = replace(planned, seq=sent[side])
            sent[side] = max(sent[side], segment.end())
            arrivals[side].append((segment.ts_ns, segment.end()))
            announced[side] = known[side]
            if segment.fault != "lost":
                frames.extend(self._frames_of(segment, known[side], wrap))
        return frames

    def _frames_of(self, segment: Segment, ack: int, wrap: Wrap) -> list[Frame]:
        source, target = self.ends[segment.side], self.ends[1 - segment.side]
        flags = segment.flags | (TH_PUSH if segment.push else 0)
        self._ident[segment.side] = self._ident[segment.side] % 65535 + 1
        tcp = tcp_segment(
            source,
            target,
            seq=segment.seq,
            ack=ack if flags & TH_ACK else 0,
            flags=flags,
            options=self._options(segment),
            payload=segment.payload,
        )
        packets = ip_packet(
            source.ip,
            target.ip,
            PROTO_TCP,
            tcp,
            ident=self._ident[segment.side],
            mtu_bytes=self._mtu_bytes,
        )
        return [
            Frame(ts_ns=EPOCH_NS + segment.ts_ns + step, data=wrap(packet, source.ip, target.ip))
            for step, packet in enumerate(packets)
        ]

    def _options(self, segment: Segment) -> bytes:
        """Timestamps on every segment (RFC 7323); MSS, SACK and window scale on a SYN."""
        elapsed_ms = segment.ts_ns // 1_000_000
        value = (self._clock_ms[segment.side] + elapsed_ms) & 0xFFFFFFFF
        echo = self._last_stamp[1 - segment.side]
        self._last_stamp[segment.side] = value
        stamps = struct.pack("!BBII", 8, 10, value, echo)
        if segment.flags & TH_SYN:
            return b"\x02\x04\x05\xb4\x04\x02" + stamps + b"\x01\x03\x03\x07"
        return b"\x01\x01" + stamps


def refused(client: Endpoint, server: Endpoint, *, chance: Chance, at_s: float) -> list[Frame]:
    """A SYN answered by a reset: a closed port."""
    seq = chance.integer(1 << 20, 1 << 31)
    syn = tcp_segment(client, server, seq=seq, ack=0, flags=TH_SYN, options=b"", payload=b"")
    reset = tcp_segment(
        server, client, seq=0, ack=seq + 1, flags=TH_RST | TH_ACK, options=b"", payload=b""
    )
    frames = []
    for delay_s, source, target, segment in (
        (0.0, client, server, syn),
        (INSIDE_RTT_S, server, client, reset),
    ):
        packet = ip_packet(source.ip, target.ip, PROTO_TCP, segment, ident=seq & 0xFFFF)[0]
        frames.append(
            Frame(
                ts_ns=EPOCH_NS + seconds(at_s + delay_s),
                data=ethernet(packet, source.ip, target.ip),
            )
        )
    return frames
