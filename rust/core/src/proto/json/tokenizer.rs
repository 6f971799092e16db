//! [`Tokenizer`]: where a message starts, what its brackets say, where it ends.

use memchr::memchr2;

use super::scalar::{Literal, Scalar};
use super::tree::{Children, NO_NODE, Span, Tree, Value};
use super::{
    MAX_CHILDREN, MAX_DEPTH, MAX_EXCERPT_BYTES, MAX_KEY_BYTES, MAX_NUMBER_BYTES, MAX_STRING_BYTES,
    MAX_TAG_BYTES,
};

/// What one call of [`Tokenizer::feed`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fed {
    /// Bytes taken; 0 only when a message was given up at this byte: feed it again.
    pub used: usize,
    /// True if the message is whole: read [`Tokenizer::tree`] before feeding on.
    pub complete: bool,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Between messages: white space, an opening bracket or a tag.
    Idle,
    /// Inside a word that may be a tag (`shake~`).
    Tag,
    /// Lost: skipping to an end of line or a closing brace.
    Hunt,
    /// Lost, but just after a closing brace: an opening one starts a message.
    HuntBrace,
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    KeyText,
    ValueText,
    Number,
    Literal(Literal),
    Complete,
}

/// One bracket that is open.
#[derive(Debug, Clone, Copy)]
struct Frame {
    node: u16,
    is_object: bool,
    count: u32,
}

/// Not JSON, or beyond a bound.
#[derive(Debug)]
pub(super) struct Broken;

/// Cuts a byte stream into JSON messages, one direction of one flow.
///
/// A message is complete when its outermost bracket closes; line ends are not needed. After a
/// syntax error or an overlong message it skips to a line end (or a closing brace) that is followed
/// by an opening bracket. A lower-case word and a tilde before a message are its [`tag`](Self::tag).
#[derive(Debug)]
pub struct Tokenizer {
    pub(super) tree: Tree,
    pub(super) scalar: Scalar,
    pub(super) state: State,
    pub(super) key: Span,
    stack: Vec<Frame>,
    tag: Vec<u8>,
    excerpt: Vec<u8>,
    size: usize,
    limit: usize,
    skipped: u64,
    after_line_end: bool,
}

