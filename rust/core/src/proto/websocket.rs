//! WebSocket frames (RFC 6455), with `permessage-deflate` (RFC 7692).

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};

use crate::proto::{At, Both, Event, Events, Label, Parser, Step};

/// Bytes of a frame header at most: 2, a 64-bit length, a mask.
const MAX_HEADER: usize = 14;
/// Bytes inflated of one message; what is beyond is dropped.
const MAX_INFLATED: usize = 1024 * 1024;
/// Bytes inflated at a time.
const INFLATE_STEP: usize = 16 * 1024;
/// Ends a compressed message; the sender leaves it out (RFC 7692 section 7.2.2).
const DEFLATE_TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

const FINAL: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const RESERVED: u8 = 0x30;
const OPCODE: u8 = 0x0f;
const CONTINUATION: u8 = 0;
const MASKED: u8 = 0x80;

#[derive(Debug, Clone, Copy)]
struct Frame {
    left: u64,
    mask: Option<[u8; 4]>,
    /// Payload bytes passed, modulo 4: where in the mask the next one is.
    mask_at: usize,
    data: bool,
    last: bool,
}

#[derive(Debug, Default)]
struct Side {
    header: Vec<u8>,
    frame: Option<Frame>,
    /// The message under way is compressed.
    compressed: bool,
    inflater: Option<Decompress>,
    inflated: usize,
    /// Compressed data of this direction can no longer be read.
    inflate_lost: bool,
    lost: bool,
}

/// Takes frames apart and gives the payload of data frames to the parser of what is carried.
pub struct WebSocket {
    carried: Box<dyn Parser + Send>,
    deflate: bool,
    said_compressed: bool,
    sides: Both<Side>,
}

impl WebSocket {
    /// Starts behind the HTTP heads; `deflate` if they agreed on `permessage-deflate`.
    #[must_use]
    pub fn new(carried: Box<dyn Parser + Send>, deflate: bool) -> Self {
        Self { carried, deflate, said_compressed: false, sides: Both::default() }
    }

    fn payload(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step {
        let side = self.sides.of_mut(at.dir);
        let Some(frame) = &mut side.frame else {
            return Step::More;
        };
        let payload = unmask(frame, bytes);
        frame.left = frame.left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let frame = *frame;
        if frame.left == 0 {
            side.frame = None;
        }
        if !frame.data {
            return Step::More;
        }
        if side.compressed {
            let message_ends = frame.left == 0 && frame.last;
            return self.compressed(at, &payload, message_ends, out);
        }
        if payload.is_empty() {
            return Step::More;
        }
        self.carried.data(at, &payload, out)
    }

    fn compressed(&mut self, at: At, payload: &[u8], ends: bool, out: &mut Events) -> Step {
        if !self.deflate {
            if !std::mem::replace(&mut self.said_compressed, true) {
                let label = Label { name: "websocket_compressed", detail: String::new() };
                out.push((at, Event::Label(label)));
            }
            return Step::More;
        }
        let step = self.inflate(at, payload, out);
        if !ends || step != Step::More {
            return step;
        }
        let step = self.inflate(at, &DEFLATE_TAIL, out);
        self.sides.of_mut(at.dir).inflated = 0;
        step
    }

    fn inflate(&mut self, at: At, mut input: &[u8], out: &mut Events) -> Step {
        loop {
            let before = input.len();
            let content = self.sides.of_mut(at.dir).inflate_some(&mut input);
            if content.is_empty() {
                if input.len() == before {
                    return Step::More;
                }
                continue;
            }
            let step = self.carried.data(at, &content, out);
            if step != Step::More {
                return step;
            }
        }
    }
}

fn unmask<'a>(frame: &mut Frame, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    let Some(mask) = frame.mask else {
        return Cow::Borrowed(bytes);
    };
    let keys = mask.iter().cycle().skip(frame.mask_at);
    frame.mask_at = (frame.mask_at + bytes.len()) % mask.len();
    bytes.iter().zip(keys).map(|(byte, key)| byte ^ key).collect()
}

