//! TCP segments to ordered bytes with gaps of known size.
//!
//! Overlap policy: the byte that came first stays. A receiver that already has a byte keeps it
//! (RFC 9293 section 3.10.7.4), so a later copy with other content changes nothing, and is counted.

mod assembler;

pub use self::assembler::{Assembler, Budget, Piece, Segment};
