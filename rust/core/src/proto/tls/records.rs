//! One direction's records, joined until its hello is whole.

use super::Hello;
use super::hello::{self, Parsed};

pub(super) const HANDSHAKE: u8 = 22;
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
pub(super) const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

const HEADER: usize = 5;
/// High byte of the longest record: 2^14 plus 2,048 (RFC 5246 section 6.2.3).
pub(super) const MAX_LENGTH_HIGH: u8 = 0x48;
/// Handshake bytes joined while a hello is awaited, and bytes of a direction read for it.
const MAX_HANDSHAKE: usize = 64 * 1024;

/// What the bytes just given completed.
#[derive(Debug)]
pub(super) enum Heard {
    Nothing,
    Hello(Box<Hello>),
    /// The direction's first bytes are no record.
    Clear(Vec<u8>),
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Side {
    header: Vec<u8>,
    kind: u8,
    left: usize,
    records_begun: u32,
    handshake: Vec<u8>,
    record_bytes: u32,
    passed: usize,
    finished: bool,
}

impl Side {
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn give_up(&mut self) {
        *self = Self { finished: true, ..Self::default() };
    }

    pub(super) fn data(&mut self, mut bytes: &[u8]) -> Heard {
        while !self.finished && !bytes.is_empty() {
            let heard = if self.left > 0 { self.body(&mut bytes) } else { self.head(&mut bytes) };
            if !matches!(heard, Heard::Nothing) {
                self.give_up();
                return heard;
            }
            if self.passed > MAX_HANDSHAKE {
                self.give_up();
            }
        }
        Heard::Nothing
    }

    /// Takes header bytes; each is judged as it comes, so that a cut cannot change the verdict.
    fn head(&mut self, bytes: &mut &[u8]) -> Heard {
        let Some((&byte, rest)) = bytes.split_first() else {
            return Heard::Nothing;
        };
        let fits = match self.header.len() {
            0 => matches!(byte, CHANGE_CIPHER_SPEC..=HEARTBEAT),
            1 => byte == 3,
            2 => byte <= 4,
            3 => byte <= MAX_LENGTH_HIGH,
            _ => true,
        };
        if !fits {
            return self.no_record(bytes);
        }
        self.header.push(byte);
        self.passed += 1;
        *bytes = rest;
        if let [kind, _, _, high, low] = *self.header {
            self.header.clear();
            self.begin_record(kind, usize::from(u16::from_be_bytes([high, low])));
        }
        Heard::Nothing
    }

    fn no_record(&mut self, bytes: &[u8]) -> Heard {
        if self.records_begun > 0 {
            self.give_up();
            return Heard::Nothing;
        }
        Heard::Clear([self.header.as_slice(), bytes].concat())
    }

    fn begin_record(&mut self, kind: u8, length: usize) {
        self.records_begun += 1;
        self.kind = kind;
        self.left = length;
        match kind {
            HANDSHAKE => {
                if self.handshake.is_empty() {
                    self.record_bytes = 0;
                }
                let whole = u32::try_from(HEADER + length).unwrap_or(u32::MAX);
                self.record_bytes = self.record_bytes.saturating_add(whole);
            }
            // The hellos went by before the capture began.
            APPLICATION_DATA => self.give_up(),
            ALERT | CHANGE_CIPHER_SPEC | HEARTBEAT => {}
            _ => self.give_up(),
        }
    }

    fn body(&mut self, bytes: &mut &[u8]) -> Heard {
        let (taken, rest) = bytes.split_at_checked(self.left).unwrap_or((bytes, &[]));
        *bytes = rest;
        self.left -= taken.len();
        self.passed += taken.len();
        if self.kind != HANDSHAKE {
            return Heard::Nothing;
        }
        self.handshake.extend_from_slice(taken);
        self.messages()
    }

    fn messages(&mut self) -> Heard {
        loop {
            match hello::parse(&self.handshake) {
                Parsed::Incomplete => return Heard::Nothing,
                Parsed::Skip(length) => {
                    self.handshake.drain(..length.min(self.handshake.len()));
                }
                Parsed::Other => {
                    self.give_up();
                    return Heard::Nothing;
                }
                Parsed::Hello(mut hello) => {
                    hello.record_bytes = self.record_bytes;
                    return Heard::Hello(hello);
                }
            }
        }
    }
}
