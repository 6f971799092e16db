//! Domain names with compression pointers (RFC 1035 section 4.1.4).

use std::fmt::Write as _;

use crate::bytes::Reader;

/// Octets a name may have on the wire (RFC 1035 section 3.1).
const MAX_OCTETS: usize = 255;
/// Pointers followed for one name; real messages need two or three.
const MAX_JUMPS: usize = 32;

/// Reads the name at the reader and leaves the reader behind it.
///
/// Each pointer must lead to before the name part it ends, so a loop cannot be followed.
pub(super) fn read(message: &[u8], r: &mut Reader<'_>) -> Option<String> {
    let mut text = String::new();
    let start = r.offset();
    let Some(mut target) = read_labels(r, start, &mut text)? else {
        return Some(text);
    };
    for _ in 0..MAX_JUMPS {
        let mut jumped = Reader::new(message);
        jumped.take(target).ok()?;
        match read_labels(&mut jumped, target, &mut text)? {
            None => return Some(text),
            Some(next) => target = next,
        }
    }
    None
}

/// Reads labels to the name's end (`Some(None)`) or to a pointer (`Some(Some(offset))`).
fn read_labels(r: &mut Reader<'_>, start: usize, text: &mut String) -> Option<Option<usize>> {
    loop {
        let length = r.u8().ok()?;
        match length {
            0 => return Some(None),
            1..=63 => push_label(r.take(usize::from(length)).ok()?, text)?,
            192..=255 => {
                let target = usize::from(length & 0x3f) << 8 | usize::from(r.u8().ok()?);
                return (target < start).then_some(Some(target));
            }
            _ => return None,
        }
    }
}

/// Appends one label, escaped as RFC 4343 section 2.1 says. An escape takes four characters, so
/// the text is bounded by four times [`MAX_OCTETS`].
fn push_label(label: &[u8], text: &mut String) -> Option<()> {
    if !text.is_empty() {
        text.push('.');
    }
    for &octet in label {
        match octet {
            b'.' | b'\\' => {
                text.push('\\');
                text.push(char::from(octet));
            }
            b'!'..=b'~' => text.push(char::from(octet.to_ascii_lowercase())),
            _ => write!(text, "\\{octet:03}").ok()?,
        }
    }
    (text.len() <= 4 * MAX_OCTETS).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_at(message: &[u8], at: usize) -> Option<String> {
        let mut r = Reader::new(message);
        r.take(at).unwrap();
        read(message, &mut r)
    }

    #[test]
    fn odd_octets_are_escaped_and_cannot_forge_a_dot() {
        assert_eq!(
            name_at(b"\x05a.b\\\n\x02\xc3\xa4\x00", 0).unwrap(),
            "a\\.b\\\\\\010.\\195\\164"
        );
    }

    #[test]
    fn a_pointer_to_itself_or_forwards_is_refused() {
        assert_eq!(name_at(b"\xc0\x00", 0), None);
        assert_eq!(name_at(b"\xc0\x02\x01a\x00", 0), None);
        assert_eq!(name_at(b"\x01a\xc0\x00", 0), None);
    }

    #[test]
    fn a_name_that_grows_through_pointers_is_refused() {
        let label: Vec<u8> = std::iter::once(63).chain([b'\n'; 63]).collect();
        let mut message = label.repeat(5);
        message.push(0);

        assert_eq!(name_at(&message, 0), None);
    }

    #[test]
    fn the_root_is_an_empty_text() {
        assert_eq!(name_at(b"\x00", 0).unwrap(), "");
    }
}
