//! Incremental JSON (RFC 8259): a tree of bounded size out of chunks of any size.
//!
//! A [`Tokenizer`] finds where messages start and end in a byte stream and builds a [`Tree`] of
//! each. It never holds a whole message: long strings keep their first bytes, their length and
//! whether the rest was hexadecimal or base64; long arrays keep their first elements and a count.
//! A line of a mebibyte therefore costs no more memory than a short one.

mod scalar;
#[cfg(test)]
mod tests;
mod tokenizer;
mod tree;

pub use tokenizer::{Fed, Tokenizer};
pub use tree::{Tree, View};

/// Values kept of one message; further ones are parsed and counted, not kept.
pub const MAX_NODES: usize = 512;
/// Children kept of one array or object.
pub const MAX_CHILDREN: u32 = 128;
/// Bytes kept of one string.
pub const MAX_STRING_BYTES: usize = 512;
/// Bytes kept of one member name.
pub const MAX_KEY_BYTES: usize = 64;
/// Bytes kept of one number.
pub const MAX_NUMBER_BYTES: usize = 40;
/// Bytes of text kept of one message, names and numbers included.
pub const MAX_TEXT_BYTES: usize = 32 * 1024;
/// Brackets open at once; deeper nesting is a syntax error.
pub const MAX_DEPTH: usize = 32;
/// Bytes of the message as it was sent that are kept for an excerpt.
pub const MAX_EXCERPT_BYTES: usize = 256;
/// Bytes of a word before a tilde (`shake~{...}`).
pub const MAX_TAG_BYTES: usize = 16;
