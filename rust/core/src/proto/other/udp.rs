//! Over UDP.

use super::{first_line, label, peer};
use crate::bytes::Reader;
use crate::proto::Label;

const NTP_PORT: u16 = 123;
const DHCP_PORTS: [u16; 4] = [67, 68, 546, 547];

/// Names what a datagram holds, where that is certain. Ports count only for NTP and DHCP, whose
/// messages have no mark of their own.
#[must_use]
pub fn label_udp(src_port: u16, dst_port: u16, bytes: &[u8]) -> Option<Label> {
    let either = |ports: &[u16]| ports.contains(&src_port) || ports.contains(&dst_port);
    if either(&[NTP_PORT]) && is_ntp(bytes) {
        return label("ntp", b"");
    }
    if either(&DHCP_PORTS) && is_dhcp(bytes) {
        return label("dhcp", b"");
    }
    quic(bytes)
        .or_else(|| stun(bytes))
        .or_else(|| dtls(bytes))
        .or_else(|| wireguard(bytes))
        .or_else(|| tailscale(bytes))
        .or_else(|| peer::ethereum_discovery(bytes))
        .or_else(|| ssdp(bytes))
}

/// Versions 1 to 4 with a mode of the protocol; the basic message has 48 bytes (RFC 5905).
fn is_ntp(bytes: &[u8]) -> bool {
    const BASIC: usize = 48;
    let Some(&first) = bytes.first() else {
        return false;
    };
    let (version, mode) = (first >> 3 & 0x7, first & 0x7);
    bytes.len() >= BASIC && (1..=4).contains(&version) && (1..=5).contains(&mode)
}

/// The magic cookie behind BOOTP's fixed part (RFC 2131).
fn is_dhcp(bytes: &[u8]) -> bool {
    const FIXED: usize = 236;
    bytes.get(FIXED..).is_some_and(|options| options.starts_with(&[0x63, 0x82, 0x53, 0x63]))
}

/// A long header of a version that exists, with connection ids of allowed lengths.
fn quic(bytes: &[u8]) -> Option<Label> {
    /// RFC 9000 section 17.2.
    const MAX_ID: u8 = 20;
    let mut r = Reader::new(bytes);
    let (first, version) = (r.u8().ok()?, r.u32().ok()?);
    let name = match version.to_be_bytes() {
        [0, 0, 0, 1] => "v1".to_owned(),
        [0x6b, 0x33, 0x43, 0xcf] => "v2".to_owned(),
        [0xff, 0, 0, draft] => format!("draft-{draft}"),
        [kind @ (b'Q' | b'T'), a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            [kind, a, b, c].map(char::from).iter().collect()
        }
        _ => return None,
    };
    for _ in 0..2 {
        let length = r.u8().ok()?;
        if length > MAX_ID {
            return None;
        }
        r.take(usize::from(length)).ok()?;
    }
    let long_header = first & 0xc0 == 0xc0;
    if long_header && !r.is_empty() { label("quic", name.as_bytes()) } else { None }
}

/// The magic cookie, and a length that is the datagram's (RFC 8489).
fn stun(bytes: &[u8]) -> Option<Label> {
    const COOKIE: u32 = 0x2112_a442;
    const HEADER: usize = 20;
    let mut r = Reader::new(bytes);
    let (kind, length, cookie) = (r.u16().ok()?, r.u16().ok()?, r.u32().ok()?);
    let whole = bytes.len() == HEADER + usize::from(length);
    if kind & 0xc000 == 0 && cookie == COOKIE && length % 4 == 0 && whole {
        return label("stun", b"");
    }
    None
}

