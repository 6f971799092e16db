//! `mining.*` methods a miner sends, parameters in an array.

use super::envelope::{Context, Envelope};
use super::fields::{
    copy, digits, digits_0x, digits_any, is_id, is_text, nth, number, port, set_login, text,
};
use super::{Dialects, Kind, Message, Shape};
use crate::proto::json::View;

/// Bytes kept of an agent string.
const MAX_AGENT_BYTES: usize = 128;
/// The least solution a share of Equihash carries: (150,5) and (144,5) are 100 bytes.
const MIN_SOLUTION_DIGITS: u32 = 200;

/// The four methods every array dialect has.
pub(super) fn main(name: &[u8], envelope: &Envelope<'_>) -> Option<Message> {
    match name {
        b"subscribe" => subscribe(envelope),
        b"authorize" => authorize(envelope),
        b"submit" => submit(envelope),
        _ => configure(envelope),
    }
}

/// Bounded agent string.
pub(super) fn agent(view: Option<View<'_>>) -> String {
    crate::text::clip(text(view), MAX_AGENT_BYTES)
}

fn subscribe(envelope: &Envelope<'_>) -> Option<Message> {
    let Some(list) = envelope.array() else {
        return subscribe_with_session(envelope);
    };
    let fits = list.items().all(|item| !item.is_object());
    let shape = Shape::valid_if(fits && (list.count() == 0 || is_agent_or_null(list.at(0))));
    let mut message = Message::miner(subscribe_dialects(list), Kind::Subscribe, shape);
    message.specific = shape == Shape::Valid && names_software(list);
    message.agent = agent(list.at(0));
    if list.count() >= 4 && is_text(list.at(2)) {
        message.host = copy(list.at(2));
        message.port = port(list.at(3), 10);
    }
    Some(message)
}

/// True if the parameters are those of a miner: its software with a version, no software (`null`) or
/// something behind the name. A lone word may be a topic that somebody subscribes to.
fn names_software(list: View<'_>) -> bool {
    let agent = text(list.at(0)).to_ascii_lowercase();
    let versioned = agent.iter().any(|byte| byte.is_ascii_digit() || *byte == b'/');
    let is_miner = memchr::memmem::find(&agent, b"miner").is_some();
    list.count() > 1 || versioned || is_miner || list.at(0).is_some_and(View::is_null)
}

fn is_agent_or_null(view: Option<View<'_>>) -> bool {
    view.is_some_and(|view| view.is_null() || view.text().is_some())
}

fn subscribe_dialects(list: View<'_>) -> Dialects {
    let second = list.at(1);
    if let Some(algorithms) = second.filter(|view| view.is_array()) {
        let is_xelis = |view: View<'_>| view.text().unwrap_or_default().starts_with(b"xel/");
        let xelis = algorithms.items().any(is_xelis);
        return if xelis { Dialects::XELIS } else { Dialects::STRATUM_V1 };
    }
    if text(second).starts_with(b"EthereumStratum/1") {
        return ethereum_1_family();
    }
    if list.count() == 4 && is_text(list.at(2)) {
        return Dialects::EQUIHASH | Dialects::KAWPOW | Dialects::STRATUM_V1;
    }
    Dialects::ARRAY_FAMILY
}

/// Those that name EthereumStratum/1.0.0 when they subscribe.
pub(super) fn ethereum_1_family() -> Dialects {
    Dialects::ETHEREUMSTRATUM_V1 | Dialects::KASPA | Dialects::CONFLUX | Dialects::KAWPOW
}

/// EthereumStratum/2.0.0 and Alephium subscribe with a bare session string, maybe empty.
fn subscribe_with_session(envelope: &Envelope<'_>) -> Option<Message> {
    let session = envelope.params?.text()?;
    let shape = Shape::valid_if(session.iter().all(|byte| (32..127).contains(byte)));
    let dialects = Dialects::ETHEREUMSTRATUM_V2 | Dialects::ALEPHIUM;
    Some(Message::miner(dialects, Kind::Subscribe, shape))
}

