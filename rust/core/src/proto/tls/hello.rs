//! One reassembled handshake message to a [`Hello`].

use tls_parser::{parse_tls_handshake_client_hello, parse_tls_handshake_server_hello};

use super::{Hello, fingerprint};
use crate::bytes::Reader;
use crate::proto::text::clip;

const HELLO_REQUEST: u8 = 0;
/// Handshake type of a ClientHello.
pub(super) const CLIENT: u8 = 1;
/// Handshake type of a ServerHello.
pub(super) const SERVER: u8 = 2;

/// Type and length in front of each handshake message.
const PREFIX: usize = 4;
/// The longest hello that is read.
const MAX_MESSAGE: usize = 64 * 1024 - PREFIX;
/// Extensions read of one hello; browsers send about 20.
const MAX_EXTENSIONS: usize = 256;
const MAX_ALPN: usize = 16;
/// Bytes of a server name kept (RFC 1035 section 3.1), and of an ALPN name.
const MAX_NAME: usize = 255;

const EXT_SNI: u16 = 0;
const EXT_GROUPS: u16 = 10;
const EXT_POINT_FORMATS: u16 = 11;
const EXT_SIGNATURES: u16 = 13;
const EXT_ALPN: u16 = 16;
const EXT_VERSIONS: u16 = 43;

/// The random of a HelloRetryRequest: SHA-256 of that name (RFC 8446 section 4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What the joined handshake bytes hold.
#[derive(Debug)]
pub(super) enum Parsed {
    Incomplete,
    Hello(Box<Hello>),
    /// A message of this many bytes that a hello may follow.
    Skip(usize),
    /// No hello, and none will follow.
    Other,
}

/// The parts of a hello the facts and fingerprints are made of, as sent, GREASE included.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    pub(super) legacy_version: u16,
    pub(super) ciphers: Vec<u16>,
    pub(super) extensions: Vec<u16>,
    pub(super) groups: Vec<u16>,
    pub(super) point_formats: &'a [u8],
    pub(super) signatures: Vec<u16>,
    pub(super) versions: Vec<u16>,
    pub(super) alpn: Vec<&'a [u8]>,
    pub(super) sni: &'a [u8],
}

impl Parts<'_> {
    pub(super) fn has_extension(&self, wanted: u16) -> bool {
        self.extensions.contains(&wanted)
    }

    /// The highest version of the extension, or the one in the hello's fixed part.
    pub(super) fn version(&self) -> u16 {
        let offered = self.versions.iter().copied().filter(|&version| !is_grease(version));
        offered.max().unwrap_or(self.legacy_version)
    }
}

