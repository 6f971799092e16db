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
        // A message nobody answers goes one way: those of the other side are another flow.
        let one_way = u16::from(is_one_way(packet) && from_low);
        let key = Self {
            low: low.0,
            high: high.0,
            ports: (u32::from(low.1) << 16) | u32::from(high.1),
            kind: (one_way << 9) | (u16::from(packet.proto) << 1) | v6,
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

fn is_one_way(packet: &Packet) -> bool {
    matches!(packet.proto, protocol::ICMP | protocol::ICMPV6)
        && icmp_answer(packet.proto, packet.icmp.0).is_none()
}

/// Types of questions and of their answers (Community ID v1, section on ICMP).
const ICMP_PAIRS: &[(u8, u8)] = &[(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)];
const ICMPV6_PAIRS: &[(u8, u8)] =
    &[(128, 129), (133, 134), (135, 136), (130, 131), (139, 140), (144, 145)];

fn icmp_pairs(proto: u8) -> &'static [(u8, u8)] {
    match proto {
        protocol::ICMP => ICMP_PAIRS,
        protocol::ICMPV6 => ICMPV6_PAIRS,
        _ => &[],
    }
}

/// True for an ICMP type that answers another.
#[must_use]
pub fn is_icmp_answer(proto: u8, kind: u8) -> bool {
    icmp_pairs(proto).iter().any(|&(_, answer)| answer == kind)
}

/// The ICMP type on the other side of an exchange.
#[must_use]
pub fn icmp_answer(proto: u8, kind: u8) -> Option<u8> {
    icmp_pairs(proto).iter().find_map(|&(ask, answer)| match kind {
        k if k == ask => Some(answer),
        k if k == answer => Some(ask),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn icmp(src: [u8; 4], dst: [u8; 4], icmp: (u8, u8)) -> Packet<'static> {
        Packet {
            src: src.into(),
            dst: dst.into(),
            src_port: 0,
            dst_port: 0,
            proto: protocol::ICMP,
            tcp: None,
            icmp,
            payload: &[],
            payload_len: 0,
            ip_len: 28,
            packets: 1,
            vlan: 0,
        }
    }

    const A: [u8; 4] = [192, 0, 2, 1];
    const B: [u8; 4] = [192, 0, 2, 2];

    #[test]
    fn a_question_and_its_answer_share_a_flow() {
        assert_eq!(Key::of(&icmp(A, B, (8, 0))).0, Key::of(&icmp(B, A, (0, 0))).0);
    }

    #[test]
    fn errors_that_two_hosts_send_each_other_are_two_flows() {
        // Port unreachable is type 3 code 3: the same number at both ends.
        assert_ne!(Key::of(&icmp(A, B, (3, 3))).0, Key::of(&icmp(B, A, (3, 3))).0);
        assert_ne!(Key::of(&icmp(A, B, (11, 0))).0, Key::of(&icmp(B, A, (11, 0))).0);
    }

    #[test]
    fn a_type_of_the_other_icmp_version_answers_nothing() {
        assert!(is_icmp_answer(protocol::ICMPV6, 136) && is_icmp_answer(protocol::ICMPV6, 140));
        assert!(!is_icmp_answer(protocol::ICMP, 136) && !is_icmp_answer(protocol::UDP, 0));
    }
}
