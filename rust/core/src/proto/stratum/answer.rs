//! Answers: those whose shape is unmistakable, and those whose request was seen.

use super::envelope::{Context, Envelope};
use super::fields::{copy, digits, digits_0x, digits_any, is_number, is_text, member, nth, text};
use super::miner::ethereum_1_family;
use super::{Dialects, Kind, Message, Outcome, Shape, cryptonote, ethereum, rpc};
use crate::proto::json::View;
use crate::text::clip;

/// Bytes kept of an error text.
const MAX_ERROR_BYTES: usize = 128;

/// What is remembered of a mining request until its answer comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) kind: Kind,
    /// Empty if the method is none of the usual ones.
    pub(super) method: &'static str,
    pub(super) dialects: Dialects,
    pub(super) shape: Shape,
}

/// The usual methods of a miner, as text that outlives the message.
pub(super) fn known_method(method: &[u8]) -> &'static str {
    const KNOWN: &[&str] = &[
        "mining.submit",
        "submit",
        "eth_submitWork",
        "eth_getWork",
        "eth_submitHashrate",
        "keepalived",
        "mining.subscribe",
        "mining.authorize",
        "login",
        "eth_submitLogin",
        "eth_login",
        "mining.configure",
        "mining.extranonce.subscribe",
        "mining.hello",
        "mining.get_transactions",
        "mining.suggest_difficulty",
        "mining.hashrate",
        "getjob",
        "getjobtemplate",
        "solution",
        "getwork",
        "getblocktemplate",
        "submitblock",
    ];
    let found = KNOWN.iter().find(|known| known.as_bytes() == method);
    found.copied().unwrap_or_default()
}

/// True if the object may answer a request.
pub(super) fn is_answer(envelope: &Envelope<'_>) -> bool {
    let bare = envelope.params.is_none() && envelope.body.is_none();
    envelope.result.is_some()
        || envelope.method == b"result"
        || (bare && envelope.error.is_some_and(|error| !error.is_null()))
        || (envelope.method.is_empty() && envelope.type_name.is_empty())
}

/// What an answer says of a request of this kind: any may be refused, three may be accepted.
pub(super) fn outcome_of(kind: Kind, accepted: Option<bool>) -> Outcome {
    match (kind, accepted) {
        (Kind::Submit | Kind::Authorize | Kind::Login, Some(true)) => Outcome::Accepted,
        (_, Some(false)) => Outcome::Rejected,
        _ => Outcome::Unsaid,
    }
}

/// An answer of the family, by its shape or by its request.
pub(super) fn message(envelope: &Envelope<'_>, context: &Context) -> Option<Message> {
    let shaped = shaped(envelope, context);
    let Some(asked) = context.asked else {
        return shaped;
    };
    envelope.id?;
    let mut message = shaped.unwrap_or_else(|| plain(envelope, asked));
    message.method = asked.method.to_owned();
    if message.outcome == Outcome::Unsaid {
        message.outcome = outcome_of(asked.kind, accepted(envelope));
    }
    message.error = error_text(envelope);
    Some(message)
}

/// An answer that only its request makes a mining one.
fn plain(envelope: &Envelope<'_>, asked: Asked) -> Message {
    // Grin repeats the method in the answer; nobody else does.
    let echoed = !envelope.method.is_empty() && asked.dialects.contains(Dialects::GRIN);
    let dialects = if echoed { Dialects::GRIN } else { asked.dialects };
    // An answer is worth no more than the request that makes it one.
    let shape = if fits_request(envelope, asked) { asked.shape } else { Shape::Partial };
    let mut message = Message::pool(dialects, Kind::Result, shape);
    if asked.kind == Kind::Subscribe {
        message.extranonce = copy(nth(envelope.result, 1));
    }
    message
}

/// True if a pool would answer such a request this way. Services that share a method's name answer
/// in forms of their own; a refusal has the same form everywhere.
fn fits_request(envelope: &Envelope<'_>, asked: Asked) -> bool {
    if accepted(envelope) == Some(false) {
        return true;
    }
    let Some(result) = envelope.result else {
        return asked.dialects.contains(Dialects::ETHEREUMSTRATUM_V2)
            || !envelope.method.is_empty();
    };
    match asked.kind {
        Kind::Subscribe => {
            let named = asked.dialects & (Dialects::ETHEREUMSTRATUM_V2 | Dialects::ALEPHIUM);
            let session = named == asked.dialects && is_text(Some(result));
            session || result.bool() == Some(true) || digits_any(result.at(1)) > 0
        }
        Kind::Authorize => result.bool().is_some() || is_text(Some(result)),
        Kind::Submit | Kind::Login => {
            let word = result.text().or_else(|| result.get(b"status").and_then(View::text));
            let taken = word.is_some_and(|word| word.eq_ignore_ascii_case(b"ok"));
            result.bool().is_some() || taken && asked.kind == Kind::Submit || is_echo(envelope)
        }
        Kind::Configure => result.is_object(),
        _ => !result.is_null(),
    }
}

/// Grin repeats the method in the answer.
fn is_echo(envelope: &Envelope<'_>) -> bool {
    !envelope.method.is_empty()
}

