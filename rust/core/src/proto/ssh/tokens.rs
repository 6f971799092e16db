//! Encrypted bytes to tokens: packets where lengths are readable, segments elsewhere.

use super::suite::Suite;
use crate::dir::{Both, Dir};
use crate::proto::{At, Event, Events};

/// Tokens reported of one connection; a session of an hour's typing with chaff fits.
const TOKENS_MAX: u32 = 20_000;
/// A delivery of this size may be a full segment: the packet can go on in the next one. Ethernet
/// paths carry 1,200 bytes or more (RFC 9000 section 14 relies on that too).
const FULL_SEGMENT: usize = 1200;
/// The longest packet OpenSSH sends or takes (`PACKET_MAX_SIZE`).
const PACKET_MAX: u32 = 256 * 1024;

/// One SSH packet, or one segment where packets cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Bytes on the wire: length field, padding and MAC included.
    pub size: u32,
    /// Cut by a readable length.
    pub exact: bool,
    /// Its place among the connection's tokens.
    pub index: u32,
}

/// How one direction is cut.
#[derive(Debug, Default)]
pub struct Cut {
    readable: Option<Suite>,
    lost: bool,
    head: Vec<u8>,
    left: u32,
    size: u32,
    started: Option<At>,
}

impl Cut {
    /// Cuts by the lengths of `readable`, or by segments.
    pub fn new(readable: Option<Suite>) -> Self {
        Self { readable, ..Self::default() }
    }

    /// Packet borders are not known any more.
    fn lose(&mut self) {
        *self = Self { lost: self.readable.is_some(), readable: self.readable, ..Self::default() };
    }

    /// Follows lengths again if `bytes` are whole packets, one behind the other.
    ///
    /// A segment often begins with a packet; that its lengths lead exactly to its end is no chance.
    fn find_again(&mut self, bytes: &[u8]) {
        let Some(suite) = self.readable else { return };
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(size) = rest.first_chunk::<4>().and_then(|head| packet_size(suite, *head))
            else {
                return;
            };
            let Some(after) = usize::try_from(size).ok().and_then(|size| rest.get(size..)) else {
                return;
            };
            rest = after;
        }
        self.lost = false;
    }
}

/// Bytes of the packet with this length field on the wire; `None` if no packet has it.
fn packet_size(suite: Suite, head: [u8; 4]) -> Option<u32> {
    let length = u32::from_be_bytes(head);
    let block = u32::from(suite.block);
    let can_be = length <= PACKET_MAX && length >= block && length.is_multiple_of(block);
    can_be.then(|| 4 + length + u32::from(suite.tag))
}

/// The tokens of one connection.
#[derive(Debug, Default)]
pub struct Tokens {
    reported: u32,
    dropped: u32,
    joined: Both<Option<(At, u32)>>,
}

impl Tokens {
    /// Tokens reported so far.
    pub fn reported(&self) -> u32 {
        self.reported
    }

    /// Tokens not reported.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// True when no further token will be reported.
    pub fn is_full(&self) -> bool {
        self.reported >= TOKENS_MAX
    }

    /// Takes encrypted bytes of one direction.
    pub fn take(&mut self, at: At, bytes: &[u8], cut: &mut Cut, out: &mut Events) {
        self.flush(at.dir.flip(), out);
        if cut.lost {
            cut.find_again(bytes);
        }
        match cut.readable {
            Some(suite) if !cut.lost => {
                self.flush(at.dir, out);
                self.exact(at, bytes, suite, cut, out);
            }
            _ => self.segment(at, bytes.len(), out),
        }
    }

    /// Bytes are missing: lengths cannot be followed until a segment of whole packets comes.
    pub fn lose(&mut self, dir: Dir, cut: &mut Cut, out: &mut Events) {
        self.flush(dir, out);
        cut.lose();
    }

    /// Reports what waits for more.
    pub fn finish(&mut self, out: &mut Events) {
        self.flush(Dir::Up, out);
        self.flush(Dir::Down, out);
    }

    fn exact(&mut self, at: At, bytes: &[u8], suite: Suite, cut: &mut Cut, out: &mut Events) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if cut.left == 0 {
                let need = 4usize.saturating_sub(cut.head.len());
                let (head, after) = rest.split_at(need.min(rest.len()));
                cut.head.extend_from_slice(head);
                cut.started.get_or_insert(at);
                rest = after;
                let Some(length) = cut.head.first_chunk::<4>() else { return };
                let Some(size) = packet_size(suite, *length) else {
                    // Not a length: the stream is not what was negotiated. Go on by segments.
                    let size = cut.head.len() + rest.len();
                    cut.lose();
                    self.segment(at, size, out);
                    return;
                };
                cut.size = size;
                cut.left = size - 4;
                cut.head.clear();
            }
            let step = usize::try_from(cut.left).unwrap_or(usize::MAX).min(rest.len());
            rest = rest.get(step..).unwrap_or_default();
            cut.left -= u32::try_from(step).unwrap_or(0);
            if cut.left == 0 {
                let started = cut.started.take().unwrap_or(at);
                self.report(started, cut.size, true, out);
            }
        }
    }

    fn segment(&mut self, at: At, len: usize, out: &mut Events) {
        let size = u32::try_from(len).unwrap_or(u32::MAX);
        let waiting = self.joined.of_mut(at.dir).take();
        let (started, total) = match waiting {
            Some((started, before)) => (started, before.saturating_add(size)),
            None => (at, size),
        };
        if len >= FULL_SEGMENT {
            *self.joined.of_mut(at.dir) = Some((started, total));
        } else {
            self.report(started, total, false, out);
        }
    }

    fn flush(&mut self, dir: Dir, out: &mut Events) {
        if let Some((started, size)) = self.joined.of_mut(dir).take() {
            self.report(started, size, false, out);
        }
    }

    fn report(&mut self, at: At, size: u32, exact: bool, out: &mut Events) {
        if self.is_full() {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let index = self.reported;
        self.reported += 1;
        out.push((at, Event::SshToken(Token { size, exact, index })));
    }
}