impl Tokenizer {
    /// Starts between messages; messages longer than `limit` bytes are skipped.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            tree: Tree::default(),
            scalar: Scalar::default(),
            state: State::Idle,
            key: Span::default(),
            stack: Vec::new(),
            tag: Vec::new(),
            excerpt: Vec::new(),
            size: 0,
            limit,
            skipped: 0,
            after_line_end: false,
        }
    }

    /// Changes how many bytes a message may have.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The message that was just completed.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The word before the tilde, if the message had one; else empty.
    #[must_use]
    pub fn tag(&self) -> &[u8] {
        &self.tag
    }

    /// The first bytes of the message, as they were sent.
    #[must_use]
    pub fn excerpt(&self) -> &[u8] {
        &self.excerpt
    }

    /// Bytes of the message, from its first bracket to its last.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Bytes that belonged to no complete message, white space aside.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// True between messages, where something else than JSON may begin.
    #[must_use]
    pub fn is_between(&self) -> bool {
        matches!(self.state, State::Idle | State::Complete)
    }

    /// Forgets a message that was begun: bytes are missing, or its carrier says it ended.
    pub fn cut(&mut self) {
        if !self.is_between() {
            self.skipped += u64::try_from(self.size).unwrap_or_default();
        }
        self.reset(State::Idle);
    }

    /// Takes bytes up to the end of the next message, or all.
    pub fn feed(&mut self, bytes: &[u8]) -> Fed {
        if self.state == State::Complete {
            self.reset(State::Idle);
        }
        let mut start = 0;
        if self.stack.is_empty() {
            start = self.seek(bytes);
        }
        let message = bytes.get(start..).unwrap_or_default();
        let room = self.limit.saturating_sub(self.size);
        let allowed = message.get(..room).unwrap_or(message);
        let (taken, broken) = self.structure(allowed);
        self.note(allowed.get(..taken).unwrap_or_default());
        let complete = self.state == State::Complete;
        if broken || (!complete && taken == room && message.len() > room) {
            self.give_up();
        }
        Fed { used: start + taken, complete }
    }

    fn note(&mut self, taken: &[u8]) {
        self.size += taken.len();
        let room = MAX_EXCERPT_BYTES.saturating_sub(self.excerpt.len());
        self.excerpt.extend_from_slice(taken.get(..room).unwrap_or(taken));
    }

    fn give_up(&mut self) {
        self.skipped += u64::try_from(self.size).unwrap_or_default();
        let next = if self.after_line_end { State::Idle } else { State::Hunt };
        self.reset(next);
    }

    fn reset(&mut self, state: State) {
        self.tree.clear();
        self.stack.clear();
        self.tag.clear();
        self.excerpt.clear();
        self.size = 0;
        self.after_line_end = false;
        self.state = state;
    }

    /// Finds the start of a message; gives its offset, or the number of bytes if there is none.
    fn seek(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match (self.state, byte) {
                (State::Idle | State::HuntBrace, b'{' | b'[') => {
                    self.state = State::Value;
                    return at;
                }
                (State::Hunt, _) => {
                    at += self.hunt(bytes.get(at..).unwrap_or_default());
                    continue;
                }
                (_, b'\n') => {
                    self.tag.clear();
                    self.state = State::Idle;
                }
                (State::Idle | State::HuntBrace, b' ' | b'\t' | b'\r' | 0) => {}
                (State::Idle, b'a'..=b'z') if self.tag.is_empty() => {
                    self.tag.push(byte);
                    self.state = State::Tag;
                }
                (State::Tag, b'a'..=b'z' | b'_') if self.tag.len() < MAX_TAG_BYTES => {
                    self.tag.push(byte);
                }
                (State::Tag, b'~') => self.state = State::Idle,
                _ => {
                    self.skipped += 1 + u64::try_from(self.tag.len()).unwrap_or_default();
                    self.tag.clear();
                    self.state = if byte == b'}' { State::HuntBrace } else { State::Hunt };
                }
            }
            at += 1;
        }
        at
    }

    fn hunt(&mut self, bytes: &[u8]) -> usize {
        let found = memchr2(b'\n', b'}', bytes);
        let used = found.map_or(bytes.len(), |at| at + 1);
        self.skipped += u64::try_from(used).unwrap_or_default();
        match found.and_then(|at| bytes.get(at)) {
            Some(b'\n') => self.state = State::Idle,
            Some(_) => self.state = State::HuntBrace,
            None => {}
        }
        used
    }

    /// Runs through a message's bytes; gives how many belong to it and whether it broke.
    fn structure(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while self.state != State::Complete {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(&byte) = rest.first() else { break };
            let step = match self.state {
                State::KeyText | State::ValueText => self.in_text(rest),
                State::Number => self.in_number(rest),
                State::Literal(literal) => self.in_literal(literal, byte),
                _ => self.between_tokens(byte),
            };
            match step {
                Ok(used) => at += used,
                Err(Broken) => return (at, true),
            }
        }
        (at, false)
    }

    fn between_tokens(&mut self, byte: u8) -> Result<usize, Broken> {
        match byte {
            b'\n' => {
                self.after_line_end = true;
                return Ok(1);
            }
            b' ' | b'\t' | b'\r' => return Ok(1),
            _ => {}
        }
        match (self.state, byte) {
            (State::CommaOrEnd, b',') => {
                let in_object = self.stack.last().is_some_and(|frame| frame.is_object);
                self.state = if in_object { State::Key } else { State::Value };
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::Key | State::KeyOrEnd, b'"') => self.begin_key(),
            (State::KeyOrEnd | State::CommaOrEnd, b'}') => self.close(true)?,
            (State::ValueOrEnd | State::CommaOrEnd, b']') => self.close(false)?,
            (State::Value | State::ValueOrEnd, _) => self.begin_value(byte)?,
            _ => return Err(Broken),
        }
        self.after_line_end = false;
        Ok(1)
    }

    fn begin_key(&mut self) {
        let limit = if self.is_kept() { MAX_KEY_BYTES } else { 0 };
        self.scalar.begin(self.tree.text_len(), limit);
        self.state = State::KeyText;
    }

    fn begin_value(&mut self, byte: u8) -> Result<(), Broken> {
        let kept = self.is_kept();
        let limit = |bytes| if kept { bytes } else { 0 };
        match byte {
            b'{' => self.open(true)?,
            b'[' => self.open(false)?,
            b'"' => {
                self.scalar.begin(self.tree.text_len(), limit(MAX_STRING_BYTES));
                self.state = State::ValueText;
            }
            b'-' | b'0'..=b'9' => {
                self.scalar.begin(self.tree.text_len(), limit(MAX_NUMBER_BYTES));
                self.scalar.push(&mut self.tree, &[byte]);
                self.state = State::Number;
            }
            _ => self.state = State::Literal(Literal::starting_with(byte).ok_or(Broken)?),
        }
        Ok(())
    }

    /// True if the next child of the innermost bracket will be kept.
    fn is_kept(&self) -> bool {
        let frame = self.stack.last();
        frame.is_none_or(|frame| frame.node != NO_NODE && frame.count < MAX_CHILDREN)
            && self.tree.has_room()
    }

    fn open(&mut self, is_object: bool) -> Result<(), Broken> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(Broken);
        }
        let (value, state) = if is_object {
            (Value::Object(Children::NONE), State::KeyOrEnd)
        } else {
            (Value::Array(Children::NONE), State::ValueOrEnd)
        };
        let node = self.place(value);
        self.stack.push(Frame { node, is_object, count: 0 });
        self.state = state;
        Ok(())
    }

    fn close(&mut self, is_object: bool) -> Result<(), Broken> {
        let frame = self.stack.pop().ok_or(Broken)?;
        if frame.is_object != is_object {
            return Err(Broken);
        }
        self.tree.set_count(frame.node, frame.count);
        self.state = if self.stack.is_empty() { State::Complete } else { State::CommaOrEnd };
        Ok(())
    }

    /// Counts a value with its container and keeps it if there is room.
    pub(super) fn place(&mut self, value: Value) -> u16 {
        let kept = self.is_kept();
        let key = std::mem::take(&mut self.key);
        let mut parent = NO_NODE;
        if let Some(frame) = self.stack.last_mut() {
            frame.count = frame.count.saturating_add(1);
            parent = frame.node;
        }
        if kept { self.tree.add(parent, key, value) } else { NO_NODE }
    }
}
