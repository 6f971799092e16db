//! Strings, numbers and literals, cut anywhere by the end of a chunk.

use memchr::memchr3;

use super::tokenizer::{Broken, State, Tokenizer};
use super::tree::{Span, Text, Tree, Value, is_base64_byte, is_hex};

/// `true`, `false` or `null`, and how many of its letters were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Literal {
    word: &'static [u8],
    seen: usize,
}

impl Literal {
    pub(super) fn starting_with(byte: u8) -> Option<Self> {
        let word: &'static [u8] = match byte {
            b't' => b"true",
            b'f' => b"false",
            b'n' => b"null",
            _ => return None,
        };
        Some(Self { word, seen: 1 })
    }
}

/// Where an escape sequence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Escape {
    #[default]
    None,
    /// After the backslash.
    Begun,
    /// Inside `\uXXXX`: digits still to come and their value so far.
    Unicode { left: u8, code: u16 },
}

/// The string or number that is being read.
#[derive(Debug, Default)]
pub(super) struct Scalar {
    start: usize,
    kept: usize,
    limit: usize,
    total: u32,
    rest_is_hex: bool,
    rest_is_base64: bool,
    escape: Escape,
    /// A high surrogate that waits for its low one; 0 if none.
    high: u16,
}

impl Scalar {
    pub(super) fn begin(&mut self, start: usize, limit: usize) {
        *self = Self { start, limit, rest_is_hex: true, rest_is_base64: true, ..Self::default() };
    }