impl Side {
    /// Takes one header byte; the frame begins when the header is whole.
    fn header_byte(&mut self, byte: u8) {
        self.header.push(byte);
        let Some((flags, frame)) = parse_header(&self.header) else {
            self.lost |= self.header.len() >= MAX_HEADER;
            return;
        };
        self.header.clear();
        let opcode = flags & OPCODE;
        let control = opcode & 0x8 != 0;
        let known = matches!(opcode, 0..=2 | 8..=10);
        let control_fits = !control || frame.left <= 125 && frame.last;
        if !known || flags & RESERVED != 0 || !control_fits {
            self.lost = true;
            return;
        }
        if !control && opcode != CONTINUATION {
            self.compressed = flags & COMPRESSED != 0;
        }
        self.frame = Some(frame);
    }

    /// Inflates the next bytes of `input`; nothing if there are none or they cannot be read.
    fn inflate_some(&mut self, input: &mut &[u8]) -> Vec<u8> {
        if self.inflate_lost || self.inflated >= MAX_INFLATED {
            return Vec::new();
        }
        let inflater = self.inflater.get_or_insert_with(|| Decompress::new(false));
        let mut content = Vec::with_capacity(INFLATE_STEP);
        let before = inflater.total_in();
        let status = inflater.decompress_vec(input, &mut content, FlushDecompress::Sync);
        let taken = usize::try_from(inflater.total_in() - before).unwrap_or(usize::MAX);
        *input = input.get(taken..).unwrap_or_default();
        match status {
            // A sender may end the stream with each message and begin a new one.
            Ok(Status::StreamEnd) => inflater.reset(false),
            Ok(Status::Ok | Status::BufError) => {}
            Err(_) => {
                self.inflate_lost = true;
                self.inflater = None;
                return Vec::new();
            }
        }
        self.inflated += content.len();
        // Past the bound the window no longer fits what the sender refers to.
        self.inflate_lost |= self.inflated >= MAX_INFLATED;
        content
    }
}

/// The first byte and the frame, once the header is whole.
fn parse_header(header: &[u8]) -> Option<(u8, Frame)> {
    let (&[flags, second], rest) = header.split_first_chunk::<2>()?;
    let (left, rest) = match second & !MASKED {
        126 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (u64::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            (u64::from_be_bytes(*length), rest)
        }
        short => (u64::from(short), rest),
    };
    let mask = match second & MASKED {
        0 => None,
        _ => Some(*rest.first_chunk::<4>()?),
    };
    let data = flags & 0x8 == 0;
    Some((flags, Frame { left, mask, mask_at: 0, data, last: flags & FINAL != 0 }))
}

impl Parser for WebSocket {
    fn data(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step {
        let mut rest = bytes;
        loop {
            let side = self.sides.of_mut(at.dir);
            if side.lost {
                break;
            }
            let step = if let Some(frame) = side.frame {
                let wanted = usize::try_from(frame.left).unwrap_or(usize::MAX);
                if rest.is_empty() && wanted > 0 {
                    break;
                }
                let (taken, behind) = rest.split_at_checked(wanted).unwrap_or((rest, &[]));
                rest = behind;
                self.payload(at, taken, out)
            } else {
                let Some((&byte, behind)) = rest.split_first() else {
                    break;
                };
                rest = behind;
                side.header_byte(byte);
                Step::More
            };
            if step != Step::More {
                return Step::Done;
            }
        }
        if self.sides.up.lost && self.sides.down.lost { Step::Done } else { Step::More }
    }

    fn gap(&mut self, at: At, missing: u64, out: &mut Events) -> Step {
        let side = self.sides.of_mut(at.dir);
        match &mut side.frame {
            Some(frame) if frame.left > missing => {
                frame.left -= missing;
                let shift = usize::try_from(missing % 4).unwrap_or_default();
                frame.mask_at = (frame.mask_at + shift) % 4;
                side.inflate_lost |= side.compressed;
            }
            _ => side.lost = true,
        }
        let step = self.carried.gap(at, missing, out);
        if step != Step::More || self.sides.up.lost && self.sides.down.lost {
            return Step::Done;
        }
        Step::More
    }

    fn finish(&mut self, out: &mut Events) {
        self.carried.finish(out);
    }
}

#[cfg(test)]
mod tests;
