//! Names for protocols that are recognised by their first bytes and not parsed.
//!
//! Only certain marks count: each takes at least four fixed bytes, or fewer whose lengths and
//! values fit the whole message.

mod peer;
mod tcp;
mod udp;

pub use tcp::{label_first_bytes, looks_like_lsp};
pub use udp::label_udp;

use super::Label;
use crate::proto::text::clip;

/// Bytes of wire text in a label.
const MAX_DETAIL: usize = 120;

fn label(name: &'static str, detail: &[u8]) -> Option<Label> {
    Some(Label { name, detail: clip(detail, MAX_DETAIL) })
}

/// The first line, without its end.
fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end()
}
