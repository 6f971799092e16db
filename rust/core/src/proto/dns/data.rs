//! Record types and record data as text.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::name;
use crate::bytes::Reader;
use crate::proto::text::clip;

/// Bytes of text kept of one record.
const MAX_TEXT: usize = 512;
/// Bytes of an unknown record shown in hex.
const MAX_HEX: usize = 64;

const A: u16 = 1;
const AAAA: u16 = 28;

/// True for record types that hold an address.
pub(super) fn is_address(rtype: u16) -> bool {
    matches!(rtype, A | AAAA)
}

/// The type's name, or `TYPEnnn`.
pub(super) fn type_name(rtype: u16) -> String {
    let name = match rtype {
        A => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        10 => "NULL",
        12 => "PTR",
        13 => "HINFO",
        15 => "MX",
        16 => "TXT",
        AAAA => "AAAA",
        33 => "SRV",
        35 => "NAPTR",
        39 => "DNAME",
        41 => "OPT",
        43 => "DS",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        50 => "NSEC3",
        52 => "TLSA",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        257 => "CAA",
        _ => return format!("TYPE{rtype}"),
    };
    name.to_owned()
}

/// A record's data as text; in the generic form of RFC 3597 where it is unknown or malformed.
pub(super) fn text(message: &[u8], rtype: u16, data_at: usize, data: &[u8]) -> String {
    let text = known(message, rtype, data_at, data).unwrap_or_else(|| generic(data));
    clip(text.as_bytes(), MAX_TEXT)
}

fn known(message: &[u8], rtype: u16, data_at: usize, data: &[u8]) -> Option<String> {
    // Names in the data may point into the whole message, so the reader runs over the message and
    // ends where the data ends.
    let end = data_at.checked_add(data.len())?;
    let mut r = Reader::new(message.get(..end)?);
    r.take(data_at).ok()?;
    match rtype {
        A => Some(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).to_string()),
        AAAA => Some(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).to_string()),
        2 | 5 | 12 | 39 => name::read(message, &mut r),
        6 => soa(message, &mut r),
        15 => Some(format!("{} {}", r.u16().ok()?, name::read(message, &mut r)?)),
        16 | 99 => character_strings(data),
        33 => {
            let (priority, weight, port) = (r.u16().ok()?, r.u16().ok()?, r.u16().ok()?);
            Some(format!("{priority} {weight} {port} {}", name::read(message, &mut r)?))
        }
        64 | 65 => service_binding(message, &mut r),
        _ => None,
    }
}

fn soa(message: &[u8], r: &mut Reader<'_>) -> Option<String> {
    let (primary, mailbox) = (name::read(message, r)?, name::read(message, r)?);
    let mut text = format!("{primary} {mailbox}");
    for _ in 0..5 {
        write!(text, " {}", r.u32().ok()?).ok()?;
    }
    Some(text)
}

/// The strings of a TXT record, joined as its readers join them (RFC 7208 section 3.3).
fn character_strings(data: &[u8]) -> Option<String> {
    let mut r = Reader::new(data);
    let mut joined = Vec::new();
    while !r.is_empty() {
        let length = usize::from(r.u8().ok()?);
        joined.extend_from_slice(r.take(length).ok()?);
    }
    Some(clip(&joined, MAX_TEXT))
}

/// SVCB and HTTPS (RFC 9460): priority, target, then `key=value`.
fn service_binding(message: &[u8], r: &mut Reader<'_>) -> Option<String> {
    let priority = r.u16().ok()?;
    let target = name::read(message, r)?;
    let target = if target.is_empty() { "." } else { &target };
    let mut text = format!("{priority} {target}");
    while !r.is_empty() && text.len() < MAX_TEXT {
        let key = r.u16().ok()?;
        let length = usize::from(r.u16().ok()?);
        let value = r.take(length).ok()?;
        text.push(' ');
        text.push_str(&service_parameter(key, value)?);
    }
    Some(text)
}

fn service_parameter(key: u16, value: &[u8]) -> Option<String> {
    Some(match key {
        1 => format!("alpn={}", alpn(value)?),
        2 => "no-default-alpn".to_owned(),
        3 => format!("port={}", Reader::new(value).u16().ok()?),
        4 => format!("ipv4hint={}", addresses::<4, Ipv4Addr>(value)),
        5 => "ech".to_owned(),
        6 => format!("ipv6hint={}", addresses::<16, Ipv6Addr>(value)),
        _ => format!("key{key}"),
    })
}

fn alpn(value: &[u8]) -> Option<String> {
    let mut r = Reader::new(value);
    let mut names = Vec::new();
    while !r.is_empty() {
        let length = usize::from(r.u8().ok()?);
        names.push(clip(r.take(length).ok()?, MAX_TEXT));
    }
    Some(names.join(","))
}

fn addresses<const N: usize, T: From<[u8; N]> + ToString>(value: &[u8]) -> String {
    let (chunks, _) = value.as_chunks::<N>();
    let shown: Vec<String> = chunks.iter().map(|octets| T::from(*octets).to_string()).collect();
    shown.join(",")
}

fn generic(data: &[u8]) -> String {
    let mut text = format!("\\# {}", data.len());
    if !data.is_empty() {
        text.push(' ');
    }
    for octet in data.iter().take(MAX_HEX) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rtype: u16, data: &[u8]) -> String {
        text(data, rtype, 0, data)
    }

    #[test]
    fn known_types_read_as_their_zone_file_text() {
        assert_eq!(shown(1, &[192, 0, 2, 1]), "192.0.2.1");
        assert_eq!(shown(15, b"\x00\x0a\x02mx\x04test\x00"), "10 mx.test");
        assert_eq!(shown(16, b"\x03abc\x02de"), "abcde");
        assert_eq!(
            shown(33, b"\x00\x01\x00\x02\x0d\x05\x04pool\x04test\x00"),
            "1 2 3333 pool.test"
        );
        assert_eq!(
            shown(
                65,
                b"\x00\x01\x00\x00\x01\x00\x03\x02h2\x00\x03\x00\x02\x01\xbb\x00\x05\x00\x00"
            ),
            "1 . alpn=h2 port=443 ech"
        );
        assert_eq!(
            shown(6, b"\x01a\x00\x01b\x00\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05"),
            "a b 1 2 3 4 5"
        );
    }

    #[test]
    fn address_hints_are_listed() {
        assert_eq!(
            shown(64, b"\x00\x02\x01s\x00\x00\x04\x00\x08\xc0\x00\x02\x01\xc0\x00\x02\x02"),
            "2 s ipv4hint=192.0.2.1,192.0.2.2"
        );
    }

    #[test]
    fn unknown_and_malformed_data_are_shown_in_hex() {
        assert_eq!(shown(10, &[0xde, 0xad]), "\\# 2 dead");
        assert_eq!(shown(1, &[1, 2, 3]), "\\# 3 010203");
        assert_eq!(shown(16, b"\x09abc"), "\\# 4 09616263");
        assert_eq!(type_name(65280), "TYPE65280");
    }
}