/// Values that clients sprinkle in to keep servers tolerant (RFC 8701).
pub(super) fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// Reads the first message of the joined handshake bytes.
pub(super) fn parse(handshake: &[u8]) -> Parsed {
    let mut r = Reader::new(handshake);
    let Ok(kind) = r.u8() else {
        return Parsed::Incomplete;
    };
    if !matches!(kind, HELLO_REQUEST | CLIENT | SERVER) {
        return Parsed::Other;
    }
    let Ok(length) = r.u24() else {
        return Parsed::Incomplete;
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_MESSAGE {
        return Parsed::Other;
    }
    let Ok(body) = r.take(length) else {
        return Parsed::Incomplete;
    };
    let hello = match kind {
        CLIENT => client(body),
        SERVER if is_retry(body) => return Parsed::Skip(PREFIX + length),
        SERVER => server(body),
        _ => return Parsed::Skip(PREFIX + length),
    };
    hello.map_or(Parsed::Other, |hello| Parsed::Hello(Box::new(hello)))
}

fn is_retry(body: &[u8]) -> bool {
    body.get(2..).is_some_and(|rest| rest.starts_with(&RETRY_RANDOM))
}

fn client(body: &[u8]) -> Option<Hello> {
    let (_, contents) = parse_tls_handshake_client_hello(body).ok()?;
    let mut parts = Parts {
        legacy_version: contents.version.0,
        ciphers: contents.ciphers.iter().map(|cipher| cipher.0).collect(),
        ..Parts::default()
    };
    read_extensions(contents.ext.unwrap_or_default(), true, &mut parts);
    let offered = parts.ciphers.iter().filter(|&&cipher| !is_grease(cipher)).count();
    Some(Hello {
        client: true,
        sni: clip(parts.sni, MAX_NAME).to_ascii_lowercase(),
        cipher_count: u16::try_from(offered).unwrap_or(u16::MAX),
        ja3: fingerprint::ja3(&parts),
        ja4: fingerprint::ja4(&parts),
        ..common(&parts)
    })
}

fn server(body: &[u8]) -> Option<Hello> {
    let (_, contents) = parse_tls_handshake_server_hello(body).ok()?;
    let mut parts = Parts {
        legacy_version: contents.version.0,
        ciphers: vec![contents.cipher.0],
        ..Parts::default()
    };
    read_extensions(contents.ext.unwrap_or_default(), false, &mut parts);
    Some(Hello {
        cipher_count: 1,
        cipher: format!("0x{:04x}", contents.cipher.0),
        ja3s: fingerprint::ja3s(&parts),
        ..common(&parts)
    })
}

fn common(parts: &Parts<'_>) -> Hello {
    let offered = parts.versions.iter().copied().filter(|&version| !is_grease(version));
    let mut versions: Vec<String> = offered.map(version_name).collect();
    if versions.is_empty() {
        versions.push(version_name(parts.legacy_version));
    }
    Hello {
        alpn: parts.alpn.iter().take(MAX_ALPN).map(|name| clip(name, MAX_NAME)).collect(),
        version: version_name(parts.version()),
        versions,
        ..Hello::default()
    }
}

fn version_name(version: u16) -> String {
    let name = match version {
        0x0304 => "1.3",
        0x0303 => "1.2",
        0x0302 => "1.1",
        0x0301 => "1.0",
        0x0300 => "ssl3",
        0x0002 => "ssl2",
        _ => return format!("0x{version:04x}"),
    };
    name.to_owned()
}

/// Walks the extensions; one that is malformed inside is counted and otherwise ignored, because
/// the fingerprints need the type of every one of them.
fn read_extensions<'a>(bytes: &'a [u8], client: bool, parts: &mut Parts<'a>) {
    let mut r = Reader::new(bytes);
    while !r.is_empty() && parts.extensions.len() < MAX_EXTENSIONS {
        let (Ok(kind), Ok(length)) = (r.u16(), r.u16()) else {
            return;
        };
        let Ok(data) = r.take(usize::from(length)) else {
            return;
        };
        parts.extensions.push(kind);
        match kind {
            EXT_SNI => parts.sni = host_name(data).unwrap_or_default(),
            EXT_GROUPS => parts.groups = listed_u16(data).unwrap_or_default(),
            EXT_POINT_FORMATS => parts.point_formats = listed_u8(data).unwrap_or_default(),
            EXT_SIGNATURES => parts.signatures = listed_u16(data).unwrap_or_default(),
            EXT_ALPN => parts.alpn = names(data).unwrap_or_default(),
            EXT_VERSIONS if client => {
                parts.versions = listed_u8(data).map(numbers).unwrap_or_default();
            }
            EXT_VERSIONS => parts.versions = numbers(data),
            _ => {}
        }
    }
}

fn numbers(bytes: &[u8]) -> Vec<u16> {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect()
}

/// A list of 16-bit numbers behind its length in bytes, 16 bits.
fn listed_u16(data: &[u8]) -> Option<Vec<u16>> {
    let mut r = Reader::new(data);
    let length = usize::from(r.u16().ok()?);
    r.take(length).ok().map(numbers)
}

/// Bytes behind their length, 8 bits.
fn listed_u8(data: &[u8]) -> Option<&[u8]> {
    let mut r = Reader::new(data);
    let length = usize::from(r.u8().ok()?);
    r.take(length).ok()
}

/// The first host name of a server name list (RFC 6066 section 3).
fn host_name(data: &[u8]) -> Option<&[u8]> {
    const HOST_NAME: u8 = 0;
    let mut r = Reader::new(data);
    let _list_length = r.u16().ok()?;
    loop {
        let kind = r.u8().ok()?;
        let length = usize::from(r.u16().ok()?);
        let name = r.take(length).ok()?;
        if kind == HOST_NAME {
            return Some(name);
        }
    }
}

/// Protocol names (RFC 7301 section 3.1).
fn names(data: &[u8]) -> Option<Vec<&[u8]>> {
    let mut r = Reader::new(data);
    let _list_length = r.u16().ok()?;
    let mut names = Vec::new();
    while !r.is_empty() && names.len() < MAX_ALPN {
        let length = usize::from(r.u8().ok()?);
        names.push(r.take(length).ok()?);
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grease_is_two_equal_bytes_that_end_in_a() {
        assert!(is_grease(0x0a0a) && is_grease(0xfafa));
        assert!(!is_grease(0x0a1a) && !is_grease(0x1301));
    }

    #[test]
    fn a_malformed_extension_is_still_counted() {
        let mut parts = Parts::default();

        read_extensions(&[0, 16, 0, 1, 9, 0, 23, 0, 0], true, &mut parts);

        assert_eq!(parts.extensions, [16, 23]);
        assert!(parts.alpn.is_empty());
    }
}
