use proptest::prelude::*;

use super::{Decoded, Decoder, Packet, flag, protocol};
use crate::capture::{Frame, Link};
use crate::limits::Limits;

fn frame(link: Link, data: &[u8]) -> Frame<'_> {
    let orig_len = u32::try_from(data.len()).unwrap();
    Frame { number: 1, ts: 0, orig_len, data, link, link_number: 0, interface: 0, offset: 0 }
}

/// An IPv4 packet from 192.0.2.1 to 198.51.100.2 that claims `claim` bytes.
fn ipv4(proto: u8, claim: usize, fragment: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x45, 0];
    bytes.extend(u16::try_from(claim).unwrap().to_be_bytes());
    bytes.extend([0, 7]);
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([64, proto, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2]);
    bytes.extend(body);
    bytes
}

fn ipv6(next: u8, claim: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(claim.to_be_bytes());
    bytes.extend([next, 64]);
    for last in [1u8, 2] {
        bytes.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    bytes.extend(body);
    bytes
}

/// A TCP segment with `options` words of options.
fn tcp(options: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 9, 0, 0, 0, 8];
    bytes.extend([(5 + options) << 4, flag::SYN, 0x10, 0, 0, 0, 0, 0]);
    bytes.extend(vec![1; usize::from(options) * 4]);
    bytes.extend(payload);
    bytes
}

