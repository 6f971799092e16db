//! JA3, JA3S and JA4 (the TLS client part, which is under the BSD licence).

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::hello::{Parts, is_grease};
use crate::text::{hex, push_decimal, push_hex};

const EXT_SNI: u16 = 0;
const EXT_ALPN: u16 = 16;
/// Counts in JA4 have two digits.
const MAX_COUNT: usize = 99;
/// Hex digits kept of each JA4 hash.
const HASH_DIGITS: usize = 12;
const NO_HASH: &str = "000000000000";

/// MD5 of `version,ciphers,extensions,groups,point formats` in decimal, GREASE left out.
pub(super) fn ja3(parts: &Parts<'_>) -> String {
    let points: Vec<u16> = parts.point_formats.iter().map(|&point| u16::from(point)).collect();
    md5_hex(&format!(
        "{},{},{},{},{}",
        parts.legacy_version,
        decimals(&parts.ciphers),
        decimals(&parts.extensions),
        decimals(&parts.groups),
        decimals(&points),
    ))
}

/// MD5 of `version,cipher,extensions` in decimal.
pub(super) fn ja3s(parts: &Parts<'_>) -> String {
    let (ciphers, extensions) = (decimals(&parts.ciphers), decimals(&parts.extensions));
    md5_hex(&format!("{},{ciphers},{extensions}", parts.legacy_version))
}

/// JA4 of a ClientHello over TCP.
pub(super) fn ja4(parts: &Parts<'_>) -> String {
    let mut ciphers = without_grease(&parts.ciphers);
    let mut extensions = without_grease(&parts.extensions);
    let head = format!(
        "t{}{}{:02}{:02}{}",
        ja4_version(parts.version()),
        if parts.has_extension(EXT_SNI) { 'd' } else { 'i' },
        ciphers.len().min(MAX_COUNT),
        extensions.len().min(MAX_COUNT),
        ja4_alpn(parts.alpn.first().copied().unwrap_or_default()),
    );
    ciphers.sort_unstable();
    extensions.retain(|&kind| kind != EXT_SNI && kind != EXT_ALPN);
    extensions.sort_unstable();
    let mut behind = hex_list(&extensions);
    let signatures = hex_list(&without_grease(&parts.signatures));
    if !signatures.is_empty() {
        behind = format!("{behind}_{signatures}");
    }
    format!("{head}_{}_{}", ja4_hash(&hex_list(&ciphers)), ja4_hash(&behind))
}

fn ja4_version(version: u16) -> &'static str {
    match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// First and last character of the first protocol; of its hex form where one of the two is not a
/// letter or digit.
fn ja4_alpn(name: &[u8]) -> String {
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else {
        return "00".to_owned();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [first, last].map(char::from).iter().collect();
    }
    format!("{:x}{:x}", first >> 4, last & 0x0f)
}

fn ja4_hash(list: &str) -> String {
    if list.is_empty() {
        return NO_HASH.to_owned();
    }
    let digest = Sha256::digest(list.as_bytes());
    hex(digest.get(..HASH_DIGITS / 2).unwrap_or_default())
}

fn without_grease(values: &[u16]) -> Vec<u16> {
    values.iter().copied().filter(|&value| !is_grease(value)).collect()
}

fn decimals(values: &[u16]) -> String {
    joined(values.iter().copied().filter(|&value| !is_grease(value)), '-', push_decimal)
}

fn hex_list(values: &[u16]) -> String {
    joined(values.iter().copied(), ',', |text, value| {
        for byte in value.to_be_bytes() {
            push_hex(text, byte);
        }
    })
}

fn joined(
    values: impl Iterator<Item = u16>,
    between: char,
    push: impl Fn(&mut String, u16),
) -> String {
    // The longest lists of browsers: 60 values of five digits and what is between them.
    let mut text = String::with_capacity(360);
    for value in values {
        if !text.is_empty() {
            text.push(between);
        }
        push(&mut text, value);
    }
    text
}

fn md5_hex(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpn_characters_that_are_no_letters_or_digits_show_in_hex() {
        assert_eq!(ja4_alpn(b"h2"), "h2");
        assert_eq!(ja4_alpn(b"http/1.1"), "h1");
        assert_eq!(ja4_alpn(b""), "00");
        assert_eq!(ja4_alpn(&[0xab]), "ab");
        assert_eq!(ja4_alpn(&[0xab, 0xcd]), "ad");
        assert_eq!(ja4_alpn(&[0x30, 0xab]), "3b");
        assert_eq!(ja4_alpn(&[0x30, 0xab, 0xcd, 0x31]), "01");
    }

    /// The worked example of the JA4 description, its cipher and extension lists.
    #[test]
    fn the_published_example_is_reproduced() {
        let parts = Parts {
            legacy_version: 0x0303,
            versions: vec![0x7a7a, 0x0304, 0x0303],
            ciphers: vec![
                0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8,
                0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0x3a3a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005,
                0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015,
            ],
            signatures: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
            alpn: vec![b"h2", b"http/1.1"],
            ..Parts::default()
        };

        assert_eq!(ja4(&parts), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn empty_lists_hash_to_zeros() {
        assert_eq!(ja4(&Parts::default()), "t00i000000_000000000000_000000000000");
    }
}
