//! The block format (draft-ietf-opsawg-pcapng): sections, interfaces, times of any resolution.

use super::{Context, Interface, Located};
use crate::bytes::Reader;
use crate::limits::Limits;
use crate::text::clip;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// Type, length, and the length again at the end.
const BLOCK_MIN: usize = 12;
/// Bytes searched for the next good block at a time, and those behind them that it may need.
const RESYNC_WINDOW: usize = 1 << 20;
const RESYNC_AHEAD: usize = 512 << 10;
/// Interfaces kept of one file; hostile files may list any number.
const INTERFACES_MAX: usize = 4096;
/// A link type nobody was given (the registry's private range ends below it).
const UNKNOWN_LINK: u16 = u16::MAX;
/// Options read of one block.
const OPTIONS_MAX: usize = 64;
const NAME_BYTES: usize = 128;

/// True when `start` is a section header block.
pub fn is_pcapng(start: &[u8]) -> bool {
    let magic = start.get(8..12);
    start.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a])
        && (magic == Some(&[0x1a, 0x2b, 0x3c, 0x4d]) || magic == Some(&[0x4d, 0x3c, 0x2b, 0x1a]))
}

/// How an interface counts time.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// Units in a second.
    per_second: u64,
    offset_s: i64,
}

impl Clock {
    fn nanoseconds(self, units: u64) -> i64 {
        let whole = units / self.per_second;
        let rest = u128::from(units % self.per_second) * 1_000_000_000;
        let nanos = i64::try_from(rest / u128::from(self.per_second)).unwrap_or(0);
        i64::try_from(whole)
            .unwrap_or(i64::MAX)
            .saturating_add(self.offset_s)
            .saturating_mul(1_000_000_000)
            .saturating_add(nanos)
    }
}

/// The state of one pcapng file.
pub struct Pcapng {
    big_endian: bool,
    block_max: usize,
    /// Where the current section's interfaces begin in the file's list.
    section: usize,
    clocks: Vec<Clock>,
}

/// A cursor that knows the section's byte order.
struct Fields<'a> {
    bytes: Reader<'a>,
    big_endian: bool,
}

impl Fields<'_> {
    fn u16(&mut self) -> Option<u16> {
        if self.big_endian { self.bytes.u16() } else { self.bytes.u16_le() }.ok()
    }

    fn u32(&mut self) -> Option<u32> {
        if self.big_endian { self.bytes.u32() } else { self.bytes.u32_le() }.ok()
    }
}

impl Pcapng {
    /// A reader for a file that starts with a section header.
    pub fn new(limits: &Limits) -> Self {
        Self { big_endian: false, block_max: limits.block_bytes, section: 0, clocks: Vec::new() }
    }

