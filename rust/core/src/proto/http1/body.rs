//! Where a body ends, and its first bytes if they are JSON.

/// Longest line in front of a chunk, extensions included, and most bytes of a trailer.
const MAX_LINE: usize = 4096;
/// Bytes of a JSON body that are kept.
pub(super) const MAX_JSON: usize = 64 * 1024;

/// How a body's end is found (RFC 9112 section 6).
#[derive(Debug)]
pub(super) enum Framing {
    /// This many bytes are left.
    Length(u64),
    Chunked(Chunked),
    /// It ends with the connection.
    ToClose,
}

/// What the bytes just taken did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    End,
    /// The framing is broken; the end cannot be found.
    Broken,
}

impl Framing {
    /// Takes bytes of the body off the front of `bytes`, giving its content to `sink`.
    pub(super) fn take(&mut self, bytes: &mut &[u8], sink: &mut impl FnMut(&[u8])) -> Progress {
        match self {
            Self::Length(left) => {
                take_content(left, bytes, sink);
                if *left == 0 { Progress::End } else { Progress::More }
            }
            Self::Chunked(chunked) => chunked.take(bytes, sink),
            Self::ToClose => {
                sink(bytes);
                *bytes = &[];
                Progress::More
            }
        }
    }

    /// Passes over bytes that were not captured; false if the end can no longer be found.
    pub(super) fn skip(&mut self, missing: u64) -> bool {
        match self {
            Self::Length(left) if *left > missing => {
                *left -= missing;
                true
            }
            Self::ToClose => true,
            Self::Length(_) | Self::Chunked(_) => false,
        }
    }
}

