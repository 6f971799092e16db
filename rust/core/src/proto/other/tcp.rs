//! Over TCP.

use memchr::memmem;

use super::{first_line, label, peer};
use crate::bytes::Reader;
use crate::proto::{Label, stratum_v2};

/// Names what one side says first, where that is certain and no parser takes it. `up` is true for
/// the flow's initiator.
#[must_use]
pub fn label_first_bytes(up: bool, bytes: &[u8]) -> Option<Label> {
    either_side(bytes).or_else(|| if up { client(bytes) } else { server(bytes) })
}

fn either_side(bytes: &[u8]) -> Option<Label> {
    peer::bitcoin(bytes)
        .or_else(|| peer::monero(bytes))
        .or_else(|| magic(bytes))
        .or_else(|| bore(bytes))
        .or_else(|| if looks_like_lsp(bytes) { label("lsp", first_line(bytes)) } else { None })
}

/// Protocols whose first bytes are the same for everybody.
fn magic(bytes: &[u8]) -> Option<Label> {
    const MAGICS: [(&[u8], &str); 6] = [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"),
        (b"\x13BitTorrent protocol", "bittorrent"),
        (b"AMQP\x00\x00\x09\x01", "amqp"),
        (b"FRP\x00\x02\x0d\x0a", "frp"),
        (b"@RSYNCD: ", "rsync"),
        (b"RFB 003.", "vnc"),
    ];
    let (_, name) = MAGICS.iter().find(|(mark, _)| bytes.starts_with(mark))?;
    label(name, b"")
}

fn client(bytes: &[u8]) -> Option<Label> {
    stratum_v2::plain_label(bytes)
        .or_else(|| mqtt(bytes))
        .or_else(|| postgres(bytes))
        .or_else(|| redis(bytes))
        .or_else(|| socks(bytes))
        .or_else(|| mail_client(bytes))
}

/// Greetings of servers that speak first. `220` alone could be several.
fn server(bytes: &[u8]) -> Option<Label> {
    let line = first_line(bytes);
    let says =
        |word: &[u8]| line.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
    let name = match line {
        [b'2', b'2', b'0', b' ' | b'-', ..] if says(b"SMTP") => "smtp",
        [b'2', b'2', b'0', b' ' | b'-', ..] if says(b"FTP") => "ftp",
        [b'*', b' ', b'O', b'K', ..] if says(b"IMAP") => "imap",
        [b'+', b'O', b'K', b' ', ..] if says(b"POP") || says(b"ready") => "pop3",
        _ => return None,
    };
    label(name, line)
}

fn mail_client(bytes: &[u8]) -> Option<Label> {
    let line = first_line(bytes);
    let greets = line.starts_with(b"EHLO ") || line.starts_with(b"HELO ");
    if greets { label("smtp", line) } else { None }
}

/// True for the frames of the Language Server Protocol: a header like HTTP's, then JSON-RPC,
/// without a request line.
#[must_use]
pub fn looks_like_lsp(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(b"Content-Length: ") else {
        return false;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let ends_line = rest.get(digits..).is_some_and(|behind| behind.starts_with(b"\r\n"));
    if digits == 0 || !ends_line {
        return false;
    }
    // The header may come alone in its segment.
    match memmem::find(rest, b"\r\n\r\n") {
        Some(end) => rest.get(end + 4).is_none_or(|&first| first == b'{'),
        None => false,
    }
}

/// A CONNECT packet: type and flags, remaining length, protocol name, level.
fn mqtt(bytes: &[u8]) -> Option<Label> {
    let mut r = Reader::new(bytes);
    if r.u8().ok()? != 0x10 {
        return None;
    }
    // The length has 7 bits a byte and at most 4 bytes.
    for _ in 0..4 {
        if r.u8().ok()? & 0x80 == 0 {
            break;
        }
    }
    let name = match r.rest() {
        [0, 4, b'M', b'Q', b'T', b'T', 3..=5, ..] => "MQTT",
        [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, ..] => "MQIsdp",
        _ => return None,
    };
    label("mqtt", name.as_bytes())
}

/// A PostgreSQL start-up packet, or a request for encryption or cancellation.
fn postgres(bytes: &[u8]) -> Option<Label> {
    const PROTOCOL_3: u32 = 0x0003_0000;
    const REQUESTS: [(u32, &str); 3] =
        [(80_877_102, "cancel"), (80_877_103, "ssl request"), (80_877_104, "gss request")];
    let mut r = Reader::new(bytes);
    let (length, code) = (r.u32().ok()?, r.u32().ok()?);
    if code == PROTOCOL_3 && r.rest().starts_with(b"user\0") {
        return label("postgres", b"startup");
    }
    let (_, request) = REQUESTS.iter().find(|(known, _)| *known == code)?;
    if length <= 16 { label("postgres", request.as_bytes()) } else { None }
}

/// A Redis command: an array of bulk strings.
fn redis(bytes: &[u8]) -> Option<Label> {
    let (count, rest) = counted(bytes, b'*')?;
    let (length, rest) = counted(rest, b'$')?;
    let command = rest.get(..length)?;
    let named = !command.is_empty() && command.iter().all(u8::is_ascii_graphic);
    if count == 0 || !named { None } else { label("redis", command) }
}

/// A mark, at most four digits and a line end; the number and what follows.
fn counted(bytes: &[u8], mark: u8) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if first != mark || !(1..=4).contains(&digits) {
        return None;
    }
    let (number, rest) = rest.split_at_checked(digits)?;
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some((number, rest.strip_prefix(b"\r\n")?))
}

