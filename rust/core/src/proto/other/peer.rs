//! Peer networks of coins.

use super::label;
use crate::bytes::Reader;
use crate::proto::Label;

/// First four bytes of every Bitcoin-like message, by network.
const MAGICS: [([u8; 4], &str); 10] = [
    ([0xf9, 0xbe, 0xb4, 0xd9], "mainnet"),
    ([0x0b, 0x11, 0x09, 0x07], "testnet3"),
    ([0x1c, 0x16, 0x3f, 0x28], "testnet4"),
    ([0xfa, 0xbf, 0xb5, 0xda], "regtest"),
    ([0x0a, 0x03, 0xcf, 0x40], "signet"),
    ([0xfb, 0xc0, 0xb6, 0xdb], "litecoin"),
    ([0xc0, 0xc0, 0xc0, 0xc0], "dogecoin"),
    ([0xbf, 0x0c, 0x6b, 0xbd], "dash"),
    ([0x24, 0xe9, 0x27, 0x64], "zcash"),
    ([0xe3, 0xe1, 0xf3, 0xe8], "bitcoin cash"),
];

/// Longest message a peer may send (Bitcoin Core `net.h`, MAX_PROTOCOL_MESSAGE_LENGTH).
const MAX_MESSAGE: u32 = 4_000_000;

/// Bitcoin and its kin: magic, a command of 12 bytes padded with zeros, a length. An unknown magic
/// counts with the command `version`, which opens every connection.
pub(super) fn bitcoin(bytes: &[u8]) -> Option<Label> {
    let mut r = Reader::new(bytes);
    let magic: [u8; 4] = r.array().ok()?;
    let padded: [u8; 12] = r.array().ok()?;
    if r.u32_le().ok()? > MAX_MESSAGE {
        return None;
    }
    let command = command(&padded)?;
    let network = MAGICS.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name);
    let network = match network {
        Some(network) => network,
        None if command == "version" => "unknown network",
        None => return None,
    };
    label("bitcoin_p2p", format!("{network} {command}").as_bytes())
}

fn command(padded: &[u8; 12]) -> Option<&str> {
    let end = padded.iter().position(|&byte| byte == 0).unwrap_or(padded.len());
    let (name, padding) = padded.split_at_checked(end)?;
    let named = !name.is_empty() && name.iter().all(u8::is_ascii_alphanumeric);
    let padded_with_zeros = padding.iter().all(|&byte| byte == 0);
    if named && padded_with_zeros { std::str::from_utf8(name).ok() } else { None }
}

/// Levin, which Monero and its kin speak: a signature, a length, and a command number.
pub(super) fn monero(bytes: &[u8]) -> Option<Label> {
    const SIGNATURE: &[u8] = &[0x01, 0x21, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01];
    let mut r = Reader::new(bytes.strip_prefix(SIGNATURE)?);
    let (_length, _answer) = (r.array::<8>().ok()?, r.u8().ok()?);
    label("monero_p2p", format!("command {}", r.u32_le().ok()?).as_bytes())
}

/// Ethereum node discovery (discv4): hash 32, signature 65, type, then one RLP list that fills the
/// datagram and begins as its type demands.
pub(super) fn ethereum_discovery(bytes: &[u8]) -> Option<Label> {
    let mut r = Reader::new(bytes);
    r.take(32 + 64).ok()?;
    let (recovery, kind) = (r.u8().ok()?, r.u8().ok()?);
    let list = rlp_list(r.rest())?;
    let name = match (kind, list) {
        // A version number, then the endpoints, each a list.
        (1, [4 | 5, 0xc0..=0xff, ..]) => "ping",
        (2, [0xc0..=0xff, ..]) => "pong",
        // A public key of 64 bytes.
        (3, [0xb8, 64, ..]) => "findnode",
        (4, [0xc0..=0xff, ..]) => "neighbors",
        _ => return None,
    };
    if recovery > 1 {
        return None;
    }
    label("ethereum_p2p", format!("discv4 {name}").as_bytes())
}

/// The content of an RLP list that is as long as `bytes`.
fn rlp_list(bytes: &[u8]) -> Option<&[u8]> {
    let (&first, rest) = bytes.split_first()?;
    let (length, content) = match first {
        0xc0..=0xf7 => (usize::from(first - 0xc0), rest),
        0xf8 => {
            let (&length, content) = rest.split_first()?;
            (usize::from(length), content)
        }
        0xf9 => {
            let (length, content) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), content)
        }
        _ => return None,
    };
    (content.len() == length).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_told_by_their_magic() {
        let verack = b"\xf9\xbe\xb4\xd9verack\0\0\0\0\0\0\0\0\0\0\x5d\xf6\xe0\xe2";
        let unknown = b"\x01\x02\x03\x04version\0\0\0\0\0\x66\0\0\0";

        assert_eq!(bitcoin(verack).unwrap().detail, "mainnet verack");
        assert_eq!(bitcoin(unknown).unwrap().detail, "unknown network version");
        assert!(bitcoin(b"\x01\x02\x03\x04verack\0\0\0\0\0\0\0\0\0\0").is_none());
        assert!(bitcoin(b"\xf9\xbe\xb4\xd9ver\0ck\0\0\0\0\0\0\0\0\0\0").is_none());
    }

    #[test]
    fn levin_is_told_by_its_signature() {
        let handshake = b"\x01\x21\x01\x01\x01\x01\x01\x01\xe2\0\0\0\0\0\0\0\x01\xe9\x03\0\0";

        assert_eq!(monero(handshake).unwrap().detail, "command 1001");
    }

    #[test]
    fn discovery_must_fill_its_datagram() {
        let mut findnode = vec![9; 96];
        findnode.extend([1, 3, 0xf8, 71, 0xb8, 64]);
        findnode.extend([7; 64]);
        findnode.extend([0x84, 1, 2, 3, 4]);

        assert_eq!(ethereum_discovery(&findnode).unwrap().detail, "discv4 findnode");
        findnode.push(0);
        assert!(ethereum_discovery(&findnode).is_none());
    }
}
