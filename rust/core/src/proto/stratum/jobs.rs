//! `mining.notify` with an array: the shape of the array names the dialect.

use super::envelope::Envelope;
use super::fields::{
    copy, digits, digits_0x, digits_any, height, is_bool, is_hex_or_empty, is_id, is_number, nth,
    text,
};
use super::{Dialects, Kind, Message, Shape};
use crate::proto::json::View;

/// One dialect's job: does the array fit, and which member means what.
struct Template {
    dialect: Dialects,
    fits: fn(Option<View<'_>>, u32) -> bool,
    height: Option<usize>,
    target: Option<usize>,
    coin: &'static str,
}

const TEMPLATES: &[Template] = &[
    template(Dialects::STRATUM_V1, is_bitcoin, None, None, ""),
    template(Dialects::STRATUM_V1, is_merkle_prefix, None, None, ""),
    template(Dialects::STRATUM_V1, is_work_header, None, None, ""),
    template(Dialects::STRATUM_V1, is_ethash_plain, None, Some(3), ""),
    template(Dialects::EQUIHASH, is_equihash, None, None, ""),
    template(Dialects::KAWPOW, is_kawpow, Some(5), Some(3), "RVN"),
    template(Dialects::ETHEREUMSTRATUM_V1, is_ethereum_1, None, None, ""),
    template(Dialects::ETHEREUMSTRATUM_V2, is_ethereum_2, None, None, ""),
    template(Dialects::CONFLUX, is_conflux, Some(1), Some(3), "CFX"),
    template(Dialects::KASPA, is_kaspa, None, None, "KAS"),
    template(Dialects::ERGO, is_ergo, Some(1), Some(6), "ERG"),
    template(Dialects::ALEPHIUM, is_alephium, None, None, "ALPH"),
    template(Dialects::XELIS, is_xelis, None, None, "XEL"),
];

const fn template(
    dialect: Dialects,
    fits: fn(Option<View<'_>>, u32) -> bool,
    height: Option<usize>,
    target: Option<usize>,
    coin: &'static str,
) -> Template {
    Template { dialect, fits, height, target, coin }
}

/// A job of one of the array dialects; invalid if it fits none.
pub(super) fn notify(envelope: &Envelope<'_>) -> Option<Message> {
    let list = envelope.array();
    let count = list?.count();
    let mut fitting = TEMPLATES.iter().filter(|template| (template.fits)(list, count));
    let Some(first) = fitting.next() else {
        let mut message = Message::pool(Dialects::MINING_FAMILY, Kind::Job, Shape::Invalid);
        message.job_id = copy(nth(list, 0));
        return Some(message);
    };
    let dialects = fitting.fold(first.dialect, |set, template| set | template.dialect);
    let mut message = Message::pool(dialects, Kind::Job, Shape::Valid);
    message.specific = true;
    message.job_id = copy(nth(list, 0));
    if dialects == first.dialect {
        message.coin_hint = first.coin;
        message.height = first.height.map_or(0, |index| height(nth(list, index)));
        message.target = first.target.map_or_else(String::new, |index| copy(nth(list, index)));
    }
    add_personalisation(&mut message, list);
    if dialects == Dialects::ALEPHIUM && message.job_id.is_empty() {
        message.job_id = copy(nth(list, 0).and_then(|job| job.get(b"jobId")));
    }
    if dialects == Dialects::XELIS {
        message.algo = copy(nth(list, 3));
    }
    Some(message)
}

/// Equihash variants name their algorithm and personalisation after the eight usual members.
fn add_personalisation(message: &mut Message, list: Option<View<'_>>) {
    if message.dialects != Dialects::EQUIHASH {
        return;
    }
    message.algo = copy(nth(list, 8));
    message.coin_hint = match text(nth(list, 9)) {
        b"ZcashPoW" => "ZEC",
        b"BgoldPoW" => "BTG",
        _ => "",
    };
}

fn all_hex(list: Option<View<'_>>, from: usize, lengths: &[u32]) -> bool {
    let mut wanted = (from..).zip(lengths);
    wanted.all(|(index, length)| digits(nth(list, index)) == *length)
}

fn is_bitcoin(list: Option<View<'_>>, count: u32) -> bool {
    let branches_fit = |branches: View<'_>| {
        branches.is_array() && branches.items().all(|branch| branch.hex() == Some(64))
    };
    count >= 9
        && is_id(nth(list, 0))
        && digits(nth(list, 1)) == 64
        && is_hex_or_empty(nth(list, 2))
        && is_hex_or_empty(nth(list, 3))
        && nth(list, 4).is_some_and(branches_fit)
        && all_hex(list, 5, &[8, 8, 8])
        && is_bool(nth(list, 8))
}

/// Bitcoin-like without a coinbase: a prefix of the merkle root instead (Warthog).
fn is_merkle_prefix(list: Option<View<'_>>, count: u32) -> bool {
    count == 7
        && is_id(nth(list, 0))
        && digits(nth(list, 1)) == 64
        && digits(nth(list, 2)) > 0
        && all_hex(list, 3, &[8, 8, 8])
        && is_bool(nth(list, 6))
}

/// Bitcoin-like with one long header to work on (Kadena).
fn is_work_header(list: Option<View<'_>>, count: u32) -> bool {
    const MIN_HEADER_DIGITS: u32 = 200;
    count == 3
        && is_id(nth(list, 0))
        && digits(nth(list, 1)) >= MIN_HEADER_DIGITS
        && is_bool(nth(list, 2))
}

/// ethminer's plain stratum: header, seed, target.
fn is_ethash_plain(list: Option<View<'_>>, count: u32) -> bool {
    let wide = |index| digits_any(nth(list, index)) == 64;
    count == 5 && is_id(nth(list, 0)) && wide(1) && wide(2) && wide(3) && is_bool(nth(list, 4))
}

fn is_equihash(list: Option<View<'_>>, count: u32) -> bool {
    count >= 8
        && is_id(nth(list, 0))
        && all_hex(list, 1, &[8, 64, 64, 64, 8, 8])
        && is_bool(nth(list, 7))
}

fn is_kawpow(list: Option<View<'_>>, count: u32) -> bool {
    count >= 7
        && is_id(nth(list, 0))
        && all_hex(list, 1, &[64, 64, 64])
        && is_bool(nth(list, 4))
        && is_number(nth(list, 5))
        && digits(nth(list, 6)) == 8
}

fn is_ethereum_1(list: Option<View<'_>>, count: u32) -> bool {
    count == 4 && is_id(nth(list, 0)) && all_hex(list, 1, &[64, 64]) && is_bool(nth(list, 3))
}

/// Block number and header as hex without leading zeros, then "0" or "1".
fn is_ethereum_2(list: Option<View<'_>>, count: u32) -> bool {
    count == 4
        && is_id(nth(list, 0))
        && (1..=16).contains(&digits(nth(list, 1)))
        && (33..=64).contains(&digits(nth(list, 2)))
        && matches!(text(nth(list, 3)), b"0" | b"1")
}

fn is_conflux(list: Option<View<'_>>, count: u32) -> bool {
    let number = nth(list, 1);
    count >= 4
        && is_id(nth(list, 0))
        && (is_number(number) || digits_any(number) > 0)
        && digits_0x(nth(list, 2)) == 64
        && (1..=64).contains(&digits_0x(nth(list, 3)))
}

/// Four 64-bit words and a time stamp, or header hash and time stamp as one string.
fn is_kaspa(list: Option<View<'_>>, count: u32) -> bool {
    let Some(header) = nth(list, 1) else {
        return false;
    };
    let words = header.count() == 4 && header.items().all(View::is_number) && header.is_array();
    let one_string = matches!(header.hex(), Some(80 | 160));
    let stamped = count == 3 && (is_number(nth(list, 2)) || is_id(nth(list, 2)));
    is_id(nth(list, 0)) && ((words && stamped) || (one_string && (count == 2 || stamped)))
}

/// Job, height, message hash, two unused members, version, target in decimal, …, clean.
fn is_ergo(list: Option<View<'_>>, count: u32) -> bool {
    let target = text(nth(list, 6));
    count >= 8
        && is_id(nth(list, 0))
        && is_number(nth(list, 1))
        && digits(nth(list, 2)) == 64
        && !target.is_empty()
        && target.iter().all(u8::is_ascii_digit)
}

/// Job, chain index and header, or a list of jobs with `headerBlob`.
fn is_alephium(list: Option<View<'_>>, count: u32) -> bool {
    let chain = nth(list, 1);
    let flat = count == 3
        && is_id(nth(list, 0))
        && (is_number(chain) || (1..=4).contains(&digits(chain)))
        && digits(nth(list, 2)) >= 64;
    let is_job = |job: View<'_>| {
        job.get(b"headerBlob").and_then(View::hex).is_some() && is_id(job.get(b"jobId"))
    };
    flat || (count > 0 && list.is_some_and(|list| list.items().all(is_job)))
}

fn is_xelis(list: Option<View<'_>>, count: u32) -> bool {
    count == 5
        && is_id(nth(list, 0))
        && (1..=16).contains(&digits(nth(list, 1)))
        && digits(nth(list, 2)) >= 64
        && text(nth(list, 3)).starts_with(b"xel/")
        && is_bool(nth(list, 4))
}
