//! What a TCP connection has shown of itself: handshake, end, retransmissions, round trips.

use super::record::Record;
use crate::decode::{Packet, Tcp, flag};
use crate::dir::{Both, Dir};

/// One side of a connection.
#[derive(Debug, Clone, Copy, Default)]
struct Side {
    /// Initial sequence number: of its SYN, or one before the first segment that was captured.
    isn: Option<u32>,
    /// One past the highest byte sent.
    highest: Option<u32>,
    /// End and time of a segment whose acknowledgement is awaited; never a retransmitted one
    /// (Karn's rule: its acknowledgement may answer either copy).
    awaited: Option<(u32, i64)>,
    fin: bool,
}

/// The state of one connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connection {
    sides: Both<Side>,
    reset: bool,
}

impl Connection {
    /// True when a SYN cannot belong to this connection any more.
    #[must_use]
    pub fn is_reopened_by(&self, dir: Dir, tcp: &Tcp) -> bool {
        if !tcp.has(flag::SYN) || tcp.has(flag::ACK) {
            return false;
        }
        let (mine, other) = (self.sides.of(dir), self.sides.of(dir.flip()));
        match mine.isn {
            // The same number: sent twice, or captured after what followed it.
            Some(isn) => isn != tcp.seq,
            // Nothing from this side yet: a simultaneous open, unless the other side is through.
            None => self.reset || other.fin,
        }
    }

    /// True when both sides said FIN, or one RST.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.reset || (self.sides.up.fin && self.sides.down.fin)
    }

    /// True when it was reset.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        self.reset
    }

    /// Takes in one segment.
    #[inline]
    pub fn update(&mut self, record: &mut Record, dir: Dir, packet: &Packet, tcp: &Tcp, ts: i64) {
        self.acknowledge(record, dir, tcp, ts);
        let control = u32::from(tcp.has(flag::SYN)) + u32::from(tcp.has(flag::FIN));
        let advance = packet.payload_len.saturating_add(control);
        if tcp.has(flag::RST) {
            self.reset = true;
        } else {
            let first = if tcp.has(flag::SYN) { tcp.seq } else { tcp.seq.wrapping_sub(1) };
            self.sides.of_mut(dir).isn.get_or_insert(first);
            if advance > 0 {
                self.send(record, dir, tcp, packet.payload_len, advance, ts);
            }
        }
        record.note_history(dir, letter(tcp, packet.payload_len));
        if tcp.has(flag::FIN) {
            self.sides.of_mut(dir).fin = true;
            record.note_history(dir, b'F');
        }
    }

    #[inline]
    fn send(
        &mut self,
        record: &mut Record,
        dir: Dir,
        tcp: &Tcp,
        payload: u32,
        advance: u32,
        ts: i64,
    ) {
        let side = self.sides.of_mut(dir);
        let end = tcp.seq.wrapping_add(advance);
        let is_new = side.highest.is_none_or(|highest| is_after(end, highest));
        if is_new {
            side.highest = Some(end);
            if side.awaited.is_none() {
                side.awaited = Some((end, ts));
            }
            return;
        }
        side.awaited = None;
        // A keep-alive repeats the last byte on purpose (RFC 9293 section 3.8.4).
        if payload > 1 {
            let sent = record.sent.of_mut(dir);
            sent.retransmitted = sent.retransmitted.saturating_add(1);
        }
    }

    #[inline]
    fn acknowledge(&mut self, record: &mut Record, dir: Dir, tcp: &Tcp, ts: i64) {
        let sender = self.sides.of_mut(dir.flip());
        let Some((end, sent)) = sender.awaited else { return };
        if !tcp.has(flag::ACK) || is_after(end, tcp.ack) {
            return;
        }
        sender.awaited = None;
        // The side that acknowledges is the side the time is measured to.
        let rtt = record.rtt_ns.of_mut(dir);
        let took = ts.saturating_sub(sent).max(1);
        *rtt = if *rtt == 0 { took } else { (*rtt).min(took) };
    }
}

fn letter(tcp: &Tcp, payload: u32) -> u8 {
    match (tcp.has(flag::RST), tcp.has(flag::SYN), tcp.has(flag::ACK), payload) {
        (true, _, _, _) => b'R',
        (_, true, true, _) => b'H',
        (_, true, false, _) => b'S',
        (_, _, _, 1..) => b'D',
        _ if tcp.has(flag::FIN) => b'F',
        _ => b'A',
    }
}

/// True when sequence number `a` lies after `b` (RFC 1982 arithmetic).
fn is_after(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}
