//! What makes two packets belong to one flow.

use std::net::IpAddr;

use crate::decode::{Packet, protocol};

/// The 5-tuple without a direction: the smaller end first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    low: u128,
    high: u128,
    ports: u32,
    kind: u16,
}

impl Key {
    /// The key of a packet, and whether its source is the smaller end.
    #[inline]
    #[must_use]
    pub fn of(packet: &Packet) -> (Self, bool) {
        let (src_port, dst_port) = ports(packet);
        let src = (number(packet.src), src_port);
        let dst = (number(packet.dst), dst_port);
        let from_low = src <= dst;
        let (low, high) = if from_low { (src, dst) } else { (dst, src) };
        let v6 = u16::from(packet.src.is_ipv6());
        let key = Self {
            low: low.0,
            high: high.0,
            ports: (u32::from(low.1) << 16) | u32::from(high.1),
            kind: (u16::from(packet.proto) << 1) | v6,
        };
        (key, from_low)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// The ports of a packet; for ICMP the type and the type that answers it, so that a request and its
/// reply share a flow.
#[must_use]
pub fn ports(packet: &Packet) -> (u16, u16) {
    match packet.proto {
        protocol::ICMP | protocol::ICMPV6 => {
            let (kind, code) = packet.icmp;
            match icmp_answer(packet.proto, kind) {
                Some(answer) => (u16::from(kind), u16::from(answer)),
                None => (u16::from(kind), u16::from(code)),
            }
        }
        _ => (packet.src_port, packet.dst_port),
    }
}

/// The ICMP type on the other side of an exchange (Community ID v1, section on ICMP).
#[must_use]
pub fn icmp_answer(proto: u8, kind: u8) -> Option<u8> {
    let pairs: &[(u8, u8)] = if proto == protocol::ICMP {
        &[(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)]
    } else {
        &[(128, 129), (133, 134), (135, 136), (130, 131), (139, 140), (144, 145)]
    };
    pairs.iter().find_map(|&(ask, answer)| match kind {
        k if k == ask => Some(answer),
        k if k == answer => Some(ask),
        _ => None,
    })
}
