//! One direction of one connection.

use std::collections::BTreeMap;

/// What is kept out of order by all connections together.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Bytes kept now.
    pub used: usize,
    /// Bytes that may be kept.
    pub total: usize,
    /// Bytes one direction may keep.
    pub per_direction: usize,
    /// How far ahead a segment may lie.
    pub window: u32,
    /// Bytes that found no room.
    pub dropped: u64,
    /// Bytes that were never captured.
    pub missing: u64,
    /// Bytes that came twice with different content.
    pub conflicting: u64,
}

/// One segment as it came.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// Sequence number of its first payload byte.
    pub seq: u32,
    /// The payload that was captured.
    pub bytes: &'a [u8],
    /// Payload bytes on the wire.
    pub wire_len: u32,
    /// Its frame.
    pub frame: u64,
    /// Its time.
    pub ts: i64,
}

/// What comes out, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The next bytes, with the frame and time they came in.
    Bytes(&'a [u8], u64, i64),
    /// This many bytes were not captured.
    Gap(u64, u64, i64),
}

#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    wire_len: u32,
    frame: u64,
    ts: i64,
}

/// Puts one direction in order. In-order segments pass through without a copy.
#[derive(Debug, Default)]
pub struct Assembler {
    next: Option<u32>,
    /// Segments ahead of `next`, by their distance from the sequence number zero point `base`.
    ahead: BTreeMap<u64, Kept>,
    ahead_bytes: usize,
    /// Position of `next` in the stream, so that keys of `ahead` never wrap.
    position: u64,
}

impl Assembler {
    /// Sets where the stream begins: one past the sequence number of SYN.
    pub fn begin(&mut self, seq: u32) {
        if self.next.is_none() {
            self.next = Some(seq);
        }
    }