fn authorize(envelope: &Envelope<'_>) -> Option<Message> {
    let list = envelope.array()?;
    let strings = list.items().all(|item| item.text().is_some() || item.is_null());
    let fits = strings && is_text(list.at(0)) && (1..=4).contains(&list.count());
    let dialects = if list.count() == 3 {
        Dialects::ARRAY_FAMILY | Dialects::ETHEREUMSTRATUM_V2
    } else {
        Dialects::ARRAY_FAMILY.without(Dialects::XELIS) | Dialects::ETHEREUMSTRATUM_V2
    };
    let mut message = Message::miner(dialects, Kind::Authorize, Shape::valid_if(fits));
    message.specific = fits;
    set_login(&mut message, list.at(0));
    if message.coin_hint == "XEL" && list.count() == 3 {
        message.worker = copy(list.at(1));
    }
    Some(message)
}

fn configure(envelope: &Envelope<'_>) -> Option<Message> {
    let list = envelope.array()?;
    let named = |item: View<'_>| {
        matches!(
            item.text(),
            Some(b"version-rolling" | b"minimum-difficulty" | b"subscribe-extranonce" | b"info")
        )
    };
    let names = list.at(0).filter(|names| names.is_array());
    let shape = Shape::valid_if(names.is_some() && list.at(1).is_none_or(View::is_object));
    let mut message = Message::miner(Dialects::STRATUM_V1, Kind::Configure, shape);
    message.specific = names.is_some_and(|names| names.items().any(named));
    if let Some(software) = list.at(1).and_then(|options| options.get(b"info.sw-version")) {
        message.agent = agent(Some(software));
    }
    Some(message)
}

fn submit(envelope: &Envelope<'_>) -> Option<Message> {
    let list = envelope.array();
    let count = list?.count();
    let dialects = match count {
        3 => short_share(list),
        4 => Dialects::CONFLUX.when(digits_0x(nth(list, 2)) > 0 && digits_0x(nth(list, 3)) == 64),
        5 | 6 => long_share(list, count),
        _ => Dialects::NONE,
    };
    let fits = !dialects.is_empty() && is_text(nth(list, 0)) && is_id(nth(list, 1));
    let kept = if fits { dialects } else { Dialects::MINING_FAMILY };
    let mut message = Message::miner(kept, Kind::Submit, Shape::valid_if(fits));
    // Three short strings are said by too much else to be a proof alone.
    message.specific = fits && count > 3;
    if dialects == Dialects::ETHEREUMSTRATUM_V2 || dialects == Dialects::ALEPHIUM {
        message.job_id = copy(nth(list, 0));
        message.nonce = copy(nth(list, 1));
        return Some(message);
    }
    set_login(&mut message, nth(list, 0));
    message.job_id = copy(nth(list, 1));
    message.nonce = copy(nth(list, nonce_index(dialects, count)));
    if dialects == Dialects::EQUIHASH && text(nth(list, 4)).starts_with(b"fd4005") {
        message.coin_hint = "ZEC";
    }
    Some(message)
}

fn nonce_index(dialects: Dialects, count: u32) -> usize {
    match count {
        5 if dialects == Dialects::EQUIHASH => 3,
        5 if dialects.contains(Dialects::KAWPOW) => 2,
        5 | 6 => 4,
        _ => 2,
    }
}

/// Worker, job, nonce; or (EthereumStratum/2.0.0, Alephium) job, nonce, worker token.
fn short_share(list: Option<View<'_>>) -> Dialects {
    if text(nth(list, 2)).starts_with(b"w-") {
        return match digits(nth(list, 1)) {
            0 => Dialects::NONE,
            1..=16 => Dialects::ETHEREUMSTRATUM_V2,
            _ => Dialects::ALEPHIUM,
        };
    }
    if (1..=16).contains(&digits_0x(nth(list, 2))) {
        return Dialects::KASPA;
    }
    let plain =
        Dialects::STRATUM_V1 | Dialects::ETHEREUMSTRATUM_V1 | Dialects::KASPA | Dialects::XELIS;
    plain.when((2..=16).contains(&digits(nth(list, 2))))
}

