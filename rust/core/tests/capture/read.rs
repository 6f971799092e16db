//! What the reader gives, in a form that compares.

use outgate_core::capture::Reader;
use outgate_core::error::CaptureError;
use outgate_core::limits::Limits;

/// A frame with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub ts: i64,
    pub orig_len: u32,
    pub data: Vec<u8>,
    pub link_number: u16,
}

/// All frames of a reader that stays for questions.
pub fn drain(reader: &mut Reader) -> Vec<Read> {
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame() {
        frames.push(Read {
            ts: frame.ts,
            orig_len: frame.orig_len,
            data: frame.data.to_vec(),
            link_number: frame.link_number,
        });
    }
    frames
}

/// All frames of a capture in memory, and the reader at its end.
pub fn read(bytes: &[u8]) -> Result<(Vec<Read>, Reader), CaptureError> {
    let mut reader = Reader::from_bytes(bytes.to_vec(), &Limits::default())?;
    let frames = drain(&mut reader);
    Ok((frames, reader))
}

/// The kinds of the issues a reader met, in their order.
pub fn kinds(reader: &Reader) -> Vec<&'static str> {
    reader.issues.iter().map(|issue| issue.kind).collect()
}
