//! The classic format: a 24-byte header, then records (draft-ietf-opsawg-pcap).

use super::{Context, Interface, Located};
use crate::bytes::Reader;
use crate::limits::Limits;

/// The most libpcap lets a capture keep of one frame (`MAXIMUM_SNAPLEN`).
const SNAPLEN_MAX: usize = 262_144;
/// How far a record's time may lie from the last good one when looking for the next record.
const RESYNC_SECONDS: u32 = 7 * 86_400;
/// How many bytes are searched for the next good record at a time.
const RESYNC_WINDOW: usize = 1 << 20;

/// The state of one classic capture.
pub struct Pcap {
    big_endian: bool,
    nanoseconds: bool,
    /// 16, or 24 in the variant of Kuznetzov's patched libpcap.
    header_len: usize,
    snaplen: u32,
    link_number: u16,
    frame_max: usize,
    last_seconds: Option<u32>,
}

struct Record {
    seconds: u32,
    fraction: u32,
    captured: usize,
    orig_len: u32,
}

impl Pcap {
    /// Reads the file header, if `start` is one.
    pub fn recognise(start: &[u8], limits: &Limits) -> Option<Self> {
        let magic: [u8; 4] = *start.first_chunk()?;
        let (big_endian, nanoseconds, header_len) = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (true, false, 16),
            [0xd4, 0xc3, 0xb2, 0xa1] => (false, false, 16),
            [0xa1, 0xb2, 0x3c, 0x4d] => (true, true, 16),
            [0x4d, 0x3c, 0xb2, 0xa1] => (false, true, 16),
            [0xa1, 0xb2, 0xcd, 0x34] => (true, false, 24),
            [0x34, 0xcd, 0xb2, 0xa1] => (false, false, 24),
            _ => return None,
        };
        let mut r = Reader::new(start.get(16..24)?);
        let number = |r: &mut Reader| if big_endian { r.u32() } else { r.u32_le() };
        let snaplen = number(&mut r).ok()?;
        // The upper bits carry the frame check sequence length.
        let link_number = u16::try_from(number(&mut r).ok()? & 0xffff).ok()?;
        let claimed = usize::try_from(snaplen).unwrap_or(0);
        let frame_max = if claimed > SNAPLEN_MAX && claimed <= limits.block_bytes {
            claimed
        } else {
            SNAPLEN_MAX.min(limits.block_bytes)
        };
        let last_seconds = None;
        Some(Self {
            big_endian,
            nanoseconds,
            header_len,
            snaplen,
            link_number,
            frame_max,
            last_seconds,
        })
    }

    /// The one interface of the file.
    pub fn interface(&self) -> Interface {
        Interface { link_number: self.link_number, snaplen: self.snaplen, ..Interface::default() }
    }

    /// The file's time step in nanoseconds.
    pub fn resolution_ns(&self) -> i64 {
        if self.nanoseconds { 1 } else { 1000 }
    }

    #[inline]
    fn record(&self, bytes: &[u8]) -> Option<Record> {
        let head: [u8; 16] = *bytes.first_chunk()?;
        let mut words = [0u32; 4];
        for (word, chunk) in words.iter_mut().zip(head.chunks_exact(4)) {
            let chunk: [u8; 4] = *chunk.first_chunk()?;
            *word =
                if self.big_endian { u32::from_be_bytes(chunk) } else { u32::from_le_bytes(chunk) };
        }
        let [seconds, fraction, captured, orig_len] = words;
        let captured = usize::try_from(captured).unwrap_or(usize::MAX);
        Some(Record { seconds, fraction, captured, orig_len })
    }

    fn time(&self, record: &Record) -> i64 {
        let step = if self.nanoseconds { 1 } else { 1000 };
        i64::from(record.seconds) * 1_000_000_000 + i64::from(record.fraction) * step
    }

    /// Finds the next record.
    #[inline]
    pub fn next(&mut self, at: &mut Context) -> Option<Located> {
        loop {
            if !at.buffer.fill(self.header_len) {
                at.end_inside_record(self.header_len);
                return None;
            }
            let record = self.record(at.buffer.ready())?;
            if record.captured > self.frame_max {
                let claim = record.captured;
                at.issue("bad_record", format!("claims {claim} bytes, limit {}", self.frame_max));
                if !self.resync(at) {
                    return None;
                }
                continue;
            }
            let total = self.header_len + record.captured;
            if !at.buffer.fill(total) {
                // Either the file was cut, or the length is false and records follow.
                if self.search(at.buffer.ready(), 1).is_none() {
                    at.end_inside_record(total);
                    return None;
                }
                at.issue("bad_record", format!("claims {total} bytes, more than there are"));
                if !self.resync(at) {
                    return None;
                }
                continue;
            }
            if self.is_doubtful(&record, total, at) {
                let detail = format!("claims {total} bytes, and no record follows");
                at.issue("bad_record", detail);
                if !self.resync(at) {
                    return None;
                }
                continue;
            }
            let offset = at.buffer.offset();
            at.buffer.consume(total);
            self.last_seconds = Some(record.seconds);
            return Some(Located {
                back: record.captured,
                len: record.captured,
                ts: self.time(&record),
                orig_len: record.orig_len,
                interface: 0,
                offset,
            });
        }
    }

    /// True when a record that kept more than there was leads nowhere, but skipping it does.
    #[inline]
    fn is_doubtful(&self, record: &Record, total: usize, at: &mut Context) -> bool {
        let wire = usize::try_from(record.orig_len).unwrap_or(usize::MAX);
        record.captured > wire
            && at.buffer.fill(total + self.header_len)
            && !self.leads_on(at.buffer.ready(), total)
            && self.search(at.buffer.ready(), 1).is_some()
    }

    /// Moves to the next place where two records follow each other, or one ends the file.
    fn resync(&self, at: &mut Context) -> bool {
        let from = at.buffer.offset();
        at.buffer.consume(1);
        while at.buffer.fill(self.header_len) {
            at.buffer.fill(RESYNC_WINDOW + self.frame_max + 2 * self.header_len);
            if let Some(skip) = self.search(at.buffer.ready(), 0) {
                at.buffer.consume(skip);
                let skipped = at.buffer.offset() - from;
                at.issue("resynchronised", format!("skipped {skipped} bytes from byte {from}"));
                return true;
            }
            let rest = at.buffer.ready().len().saturating_sub(self.header_len);
            at.buffer.consume(rest.min(RESYNC_WINDOW) + 1);
        }
        at.buffer.consume(usize::MAX);
        at.issue("lost", format!("no further record found after byte {from}"));
        *at.truncated_tail = true;
        false
    }

    /// Where a chain of records begins, from `start` on.
    fn search(&self, ready: &[u8], start: usize) -> Option<usize> {
        let last = ready.len().saturating_sub(self.header_len).min(RESYNC_WINDOW);
        (start..=last).find(|&skip| self.chains(ready, skip))
    }

    fn chains(&self, ready: &[u8], skip: usize) -> bool {
        let Some(first) = self.plausible(ready, skip) else { return false };
        let next = skip + self.header_len + first;
        next == ready.len() || self.plausible(ready, next).is_some()
    }

    /// True for a record that could be read, however odd.
    fn leads_on(&self, ready: &[u8], skip: usize) -> bool {
        ready
            .get(skip..)
            .and_then(|rest| self.record(rest))
            .is_some_and(|record| self.is_near(&record) && record.captured <= self.frame_max)
    }

    fn is_near(&self, record: &Record) -> bool {
        let fraction_max = if self.nanoseconds { 1_000_000_000 } else { 1_000_000 };
        record.fraction < fraction_max
            && self.last_seconds.is_none_or(|last| record.seconds.abs_diff(last) <= RESYNC_SECONDS)
    }

    fn plausible(&self, ready: &[u8], skip: usize) -> Option<usize> {
        let record = self.record(ready.get(skip..)?)?;
        let wire = usize::try_from(record.orig_len).unwrap_or(usize::MAX);
        let sane = self.is_near(&record)
            && (1..=self.frame_max).contains(&record.captured)
            && (record.captured..=SNAPLEN_MAX).contains(&wire);
        sane.then_some(record.captured)
    }
}
