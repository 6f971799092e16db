//! Link layers: Ethernet with VLAN tags, Linux cooked captures, loopback, raw IP.

use super::{Network, Problem};
use crate::bytes::{Reader, Truncated};
use crate::capture::Link;

/// Tags stacked on one frame that are looked through.
const VLAN_TAGS_MAX: usize = 4;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const QINQ: u16 = 0x88a8;
const QINQ_OLD: u16 = 0x9100;

/// Finds the network layer, and the outermost VLAN id (0 without a tag).
pub fn strip(link: Link, data: &[u8]) -> Result<(Network<'_>, u16), Problem> {
    let cut = |e: Truncated| Problem::new("link", "truncated", e.to_string());
    let mut r = Reader::new(data);
    match link {
        Link::Ethernet => {
            r.take(12).map_err(cut)?;
            let kind = r.u16().map_err(cut)?;
            ethertype(kind, r)
        }
        Link::Sll => {
            r.take(14).map_err(cut)?;
            let kind = r.u16().map_err(cut)?;
            ethertype(kind, r)
        }
        Link::Sll2 => {
            let kind = r.u16().map_err(cut)?;
            r.take(18).map_err(cut)?;
            ethertype(kind, r)
        }
        Link::Null => {
            let family = r.array::<4>().map_err(cut)?;
            Ok((loopback(family, r.rest()), 0))
        }
        Link::Raw | Link::Ipv4 | Link::Ipv6 => match data.first() {
            None => Err(Problem::new("link", "truncated", "an empty frame")),
            Some(_) => Ok((Network::Ip(data), 0)),
        },
        Link::Other(_) => Ok((Network::Other("link_type"), 0)),
    }
}

fn ethertype(mut kind: u16, mut r: Reader<'_>) -> Result<(Network<'_>, u16), Problem> {
    let mut vlan = 0;
    for tags in 0..=VLAN_TAGS_MAX {
        match kind {
            IPV4 | IPV6 => return Ok((Network::Ip(r.rest()), vlan)),
            VLAN | QINQ | QINQ_OLD if tags < VLAN_TAGS_MAX => {
                let cut = |e: Truncated| Problem::new("link", "truncated_vlan", e.to_string());
                let id = r.u16().map_err(cut)? & 0x0fff;
                kind = r.u16().map_err(cut)?;
                vlan = if tags == 0 { id } else { vlan };
            }
            _ => break,
        }
    }
    Ok((Network::Other(name_of(kind)), vlan))
}

/// Loopback families: AF_INET is 2 everywhere, AF_INET6 differs from system to system.
fn loopback(family: [u8; 4], rest: &[u8]) -> Network<'_> {
    let number = match family {
        [0, 0, 0, n] | [n, 0, 0, 0] => n,
        _ => 0,
    };
    match number {
        2 | 10 | 24 | 28 | 30 => Network::Ip(rest),
        _ => Network::Other("loopback_family"),
    }
}

fn name_of(kind: u16) -> &'static str {
    match kind {
        0..=0x05dc => "llc",
        0x0806 => "arp",
        0x8035 => "rarp",
        VLAN | QINQ | QINQ_OLD => "vlan_stack",
        0x8847 | 0x8848 => "mpls",
        0x8863 => "pppoe_discovery",
        0x8864 => "pppoe",
        0x888e => "eapol",
        0x88cc => "lldp",
        0x88e5 => "macsec",
        0x88e7 => "pbb",
        0x88f7 => "ptp",
        0x8915 => "roce",
        _ => "ethertype",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(tags: &[(u16, u16)], kind: u16) -> Vec<u8> {
        let mut frame = vec![0u8; 12];
        for (tag, id) in tags {
            frame.extend(tag.to_be_bytes());
            frame.extend(id.to_be_bytes());
        }
        frame.extend(kind.to_be_bytes());
        frame.push(0x45);
        frame
    }

    #[test]
    fn the_outermost_of_stacked_tags_is_the_flows_vlan() {
        let frame = tagged(&[(QINQ, 0x2064), (VLAN, 7)], IPV4);
        let (network, vlan) = strip(Link::Ethernet, &frame).unwrap();
        assert!(matches!(network, Network::Ip([0x45])));
        assert_eq!(vlan, 0x64);
    }

    #[test]
    fn a_stack_without_end_is_no_ip() {
        let frame = tagged(&[(VLAN, 1); 9], IPV4);
        let (network, _) = strip(Link::Ethernet, &frame).unwrap();
        assert!(matches!(network, Network::Other("vlan_stack")));
    }

    #[test]
    fn a_header_cut_anywhere_is_a_problem_not_a_panic() {
        let frame = tagged(&[(QINQ, 1), (VLAN, 2)], IPV4);
        for link in [Link::Ethernet, Link::Sll, Link::Sll2, Link::Null, Link::Raw] {
            for cut in 0..frame.len() {
                let _ = strip(link, &frame[..cut]);
            }
        }
        assert_eq!(strip(Link::Ethernet, &frame[..15]).err().unwrap().kind, "truncated_vlan");
    }
}
