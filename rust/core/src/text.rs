//! Bounded copies of text from the wire, and numbers as text without the cost of formatting.

/// Copies at most `limit` bytes as text; what is no UTF-8 becomes U+FFFD.
#[must_use]
pub fn clip(bytes: &[u8], limit: usize) -> String {
    let cut = bytes.get(..limit).unwrap_or(bytes);
    String::from_utf8_lossy(cut).into_owned()
}

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Bytes as lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        push_hex(&mut text, *byte);
    }
    text
}

/// Appends a byte as two hex digits.
pub fn push_hex(text: &mut String, byte: u8) {
    for nibble in [byte >> 4, byte & 0x0f] {
        let digit = HEX_DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
        text.push(char::from(digit));
    }
}

/// Appends a number in decimal.
pub fn push_decimal(text: &mut String, number: u16) {
    let mut started = false;
    for unit in [10_000, 1000, 100, 10, 1] {
        let digit = u8::try_from(number / unit % 10).unwrap_or(0);
        started |= digit > 0 || unit == 1;
        if started {
            text.push(char::from(b'0' + digit));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_read_as_the_standard_library_writes_them(number in any::<u16>(), byte in any::<u8>()) {
            let mut decimal = String::new();
            push_decimal(&mut decimal, number);
            prop_assert_eq!(decimal, number.to_string());
            prop_assert_eq!(hex(&[byte]), format!("{byte:02x}"));
        }
    }
}
