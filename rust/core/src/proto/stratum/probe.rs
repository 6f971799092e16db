//! Does a flow's first text look like a session of JSON messages?

use memchr::memmem;

/// Bytes looked at.
const MAX_PROBE_BYTES: usize = 2048;
/// The least text in the middle of a line that is worth a try.
const MIN_FRAGMENT_BYTES: usize = 4;

/// True if these first bytes of a direction may belong to a [`JsonSession`](super::JsonSession).
///
/// At the start of a connection a message has to start (JSON, or Xatum's word and tilde); in the
/// middle of one, printable text that ends a JSON line is enough.
#[must_use]
pub fn looks_like_json_session(bytes: &[u8], mid_stream: bool) -> bool {
    let bytes = bytes.get(..MAX_PROBE_BYTES).unwrap_or(bytes);
    let text = bytes.trim_ascii_start();
    starts_object(text) || starts_batch(text) || starts_tagged(text) || {
        mid_stream && ends_line(text)
    }
}

fn starts_object(text: &[u8]) -> bool {
    let Some(inside) = text.strip_prefix(b"{") else {
        return false;
    };
    matches!(inside.trim_ascii_start().first(), None | Some(b'"' | b'}'))
}

fn starts_batch(text: &[u8]) -> bool {
    let Some(inside) = text.strip_prefix(b"[") else {
        return false;
    };
    let inside = inside.trim_ascii_start();
    inside.is_empty() || starts_object(inside)
}

fn starts_tagged(text: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[b"shake~", b"job~", b"submit~", b"print~", b"ping~", b"success~"];
    WORDS.iter().any(|word| text.strip_prefix(*word).is_some_and(starts_object))
}

fn ends_line(text: &[u8]) -> bool {
    let is_text = |byte: &u8| *byte >= b' ' || byte.is_ascii_whitespace();
    let ends: [&[u8]; 3] = [b"}\n", b"}\r\n", b"}{\""];
    text.len() >= MIN_FRAGMENT_BYTES
        && text.iter().all(is_text)
        && ends.iter().any(|end| memmem::find(text, end).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_message_is_recognised() {
        for text in ["{\"id\":1", " \r\n{ \"method\"", "{", "[{\"id\"", "shake~{\"addr\":\"x\"}"] {
            assert!(looks_like_json_session(text.as_bytes(), false), "{text}");
        }
    }

    #[test]
    fn other_protocols_are_not() {
        for text in ["GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n", "{x", "[1,2]", "\x16\x03\x01", "~{}"] {
            assert!(!looks_like_json_session(text.as_bytes(), true), "{text}");
        }
    }

    #[test]
    fn the_end_of_a_line_counts_only_in_mid_stream() {
        let tail = b"b\",true],\"id\":1}\n";

        assert!(looks_like_json_session(tail, true));
        assert!(!looks_like_json_session(tail, false));
        assert!(!looks_like_json_session(b"\x00\x01\x02}\n\x03", true));
    }
}
