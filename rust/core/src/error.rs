//! What can go wrong: [`CaptureError`] stops a run, an [`Issue`] is a row.

use std::fmt;

/// The input cannot be read as a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureError {
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What was wrong.
    pub message: String,
}

impl CaptureError {
    /// An error at `offset`.
    #[must_use]
    pub fn new(offset: u64, message: impl Into<String>) -> Self {
        Self { offset, message: message.into() }
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.offset, self.message)
    }
}

impl std::error::Error for CaptureError {}

/// Something odd in the input that the run went on after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The frame it was seen in, from 1; 0 before the first.
    pub frame: u64,
    /// Where in the (decompressed) file the frame or block starts, in bytes.
    pub offset: u64,
    /// The layer that noticed: `capture`, `link`, `ip`, `tcp`, `udp`, `fragment`.
    pub layer: &'static str,
    /// What it is, in snake case.
    pub kind: &'static str,
    /// The numbers behind it.
    pub detail: String,
}
