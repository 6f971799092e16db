//! Bounded copies of text from the wire.

/// Copies at most `limit` bytes as text; what is no UTF-8 becomes U+FFFD.
#[must_use]
pub fn clip(bytes: &[u8], limit: usize) -> String {
    let cut = bytes.get(..limit).unwrap_or(bytes);
    String::from_utf8_lossy(cut).into_owned()
}
