//! Community ID flow hash, version 1 (github.com/corelight/community-id-spec).

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::key::icmp_answer;
use crate::decode::protocol;

/// The hash of a flow with seed 0. For ICMP the ports are type and code of the first packet.
#[must_use]
pub fn community_id(src: (IpAddr, u16), dst: (IpAddr, u16), proto: u8, icmp: (u8, u8)) -> String {
    let (mut from, mut to) = (src, dst);
    let mut one_way = false;
    if matches!(proto, protocol::ICMP | protocol::ICMPV6) {
        let answer = icmp_answer(proto, icmp.0);
        one_way = answer.is_none();
        from.1 = u16::from(icmp.0);
        to.1 = u16::from(answer.unwrap_or(icmp.1));
    }
    if !one_way && to < from {
        std::mem::swap(&mut from, &mut to);
    }
    let mut hash = Sha1::new();
    hash.update([0, 0]);
    for address in [from.0, to.0] {
        match address {
            IpAddr::V4(v4) => hash.update(v4.octets()),
            IpAddr::V6(v6) => hash.update(v6.octets()),
        }
    }
    hash.update([proto, 0]);
    if matches!(
        proto,
        protocol::TCP | protocol::UDP | protocol::SCTP | protocol::ICMP | protocol::ICMPV6
    ) {
        hash.update(from.1.to_be_bytes());
        hash.update(to.1.to_be_bytes());
    }
    format!("1:{}", STANDARD.encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(src: &str, sport: u16, dst: &str, dport: u16, proto: u8, icmp: (u8, u8)) -> String {
        community_id((src.parse().unwrap(), sport), (dst.parse().unwrap(), dport), proto, icmp)
    }

    #[test]
    fn the_published_baseline_is_met_in_both_directions() {
        let expected = "1:LQU9qZlK+B5F3KDmev6m5PMibrg=";
        assert_eq!(id("128.232.110.120", 34855, "66.35.250.204", 80, 6, (0, 0)), expected);
        assert_eq!(id("66.35.250.204", 80, "128.232.110.120", 34855, 6, (0, 0)), expected);
    }

    #[test]
    fn echo_request_and_reply_share_an_id() {
        let ask = id("192.168.0.89", 0, "192.168.0.1", 0, 1, (8, 0));
        let answer = id("192.168.0.1", 0, "192.168.0.89", 0, 1, (0, 0));
        assert_eq!(ask, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=");
        assert_eq!(ask, answer);
    }
}
