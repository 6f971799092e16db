//! IP fragments back to datagrams (RFC 791, RFC 8200 section 4.5).
//!
//! Where fragments overlap, the bytes that came first stay: an overlap is never legitimate (RFC
//! 5722), so it is counted, and the first copy is what most hosts keep.

use std::collections::VecDeque;
use std::net::IpAddr;

use hashbrown::HashMap;

use crate::limits::Limits;

/// The longest datagram there is.
const DATAGRAM_MAX: usize = 65_535;
/// Fragments kept of one datagram: an honest one has at most 53 at the smallest IPv6 MTU, and a full
/// Ethernet packet that was cut into eight bytes each, to evade inspection, has 185.
const PIECES_MAX: usize = 256;

/// What the fragments of one datagram share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// IP protocol number.
    pub proto: u8,
    /// Identification.
    pub id: u32,
}

/// One fragment.
#[derive(Debug, Clone, Copy)]
pub struct Fragment<'a> {
    /// Where its bytes belong.
    pub offset: usize,
    /// More come after it.
    pub more: bool,
    /// What was captured of it.
    pub bytes: &'a [u8],
    /// IP bytes of this fragment on the wire.
    pub ip_len: u32,
}

/// A datagram put together.
#[derive(Debug, Clone, Copy)]
pub struct Whole<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// IP bytes of all its fragments.
    pub ip_len: u32,
    /// How many fragments it came in.
    pub packets: u32,
}

struct Partial {
    first_ts: i64,
    pieces: Vec<(usize, Vec<u8>)>,
    total: Option<usize>,
    kept: usize,
    ip_len: u32,
    packets: u32,
}

/// Datagrams that are not complete yet, within bounds.
pub struct Fragments {
    partial: HashMap<Key, Partial, foldhash::fast::RandomState>,
    order: VecDeque<Key>,
    whole: Vec<u8>,
    kept: usize,
    datagrams_max: usize,
    bytes_max: usize,
    age_max_ns: i64,
    /// Fragments seen.
    pub seen: u64,
    /// Datagrams given up: too old, or evicted for room.
    pub given_up: u64,
}

impl Fragments {
    /// An empty store.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            partial: HashMap::default(),
            order: VecDeque::new(),
            whole: Vec::new(),
            kept: 0,
            datagrams_max: limits.datagrams,
            bytes_max: limits.fragment_bytes,
            age_max_ns: limits.fragment_s.saturating_mul(1_000_000_000),
            seen: 0,
            given_up: 0,
        }
    }

    /// Datagrams that never became complete, so far.
    #[must_use]
    pub fn incomplete(&self) -> u64 {
        self.given_up + u64::try_from(self.partial.len()).unwrap_or(u64::MAX)
    }

    /// Adds a fragment; gives the datagram when it was the last missing one.
    ///
    /// # Errors
    ///
    /// What is wrong with the fragment, in snake case; the rest of its datagram stays.
    pub fn add(
        &mut self,
        key: Key,
        piece: Fragment,
        ts: i64,
    ) -> Result<Option<Whole<'_>>, &'static str> {
        self.seen += 1;
        let end = piece.offset + piece.bytes.len();
        if end > DATAGRAM_MAX {
            return Err("beyond_datagram");
        }
        if piece.bytes.is_empty() {
            return Err("empty");
        }
        self.make_room(ts);
        let order = &mut self.order;
        let partial = self.partial.entry(key).or_insert_with(|| {
            order.push_back(key);
            Partial {
                first_ts: ts,
                pieces: Vec::new(),
                total: None,
                kept: 0,
                ip_len: 0,
                packets: 0,
            }
        });
        if partial.pieces.len() >= PIECES_MAX {
            return Err("too_many_pieces");
        }
        if !piece.more {
            partial.total = Some(end);
        }
        partial.ip_len = partial.ip_len.saturating_add(piece.ip_len);
        partial.packets += 1;
        partial.kept += piece.bytes.len();
        self.kept += piece.bytes.len();
        partial.pieces.push((piece.offset, piece.bytes.to_vec()));
        if !partial.is_complete() {
            return Ok(None);
        }
        let Some(done) = self.forget(&key) else { return Ok(None) };
        self.order.retain(|k| *k != key);
        done.assemble(&mut self.whole);
        Ok(Some(Whole { bytes: &self.whole, ip_len: done.ip_len, packets: done.packets }))
    }

    fn forget(&mut self, key: &Key) -> Option<Partial> {
        let gone = self.partial.remove(key)?;
        self.kept = self.kept.saturating_sub(gone.kept);
        Some(gone)
    }

    fn make_room(&mut self, now: i64) {
        while let Some(key) = self.order.front().copied() {
            let first = self.partial.get(&key).map_or(i64::MIN, |p| p.first_ts);
            let old = now.saturating_sub(first) > self.age_max_ns;
            if !old && self.partial.len() < self.datagrams_max && self.kept < self.bytes_max {
                return;
            }
            self.order.pop_front();
            if self.forget(&key).is_some() {
                self.given_up += 1;
            }
        }
    }
}