    fn fields<'a>(&self, bytes: &'a [u8]) -> Fields<'a> {
        Fields { bytes: Reader::new(bytes), big_endian: self.big_endian }
    }

    /// Finds the next packet, taking in the blocks before it.
    #[inline]
    pub fn next(&mut self, at: &mut Context) -> Option<Located> {
        loop {
            let (kind, total) = self.block(at)?;
            let offset = at.buffer.offset();
            let body = at.buffer.ready().get(8..total.saturating_sub(4)).unwrap_or_default();
            let found = match kind {
                ENHANCED_PACKET => self.enhanced(body),
                SIMPLE_PACKET => self.simple(body, at.interfaces),
                PACKET => self.obsolete(body),
                _ => {
                    self.other_block(kind, total, at);
                    at.buffer.consume(total);
                    continue;
                }
            };
            let Some(mut found) = found else {
                at.issue("bad_block", format!("packet block of {total} bytes does not add up"));
                at.buffer.consume(total);
                continue;
            };
            self.note_comment(kind, total, found.len, at);
            found.back += 4;
            found.offset = offset;
            at.buffer.consume(total);
            return Some(found);
        }
    }

    /// Makes the next block ready and returns its type and length.
    fn block(&mut self, at: &mut Context) -> Option<(u32, usize)> {
        loop {
            if !at.buffer.fill(BLOCK_MIN) {
                at.end_inside_record(BLOCK_MIN);
                return None;
            }
            let ready = at.buffer.ready();
            let is_section = is_pcapng(ready);
            if is_section {
                self.big_endian = ready.get(8..12) == Some(&[0x1a, 0x2b, 0x3c, 0x4d]);
            }
            let (kind, total) = self.head(ready)?;
            if kind == SECTION && !is_section {
                self.skip_bad(at, "section header without byte-order magic".to_owned())?;
                continue;
            }
            if total < BLOCK_MIN || total > self.block_max {
                self.skip_bad(at, format!("claims {total} bytes, limit {}", self.block_max))?;
                continue;
            }
            if !at.buffer.fill(total) {
                // Either the file was cut, or the length is false and blocks follow.
                if self.search(at.buffer.ready(), 1).is_some() {
                    self.skip_bad(at, format!("claims {total} bytes, more than there are"))?;
                    continue;
                }
                at.end_inside_record(total);
                return None;
            }
            at.buffer.fill(total.next_multiple_of(4));
            match self.closed_len(at.buffer.ready(), total) {
                Some(len) => return Some((kind, len)),
                None => {
                    let detail = format!("the {total} bytes long block ends with another length");
                    self.skip_bad(at, detail)?;
                }
            }
        }
    }

    fn head(&self, bytes: &[u8]) -> Option<(u32, usize)> {
        let mut fields = self.fields(bytes);
        Some((fields.u32()?, usize::try_from(fields.u32()?).unwrap_or(usize::MAX)))
    }

    /// How long the block of `total` bytes is with its padding, if it ends with its length. Some
    /// writers do not pad.
    fn closed_len(&self, ready: &[u8], total: usize) -> Option<usize> {
        let closes = |end: usize| {
            let tail = ready.get(end.saturating_sub(4)..end).unwrap_or_default();
            self.fields(tail).u32().and_then(|n| usize::try_from(n).ok()) == Some(total)
        };
        [total.next_multiple_of(4), total].into_iter().find(|&end| closes(end))
    }

    /// Reports a block that does not add up and moves on to the next good one; `None` if there is
    /// none.
    fn skip_bad(&mut self, at: &mut Context, detail: String) -> Option<()> {
        at.issue("bad_block", detail);
        let from = at.buffer.offset();
        at.buffer.consume(1);
        while at.buffer.fill(BLOCK_MIN) {
            at.buffer.fill(RESYNC_WINDOW + RESYNC_AHEAD);
            if let Some(skip) = self.search(at.buffer.ready(), 0) {
                at.buffer.consume(skip);
                let skipped = at.buffer.offset() - from;
                at.issue("resynchronised", format!("skipped {skipped} bytes from byte {from}"));
                return Some(());
            }
            let rest = at.buffer.ready().len().saturating_sub(BLOCK_MIN);
            at.buffer.consume(rest.min(RESYNC_WINDOW) + 1);
        }
        at.buffer.consume(usize::MAX);
        at.issue("lost", format!("no further block found after byte {from}"));
        *at.truncated_tail = true;
        None
    }

    /// Where, from `start` on, a block of a known type lies that ends with its own length.
    fn search(&self, ready: &[u8], start: usize) -> Option<usize> {
        let last = ready.len().saturating_sub(BLOCK_MIN).min(RESYNC_WINDOW);
        (start..=last).find(|&skip| ready.get(skip..).is_some_and(|rest| self.starts_block(rest)))
    }

    fn starts_block(&self, rest: &[u8]) -> bool {
        if is_pcapng(rest) {
            return true;
        }
        let Some((kind, total)) = self.head(rest) else { return false };
        let known =
            matches!(kind, INTERFACE | PACKET | SIMPLE_PACKET | STATISTICS | ENHANCED_PACKET);
        known && (BLOCK_MIN..=rest.len()).contains(&total) && self.closed_len(rest, total).is_some()
    }

    fn other_block(&mut self, kind: u32, total: usize, at: &mut Context) {
        let body = at.buffer.ready().get(8..total.saturating_sub(4)).unwrap_or_default().to_vec();
        match kind {
            SECTION => {
                self.section = at.interfaces.len();
                self.clocks.clear();
                // Byte-order magic, version, section length.
                let (_, comments) = self.options(body.get(16..).unwrap_or_default());
                *at.comments += comments;
            }
            INTERFACE => self.interface(&body, at),
            STATISTICS => self.statistics(&body, at.interfaces),
            _ => {}
        }
    }

    fn interface(&mut self, body: &[u8], at: &mut Context) {
        if at.interfaces.len() >= INTERFACES_MAX {
            at.issue("too_many_interfaces", format!("limit {INTERFACES_MAX}"));
            return;
        }
        let mut clock = Clock { per_second: 1_000_000, offset_s: 0 };
        let mut fields = self.fields(body);
        let (Some(link_number), Some(_), Some(snaplen)) =
            (fields.u16(), fields.u16(), fields.u32())
        else {
            at.issue("bad_block", "interface description is cut".to_owned());
            // It keeps its number, or those after it would be taken for their neighbours.
            self.clocks.push(clock);
            at.interfaces.push(Interface { link_number: UNKNOWN_LINK, ..Interface::default() });
            return;
        };
        let mut made = Interface { link_number, snaplen, ..Interface::default() };
        let (options, comments) = self.options(body.get(8..).unwrap_or_default());
        *at.comments += comments;
        for (code, value) in options {
            match (code, value) {
                (2, text) => made.name = clip(text, NAME_BYTES),
                (3, text) => made.description = clip(text, NAME_BYTES),
                (9, [resolution, ..]) => match per_second(*resolution) {
                    Some(units) => clock.per_second = units,
                    None => at.issue("bad_resolution", format!("if_tsresol {resolution:#04x}")),
                },
                (14, seconds) => clock.offset_s = self.seconds(seconds),
                _ => {}
            }
        }
        let step = i64::try_from(1_000_000_000 / clock.per_second).unwrap_or(1).max(1);
        *at.resolution_ns = (*at.resolution_ns).max(step);
        self.clocks.push(clock);
        at.interfaces.push(made);
    }

    fn seconds(&self, value: &[u8]) -> i64 {
        let Some(raw) = value.first_chunk::<8>() else { return 0 };
        if self.big_endian { i64::from_be_bytes(*raw) } else { i64::from_le_bytes(*raw) }
    }

    fn statistics(&self, body: &[u8], interfaces: &mut [Interface]) {
        let Some(index) = self.fields(body).u32().and_then(|n| usize::try_from(n).ok()) else {
            return;
        };
        let (options, _) = self.options(body.get(12..).unwrap_or_default());
        for (code, value) in options {
            // isb_ifdrop
            if code == 5
                && let Some(interface) = interfaces.get_mut(self.section.saturating_add(index))
            {
                interface.dropped = u64::try_from(self.seconds(value)).unwrap_or(0);
            }
        }
    }

    /// The options of a block, and how many of them are comments.
    fn options<'a>(&self, bytes: &'a [u8]) -> (Vec<(u16, &'a [u8])>, u64) {
        let mut found = Vec::new();
        let mut comments = 0;
        let mut fields = self.fields(bytes);
        while found.len() < OPTIONS_MAX {
            let (Some(code), Some(len)) = (fields.u16(), fields.u16()) else { break };
            if code == 0 {
                break;
            }
            let Ok(value) = fields.bytes.take(usize::from(len)) else { break };
            let _ = fields.bytes.take(usize::from(len).next_multiple_of(4) - usize::from(len));
            comments += u64::from(code == 1);
            found.push((code, value));
        }
        (found, comments)
    }

    fn note_comment(&self, kind: u32, total: usize, data: usize, at: &mut Context) {
        let options_at = 28 + data.next_multiple_of(4);
        if kind != ENHANCED_PACKET || total <= options_at + 8 {
            return;
        }
        let end = total.saturating_sub(4);
        let bytes = at.buffer.ready().get(options_at..end).unwrap_or_default();
        *at.comments += self.options(bytes).1;
    }

    #[inline]
    fn enhanced(&self, body: &[u8]) -> Option<Located> {
        let mut fields = self.fields(body);
        let interface = usize::try_from(fields.u32()?).ok()?;
        let (high, low) = (fields.u32()?, fields.u32()?);
        let (captured, orig_len) = (fields.u32()?, fields.u32()?);
        self.located(interface, (high, low), captured, orig_len, body.len() - fields.bytes.offset())
    }

    fn obsolete(&self, body: &[u8]) -> Option<Located> {
        let mut fields = self.fields(body);
        let interface = usize::from(fields.u16()?);
        fields.u16()?;
        let (high, low) = (fields.u32()?, fields.u32()?);
        let (captured, orig_len) = (fields.u32()?, fields.u32()?);
        self.located(interface, (high, low), captured, orig_len, body.len() - fields.bytes.offset())
    }

    #[inline]
    fn located(
        &self,
        interface: usize,
        (high, low): (u32, u32),
        captured: u32,
        orig_len: u32,
        room: usize,
    ) -> Option<Located> {
        let clock = self.clocks.get(interface)?;
        let len = usize::try_from(captured).ok().filter(|&n| n <= room)?;
        let units = (u64::from(high) << 32) | u64::from(low);
        let ts = clock.nanoseconds(units);
        let interface = self.section + interface;
        Some(Located { back: room, len, ts, orig_len, interface, offset: 0 })
    }

    fn simple(&self, body: &[u8], interfaces: &[Interface]) -> Option<Located> {
        let orig_len = self.fields(body).u32()?;
        let room = body.len().checked_sub(4)?;
        let snaplen = interfaces.get(self.section)?.snaplen;
        let kept = if snaplen == 0 { orig_len } else { orig_len.min(snaplen) };
        let len = usize::try_from(kept).ok()?.min(room);
        Some(Located { back: room, len, ts: 0, orig_len, interface: self.section, offset: 0 })
    }
}

/// Units in a second for an `if_tsresol` value; `None` if that does not fit 64 bits.
fn per_second(resolution: u8) -> Option<u64> {
    let exponent = u32::from(resolution & 0x7f);
    if resolution & 0x80 == 0 { 10u64.checked_pow(exponent) } else { 2u64.checked_pow(exponent) }
}