fn take_content(left: &mut u64, bytes: &mut &[u8], sink: &mut impl FnMut(&[u8])) {
    let wanted = usize::try_from(*left).unwrap_or(usize::MAX);
    let (content, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
    sink(content);
    *left = left.saturating_sub(u64::try_from(content.len()).unwrap_or(u64::MAX));
    *bytes = rest;
}

/// The chunked transfer coding (RFC 9112 section 7.1).
#[derive(Debug, Default)]
pub(super) struct Chunked {
    phase: Phase,
    /// Bytes of the line or of the trailer so far.
    passed: usize,
}

#[derive(Debug)]
enum Phase {
    Size(SizeLine),
    Content(u64),
    ContentEnd,
    Trailer { line_is_empty: bool },
}

impl Default for Phase {
    fn default() -> Self {
        Self::Size(SizeLine::default())
    }
}

/// The line in front of a chunk: its size in hex, then extensions that are passed over.
#[derive(Debug, Default)]
struct SizeLine {
    size: u64,
    has_digits: bool,
    in_extension: bool,
}

enum Line {
    More,
    Size(u64),
    Broken,
}

impl SizeLine {
    fn take(&mut self, byte: u8) -> Line {
        match (byte, char::from(byte).to_digit(16)) {
            (b'\n', _) if self.has_digits => return Line::Size(self.size),
            (_, Some(digit)) if !self.in_extension => {
                let Some(shifted) = self.size.checked_mul(16) else {
                    return Line::Broken;
                };
                self.size = shifted | u64::from(digit);
                self.has_digits = true;
            }
            _ if self.has_digits && byte != b'\n' => self.in_extension = true,
            _ => return Line::Broken,
        }
        Line::More
    }
}

impl Chunked {
    fn take(&mut self, bytes: &mut &[u8], sink: &mut impl FnMut(&[u8])) -> Progress {
        while !bytes.is_empty() {
            if let Phase::Content(left) = &mut self.phase {
                take_content(left, bytes, sink);
                if *left == 0 {
                    self.enter(Phase::ContentEnd);
                }
                continue;
            }
            let Some((&byte, rest)) = bytes.split_first() else {
                break;
            };
            *bytes = rest;
            let progress = self.framing_byte(byte);
            if progress != Progress::More {
                return progress;
            }
        }
        Progress::More
    }

    fn enter(&mut self, phase: Phase) {
        self.passed = 0;
        self.phase = phase;
    }

    fn framing_byte(&mut self, byte: u8) -> Progress {
        self.passed += 1;
        if self.passed > MAX_LINE {
            return Progress::Broken;
        }
        match &mut self.phase {
            Phase::Size(line) => match line.take(byte) {
                Line::More => {}
                Line::Size(size) => self.begin_chunk(size),
                Line::Broken => return Progress::Broken,
            },
            Phase::ContentEnd => match byte {
                b'\r' => {}
                b'\n' => self.enter(Phase::default()),
                _ => return Progress::Broken,
            },
            Phase::Trailer { line_is_empty } => match byte {
                b'\n' if *line_is_empty => return Progress::End,
                b'\n' => *line_is_empty = true,
                b'\r' => {}
                _ => *line_is_empty = false,
            },
            Phase::Content(_) => {}
        }
        Progress::More
    }

    fn begin_chunk(&mut self, size: u64) {
        self.enter(match size {
            0 => Phase::Trailer { line_is_empty: true },
            _ => Phase::Content(size),
        });
    }
}

/// The first [`MAX_JSON`] bytes of a body that begins like JSON.
#[derive(Debug, Default)]
pub(super) struct JsonBody {
    bytes: Vec<u8>,
    refused: bool,
}

impl JsonBody {
    /// Collects; true once, when the bound is reached.
    pub(super) fn push(&mut self, content: &[u8]) -> bool {
        if self.refused {
            return false;
        }
        let content = if self.bytes.is_empty() { content.trim_ascii_start() } else { content };
        if self.bytes.is_empty() && !matches!(content, [] | [b'{' | b'[', ..]) {
            self.refused = true;
            return false;
        }
        let room = MAX_JSON.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(content.get(..room).unwrap_or(content));
        self.bytes.len() >= MAX_JSON
    }

    /// Hands over what was collected and takes no more.
    pub(super) fn close(&mut self) -> Vec<u8> {
        self.refused = true;
        std::mem::take(&mut self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unchunk(mut bytes: &[u8]) -> (Vec<u8>, Progress, usize) {
        let mut framing = Framing::Chunked(Chunked::default());
        let mut content = Vec::new();
        let progress = framing.take(&mut bytes, &mut |part| content.extend_from_slice(part));
        (content, progress, bytes.len())
    }

    #[test]
    fn chunks_are_joined_and_extensions_and_trailers_passed_over() {
        let (content, progress, left) = unchunk(b"3;x=y\r\nabc\r\n2\nde\n0\r\nA: b\r\n\r\nNEXT");

        assert_eq!((content.as_slice(), progress, left), (&b"abcde"[..], Progress::End, 4));
    }

    #[test]
    fn a_size_that_is_none_or_overflows_breaks_the_framing() {
        assert_eq!(unchunk(b"\r\n").1, Progress::Broken);
        assert_eq!(unchunk(b"xyz\r\n").1, Progress::Broken);
        assert_eq!(unchunk(b"fffffffffffffffff\r\n").1, Progress::Broken);
        assert_eq!(unchunk(b"1\r\nab").1, Progress::Broken);
    }

    #[test]
    fn a_size_line_without_end_breaks_the_framing() {
        assert_eq!(unchunk(&[b'0'; MAX_LINE + 1]).1, Progress::Broken);
    }

    #[test]
    fn only_json_is_collected_and_only_up_to_the_bound() {
        let mut html = JsonBody::default();
        let mut large = JsonBody::default();

        assert!(!html.push(b"<html>{}"));
        assert!(html.close().is_empty());
        assert!(!large.push(b"\r\n {"));
        assert!(large.push(&[b' '; MAX_JSON]));
        assert_eq!(large.close().len(), MAX_JSON);
    }
}
