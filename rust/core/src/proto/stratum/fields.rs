//! Reading fields: hex shapes, bounded copies, login names, targets.

use super::Message;
use crate::proto::json::View;
use crate::text::clip;

/// Bytes kept of a login name.
const MAX_LOGIN_BYTES: usize = 256;
/// Bytes kept of a job id, nonce, extranonce or target.
const MAX_FIELD_BYTES: usize = 128;

/// Member `index` of an array.
pub(super) fn nth(list: Option<View<'_>>, index: usize) -> Option<View<'_>> {
    list.and_then(|list| list.at(index))
}

/// Member `key` of an object.
pub(super) fn member<'a>(object: Option<View<'a>>, key: &[u8]) -> Option<View<'a>> {
    object.and_then(|object| object.get(key))
}

/// A string's kept bytes; empty if it is none.
pub(super) fn text(view: Option<View<'_>>) -> &[u8] {
    view.and_then(View::text).unwrap_or_default()
}

/// A string or number as bounded text; empty for anything else.
pub(super) fn copy(view: Option<View<'_>>) -> String {
    let bytes = view.and_then(|view| view.text().or(view.number_text()));
    clip(bytes.unwrap_or_default(), MAX_FIELD_BYTES)
}

/// True for a string that is not empty.
pub(super) fn is_text(view: Option<View<'_>>) -> bool {
    view.is_some_and(|view| view.text_total() > 0)
}

/// True for a string that is not empty, or a number: what a job id may be.
pub(super) fn is_id(view: Option<View<'_>>) -> bool {
    view.is_some_and(|view| view.text_total() > 0 || view.is_number())
}

/// True for a number.
pub(super) fn is_number(view: Option<View<'_>>) -> bool {
    view.is_some_and(View::is_number)
}

/// True for `true` or `false`.
pub(super) fn is_bool(view: Option<View<'_>>) -> bool {
    view.and_then(View::bool).is_some()
}

/// Digits of a hex string without `0x`; 0 if it is none.
pub(super) fn digits(view: Option<View<'_>>) -> u32 {
    view.and_then(View::hex).unwrap_or_default()
}

/// Digits after `0x`; 0 if it is no such string.
pub(super) fn digits_0x(view: Option<View<'_>>) -> u32 {
    view.and_then(View::hex_0x).unwrap_or_default()
}

/// Digits of a hex string, with or without `0x`.
pub(super) fn digits_any(view: Option<View<'_>>) -> u32 {
    digits(view).max(digits_0x(view))
}

/// True for hex of at least one whole byte, or for an empty string (an empty coinbase part).
pub(super) fn is_hex_or_empty(view: Option<View<'_>>) -> bool {
    digits(view) > 0 || view.and_then(View::text).is_some_and(<[u8]>::is_empty)
}

/// A number, or a decimal or `0x` string, as a block height; 0 if it is none.
pub(super) fn height(view: Option<View<'_>>) -> u64 {
    let Some(view) = view else { return 0 };
    if let Some(number) = view.u64() {
        return number;
    }
    let text = std::str::from_utf8(view.text().unwrap_or_default()).unwrap_or_default();
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap_or_default(),
        None => text.parse().unwrap_or_default(),
    }
}

/// A port as number, decimal string or (EIP-1571) hex string; 0 if it is none.
pub(super) fn port(view: Option<View<'_>>, radix: u32) -> u16 {
    let Some(view) = view else { return 0 };
    if let Some(number) = view.u64() {
        return u16::try_from(number).unwrap_or_default();
    }
    let text = std::str::from_utf8(view.text().unwrap_or_default()).unwrap_or_default();
    u16::from_str_radix(text.trim_start_matches("0x"), radix).unwrap_or_default()
}

/// A number, or a string that holds one; 0 if it is none.
pub(super) fn number(view: Option<View<'_>>) -> f64 {
    let Some(view) = view else { return 0.0 };
    let parsed = view.f64().or_else(|| {
        let text = std::str::from_utf8(view.text()?).ok()?;
        text.parse::<f64>().ok().filter(|value| value.is_finite())
    });
    parsed.filter(|value| *value > 0.0).unwrap_or_default()
}

/// Expected hashes for a CryptoNote target: 8 or 16 hex digits, little-endian.
pub(super) fn compact_target_difficulty(view: Option<View<'_>>) -> f64 {
    let Ok(hex) = std::str::from_utf8(text(view)) else {
        return 0.0;
    };
    let scale = match hex.len() {
        8 => 2f64.powi(32),
        16 => 2f64.powi(64),
        _ => return 0.0,
    };
    let Ok(value) = u64::from_str_radix(hex, 16) else {
        return 0.0;
    };
    let target = if hex.len() == 8 { value.swap_bytes() >> 32 } else { value.swap_bytes() };
    if target == 0 { 0.0 } else { scale / float(target) }
}

/// Expected hashes for a 256-bit big-endian target in hex, leading zeros maybe dropped.
pub(super) fn wide_target_difficulty(view: Option<View<'_>>) -> f64 {
    let Ok(hex) = std::str::from_utf8(text(view)) else {
        return 0.0;
    };
    let hex = hex.trim_start_matches("0x").trim_start_matches('0');
    let head = hex.get(..hex.len().min(12)).unwrap_or_default();
    let Ok(lead) = u64::from_str_radix(head, 16) else {
        return 0.0;
    };
    let Ok(rest) = i32::try_from(hex.len() - head.len()) else {
        return 0.0;
    };
    if lead == 0 || hex.len() > 64 {
        return 0.0;
    }
    2f64.powi(256 - 4 * rest) / float(lead)
}

