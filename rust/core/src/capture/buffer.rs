//! A window over a stream of bytes: one reused block, filled as frames are taken.

use std::io::{self, Read};

/// How much is read at once; between 64 KiB and 1 MiB the choice makes no difference.
const BLOCK: usize = 256 << 10;

/// Reads a stream through one buffer that is reused and grows only for a frame larger than it.
pub struct Buffer {
    source: Box<dyn Read + Send>,
    block: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset in the stream of `block[start]`.
    offset: u64,
    eof: bool,
    /// What the source failed with; the stream ends there.
    failure: Option<io::Error>,
    allowed: u64,
}

impl Buffer {
    /// Reads `source` to its end, or to `allowed` bytes.
    #[must_use]
    pub fn new(source: Box<dyn Read + Send>, allowed: u64) -> Self {
        let block = vec![0; BLOCK];
        Self { source, block, start: 0, end: 0, offset: 0, eof: false, failure: None, allowed }
    }

    /// Offset in the stream of the next byte.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What the source failed with, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// The bytes at hand, without reading.
    #[must_use]
    pub fn ready(&self) -> &[u8] {
        self.block.get(self.start..self.end).unwrap_or_default()
    }

    /// Makes `n` bytes ready if the stream has them; false at its end.
    #[inline]
    pub fn fill(&mut self, n: usize) -> bool {
        self.end - self.start >= n || self.fill_slowly(n)
    }

    #[cold]
    fn fill_slowly(&mut self, n: usize) -> bool {
        if self.start > 0 {
            self.block.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end < n && !self.eof {
            if self.block.len() < n || self.end == self.block.len() {
                // Twice what was there, not what was claimed: a false length costs no memory.
                let grown = (self.block.len() * 2).max(BLOCK);
                self.block.resize(grown, 0);
            }
            self.read_once();
        }
        self.end >= n
    }

    fn read_once(&mut self) {
        let Some(space) = self.block.get_mut(self.end..) else { return };
        match self.source.read(space) {
            Ok(0) => self.eof = true,
            Ok(n) => {
                self.end += n;
                let seen = self.offset.saturating_add(u64::try_from(self.end).unwrap_or(u64::MAX));
                if seen > self.allowed {
                    self.eof = true;
                    let limit = format!("more than {} bytes after decompression", self.allowed);
                    self.failure = Some(io::Error::other(limit));
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                self.eof = true;
                self.failure = Some(e);
            }
        }
    }

    /// Drops the next `n` ready bytes (all of them if there are fewer).
    #[inline]
    pub fn consume(&mut self, n: usize) {
        let n = n.min(self.end - self.start);
        self.start += n;
        self.offset += u64::try_from(n).unwrap_or(0);
    }

    /// Bytes `from..to` of what was last made ready, counted from `consumed` bytes back.
    #[inline]
    #[must_use]
    pub fn behind(&self, consumed: usize, len: usize) -> &[u8] {
        let from = self.start.saturating_sub(consumed);
        self.block.get(from..from.saturating_add(len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_in_order_across_blocks() {
        let data: Vec<u8> = (0..=255).cycle().take(BLOCK * 2 + 7).collect();
        let mut buffer = Buffer::new(Box::new(io::Cursor::new(data.clone())), u64::MAX);
        let mut seen = Vec::new();
        while buffer.fill(1) {
            let n = buffer.ready().len().min(1000);
            seen.extend_from_slice(&buffer.ready()[..n]);
            buffer.consume(n);
        }
        assert_eq!(seen, data);
        assert_eq!(buffer.offset(), u64::try_from(data.len()).unwrap());
    }

    #[test]
    fn a_stream_past_its_allowance_ends_with_a_failure() {
        let mut buffer = Buffer::new(Box::new(io::repeat(0)), 1000);
        assert!(!buffer.fill(10 << 20));
        assert!(buffer.failure().is_some());
    }
}