/// Hands the packet of a raw IP frame to `check`; what else came out is an error.
fn decoded(bytes: &[u8], check: impl FnOnce(&Packet)) -> Result<(), String> {
    let mut decoder = Decoder::new(&Limits::default());
    match decoder.decode(&frame(Link::Raw, bytes)) {
        Decoded::Packet(packet) => {
            check(&packet);
            Ok(())
        }
        Decoded::Bad(problem) => Err(format!("{}.{}", problem.layer, problem.kind)),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn a_segment_is_read_with_its_lengths() {
    let bytes = ipv4(protocol::TCP, 20 + 24 + 5, 0, &tcp(1, b"hello and Ethernet padding"));
    decoded(&bytes, |packet| {
        assert_eq!((packet.src_port, packet.dst_port, packet.ip_len), (40_000, 443, 49));
        assert_eq!((packet.payload, packet.payload_len), (&b"hello"[..], 5));
        let tcp = packet.tcp.unwrap();
        assert_eq!((tcp.seq, tcp.ack, tcp.window), (9, 8, 4096));
        assert!(tcp.has(flag::SYN) && !tcp.has(flag::ACK));
    })
    .unwrap();
}

#[test]
fn options_cut_by_the_snap_length_do_not_hide_the_segment() {
    let whole = ipv4(protocol::TCP, 20 + 40 + 100, 0, &tcp(5, &[]));
    for kept in [36, 40, 47, whole.len()] {
        decoded(&whole[..kept], |packet| {
            assert_eq!((packet.src_port, packet.payload_len), (40_000, 100));
            assert!(packet.payload.is_empty());
        })
        .unwrap();
    }
    assert_eq!(decoded(&whole[..35], |_| ()), Err("tcp.truncated".to_owned()));
}

#[test]
fn a_header_longer_than_its_packet_is_malformed() {
    let bytes = ipv4(protocol::TCP, 40, 0, &tcp(2, &[]));
    assert_eq!(decoded(&bytes, |_| ()), Err("tcp.bad_header".to_owned()));
    let mut short = ipv4(protocol::TCP, 40, 0, &tcp(0, &[]));
    short[32] = 4 << 4;
    assert_eq!(decoded(&short, |_| ()), Err("tcp.bad_header".to_owned()));
}

#[test]
fn a_length_of_zero_means_what_was_captured_and_a_false_one_nothing() {
    let offloaded = ipv4(protocol::TCP, 0, 0, &tcp(0, &[7; 3000]));
    decoded(&offloaded, |packet| {
        assert_eq!((packet.ip_len, packet.payload_len), (3040, 3000));
    })
    .unwrap();
    let short = ipv4(protocol::TCP, 11, 0, &tcp(0, &[7; 30]));
    assert_eq!(decoded(&short, |_| ()), Err("ip.bad_length".to_owned()));
}

#[test]
fn lengths_come_from_the_headers_where_the_snap_length_cut() {
    let bytes = ipv4(protocol::UDP, 1028, 0, &[0, 53, 4, 0, 3, 240, 0, 0, 1, 2, 3]);
    decoded(&bytes, |packet| {
        assert_eq!((packet.payload.len(), packet.payload_len, packet.ip_len), (3, 1000, 1028));
    })
    .unwrap();
}

#[test]
fn extension_headers_are_passed_to_the_transport() {
    let mut body = vec![43, 0, 1, 4, 0, 0, 0, 0, protocol::UDP, 0, 0, 0, 0, 0, 0, 0];
    body.extend([0, 1, 0, 2, 0, 12, 0, 0, 9, 9, 9, 9]);
    decoded(&ipv6(0, 28, &body), |packet| {
        assert_eq!((packet.proto, packet.src_port, packet.dst_port), (protocol::UDP, 1, 2));
        assert_eq!((packet.ip_len, packet.payload_len), (68, 4));
    })
    .unwrap();
    assert_eq!(decoded(&ipv6(0, 28, &body[..4]), |_| ()), Err("ip.bad_extension".to_owned()));
}

#[test]
fn the_authentication_header_is_passed_too() {
    let mut body = vec![protocol::UDP, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    body.extend([0; 12]);
    body.extend([0, 1, 0, 2, 0, 9, 0, 0, 9]);
    decoded(&ipv4(51, 20 + 33, 0, &body), |packet| {
        assert_eq!((packet.proto, packet.payload), (protocol::UDP, &[9][..]));
    })
    .unwrap();
}

#[test]
fn a_datagram_counts_when_its_last_fragment_is_there() {
    let datagram = [&[0, 1, 0, 2, 0, 24, 0, 0][..], &[5; 16]].concat();
    let mut decoder = Decoder::new(&Limits::default());
    let first = ipv4(protocol::UDP, 36, 0x2000, &datagram[..16]);
    let last = ipv4(protocol::UDP, 28, 0x0002, &datagram[16..]);
    assert!(matches!(decoder.decode(&frame(Link::Raw, &last)), Decoded::Fragment));
    let Decoded::Packet(packet) = decoder.decode(&frame(Link::Raw, &first)) else {
        panic!("the datagram is complete");
    };
    assert_eq!((packet.packets, packet.ip_len, packet.payload_len), (2, 64, 16));
    assert_eq!(packet.payload, [5; 16]);
}

#[test]
fn a_packet_cut_into_eight_bytes_each_is_put_together() {
    let body = [&[0, 1, 0, 2, 5, 200, 0, 0][..], &[3; 1472]].concat();
    let mut decoder = Decoder::new(&Limits::default());
    let pieces: Vec<_> = (0u16..)
        .zip(body.chunks(8))
        .map(|(at, piece)| ipv4(protocol::UDP, 28, at | if at < 184 { 0x2000 } else { 0 }, piece))
        .collect();
    let (last, others) = pieces.split_last().unwrap();
    for piece in others {
        assert!(matches!(decoder.decode(&frame(Link::Raw, piece)), Decoded::Fragment));
    }
    let Decoded::Packet(packet) = decoder.decode(&frame(Link::Raw, last)) else {
        panic!("185 pieces make the packet");
    };
    assert_eq!((packet.packets, packet.payload.len()), (185, 1472));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_decoded_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        number in prop_oneof![Just(0u16), Just(1), Just(101), Just(113), Just(276)],
    ) {
        let mut decoder = Decoder::new(&Limits::default());
        let _ = decoder.decode(&frame(Link::from_number(number), &bytes));
    }

    #[test]
    fn what_a_packet_claims_is_never_less_than_what_it_holds(
        mut bytes in proptest::collection::vec(any::<u8>(), 20..200),
        version in prop_oneof![Just(0x45u8), Just(0x46), Just(0x60)],
    ) {
        bytes[0] = version;
        let mut decoder = Decoder::new(&Limits::default());
        if let Decoded::Packet(packet) = decoder.decode(&frame(Link::Raw, &bytes)) {
            prop_assert!(u32::try_from(packet.payload.len()).unwrap() <= packet.payload_len);
            prop_assert!(packet.payload_len <= packet.ip_len);
        }
    }
}