fn float(value: u64) -> f64 {
    let high = u32::try_from(value >> 32).unwrap_or_default();
    let low = u32::try_from(value & 0xffff_ffff).unwrap_or_default();
    f64::from(high) * 2f64.powi(32) + f64::from(low)
}

/// Splits a login name into wallet and worker and notes what its form says of the coin.
pub(super) fn set_login(message: &mut Message, login: Option<View<'_>>) {
    let bytes = text(login);
    let (wallet, rest) = split_login(bytes);
    message.wallet = clip(wallet, MAX_LOGIN_BYTES);
    if !rest.is_empty() {
        message.worker = clip(rest, MAX_FIELD_BYTES);
    }
    if message.coin_hint.is_empty() {
        message.coin_hint = address_coin(wallet);
    }
}

/// Wallet and worker. A `+` starts a fixed difficulty, not a worker; a mail address keeps its dots.
fn split_login(login: &[u8]) -> (&[u8], &[u8]) {
    let is_mail = login.iter().take_while(|byte| **byte != b'/').any(|byte| *byte == b'@');
    let ends = |byte: &u8| matches!(byte, b'/' | b'#' | b'+') || (*byte == b'.' && !is_mail);
    let Some(at) = login.iter().position(ends) else {
        return (login, &[]);
    };
    let wallet = login.get(..at).unwrap_or_default();
    let rest = login.get(at + 1..).unwrap_or_default();
    if login.get(at) != Some(&b'+') {
        return (wallet, rest);
    }
    let worker = rest.iter().position(|byte| matches!(byte, b'.' | b'/' | b'#'));
    (wallet, worker.and_then(|at| rest.get(at + 1..)).unwrap_or_default())
}

fn address_coin(wallet: &[u8]) -> &'static str {
    const PREFIXES: &[(&[u8], &str)] = &[
        (b"kaspa:", "KAS"),
        (b"karlsen:", "KLS"),
        (b"xel:", "XEL"),
        (b"cfx:", "CFX"),
        (b"prl1p", "PRL"),
    ];
    let found = PREFIXES.iter().find(|(prefix, _)| wallet.starts_with(prefix));
    found.map_or("", |(_, coin)| coin)
}

/// True if a login name has the form of a CryptoNote address, of whatever coin: 90 or more digits of
/// base58, or QRL's letter and 78 digits. Shorter forms are those of tokens and ids as well.
pub(super) fn is_cryptonote_address(login: Option<View<'_>>) -> bool {
    const MIN_ADDRESS_BYTES: usize = 90;
    const QRL_ADDRESS_BYTES: usize = 79;
    let (wallet, _) = split_login(text(login));
    let is_base58 =
        |byte: &u8| byte.is_ascii_alphanumeric() && !matches!(byte, b'0' | b'O' | b'I' | b'l');
    match wallet.split_first() {
        Some((b'Q', digits)) if wallet.len() == QRL_ADDRESS_BYTES => {
            digits.iter().all(u8::is_ascii_hexdigit)
        }
        _ => wallet.len() >= MIN_ADDRESS_BYTES && wallet.iter().all(is_base58),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::json::Tokenizer;

    fn with(json: &str, check: impl FnOnce(Option<View<'_>>)) {
        let mut tokenizer = Tokenizer::new(1 << 16);
        assert!(tokenizer.feed(json.as_bytes()).complete);
        check(nth(tokenizer.tree().root(), 0));
    }

    #[test]
    fn login_names_split_at_the_first_separator_that_is_no_part_of_the_address() {
        let cases = [
            ("addr.rig/1", ("addr", "rig/1")),
            ("kaspa:qq0#ref", ("kaspa:qq0", "ref")),
            ("RVN:addr.worker#ab", ("RVN:addr", "worker#ab")),
            ("addr+5000.rig", ("addr", "rig")),
            ("addr+5000", ("addr", "")),
            ("me@mail.example/rig", ("me@mail.example", "rig")),
            ("0xab/a.b@mail", ("0xab", "a.b@mail")),
            ("plain", ("plain", "")),
        ];

        for (login, (wallet, worker)) in cases {
            let split = split_login(login.as_bytes());
            assert_eq!(split, (wallet.as_bytes(), worker.as_bytes()), "{login}");
        }
    }

    #[test]
    fn targets_become_expected_hashes() {
        with(r#"["dc460300"]"#, |target| {
            assert_eq!(compact_target_difficulty(target).round(), 20_000.0);
        });
        with(r#"["0000000000000100"]"#, |target| {
            assert_eq!(compact_target_difficulty(target), 65_536.0);
        });
        let eth = r#"["0x0112e0be826d694b2e62d01511f12a6061fbaec8bc02357593e70e52ba"]"#;
        with(eth, |target| {
            let difficulty = wide_target_difficulty(target);
            assert!((3.9e9..4.1e9).contains(&difficulty), "{difficulty}");
        });
        with(r#"["zz"]"#, |target| assert_eq!(wide_target_difficulty(target), 0.0));
    }
}