impl Partial {
    fn is_complete(&self) -> bool {
        let Some(total) = self.total.filter(|&total| total <= self.kept) else { return false };
        let mut spans: Vec<_> = self.pieces.iter().map(|(at, b)| (*at, at + b.len())).collect();
        spans.sort_unstable();
        let covered =
            spans.iter().fold(
                0,
                |reached, (from, to)| {
                    if *from <= reached { reached.max(*to) } else { reached }
                },
            );
        covered >= total
    }

    fn assemble(&self, into: &mut Vec<u8>) {
        let total = self.total.unwrap_or(0);
        into.clear();
        into.resize(total, 0);
        // Later pieces first, so that the earliest copy of a byte is written last and stays.
        for (at, bytes) in self.pieces.iter().rev() {
            let end = (at + bytes.len()).min(total);
            if let (Some(space), Some(from)) =
                (into.get_mut(*at..end), bytes.get(..end.saturating_sub(*at)))
            {
                space.copy_from_slice(from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32) -> Key {
        let address = IpAddr::from([192, 0, 2, 1]);
        Key { src: address, dst: address, proto: 17, id }
    }

    fn piece(offset: usize, more: bool, bytes: &[u8]) -> Fragment<'_> {
        Fragment { offset, more, bytes, ip_len: 20 }
    }

    #[test]
    fn fragments_in_any_order_make_the_datagram() {
        let mut store = Fragments::new(&Limits::default());
        assert!(store.add(key(1), piece(16, false, b"end"), 0).unwrap().is_none());
        assert!(store.add(key(1), piece(8, true, b"middle__"), 0).unwrap().is_none());
        let whole = store.add(key(1), piece(0, true, b"start___"), 0).unwrap().unwrap();
        assert_eq!(whole.bytes, b"start___middle__end");
        assert_eq!((whole.packets, whole.ip_len), (3, 60));
    }

    #[test]
    fn the_first_copy_of_an_overlapped_byte_stays() {
        let mut store = Fragments::new(&Limits::default());
        store.add(key(1), piece(0, true, b"AAAAAAAA"), 0).unwrap();
        let whole = store.add(key(1), piece(4, false, b"BBBBBBBB"), 0).unwrap().unwrap();
        assert_eq!(whole.bytes, b"AAAAAAAABBBB");
    }

    #[test]
    fn a_flood_of_first_fragments_is_bounded_and_counted() {
        let limits = Limits { datagrams: 10, ..Limits::default() };
        let mut store = Fragments::new(&limits);
        for id in 0..1000 {
            store.add(key(id), piece(0, true, b"12345678"), 0).unwrap();
        }
        assert!(store.partial.len() <= 10);
        assert_eq!(store.incomplete(), 1000);
    }

    #[test]
    fn an_old_datagram_is_given_up_by_capture_time() {
        let mut store = Fragments::new(&Limits::default());
        store.add(key(1), piece(0, true, b"12345678"), 0).unwrap();
        store.add(key(2), piece(0, true, b"12345678"), 61_000_000_000).unwrap();
        assert_eq!(store.given_up, 1);
    }
}