    /// True when nothing waits for missing bytes.
    #[inline]
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        self.ahead.is_empty()
    }

    /// Takes a segment and gives what is in order now.
    #[inline]
    pub fn push(
        &mut self,
        segment: Segment<'_>,
        budget: &mut Budget,
        mut give: impl FnMut(Piece<'_>),
    ) {
        let next = *self.next.get_or_insert(segment.seq);
        let distance = segment.seq.wrapping_sub(next);
        if distance == 0 {
            self.pass(segment, 0, budget, &mut give);
        } else if distance < 1 << 31 {
            self.keep(segment, distance, budget);
            if self.ahead_bytes > budget.per_direction || distance > budget.window {
                self.skip_gap(budget, &mut give);
            }
        } else {
            let old = 0u32.wrapping_sub(distance);
            if old < segment.wire_len {
                let old = usize::try_from(old).unwrap_or(usize::MAX);
                self.pass(segment, old, budget, &mut give);
            }
        }
        self.drain(budget, &mut give);
    }

    /// Learns that the other side has everything before `ack`: what is still missing then was not
    /// captured. Two segments must wait for it, so that packets captured out of order do not count.
    #[inline]
    pub fn acknowledged(&mut self, ack: u32, budget: &mut Budget, mut give: impl FnMut(Piece<'_>)) {
        if self.ahead.len() < 2 {
            return;
        }
        let Some(next) = self.next else { return };
        let distance = ack.wrapping_sub(next);
        if distance > 0 && distance < 1 << 31 {
            self.skip_gap(budget, &mut give);
            self.drain(budget, &mut give);
        }
    }

    /// Gives what waits, with the gaps between.
    pub fn finish(&mut self, budget: &mut Budget, mut give: impl FnMut(Piece<'_>)) {
        while !self.ahead.is_empty() {
            self.skip_gap(budget, &mut give);
            self.drain(budget, &mut give);
        }
    }

    /// Forgets what waits.
    pub fn clear(&mut self, budget: &mut Budget) {
        budget.used = budget.used.saturating_sub(self.ahead_bytes);
        self.ahead_bytes = 0;
        self.ahead.clear();
    }

    fn pass(
        &mut self,
        segment: Segment<'_>,
        old: usize,
        budget: &mut Budget,
        give: &mut impl FnMut(Piece<'_>),
    ) {
        if let Some(fresh) = segment.bytes.get(old..).filter(|fresh| !fresh.is_empty()) {
            give(Piece::Bytes(fresh, segment.frame, segment.ts));
        }
        let captured = u32::try_from(segment.bytes.len()).unwrap_or(u32::MAX);
        let old = u32::try_from(old).unwrap_or(u32::MAX);
        let cut = u64::from(segment.wire_len.saturating_sub(captured.max(old)));
        if cut > 0 {
            budget.missing += cut;
            give(Piece::Gap(cut, segment.frame, segment.ts));
        }
        self.advance(u64::from(segment.wire_len.saturating_sub(old)));
    }

    fn advance(&mut self, by: u64) {
        self.position += by;
        if let Some(next) = &mut self.next {
            let by = u32::try_from(by & u64::from(u32::MAX)).unwrap_or(0);
            *next = next.wrapping_add(by);
        }
    }

    fn keep(&mut self, segment: Segment<'_>, distance: u32, budget: &mut Budget) {
        let len = segment.bytes.len();
        if len == 0 {
            return;
        }
        let at = self.position + u64::from(distance);
        if let Some(there) = self.ahead.get(&at)
            && there.bytes.len() >= len
        {
            if !there.bytes.starts_with(segment.bytes) {
                budget.conflicting += u64::try_from(len).unwrap_or(0);
            }
            return;
        }
        if budget.used + len > budget.total {
            budget.dropped += u64::try_from(len).unwrap_or(0);
            return;
        }
        let Segment { bytes, wire_len, frame, ts, .. } = segment;
        let kept = Kept { bytes: bytes.to_vec(), wire_len, frame, ts };
        if let Some(before) = self.ahead.insert(at, kept) {
            self.release(before.bytes.len(), budget);
        }
        self.ahead_bytes += len;
        budget.used += len;
    }

    fn release(&mut self, len: usize, budget: &mut Budget) {
        self.ahead_bytes = self.ahead_bytes.saturating_sub(len);
        budget.used = budget.used.saturating_sub(len);
    }

    fn skip_gap(&mut self, budget: &mut Budget, give: &mut impl FnMut(Piece<'_>)) {
        let Some((&at, kept)) = self.ahead.first_key_value() else { return };
        let gap = at.saturating_sub(self.position);
        if gap > 0 {
            budget.missing += gap;
            give(Piece::Gap(gap, kept.frame, kept.ts));
            self.advance(gap);
        }
    }

    fn drain(&mut self, budget: &mut Budget, give: &mut impl FnMut(Piece<'_>)) {
        while let Some(entry) = self.ahead.first_entry() {
            if *entry.key() > self.position {
                return;
            }
            let (at, kept) = entry.remove_entry();
            self.release(kept.bytes.len(), budget);
            let old = self.position - at;
            if old >= u64::from(kept.wire_len) {
                continue;
            }
            let Kept { bytes, wire_len, frame, ts } = kept;
            let segment = Segment { seq: 0, bytes: &bytes, wire_len, frame, ts };
            self.pass(segment, usize::try_from(old).unwrap_or(usize::MAX), budget, give);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget() -> Budget {
        Budget {
            used: 0,
            total: 1 << 20,
            per_direction: 1 << 16,
            window: 1 << 20,
            dropped: 0,
            missing: 0,
            conflicting: 0,
        }
    }

    fn segment(seq: u32, bytes: &[u8]) -> Segment<'_> {
        Segment { seq, bytes, wire_len: u32::try_from(bytes.len()).unwrap(), frame: 1, ts: 0 }
    }

    fn run(start: u32, segments: &[(u32, &[u8])]) -> (Vec<u8>, u64) {
        let (mut assembler, mut budget) = (Assembler::default(), budget());
        let (mut out, mut gaps) = (Vec::new(), 0);
        assembler.begin(start);
        let mut give = |piece: Piece<'_>| match piece {
            Piece::Bytes(bytes, ..) => out.extend_from_slice(bytes),
            Piece::Gap(n, ..) => gaps += n,
        };
        for (seq, bytes) in segments {
            assembler.push(segment(*seq, bytes), &mut budget, &mut give);
        }
        assembler.finish(&mut budget, &mut give);
        assert_eq!(budget.used, 0);
        (out, gaps)
    }

    #[test]
    fn segments_out_of_order_come_out_in_order() {
        let (out, gaps) = run(100, &[(103, b"def"), (106, b"ghi"), (100, b"abc")]);
        assert_eq!((out.as_slice(), gaps), (&b"abcdefghi"[..], 0));
    }

    #[test]
    fn sequence_numbers_may_wrap() {
        let (out, _) = run(u32::MAX - 1, &[(1, b"de"), (u32::MAX - 1, b"abc")]);
        assert_eq!(out, b"abcde");
    }

    #[test]
    fn the_first_copy_of_a_byte_stays() {
        let (out, _) = run(0, &[(0, b"abcd"), (2, b"XXef")]);
        assert_eq!(out, b"abcdef");
    }

    #[test]
    fn what_was_not_captured_is_a_gap_of_known_size() {
        let (out, gaps) = run(0, &[(0, b"ab"), (12, b"cd")]);
        assert_eq!((out.as_slice(), gaps), (&b"abcd"[..], 10));
    }

    #[test]
    fn a_retransmission_gives_nothing_again() {
        let (out, _) = run(0, &[(0, b"abc"), (0, b"abc"), (3, b"d"), (1, b"bcd")]);
        assert_eq!(out, b"abcd");
    }

    proptest! {
        #[test]
        fn any_order_and_any_cut_gives_the_same_stream(
            start in any::<u32>(),
            data in proptest::collection::vec(any::<u8>(), 1..400),
            cuts in proptest::collection::vec((0usize..400, 1usize..80), 0..40),
        ) {
            let (mut assembler, mut budget) = (Assembler::default(), budget());
            let mut out = Vec::new();
            assembler.begin(start);
            let mut give = |piece: Piece<'_>| if let Piece::Bytes(bytes, ..) = piece {
                out.extend_from_slice(bytes);
            };
            let whole = std::iter::once((0, data.len()));
            for (at, len) in cuts.into_iter().chain(whole) {
                let at = at.min(data.len() - 1);
                let end = (at + len).min(data.len());
                let seq = start.wrapping_add(u32::try_from(at).unwrap());
                assembler.push(segment(seq, &data[at..end]), &mut budget, &mut give);
            }
            assembler.finish(&mut budget, &mut give);
            prop_assert_eq!(out, data);
        }
    }
}