fn long_share(list: Option<View<'_>>, count: u32) -> Dialects {
    let hex = |index| digits(nth(list, index));
    let bitcoin =
        hex(2) > 0 && hex(3) == 8 && hex(4) == 8 && (count == 5 || digits_any(nth(list, 5)) == 8);
    let ergo = count == 5 && hex(2) > 0 && hex(4) == 16 && hex(3) <= 16;
    let equihash = count == 5 && hex(2) == 8 && hex(3) > 8 && hex(4) >= MIN_SOLUTION_DIGITS;
    let kawpow = count == 5
        && digits_any(nth(list, 2)) == 16
        && digits_any(nth(list, 3)) == 64
        && digits_any(nth(list, 4)) == 64;
    (Dialects::STRATUM_V1 | Dialects::ERGO.when(count == 5)).when(bitcoin)
        | Dialects::ERGO.when(ergo)
        | Dialects::EQUIHASH.when(equihash)
        | (Dialects::KAWPOW | Dialects::STRATUM_V1).when(kawpow)
}

/// The rarer methods of a miner.
pub(super) fn minor(name: &[u8], envelope: &Envelope<'_>, context: &Context) -> Option<Message> {
    let first = nth(envelope.array(), 0);
    let v1 = Dialects::STRATUM_V1;
    let mut message = match name {
        b"suggest_difficulty" => {
            let valid = Shape::valid_if(number(first) > 0.0);
            let mut message = Message::miner(Dialects::ARRAY_FAMILY, Kind::Difficulty, valid);
            message.difficulty = number(first);
            message
        }
        b"suggest_target" => {
            let valid = Shape::valid_if(digits_any(first) > 0);
            let mut message = Message::miner(Dialects::ARRAY_FAMILY, Kind::Target, valid);
            message.target = copy(first);
            message
        }
        b"extranonce.subscribe" => {
            Message::miner(Dialects::ARRAY_FAMILY, Kind::Extranonce, Shape::Valid)
        }
        b"get_transactions" => Message::miner(v1, Kind::Other, Shape::valid_if(is_id(first))),
        b"multi_version" | b"capabilities" => Message::miner(v1, Kind::Other, Shape::Partial),
        b"hashrate" => hashrate(envelope)?,
        b"noop" => Message::miner(
            Dialects::ETHEREUMSTRATUM_V2 | Dialects::ALEPHIUM,
            Kind::Keepalive,
            Shape::Partial,
        ),
        b"bye" => Message::miner(Dialects::ETHEREUMSTRATUM_V2, Kind::Other, Shape::Partial),
        b"hello" => return super::ethereum::hello(envelope),
        b"pong" if context.confirmed => {
            Message::miner(Dialects::XELIS | v1, Kind::Keepalive, Shape::Partial)
        }
        _ => return None,
    };
    message.specific = name == b"extranonce.subscribe";
    Some(message)
}

fn hashrate(envelope: &Envelope<'_>) -> Option<Message> {
    let list = envelope.array()?;
    let token = text(list.at(1)).starts_with(b"w-");
    let dialects = if token {
        Dialects::ETHEREUMSTRATUM_V2
    } else {
        Dialects::ETHEREUMSTRATUM_V2 | Dialects::XELIS
    };
    Some(Message::miner(dialects, Kind::Hashrate, Shape::complete_if(token)))
}

/// Array dialects whose parameters came as an object: Alephium's share.
pub(super) fn named(name: &[u8], envelope: &Envelope<'_>) -> Option<Message> {
    let share = envelope.object().filter(|_| name == b"submit")?;
    let job = share.get(b"jobId").filter(|job| is_id(Some(*job)))?;
    let nonce = share.get(b"nonce");
    let shape = Shape::valid_if(digits(nonce) >= 16);
    let mut message = Message::miner(Dialects::ALEPHIUM, Kind::Submit, shape);
    message.specific = shape == Shape::Valid;
    message.job_id = copy(Some(job));
    message.nonce = copy(nonce);
    set_login(&mut message, share.get(b"worker"));
    message.coin_hint = "ALPH";
    Some(message)
}
