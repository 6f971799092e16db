//! What is known of one flow when it ends.

use std::net::IpAddr;

use crate::dir::{Both, Dir};

/// Payload bytes kept from the start of each direction.
pub const PREFIX_BYTES: usize = 64;
/// Letters kept of a TCP history.
const HISTORY_MAX: usize = 24;

/// How the initiator was told from the responder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitiatorBy {
    /// It sent SYN.
    Syn,
    /// The other side answered with SYN and ACK.
    SynAck,
    /// The other side has the port of a service.
    Port,
    /// It was seen first.
    First,
}

impl InitiatorBy {
    /// The word used in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::SynAck => "syn_ack",
            Self::Port => "port",
            Self::First => "first",
        }
    }
}

/// Why a flow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Both sides sent FIN.
    Fin,
    /// A side sent RST.
    Rst,
    /// Silence.
    Timeout,
    /// The capture ended.
    Eof,
    /// Room was needed.
    Evicted,
    /// The same endpoints opened a new connection.
    Reopened,
}

impl EndReason {
    /// The word used in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Rst => "rst",
            Self::Timeout => "timeout",
            Self::Eof => "eof",
            Self::Evicted => "evicted",
            Self::Reopened => "reopened",
        }
    }
}

/// The first payload bytes of a direction.
#[derive(Debug, Clone, Copy)]
pub struct Prefix {
    bytes: [u8; PREFIX_BYTES],
    len: u8,
}

impl Default for Prefix {
    fn default() -> Self {
        Self { bytes: [0; PREFIX_BYTES], len: 0 }
    }
}

impl Prefix {
    /// What was kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    #[inline]
    fn keep(&mut self, payload: &[u8]) {
        if self.len > 0 {
            return;
        }
        let n = payload.len().min(PREFIX_BYTES);
        if let (Some(space), Some(from)) = (self.bytes.get_mut(..n), payload.get(..n)) {
            space.copy_from_slice(from);
            self.len = u8::try_from(n).unwrap_or(0);
        }
    }
}

/// Counters of one direction.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// IP packets.
    pub packets: u64,
    /// IP bytes on the wire.
    pub bytes: u64,
    /// Transport payload bytes on the wire.
    pub payload: u64,
    /// TCP segments that brought nothing new.
    pub retransmitted: u32,
    /// The first payload bytes.
    pub prefix: Prefix,
}

/// One flow.
#[derive(Debug, Clone)]
pub struct Record {
    /// Dense, in the order flows began.
    pub id: u32,
    /// The initiator.
    pub src: IpAddr,
    /// The responder.
    pub dst: IpAddr,
    /// The initiator's port.
    pub src_port: u16,
    /// The responder's port.
    pub dst_port: u16,
    /// IP protocol number.
    pub proto: u8,
    /// ICMP type and code of the first packet.
    pub icmp: (u8, u8),
    /// Outermost VLAN id of the first packet.
    pub vlan: u16,
    /// How the initiator was found.
    pub initiator_by: InitiatorBy,
    /// Time of the first packet.
    pub start: i64,
    /// Time of the last packet.
    pub end: i64,
    /// Frame of the first packet.
    pub first_frame: u64,
    /// Frame of the last packet.
    pub last_frame: u64,
    /// What each side sent.
    pub sent: Both<Counters>,
    /// Smallest data-to-ACK time between the capture point and each side; 0 if none was seen.
    pub rtt_ns: Both<i64>,
    /// Why it ended.
    pub end_reason: EndReason,
    history: [u8; HISTORY_MAX],
    history_len: u8,
    history_seen: u16,
}

impl Record {
    /// A flow that begins with this packet; counters are still zero.
    #[must_use]
    pub fn new(id: u32, frame: u64, ts: i64, src: (IpAddr, u16), dst: (IpAddr, u16)) -> Self {
        Self {
            id,
            src: src.0,
            dst: dst.0,
            src_port: src.1,
            dst_port: dst.1,
            proto: 0,
            icmp: (0, 0),
            vlan: 0,
            initiator_by: InitiatorBy::First,
            start: ts,
            end: ts,
            first_frame: frame,
            last_frame: frame,
            sent: Both::default(),
            rtt_ns: Both::default(),
            end_reason: EndReason::Eof,
            history: [0; HISTORY_MAX],
            history_len: 0,
            history_seen: 0,
        }
    }

    /// Adds a packet to the counters.
    #[inline]
    pub fn count(&mut self, dir: Dir, packet: &crate::decode::Packet, frame: u64, ts: i64) {
        let sent = self.sent.of_mut(dir);
        sent.packets += u64::from(packet.packets);
        sent.bytes += u64::from(packet.ip_len);
        sent.payload += u64::from(packet.payload_len);
        if !packet.payload.is_empty() {
            sent.prefix.keep(packet.payload);
        }
        self.start = self.start.min(ts);
        self.end = self.end.max(ts);
        self.last_frame = frame;
    }

    /// Notes a letter of the TCP history the first time a side earns it: `S` SYN, `H` SYN with ACK,
    /// `A` ACK alone, `D` data, `F` FIN, `R` RST, upper case for the initiator (as Zeek writes it).
    #[inline]
    pub fn note_history(&mut self, dir: Dir, letter: u8) {
        let place = match letter {
            b'S' => 0,
            b'H' => 1,
            b'A' => 2,
            b'D' => 3,
            b'F' => 4,
            _ => 5,
        };
        let bit = 1u16 << if dir.is_up() { place } else { place + 8 };
        if self.history_seen & bit != 0 {
            return;
        }
        self.history_seen |= bit;
        if let Some(space) = self.history.get_mut(usize::from(self.history_len)) {
            *space = if dir.is_up() { letter } else { letter.to_ascii_lowercase() };
            self.history_len += 1;
        }
    }

    /// The TCP history.
    #[must_use]
    pub fn history(&self) -> &str {
        let kept = self.history.get(..usize::from(self.history_len)).unwrap_or_default();
        std::str::from_utf8(kept).unwrap_or_default()
    }
}
