//! One request or response head.

use httparse::{Header, ParserConfig, Request, Response, Status};

use super::Head;
use crate::proto::text::clip;

/// Header fields read of one head; browsers send about 20.
const MAX_FIELDS: usize = 128;
/// Bytes kept of the request target, and of a header value.
const MAX_TARGET: usize = 512;
const MAX_VALUE: usize = 256;
/// Tunnel clients put a token of several hundred bytes into `Sec-WebSocket-Protocol`.
const MAX_PROTOCOL: usize = 2048;
const MAX_METHOD: usize = 32;

/// A head and how its body is framed.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) head: Head,
    pub(super) chunked: bool,
    pub(super) has_length: bool,
    /// `permessage-deflate` was offered or agreed.
    pub(super) deflate: bool,
}

/// Where the head at the start of `bytes` ends: behind its first empty line, looked for from
/// `from` on.
pub(super) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let tail = bytes.get(from..)?;
    memchr::memchr_iter(b'\n', tail).find_map(|at| {
        let line_end = from + at + 1;
        match bytes.get(line_end..)? {
            [b'\n', ..] => Some(line_end + 1),
            [b'\r', b'\n', ..] => Some(line_end + 2),
            _ => None,
        }
    })
}

/// Reads one whole head, with its empty line.
pub(super) fn parse(bytes: &[u8]) -> Option<Parsed> {
    if bytes.starts_with(b"HTTP/") { response(bytes) } else { request(bytes) }
}

fn request(bytes: &[u8]) -> Option<Parsed> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = Request::new(&mut fields);
    let mut config = ParserConfig::default();
    config.ignore_invalid_headers_in_requests(true);
    let Ok(Status::Complete(_)) = config.parse_request(&mut request, bytes) else {
        return None;
    };
    let mut parsed = Parsed::default();
    parsed.head.request = true;
    parsed.head.method = clip(request.method?.as_bytes(), MAX_METHOD);
    parsed.head.target = clip(request.path?.as_bytes(), MAX_TARGET);
    parsed.head.version = version(request.version?);
    read_fields(request.headers, &mut parsed);
    Some(parsed)
}

fn response(bytes: &[u8]) -> Option<Parsed> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = Response::new(&mut fields);
    let mut config = ParserConfig::default();
    config
        .ignore_invalid_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    let Ok(Status::Complete(_)) = config.parse_response(&mut response, bytes) else {
        return None;
    };
    let mut parsed = Parsed::default();
    parsed.head.status = response.code?;
    parsed.head.version = version(response.version?);
    read_fields(response.headers, &mut parsed);
    Some(parsed)
}

fn version(minor: u8) -> String {
    format!("1.{minor}")
}

fn read_fields(fields: &[Header<'_>], parsed: &mut Parsed) {
    for field in fields {
        let name = field.name.to_ascii_lowercase();
        let head = &mut parsed.head;
        match name.as_str() {
            "host" => head.host = clip(field.value, MAX_VALUE),
            "user-agent" => head.user_agent = clip(field.value, MAX_VALUE),
            "upgrade" => head.upgrade = clip(field.value, MAX_VALUE),
            "content-type" => head.content_type = clip(field.value, MAX_VALUE),
            "accept-language" => head.accept_language = clip(field.value, MAX_VALUE),
            "x-mining-extensions" => head.extensions = clip(field.value, MAX_VALUE),
            "sec-websocket-protocol" => head.ws_protocol = clip(field.value, MAX_PROTOCOL),
            "sec-websocket-key" => head.ws_key = true,
            "sec-websocket-accept" => head.ws_accept = true,
            "sec-websocket-extensions" => {
                parsed.deflate |= contains(field.value, b"permessage-deflate");
            }
            "transfer-encoding" => parsed.chunked |= contains(field.value, b"chunked"),
            "content-length" => read_length(field.value, parsed),
            _ => {}
        }
    }
}

fn read_length(value: &[u8], parsed: &mut Parsed) {
    let text = std::str::from_utf8(value).unwrap_or_default();
    if let Ok(length) = text.trim().parse() {
        parsed.head.content_length = length;
        parsed.has_length = true;
    }
}

/// True if `value` holds `lower`, whatever its letters' case.
fn contains(value: &[u8], lower: &[u8]) -> bool {
    value.windows(lower.len()).any(|window| window.eq_ignore_ascii_case(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_behind_the_first_empty_line() {
        assert_eq!(end(b"GET / HTTP/1.1\r\n\r\nrest", 0), Some(18));
        assert_eq!(end(b"GET / HTTP/1.1\n\nrest", 0), Some(16));
        assert_eq!(end(b"GET / HTTP/1.1\r\nHost: a\r\n", 0), None);
    }

    #[test]
    fn a_long_target_is_clipped() {
        let bytes = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(2000));

        assert_eq!(parse(bytes.as_bytes()).unwrap().head.target.len(), MAX_TARGET);
    }

    #[test]
    fn a_length_that_is_no_number_counts_as_none() {
        let parsed = parse(b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n").unwrap();

        assert!(!parsed.has_length);
    }
}