    /// Keeps what fits; classifies what does not.
    pub(super) fn push(&mut self, tree: &mut Tree, bytes: &[u8]) {
        let fits = tree.push_text(bytes, self.limit.saturating_sub(self.kept));
        self.kept += fits;
        self.total = self.total.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        let rest = bytes.get(fits..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
        // A string that once lost bytes keeps none of the later ones: what is kept is a prefix.
        self.limit = self.kept;
        self.rest_is_hex = self.rest_is_hex && is_hex(rest);
        self.rest_is_base64 = self.rest_is_base64 && rest.iter().all(is_base64_byte);
    }

    fn push_char(&mut self, tree: &mut Tree, character: char) {
        let mut utf8 = [0; 4];
        self.push(tree, character.encode_utf8(&mut utf8).as_bytes());
    }

    fn span(&self) -> Span {
        let start = u16::try_from(self.start).unwrap_or(u16::MAX);
        Span { start, len: u16::try_from(self.kept).unwrap_or_default() }
    }

    fn text(&self) -> Value {
        Value::Text(Text {
            span: self.span(),
            total: self.total,
            rest_is_hex: self.rest_is_hex,
            rest_is_base64: self.rest_is_base64,
        })
    }

    /// A lone high surrogate becomes U+FFFD.
    fn flush_high(&mut self, tree: &mut Tree) {
        if std::mem::take(&mut self.high) != 0 {
            self.push_char(tree, char::REPLACEMENT_CHARACTER);
        }
    }

    /// Takes one UTF-16 unit of a `\uXXXX` escape.
    fn push_unit(&mut self, tree: &mut Tree, unit: u16) {
        let high = std::mem::take(&mut self.high);
        if high != 0 {
            if let Some(Ok(character)) = char::decode_utf16([high, unit]).next() {
                return self.push_char(tree, character);
            }
            self.push_char(tree, char::REPLACEMENT_CHARACTER);
        }
        if (0xd800..0xdc00).contains(&unit) {
            self.high = unit;
            return;
        }
        let character = char::from_u32(u32::from(unit));
        self.push_char(tree, character.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
}

/// Bytes before the next quote, backslash or line end. Most strings are short: look at their first
/// bytes one by one before the vector search is worth its start.
fn run_length(bytes: &[u8]) -> usize {
    const SHORT_BYTES: usize = 16;
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | b'\n');
    let head = bytes.get(..SHORT_BYTES).unwrap_or(bytes);
    if let Some(at) = head.iter().position(ends) {
        return at;
    }
    let tail = bytes.get(head.len()..).unwrap_or_default();
    head.len() + memchr3(b'"', b'\\', b'\n', tail).unwrap_or(tail.len())
}

impl Tokenizer {
    /// Takes bytes inside a string; gives how many.
    pub(super) fn in_text(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        match self.scalar.escape {
            Escape::None => {}
            Escape::Begun => return self.escaped(bytes),
            Escape::Unicode { left, code } => return self.unicode(bytes, left, code),
        }
        let end = run_length(bytes);
        if end > 0 {
            self.scalar.flush_high(&mut self.tree);
            self.scalar.push(&mut self.tree, bytes.get(..end).unwrap_or_default());
        }
        match bytes.get(end) {
            None => return Ok(end),
            Some(b'"') => self.end_text(),
            Some(b'\\') => self.scalar.escape = Escape::Begun,
            // The line end stays, so that the hunt for the next line finds it.
            Some(_) if end > 0 => return Ok(end),
            Some(_) => return Err(Broken),
        }
        Ok(end + 1)
    }

    fn end_text(&mut self) {
        self.scalar.flush_high(&mut self.tree);
        if self.state == State::KeyText {
            self.key = self.scalar.span();
            self.state = State::Colon;
            return;
        }
        let value = self.scalar.text();
        self.place(value);
        self.state = State::CommaOrEnd;
    }

    fn escaped(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let plain: &[u8] = match bytes.first() {
            Some(b'u') => {
                self.scalar.escape = Escape::Unicode { left: 4, code: 0 };
                return Ok(1);
            }
            Some(b'"') => b"\"",
            Some(b'\\') => b"\\",
            Some(b'/') => b"/",
            Some(b'b') => b"\x08",
            Some(b'f') => b"\x0c",
            Some(b'n') => b"\n",
            Some(b'r') => b"\r",
            Some(b't') => b"\t",
            _ => return Err(Broken),
        };
        self.scalar.flush_high(&mut self.tree);
        self.scalar.push(&mut self.tree, plain);
        self.scalar.escape = Escape::None;
        Ok(1)
    }

    fn unicode(&mut self, bytes: &[u8], left: u8, code: u16) -> Result<usize, Broken> {
        let digit = bytes.first().and_then(|byte| char::from(*byte).to_digit(16)).ok_or(Broken)?;
        let code = (code << 4) | u16::try_from(digit).map_err(|_| Broken)?;
        let left = left.saturating_sub(1);
        if left > 0 {
            self.scalar.escape = Escape::Unicode { left, code };
            return Ok(1);
        }
        self.scalar.escape = Escape::None;
        self.scalar.push_unit(&mut self.tree, code);
        Ok(1)
    }

    /// Takes bytes of a number; the byte after it stays.
    pub(super) fn in_number(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
        let end = bytes.iter().position(|byte| !is_part(byte)).unwrap_or(bytes.len());
        self.scalar.push(&mut self.tree, bytes.get(..end).unwrap_or_default());
        if end < bytes.len() {
            self.place(Value::Number(self.scalar.span()));
            self.state = State::CommaOrEnd;
        }
        Ok(end)
    }

    pub(super) fn in_literal(&mut self, literal: Literal, byte: u8) -> Result<usize, Broken> {
        if literal.word.get(literal.seen) != Some(&byte) {
            return Err(Broken);
        }
        let seen = literal.seen + 1;
        if seen < literal.word.len() {
            self.state = State::Literal(Literal { seen, ..literal });
            return Ok(1);
        }
        let value = match byte_of(literal) {
            b't' => Value::Bool(true),
            b'f' => Value::Bool(false),
            _ => Value::Null,
        };
        self.place(value);
        self.state = State::CommaOrEnd;
        Ok(1)
    }
}

fn byte_of(literal: Literal) -> u8 {
    literal.word.first().copied().unwrap_or_default()
}
