//! SSH in clear, and the sizes of what follows (RFC 4253).
//!
//! Before NEWKEYS everything is readable: banners, both KEXINITs, the key exchange. After it only
//! sizes are. Where the cipher leaves packet lengths readable (AES-GCM, encrypt-then-MAC) packets
//! are cut exactly; elsewhere a TCP segment is taken for a packet, and full segments are joined to
//! what follows them.

mod kexinit;
mod roles;
mod suite;
mod tokens;

use md5::{Digest, Md5};

use self::kexinit::KexInit;
use self::roles::Exchange;
pub use self::roles::Roles;
use self::suite::Suite;
pub use self::tokens::Token;
use self::tokens::{Cut, Tokens};
use super::{At, Both, Event, Events, Parser, Step};
use crate::bytes::Reader;
use crate::text::{clip, hex};

/// Bytes a side may send before its banner (RFC 4253 section 4.2 lets a server greet first).
const PREAMBLE_BYTES: usize = 4000;
/// The longest packet kept before encryption; RFC 4253 section 6.1 asks for 35,000.
const PACKET_BYTES: usize = 40_000;
const BANNER_BYTES: usize = 255;

const KEXINIT: u8 = 20;
const NEWKEYS: u8 = 21;
/// What a NEWKEYS packet begins with: length, padding length, message (RFC 4253 sections 6, 7.3).
const NEWKEYS_PACKET: [u8; 6] = [0, 0, 0, 12, 10, NEWKEYS];
const NEWKEYS_PACKET_BYTES: usize = 16;

/// What one side of a connection negotiated for what it sends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sending {
    /// Its banner.
    pub banner: String,
    /// The cipher chosen.
    pub cipher: String,
    /// The MAC chosen; empty where the cipher authenticates itself.
    pub mac: String,
    /// The compression chosen.
    pub compression: String,
    /// Padding block in bytes, 0 if not known.
    pub block: u8,
    /// Authentication tag in bytes.
    pub tag: u8,
    /// `aead`, `etm`, `mac`, or empty: whether the length field counts for padding.
    pub framing: &'static str,
    /// Packet lengths can be read.
    pub lengths_readable: bool,
    /// Frame of its KEXINIT, 0 if none.
    pub kexinit_frame: u64,
    /// Frame of its NEWKEYS, 0 if none.
    pub newkeys_frame: u64,
    /// Time of its NEWKEYS.
    pub newkeys_ts: i64,
    /// Bytes of its stream that were not captured.
    pub missing: u64,
}

/// One SSH connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// What each side sends with.
    pub sending: Both<Sending>,
    /// Who is client and who server.
    pub roles: Roles,
    /// The key exchange chosen.
    pub kex: String,
    /// The host key algorithm chosen.
    pub host_key: String,
    /// HASSH of the SSH client (github.com/salesforce/hassh, BSD-3).
    pub hassh: String,
    /// HASSH of the SSH server.
    pub hassh_server: String,
    /// Tokens reported.
    pub tokens: u32,
    /// Tokens not reported because there were too many.
    pub tokens_dropped: u32,
    /// What carried the connection: empty for plain TCP.
    pub carrier: &'static str,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
enum Phase {
    #[default]
    Banner,
    Packets,
    /// Bytes of the key exchange are missing; it is over when NEWKEYS comes.
    Seeking,
    Encrypted,
    Lost,
}

#[derive(Debug, Default)]
struct Side {
    phase: Phase,
    held: Vec<u8>,
    preamble: usize,
    cut: Cut,
}

/// The parser of one SSH connection.
#[derive(Debug, Default)]
pub struct SshParser {
    sides: Both<Side>,
    lists: Both<Option<KexInit>>,
    exchange: Exchange,
    summary: Summary,
    tokens: Tokens,
    first: Option<At>,
    finished: bool,
}