/// A whole SOCKS greeting and nothing else: version 5 with its methods (RFC 1928), or a version 4
/// request, whose 4a form adds a host name.
fn socks(bytes: &[u8]) -> Option<Label> {
    match bytes {
        [5, count @ 1..=9, methods @ ..] if methods.len() == usize::from(*count) => {
            let known = methods.iter().all(|method| matches!(method, 0..=9 | 0x80..=0x82));
            if known { label("socks", b"5") } else { None }
        }
        [4, command @ 1..=2, high, low, address @ ..] => {
            let (octets, strings) = address.split_first_chunk::<4>()?;
            let strings = strings.strip_suffix(&[0])?;
            let with_name = octets.starts_with(&[0, 0, 0]);
            let expected = usize::from(with_name);
            let separators = strings.iter().filter(|&&byte| byte == 0).count();
            let texts = strings.iter().all(|byte| matches!(byte, 0 | b' '..=b'~'));
            if !texts || separators != expected || [high, low] == [&0, &0] {
                return None;
            }
            let verb = if *command == 1 { "connect" } else { "bind" };
            label("socks", format!("4 {verb}").as_bytes())
        }
        _ => None,
    }
}

/// bore: JSON that ends with a zero byte, beginning with its `Hello` or challenge.
fn bore(bytes: &[u8]) -> Option<Label> {
    let text = bytes.split(|&byte| byte == 0).next()?;
    if text.len() == bytes.len() {
        return None;
    }
    const OPENINGS: [&[u8]; 5] = [
        b"{\"Hello\":",
        b"{\"Accept\":\"",
        b"{\"Challenge\":\"",
        b"{\"Authenticate\":\"",
        b"\"Heartbeat\"",
    ];
    let opens = OPENINGS.iter().any(|opening| text.starts_with(opening));
    if opens { label("bore", text) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(up: bool, bytes: &[u8]) -> &'static str {
        label_first_bytes(up, bytes).map_or("", |label| label.name)
    }

    #[test]
    fn clients_are_named_by_what_they_open_with() {
        let openings: [(&[u8], &str); 13] = [
            (b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04abcd", "mqtt"),
            (b"\x10\x16\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x08abcdefgh", "mqtt"),
            (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", "postgres"),
            (b"\x00\x00\x00\x12\x00\x03\x00\x00user\0me\0\0", "postgres"),
            (b"*1\r\n$4\r\nPING\r\n", "redis"),
            (b"\x05\x02\x00\x02", "socks"),
            (b"\x04\x01\x01\xbb\xc0\x00\x02\x01\x00", "socks"),
            (b"\x04\x01\x01\xbb\x00\x00\x00\x01me\x00pool.example\x00", "socks"),
            (b"EHLO mail.example\r\n", "smtp"),
            (b"{\"Hello\":7000}\x00", "bore"),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"),
            (b"Content-Length: 52\r\n\r\n{\"jsonrpc\":\"2.0\"", "lsp"),
            (b"Content-Length: 5\r\nContent-Type: x\r\n\r\n{", "lsp"),
        ];
        for (bytes, wanted) in openings {
            assert_eq!(name(true, bytes), wanted, "{bytes:?}");
        }
    }

    #[test]
    fn servers_are_named_by_their_greeting() {
        assert_eq!(name(false, b"220 mail.example ESMTP ready\r\n"), "smtp");
        assert_eq!(name(false, b"220-ProFTPD server\r\n"), "ftp");
        assert_eq!(name(false, b"* OK [CAPABILITY IMAP4rev1] hi\r\n"), "imap");
        assert_eq!(name(false, b"+OK POP3 server ready\r\n"), "pop3");
        assert_eq!(name(false, b"220 welcome\r\n"), "");
    }

    #[test]
    fn near_misses_have_no_name() {
        let openings: [&[u8]; 8] = [
            b"\x05\x01\x00\x03\x0cpool.example\x01\xbb",
            b"\x05\x02\x00",
            b"\x10\x10\x00\x04MQTX\x04",
            b"*1\r\n$4\r\nPI",
            b"{\"Hello\":7000}\n",
            b"Content-Length: x\r\n\r\n{",
            b"{\"id\":1,\"method\":\"mining.subscribe\"}\n",
            b"\x04\x01\x00\x00\xc0\x00\x02\x01\x00",
        ];
        for bytes in openings {
            assert_eq!(name(true, bytes), "", "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), up: bool,
        ) {
            let _ = label_first_bytes(up, &bytes);
        }

        #[test]
        fn random_payload_has_no_name(seed in proptest::array::uniform32(any::<u8>())) {
            prop_assert_eq!(name(true, &seed), "");
        }
    }
}
