//! [`Tree`]: what is kept of one message, in two flat buffers that are used again and again.

use super::{MAX_CHILDREN, MAX_NODES, MAX_TEXT_BYTES};

/// No node: the parent was not kept, or a bound was reached.
pub(super) const NO_NODE: u16 = u16::MAX;
/// Capacity the text buffer may keep between messages.
const RESTING_TEXT_BYTES: usize = 4 * 1024;
/// Capacity the node buffer may keep between messages.
const RESTING_NODES: usize = 64;

/// A piece of the tree's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub(super) start: u16,
    pub(super) len: u16,
}

/// A string: what is kept, how long it was, and what the part not kept was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) span: Span,
    pub(super) total: u32,
    pub(super) rest_is_hex: bool,
    pub(super) rest_is_base64: bool,
}

/// The children of an array or object: a list linked through the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Children {
    first: u16,
    last: u16,
    count: u32,
}

impl Children {
    pub(super) const NONE: Self = Self { first: NO_NODE, last: NO_NODE, count: 0 };
}

/// One JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Span),
    Text(Text),
    Array(Children),
    Object(Children),
}

#[derive(Debug, Clone, Copy)]
struct Node {
    key: Span,
    value: Value,
    next: u16,
}

/// One message's values. Node 0 is the outermost array or object.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    text: Vec<u8>,
}

impl Tree {
    /// The outermost value, if a message was begun.
    #[must_use]
    pub fn root(&self) -> Option<View<'_>> {
        self.view(0)
    }

    fn view(&self, id: u16) -> Option<View<'_>> {
        let node = self.nodes.get(usize::from(id))?;
        Some(View { tree: self, node })
    }

    fn slice(&self, span: Span) -> &[u8] {
        let start = usize::from(span.start);
        self.text.get(start..start + usize::from(span.len)).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.nodes.clear();
        self.text.clear();
        self.nodes.shrink_to(RESTING_NODES);
        self.text.shrink_to(RESTING_TEXT_BYTES);
    }

    pub(super) fn has_room(&self) -> bool {
        self.nodes.len() < MAX_NODES
    }

    pub(super) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// Appends as much of `bytes` as fits under both limits; gives the number of bytes kept.
    pub(super) fn push_text(&mut self, bytes: &[u8], limit: usize) -> usize {
        let room = limit.min(MAX_TEXT_BYTES.saturating_sub(self.text.len())).min(bytes.len());
        self.text.extend_from_slice(bytes.get(..room).unwrap_or_default());
        room
    }

    /// Appends a value under `parent` ([`NO_NODE`] for the outermost); [`NO_NODE`] if full.
    pub(super) fn add(&mut self, parent: u16, key: Span, value: Value) -> u16 {
        if !self.has_room() {
            return NO_NODE;
        }
        let Ok(id) = u16::try_from(self.nodes.len()) else {
            return NO_NODE;
        };
        self.nodes.push(Node { key, value, next: NO_NODE });
        let last = match self.nodes.get_mut(usize::from(parent)).map(|node| &mut node.value) {
            Some(Value::Array(children) | Value::Object(children)) => {
                let last = std::mem::replace(&mut children.last, id);
                if last == NO_NODE {
                    children.first = id;
                }
                last
            }
            _ => NO_NODE,
        };
        if let Some(node) = self.nodes.get_mut(usize::from(last)) {
            node.next = id;
        }
        id
    }

    /// Notes how many children a container had, kept or not.
    pub(super) fn set_count(&mut self, id: u16, total: u32) {
        if let Some(Value::Array(children) | Value::Object(children)) =
            self.nodes.get_mut(usize::from(id)).map(|node| &mut node.value)
        {
            children.count = total;
        }
    }
}

/// One value of a [`Tree`].
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    tree: &'a Tree,
    node: &'a Node,
}