impl SshParser {
    /// A parser for a connection inside `carrier` (empty for plain TCP).
    #[must_use]
    pub fn new(carrier: &'static str) -> Self {
        Self { summary: Summary { carrier, ..Summary::default() }, ..Self::default() }
    }

    /// Takes clear bytes; gives how many of `bytes` were clear.
    fn clear(&mut self, at: At, bytes: &[u8]) -> usize {
        let side = self.sides.of_mut(at.dir);
        let before = side.held.len();
        side.held.extend_from_slice(bytes);
        let mut used = 0;
        while let Some(len) = self.one_clear(at, used) {
            used += len;
            if self.sides.of(at.dir).phase == Phase::Encrypted {
                break;
            }
        }
        let side = self.sides.of_mut(at.dir);
        let encrypted = side.phase == Phase::Encrypted;
        if encrypted || side.phase == Phase::Lost {
            side.held = Vec::new();
        } else {
            side.held.drain(..used.min(side.held.len()));
            if side.held.len() > PACKET_BYTES {
                side.phase = Phase::Lost;
            }
        }
        if encrypted { used.saturating_sub(before) } else { bytes.len() }
    }

    /// Takes one line or packet that starts at `from` of what is held; gives its length.
    fn one_clear(&mut self, at: At, from: usize) -> Option<usize> {
        let side = self.sides.of_mut(at.dir);
        let held = side.held.get(from..)?;
        match side.phase {
            Phase::Banner => {
                let line = memchr::memchr(b'\n', held)?;
                let text = held.get(..line)?;
                let text = text.strip_suffix(b"\r").unwrap_or(text);
                side.preamble += line + 1;
                if text.starts_with(b"SSH-") {
                    self.summary.sending.of_mut(at.dir).banner = clip(text, BANNER_BYTES);
                    // SSH 1 has other packets, and nothing of it is wanted.
                    let second = text.starts_with(b"SSH-2") || text.starts_with(b"SSH-1.99");
                    side.phase = if second { Phase::Packets } else { Phase::Lost };
                } else if side.preamble > PREAMBLE_BYTES {
                    side.phase = Phase::Lost;
                }
                Some(line + 1)
            }
            Phase::Packets => {
                let mut r = Reader::new(held);
                let length = usize::try_from(r.u32().ok()?).unwrap_or(usize::MAX);
                if !(2..=PACKET_BYTES).contains(&length) {
                    side.phase = Phase::Lost;
                    return None;
                }
                let body = r.take(length).ok()?;
                let padding = usize::from(body.first().copied().unwrap_or(0));
                let end = length.saturating_sub(padding).max(1);
                let payload = body.get(1..end).unwrap_or_default().to_vec();
                self.message(at, &payload);
                Some(4 + length)
            }
            Phase::Seeking => self.seek(at, from),
            Phase::Encrypted | Phase::Lost => None,
        }
    }

    /// Takes what is not NEWKEYS, or NEWKEYS itself; gives how much that was.
    fn seek(&mut self, at: At, from: usize) -> Option<usize> {
        let held = self.sides.of(at.dir).held.get(from..)?;
        let Some(start) = memchr::memmem::find(held, &NEWKEYS_PACKET) else {
            // It may begin in the last bytes.
            let done = held.len().saturating_sub(NEWKEYS_PACKET.len() - 1);
            return (done > 0).then_some(done);
        };
        let end = start + NEWKEYS_PACKET_BYTES;
        if held.len() < end {
            return (start > 0).then_some(start);
        }
        self.new_keys(at);
        Some(end)
    }

    fn message(&mut self, at: At, payload: &[u8]) {
        let Some((&kind, rest)) = payload.split_first() else { return };
        match kind {
            KEXINIT => {
                self.summary.sending.of_mut(at.dir).kexinit_frame = at.frame;
                *self.lists.of_mut(at.dir) = KexInit::parse(rest);
            }
            30..=49 => self.exchange.note(at.dir, kind),
            NEWKEYS => self.new_keys(at),
            _ => {}
        }
    }

