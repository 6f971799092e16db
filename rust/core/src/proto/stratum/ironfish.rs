//! IronFish: `mining.*` with a `body`, answered by methods of their own.

use super::envelope::Envelope;
use super::fields::{copy, digits, is_id, member, text};
use super::miner::agent;
use super::{Dialects, Kind, Message, Outcome, Shape};
use crate::proto::json::View;
use crate::text::clip;

/// Bytes kept of an error text.
const MAX_ERROR_BYTES: usize = 128;

/// A message with a `body`, if it is IronFish's.
pub(super) fn message(name: &[u8], envelope: &Envelope<'_>) -> Option<Message> {
    let body = envelope.body;
    let mut message = match name {
        b"subscribe" => subscribe(body),
        b"submit" => submit(body),
        b"notify" => notify(body),
        b"set_target" => set_target(body),
        b"subscribed" => subscribed(body),
        b"submitted" => submitted(body),
        b"wait_for_work" => Message::pool(Dialects::IRONFISH, Kind::Other, Shape::Partial),
        b"disconnect" => Message::pool(Dialects::IRONFISH, Kind::Other, Shape::Partial),
        _ => return None,
    };
    message.specific = message.shape == Shape::Valid;
    if message.specific {
        message.coin_hint = "IRON";
    }
    Some(message)
}

fn subscribe(body: Option<View<'_>>) -> Message {
    let address = member(body, b"publicAddress");
    let shape = Shape::valid_if(digits(address) == 64);
    let mut message = Message::miner(Dialects::IRONFISH, Kind::Subscribe, shape);
    message.wallet = copy(address);
    message.worker = copy(member(body, b"name"));
    message.agent = agent(member(body, b"agent"));
    message
}

fn submit(body: Option<View<'_>>) -> Message {
    let job = member(body, b"miningRequestId");
    let nonce = member(body, b"randomness");
    let shape = Shape::valid_if(is_id(job) && digits(nonce) >= 8);
    let mut message = Message::miner(Dialects::IRONFISH, Kind::Submit, shape);
    message.job_id = copy(job);
    message.nonce = copy(nonce);
    message
}

fn notify(body: Option<View<'_>>) -> Message {
    let job = member(body, b"miningRequestId");
    let header = member(body, b"header");
    let shape = Shape::valid_if(is_id(job) && digits(header) >= 64);
    let mut message = Message::pool(Dialects::IRONFISH, Kind::Job, shape);
    message.job_id = copy(job);
    message
}

fn set_target(body: Option<View<'_>>) -> Message {
    let target = member(body, b"target");
    let shape = Shape::valid_if(digits(target) == 64);
    let mut message = Message::pool(Dialects::IRONFISH, Kind::Target, shape);
    message.target = copy(target);
    message
}

fn subscribed(body: Option<View<'_>>) -> Message {
    let extranonce = member(body, b"xn");
    let shape = Shape::complete_if(is_id(member(body, b"clientId")));
    let mut message = Message::pool(Dialects::IRONFISH, Kind::Result, shape);
    message.extranonce = copy(extranonce);
    message
}

fn submitted(body: Option<View<'_>>) -> Message {
    let taken = member(body, b"result").and_then(View::bool);
    let mut message =
        Message::pool(Dialects::IRONFISH, Kind::Result, Shape::complete_if(taken.is_some()));
    message.outcome = match taken {
        Some(true) => Outcome::Accepted,
        Some(false) => Outcome::Rejected,
        None => Outcome::Unsaid,
    };
    message.error = clip(text(member(body, b"message")), MAX_ERROR_BYTES);
    message
}