impl<'a> View<'a> {
    /// The member name this value has in its object; empty elsewhere.
    #[must_use]
    pub fn key(self) -> &'a [u8] {
        self.tree.slice(self.node.key)
    }

    /// The first kept member with this name.
    #[must_use]
    pub fn get(self, key: &[u8]) -> Option<View<'a>> {
        if !self.is_object() {
            return None;
        }
        self.items().find(|item| item.key() == key)
    }

    /// The element at `index`, if kept.
    #[must_use]
    pub fn at(self, index: usize) -> Option<View<'a>> {
        self.items().nth(index)
    }

    /// The kept children, in order.
    pub fn items(self) -> impl Iterator<Item = View<'a>> {
        let first = match self.node.value {
            Value::Array(children) | Value::Object(children) => self.tree.view(children.first),
            _ => None,
        };
        std::iter::successors(first, |item| item.tree.view(item.node.next))
            .take(usize::try_from(MAX_CHILDREN).unwrap_or_default())
    }

    /// How many children the array or object had on the wire.
    #[must_use]
    pub fn count(self) -> u32 {
        match self.node.value {
            Value::Array(children) | Value::Object(children) => children.count,
            _ => 0,
        }
    }

    /// True for `{...}`.
    #[must_use]
    pub fn is_object(self) -> bool {
        matches!(self.node.value, Value::Object(_))
    }

    /// True for `[...]`.
    #[must_use]
    pub fn is_array(self) -> bool {
        matches!(self.node.value, Value::Array(_))
    }

    /// True for `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    /// True for a number.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self.node.value, Value::Number(_))
    }

    /// The value of `true` or `false`.
    #[must_use]
    pub fn bool(self) -> Option<bool> {
        match self.node.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A string's kept bytes, escapes decoded; not always UTF-8, and maybe cut inside a character.
    #[must_use]
    pub fn text(self) -> Option<&'a [u8]> {
        match self.node.value {
            Value::Text(text) => Some(self.tree.slice(text.span)),
            _ => None,
        }
    }

    /// A string's length in bytes on the wire, escapes decoded.
    #[must_use]
    pub fn text_total(self) -> u32 {
        match self.node.value {
            Value::Text(text) => text.total,
            _ => 0,
        }
    }

    /// How many digits a string of hexadecimal digits has; `None` for anything else, also if it
    /// starts with `0x` or is empty.
    #[must_use]
    pub fn hex(self) -> Option<u32> {
        self.hex_after(0)
    }

    /// As [`View::hex`], for a string that starts with `0x`, which does not count.
    #[must_use]
    pub fn hex_0x(self) -> Option<u32> {
        let prefixed = self.text()?.starts_with(b"0x");
        if prefixed { self.hex_after(2) } else { None }
    }

    fn hex_after(self, skip: usize) -> Option<u32> {
        let Value::Text(text) = self.node.value else {
            return None;
        };
        let kept = self.tree.slice(text.span).get(skip..)?;
        let whole = text.rest_is_hex && is_hex(kept);
        (whole && !kept.is_empty()).then(|| text.total.saturating_sub(u32::from(skip > 0) * 2))
    }

    /// True for a string of base64 characters (RFC 4648, either alphabet), not empty.
    #[must_use]
    pub fn is_base64(self) -> bool {
        let Value::Text(text) = self.node.value else {
            return false;
        };
        let kept = self.tree.slice(text.span);
        text.rest_is_base64 && !kept.is_empty() && kept.iter().all(is_base64_byte)
    }

    /// A number as it was written.
    #[must_use]
    pub fn number_text(self) -> Option<&'a [u8]> {
        match self.node.value {
            Value::Number(span) => Some(self.tree.slice(span)),
            _ => None,
        }
    }

    /// A number, if finite.
    #[must_use]
    pub fn f64(self) -> Option<f64> {
        let text = std::str::from_utf8(self.number_text()?).ok()?;
        text.parse::<f64>().ok().filter(|value| value.is_finite())
    }

    /// A whole number from 0 on.
    #[must_use]
    pub fn u64(self) -> Option<u64> {
        std::str::from_utf8(self.number_text()?).ok()?.parse().ok()
    }
}

/// True if all bytes are hexadecimal digits. Looks at every byte, so that it is done many at a time.
pub(super) fn is_hex(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |so_far, byte| so_far & byte.is_ascii_hexdigit())
}

/// True for a character of base64 or base64url, padding included.
pub(super) fn is_base64_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
}
