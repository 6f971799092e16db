//! A frame to a packet: link layers, VLAN tags, IP with its extensions and fragments, transport.
//!
//! IP, TCP and UDP headers are read by `etherparse` in its lax form, which keeps what a cut packet
//! still shows. Nothing is copied, except the fragments of a datagram while it is incomplete.

pub mod fragments;
mod ip;
mod link;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::capture::Frame;
use crate::error::Issue;
use crate::limits::Limits;

pub use self::fragments::Fragments;

/// Transport protocol numbers of the IANA registry that are decoded.
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// TCP flag bits, as in the header's 14th byte.
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Opens a connection.
    pub const SYN: u8 = 0x02;
    /// Ends a connection at once.
    pub const RST: u8 = 0x04;
    /// Hand over to the application.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;
}

/// The TCP header's fields that flows and streams need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tcp {
    /// Sequence number of the first payload byte (or of SYN).
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Bits of [`flag`].
    pub flags: u8,
    /// Receive window as sent, unscaled.
    pub window: u16,
}

impl Tcp {
    /// True if any of these flags is set.
    #[inline]
    #[must_use]
    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }
}

/// One packet. The payload is borrowed from the frame, or from the reassembled datagram.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Source port; 0 where the protocol has none.
    pub src_port: u16,
    /// Destination port; 0 where the protocol has none.
    pub dst_port: u16,
    /// IP protocol number.
    pub proto: u8,
    /// For TCP.
    pub tcp: Option<Tcp>,
    /// Type and code, for ICMP.
    pub icmp: (u8, u8),
    /// Transport payload that was captured.
    pub payload: &'a [u8],
    /// Transport payload bytes on the wire, as the headers say.
    pub payload_len: u32,
    /// IP bytes on the wire (all fragments together).
    pub ip_len: u32,
    /// IP packets this stands for: more than one after reassembly.
    pub packets: u32,
    /// Outermost VLAN id, 0 without a tag.
    pub vlan: u16,
}

/// What became of a frame.
#[derive(Debug)]
pub enum Decoded<'a> {
    /// A packet of a flow.
    Packet(Packet<'a>),
    /// A fragment that does not complete its datagram.
    Fragment,
    /// No IP, or a protocol without flows here; the name is for counting.
    Other(&'static str),
    /// Too odd to go on; the issue says why.
    Bad(Problem),
}

/// Why a frame could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The layer that noticed.
    pub layer: &'static str,
    /// What it is.
    pub kind: &'static str,
    /// The numbers behind it.
    pub detail: String,
}

impl Problem {
    fn new(layer: &'static str, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { layer, kind, detail: detail.into() }
    }

    /// The row for the frame it was met in.
    #[must_use]
    pub fn at(self, frame: u64, offset: u64) -> Issue {
        Issue { frame, offset, layer: self.layer, kind: self.kind, detail: self.detail }
    }
}

/// What a link layer leads to.
enum Network<'a> {
    Ip(&'a [u8]),
    Other(&'static str),
}

/// Decodes frames; keeps the fragments of incomplete datagrams between them.
pub struct Decoder {
    fragments: Fragments,
}

impl Decoder {
    /// A decoder with room for fragments as `limits` says.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { fragments: Fragments::new(limits) }
    }

    /// How fragments fared.
    #[must_use]
    pub fn fragments(&self) -> &Fragments {
        &self.fragments
    }

    /// Decodes one frame.
    #[inline]
    pub fn decode<'a>(&'a mut self, frame: &Frame<'a>) -> Decoded<'a> {
        let (network, vlan) = match link::strip(frame.link, frame.data) {
            Ok(found) => found,
            Err(problem) => return Decoded::Bad(problem),
        };
        match network {
            Network::Other(name) => Decoded::Other(name),
            Network::Ip(bytes) => ip::decode(bytes, frame.ts, vlan, &mut self.fragments),
        }
    }
}