/// Taken or refused; `None` if the answer does not say.
fn accepted(envelope: &Envelope<'_>) -> Option<bool> {
    if has_error(envelope) {
        return Some(false);
    }
    match envelope.result {
        None => Some(true), // EthereumStratum/2.0.0 answers with the id alone
        Some(result) if result.is_null() => None,
        Some(result) => Some(result.bool().unwrap_or(true)),
    }
}

fn has_error(envelope: &Envelope<'_>) -> bool {
    envelope.error.is_some_and(|error| {
        let empty = (error.is_array() || error.is_object()) && error.count() == 0;
        !error.is_null() && !empty && error.bool() != Some(false)
    })
}

/// `"text"`, `[code, "text", …]` or `{"message": "text"}`.
fn error_text(envelope: &Envelope<'_>) -> String {
    let Some(error) = envelope.error else {
        return String::new();
    };
    let described = error.get(b"message").or_else(|| error.at(1)).unwrap_or(error);
    clip(described.text().unwrap_or_default(), MAX_ERROR_BYTES)
}

fn shaped(envelope: &Envelope<'_>, context: &Context) -> Option<Message> {
    let result = envelope.result?;
    if result.is_array() {
        return subscribed(result).or_else(|| work(envelope, context)).or_else(|| greeted(result));
    }
    if !result.is_object() {
        return None;
    }
    greeted(result)
        .or_else(|| logged_in(result))
        .or_else(|| cryptonote::job(Some(result)))
        .or_else(|| rpc::template(result, context))
        .or_else(|| kept_alive(result))
}

/// The answer to a subscription: `[[["mining.notify", …], …], extranonce, size]` and its kin.
fn subscribed(result: View<'_>) -> Option<Message> {
    let first = result.at(0)?;
    let proto = |view: Option<View<'_>>| text(view).starts_with(b"EthereumStratum/1");
    let short = first.bool() == Some(true) && proto(result.at(1));
    let named = text(first.at(0)) == b"mining.notify" && proto(first.at(2));
    let dialects = if short || named {
        ethereum_1_family()
    } else if names_a_subscription(first) {
        Dialects::ARRAY_FAMILY.without(Dialects::EQUIHASH | Dialects::XELIS)
    } else {
        return None;
    };
    let extranonce = result.at(1);
    let fits = first.bool().is_some()
        || digits_any(extranonce) > 0
        || extranonce.is_some_and(|view| view.text() == Some(b""));
    let mut message = Message::pool(dialects, Kind::Result, Shape::valid_if(fits));
    message.specific = fits;
    if digits_any(extranonce) > 0 {
        message.extranonce = copy(extranonce);
    }
    Some(message)
}

fn names_a_subscription(first: View<'_>) -> bool {
    let is_method = |view: Option<View<'_>>| text(view).starts_with(b"mining.");
    is_method(first.at(0)) || first.items().any(|pair| is_method(pair.at(0)))
}

/// eth-proxy work. Pushed with id 0 it is a pool's; as an answer, a node could have said it.
///
/// Three hashes in a row are said by much else: the third has to be a target, which is small.
fn work(envelope: &Envelope<'_>, context: &Context) -> Option<Message> {
    let mut message = ethereum::work(envelope.result)?;
    let pushed = envelope.id.is_none_or(|id| id.is_null() || id.u64() == Some(0));
    let target = nth(envelope.result, 2);
    let small = digits_0x(target) < 64 || text(target).starts_with(b"0x0000");
    if !small && context.asked.is_none() {
        return None;
    }
    message.specific = pushed && small && context.asked.is_none() && context.http.is_none();
    Some(message)
}

/// The answer to `mining.hello`: an object in EIP-1571, an array or object in Alephium.
fn greeted(result: View<'_>) -> Option<Message> {
    let alephium = ethereum::names_alephium(result);
    if !alephium && !text(result.get(b"proto")).starts_with(b"EthereumStratum/") {
        return None;
    }
    let dialect = if alephium { Dialects::ALEPHIUM } else { Dialects::ETHEREUMSTRATUM_V2 };
    let named = alephium || result.get(b"encoding").is_some() || result.get(b"node").is_some();
    let mut message = Message::pool(dialect, Kind::Result, Shape::complete_if(named));
    message.specific = named;
    Some(message)
}

/// The answer to a CryptoNote login: it holds the first job.
fn logged_in(result: View<'_>) -> Option<Message> {
    let job = result.get(b"job").filter(|job| job.is_object());
    let mut message = cryptonote::job(job)?;
    let named = is_text(result.get(b"id")) || is_number(result.get(b"id"));
    message.specific = message.specific && named;
    message.kind = Kind::Result;
    message.outcome = Outcome::Accepted;
    Some(message)
}

fn kept_alive(result: View<'_>) -> Option<Message> {
    if text(result.get(b"status")) != b"KEEPALIVED" {
        return None;
    }
    let mut message = Message::pool(Dialects::CRYPTONOTE, Kind::Result, Shape::Valid);
    message.specific = true;
    Some(message)
}

/// True for 64 hex digits under this name.
pub(super) fn has_hash(object: View<'_>, key: &[u8]) -> bool {
    digits(member(Some(object), key)) == 64
}