/// A record of a version that exists, no longer than the datagram.
fn dtls(bytes: &[u8]) -> Option<Label> {
    let mut r = Reader::new(bytes);
    let (kind, version) = (r.u8().ok()?, r.u16().ok()?);
    let name = match version {
        0xfefd => "1.2",
        0xfeff => "1.0",
        _ => return None,
    };
    r.take(8).ok()?;
    let length = usize::from(r.u16().ok()?);
    let fits = length > 0 && length <= r.rest().len();
    if matches!(kind, 20..=24) && fits { label("dtls", name.as_bytes()) } else { None }
}

/// Message types 1 to 4 with their exact sizes; a data packet's counter is small.
fn wireguard(bytes: &[u8]) -> Option<Label> {
    let (&[kind, 0, 0, 0], rest) = bytes.split_first_chunk::<4>()? else {
        return None;
    };
    let counter_is_small = || rest.get(8..12) == Some(&[0; 4]);
    let name = match (kind, bytes.len()) {
        (1, 148) => "initiation",
        (2, 92) => "response",
        (3, 64) => "cookie",
        (4, size) if size >= 32 && size % 16 == 0 && counter_is_small() => "data",
        _ => return None,
    };
    label("wireguard", name.as_bytes())
}

/// Tailscale's path discovery.
fn tailscale(bytes: &[u8]) -> Option<Label> {
    const MAGIC: &[u8] = &[0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac];
    if bytes.starts_with(MAGIC) { label("tailscale", b"disco") } else { None }
}

fn ssdp(bytes: &[u8]) -> Option<Label> {
    let line = first_line(bytes);
    let known = line == b"M-SEARCH * HTTP/1.1" || line == b"NOTIFY * HTTP/1.1";
    if known { label("ssdp", line) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(port: u16, bytes: &[u8]) -> String {
        let found = label_udp(40_000, port, bytes);
        found.map_or(String::new(), |label| format!("{} {}", label.name, label.detail))
    }

    fn sized(start: &[u8], size: usize) -> Vec<u8> {
        let mut bytes = start.to_vec();
        bytes.resize(size, 0xee);
        bytes
    }

    #[test]
    fn datagrams_with_a_certain_mark_are_named() {
        assert_eq!(name(123, &sized(&[0x23], 48)), "ntp ");
        assert_eq!(name(443, &sized(&[0xc3, 0, 0, 0, 1, 2, 7, 7, 0], 1200)), "quic v1");
        assert_eq!(name(443, &sized(b"\xc3Q050\x01\x07\x00", 1200)), "quic Q050");
        assert_eq!(name(3478, b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"), "stun ");
        assert_eq!(name(4433, b"\x16\xfe\xfd\0\0\0\0\0\0\0\0\x00\x02\x01\x00"), "dtls 1.2");
        assert_eq!(name(51820, &sized(&[1, 0, 0, 0], 148)), "wireguard initiation");
        assert_eq!(name(1, b"TS\xf0\x9f\x92\xacrest"), "tailscale disco");
        assert_eq!(name(1900, b"M-SEARCH * HTTP/1.1\r\nHost: x\r\n"), "ssdp M-SEARCH * HTTP/1.1");
    }

    #[test]
    fn near_misses_have_no_name() {
        assert_eq!(name(124, &sized(&[0x23], 48)), "");
        assert_eq!(name(443, &sized(&[0x43, 0, 0, 0, 1, 2, 7, 7, 0], 1200)), "");
        assert_eq!(name(443, &sized(&[0xc3, 0, 0, 0, 1, 21], 1200)), "");
        assert_eq!(name(51820, &sized(&[1, 0, 0, 0], 147)), "");
        assert_eq!(name(51820, &sized(&[4, 0, 0, 0], 64)), "");
        assert_eq!(name(3478, b"\x00\x01\x00\x04\x21\x12\xa4\x42abcdefghijkl"), "");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            port: u16, bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = label_udp(port, 1, &bytes);
        }

        #[test]
        fn random_payload_has_no_name(seed in proptest::array::uniform32(any::<u8>())) {
            prop_assert_eq!(name(40_001, &seed.repeat(4)), "");
        }
    }
}
