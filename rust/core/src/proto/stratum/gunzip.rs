//! Incremental gzip (RFC 1952) with bounded output.

use flate2::{Decompress, FlushDecompress, Status};

/// Bytes inflated at a time.
const CHUNK_BYTES: usize = 4096;
/// Bytes one direction may inflate to.
const MAX_INFLATED_BYTES: u64 = 64 << 20;
/// Bytes inflated for each byte given, beyond the first [`FREE_BYTES`].
const MAX_RATIO: u64 = 200;
/// Bytes that may be inflated at any ratio.
const FREE_BYTES: u64 = 64 << 10;
/// Bytes of a header's optional fields.
const MAX_HEADER_BYTES: u32 = 4096;

const FLAG_HEADER_CRC: u8 = 2;
const FLAG_EXTRA: u8 = 4;
const FLAG_NAME: u8 = 8;
const FLAG_COMMENT: u8 = 16;

/// Not gzip, damaged, or beyond a bound.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

#[derive(Debug)]
enum Stage {
    /// The ten fixed bytes: how many were seen.
    Fixed(usize),
    /// The length of the extra field: how many of its two bytes were seen.
    ExtraLength(u8),
    /// Bytes of the extra field, header checksum or trailer to be skipped.
    Skip(u32),
    /// A name or comment, up to its final zero.
    ZeroEnded,
    Body,
}

/// One direction's decompressor; any number of gzip members in a row.
pub(super) struct Gunzip {
    stage: Stage,
    flags: u8,
    extra: u32,
    header_bytes: u32,
    inflate: Decompress,
    given: u64,
    made: u64,
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Fixed(0),
            flags: 0,
            extra: 0,
            header_bytes: 0,
            inflate: Decompress::new(false),
            given: 0,
            made: 0,
        }
    }

    /// Takes compressed bytes and hands on what they inflate to.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(&[u8]),
    ) -> Result<(), Unreadable> {
        self.given += u64::try_from(bytes.len()).unwrap_or_default();
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if matches!(self.stage, Stage::Body) {
                rest = self.body(rest, sink)?;
            } else {
                self.header(byte)?;
                rest = after;
            }
        }
        Ok(())
    }

    fn header(&mut self, byte: u8) -> Result<(), Unreadable> {
        self.header_bytes += 1;
        if self.header_bytes > MAX_HEADER_BYTES {
            return Err(Unreadable);
        }
        match self.stage {
            Stage::Fixed(at) => {
                let wrong = [0x1f, 0x8b, 8].get(at).is_some_and(|magic| *magic != byte);
                if wrong {
                    return Err(Unreadable);
                }
                if at == 3 {
                    self.flags = byte;
                }
                self.stage = Stage::Fixed(at + 1);
                if at == 9 {
                    self.next_field();
                }
            }
            Stage::ExtraLength(0) => {
                self.extra = u32::from(byte);
                self.stage = Stage::ExtraLength(1);
            }
            Stage::ExtraLength(_) => self.skip(self.extra | (u32::from(byte) << 8)),
            Stage::Skip(left) => self.skip(left.saturating_sub(1)),
            Stage::ZeroEnded if byte == 0 => self.next_field(),
            Stage::ZeroEnded | Stage::Body => {}
        }
        Ok(())
    }

    fn skip(&mut self, left: u32) {
        self.stage = Stage::Skip(left);
        if left == 0 {
            self.next_field();
        }
    }

    /// Goes on to the next optional field the flags announce, each once; then to the body. After
    /// the trailer, whose flags are all spent, a new member starts.
    fn next_field(&mut self) {
        let fields = [FLAG_EXTRA, FLAG_NAME, FLAG_COMMENT, FLAG_HEADER_CRC];
        let next = fields.into_iter().find(|flag| self.flags & flag != 0);
        self.flags &= !next.unwrap_or_default();
        self.stage = match next {
            Some(FLAG_EXTRA) => Stage::ExtraLength(0),
            Some(FLAG_HEADER_CRC) => Stage::Skip(2),
            Some(_) => Stage::ZeroEnded,
            None if self.inflate.total_in() == 0 => Stage::Body,
            None => {
                self.inflate.reset(false);
                self.header_bytes = 0;
                Stage::Fixed(0)
            }
        };
    }

    fn body<'a>(
        &mut self,
        bytes: &'a [u8],
        sink: &mut impl FnMut(&[u8]),
    ) -> Result<&'a [u8], Unreadable> {
        /// Checksum and size after the body.
        const TRAILER_BYTES: u32 = 8;
        let mut rest = bytes;
        let mut chunk = [0; CHUNK_BYTES];
        loop {
            let (took, made) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(rest, &mut chunk, FlushDecompress::None);
            let status = status.map_err(|_| Unreadable)?;
            let took = usize::try_from(self.inflate.total_in() - took).unwrap_or_default();
            let made = usize::try_from(self.inflate.total_out() - made).unwrap_or_default();
            rest = rest.get(took..).unwrap_or_default();
            self.count(made)?;
            sink(chunk.get(..made).unwrap_or_default());
            if status == Status::StreamEnd {
                self.stage = Stage::Skip(TRAILER_BYTES);
                return Ok(rest);
            }
            if took == 0 && made == 0 {
                return if rest.is_empty() { Ok(rest) } else { Err(Unreadable) };
            }
        }
    }

    fn count(&mut self, made: usize) -> Result<(), Unreadable> {
        self.made += u64::try_from(made).unwrap_or_default();
        let allowed = FREE_BYTES.saturating_add(self.given.saturating_mul(MAX_RATIO));
        if self.made > allowed.min(MAX_INFLATED_BYTES) { Err(Unreadable) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    /// One gzip member; the checksum is not read, so it may be anything.
    fn member(text: &[u8], flags: u8, fields: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        let body = encoder.finish().unwrap();
        [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3], fields, &body, &[0; 8]].concat()
    }

    fn inflate(pieces: &[&[u8]]) -> Result<Vec<u8>, Unreadable> {
        let mut gunzip = Gunzip::new();
        let mut out = Vec::new();
        for piece in pieces {
            gunzip.feed(piece, &mut |chunk| out.extend_from_slice(chunk))?;
        }
        Ok(out)
    }

    #[test]
    fn members_follow_each_other_whole_or_byte_by_byte() {
        let every_field = FLAG_EXTRA | FLAG_NAME | FLAG_COMMENT | FLAG_HEADER_CRC;
        let fields = b"\x02\x00xxname\0comment\0cc";
        let stream = [member(b"{\"a\":1}\n", 0, b""), member(b"{\"b\":2}\n", every_field, fields)];
        let stream = stream.concat();
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();

        assert_eq!(inflate(&[&stream]).unwrap(), b"{\"a\":1}\n{\"b\":2}\n");
        assert_eq!(inflate(&bytes).unwrap(), b"{\"a\":1}\n{\"b\":2}\n");
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = member(&vec![b' '; 4 << 20], 0, b"");

        assert_eq!(inflate(&[&bomb]), Err(Unreadable));
    }

    #[test]
    fn what_is_no_gzip_is_refused() {
        assert_eq!(inflate(&[b"\x1f\x8c"]), Err(Unreadable));
        assert_eq!(inflate(&[b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xff\xff\xff"]), Err(Unreadable));
    }
}
