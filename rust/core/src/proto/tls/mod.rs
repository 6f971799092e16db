//! TLS hellos: what both ends say before the connection is encrypted (RFC 8446, RFC 5246).

mod fingerprint;
mod hello;
mod records;

use records::{Heard, Side};

use crate::proto::text::clip;
use crate::proto::{At, Both, Event, Events, Label, Parser, Step};

/// A ClientHello or a ServerHello.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hello {
    /// True for a ClientHello.
    pub client: bool,
    /// The server name the client asks for, lower case; empty if none.
    pub sni: String,
    /// Application protocols offered, at most 16, or the chosen one.
    pub alpn: Vec<String>,
    /// The highest version offered, or the chosen one: `1.3`, `1.2`, …, `ssl3`, or hex.
    pub version: String,
    /// Every version offered, in the client's order, or the chosen one.
    pub versions: Vec<String>,
    /// Cipher suites offered, without GREASE; 1 for a ServerHello.
    pub cipher_count: u16,
    /// The chosen cipher suite, as `0x1301`; empty for a ClientHello.
    pub cipher: String,
    /// JA3 of a ClientHello: 32 hex digits; else empty.
    pub ja3: String,
    /// JA3S of a ServerHello: 32 hex digits; else empty.
    pub ja3s: String,
    /// JA4 of a ClientHello; else empty.
    pub ja4: String,
    /// Bytes of the records that carry the hello, with their headers.
    pub record_bytes: u32,
}

/// Bytes of a clear answer to a ClientHello that are reported.
const MAX_CLEAR_ANSWER: usize = 120;

/// True if `bytes`, the first of a direction, can be the beginning of a TLS record with a hello.
///
/// At least three bytes are needed to say so; what is there of the first six must fit.
#[must_use]
pub fn probe(bytes: &[u8]) -> bool {
    let fits = |at: usize, good: fn(u8) -> bool| bytes.get(at).is_none_or(|&byte| good(byte));
    bytes.len() >= 3
        && fits(0, |kind| kind == records::HANDSHAKE)
        && fits(1, |major| major == 3)
        && fits(2, |minor| minor <= 4)
        && fits(3, |length| length <= records::MAX_LENGTH_HIGH)
        && fits(5, |message| matches!(message, hello::CLIENT | hello::SERVER))
}

/// True if `bytes` begin with the record of an encrypted connection whose hellos went by before the
/// capture began: application data of a length that records have.
#[must_use]
pub fn is_data(bytes: &[u8]) -> bool {
    /// An encrypted record holds at least an authentication tag.
    const SHORTEST: u16 = 16;
    match *bytes {
        [records::APPLICATION_DATA, 3, 1..=3, high, low, ..] => {
            high <= records::MAX_LENGTH_HIGH && u16::from_be_bytes([high, low]) > SHORTEST
        }
        _ => false,
    }
}

/// Reads the two hellos of one connection.
#[derive(Debug, Default)]
pub struct TlsParser {
    sides: Both<Side>,
    client_seen: bool,
    server_seen: bool,
    /// What a side said in clear although the other greeted it with TLS.
    clear: Option<(At, Vec<u8>)>,
}

impl TlsParser {
    fn heard(&mut self, at: At, heard: Heard, out: &mut Events) -> Step {
        match heard {
            Heard::Hello(hello) => {
                let seen = if hello.client { &mut self.client_seen } else { &mut self.server_seen };
                if !std::mem::replace(seen, true) {
                    out.push((at, Event::Tls(hello)));
                }
            }
            Heard::Clear(bytes) if self.client_seen => self.clear_answer(at, &bytes, out),
            Heard::Clear(_) if self.server_seen => {}
            Heard::Clear(_) => return Step::NotMine,
            Heard::Nothing => {}
        }
        self.step()
    }

    fn step(&self) -> Step {
        let ended = self.sides.up.is_finished() && self.sides.down.is_finished();
        if ended && self.clear.is_none() { Step::Done } else { Step::More }
    }

    /// Collects the clear answer until it has a line or [`MAX_CLEAR_ANSWER`] bytes.
    fn clear_answer(&mut self, at: At, bytes: &[u8], out: &mut Events) {
        let (_, collected) = self.clear.get_or_insert_with(|| (at, Vec::new()));
        let room = MAX_CLEAR_ANSWER.saturating_sub(collected.len());
        collected.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if collected.len() >= MAX_CLEAR_ANSWER || collected.contains(&b'\n') {
            self.report_clear(out);
        }
    }

    fn report_clear(&mut self, out: &mut Events) {
        let Some((at, collected)) = self.clear.take() else {
            return;
        };
        let line = collected.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii();
        let readable = line.iter().all(|&byte| byte == b'\t' || byte >= b' ' && byte != 0x7f);
        if readable && !line.is_empty() {
            let detail = clip(line, MAX_CLEAR_ANSWER);
            out.push((at, Event::Label(Label { name: "tls_refused_in_clear", detail })));
        }
    }
}

impl Parser for TlsParser {
    fn data(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step {
        if self.clear.as_ref().is_some_and(|(first, _)| first.dir == at.dir) {
            self.clear_answer(at, bytes, out);
            return self.step();
        }
        let heard = self.sides.of_mut(at.dir).data(bytes);
        self.heard(at, heard, out)
    }

    fn gap(&mut self, at: At, _missing: u64, _out: &mut Events) -> Step {
        // A hello with a hole cannot be read, and record borders are lost with it.
        self.sides.of_mut(at.dir).give_up();
        self.step()
    }

    fn finish(&mut self, out: &mut Events) {
        self.report_clear(out);
    }
}

#[cfg(test)]
mod tests;