    fn new_keys(&mut self, at: At) {
        let sending = self.summary.sending.of_mut(at.dir);
        sending.newkeys_frame = at.frame;
        sending.newkeys_ts = at.ts;
        self.negotiate();
        let readable = self.summary.sending.of(at.dir).suite();
        let side = self.sides.of_mut(at.dir);
        side.phase = Phase::Encrypted;
        side.cut = Cut::new(readable);
    }

    /// Chooses as both sides do: the client's first that the server has (RFC 4253 section 7.1).
    fn negotiate(&mut self) {
        self.summary.roles = self.exchange.roles(&self.lists);
        let client = self.summary.roles.client();
        let (Some(ours), Some(theirs)) = (self.lists.of(client), self.lists.of(client.flip()))
        else {
            return;
        };
        let chosen = ours.choose(theirs);
        self.summary.kex = chosen.kex;
        self.summary.host_key = chosen.host_key;
        self.summary.hassh = md5_hex(&ours.hassh());
        self.summary.hassh_server = md5_hex(&theirs.hassh_server());
        self.summary.sending.of_mut(client).set(chosen.to_server);
        self.summary.sending.of_mut(client.flip()).set(chosen.to_client);
    }

    fn encrypted(&mut self, at: At, bytes: &[u8], out: &mut Events) {
        let cut = &mut self.sides.of_mut(at.dir).cut;
        self.tokens.take(at, bytes, cut, out);
    }
}

impl Sending {
    fn set(&mut self, chosen: kexinit::Chosen) {
        let suite = Suite::of(&chosen.cipher, &chosen.mac);
        self.cipher = chosen.cipher;
        self.mac =
            if suite.is_some_and(|s| s.framing == "aead") { String::new() } else { chosen.mac };
        self.compression = chosen.compression;
        if let Some(suite) = suite {
            self.block = suite.block;
            self.tag = suite.tag;
            self.framing = suite.framing;
            self.lengths_readable = suite.lengths_readable;
        }
    }

    /// The suite whose lengths can be read, if they can.
    fn suite(&self) -> Option<Suite> {
        let Self { block, tag, framing, lengths_readable, .. } = *self;
        lengths_readable.then_some(Suite { block, tag, framing, lengths_readable })
    }
}

fn md5_hex(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

impl Parser for SshParser {
    fn data(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step {
        self.first.get_or_insert(at);
        let mut rest = bytes;
        if self.sides.of(at.dir).phase != Phase::Encrypted {
            let clear = self.clear(at, bytes);
            rest = bytes.get(clear..).unwrap_or_default();
        }
        if self.sides.of(at.dir).phase == Phase::Encrypted && !rest.is_empty() {
            self.encrypted(at, rest, out);
        }
        let both_lost = self.sides.up.phase == Phase::Lost && self.sides.down.phase == Phase::Lost;
        if both_lost || self.tokens.is_full() { Step::Done } else { Step::More }
    }

    fn gap(&mut self, at: At, missing: u64, out: &mut Events) -> Step {
        self.summary.sending.of_mut(at.dir).missing += missing;
        let has_lists = self.lists.of(at.dir).is_some();
        let side = self.sides.of_mut(at.dir);
        side.held = Vec::new();
        match side.phase {
            Phase::Encrypted => self.tokens.lose(at.dir, &mut side.cut, out),
            Phase::Packets | Phase::Seeking if has_lists => side.phase = Phase::Seeking,
            _ => side.phase = Phase::Lost,
        }
        Step::More
    }

    fn finish(&mut self, out: &mut Events) {
        let Some(first) = self.first else { return };
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        self.tokens.finish(out);
        self.negotiate();
        let mut summary = std::mem::take(&mut self.summary);
        summary.tokens = self.tokens.reported();
        summary.tokens_dropped = self.tokens.dropped();
        out.push((first, Event::Ssh(Box::new(summary))));
    }
}

#[cfg(test)]
mod tests;
