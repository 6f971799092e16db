//! PEARL: `mining.*` with named parameters; the miner authorises first.

use super::envelope::Envelope;
use super::fields::{copy, digits, height, is_id, is_text, member, number, set_login, text};
use super::miner::agent;
use super::{Dialects, Kind, Message, Shape};
use crate::proto::json::View;

/// A header of 76 bytes.
const HEADER_DIGITS: u32 = 152;

/// A message with named parameters, if they are PEARL's.
pub(super) fn message(name: &[u8], envelope: &Envelope<'_>) -> Option<Message> {
    let params = envelope.object();
    match name {
        b"authorize" => authorize(params),
        b"subscribe" => subscribe(params),
        b"submit" => submit(params),
        b"notify" => notify(params),
        b"set_difficulty" => set_difficulty(params),
        b"set_target" => set_target(params),
        _ => None,
    }
}

fn pearl(make: fn(Dialects, Kind, Shape) -> Message, kind: Kind, shape: Shape) -> Message {
    let mut message = make(Dialects::PEARL, kind, shape);
    message.specific = shape == Shape::Valid;
    message
}

fn authorize(params: Option<View<'_>>) -> Option<Message> {
    let wallet = member(params, b"wallet").filter(|wallet| is_text(Some(*wallet)));
    wallet?;
    let named = [b"worker".as_slice(), b"type", b"agent", b"password"];
    let complete = named.iter().any(|key| member(params, key).is_some());
    let mut message = pearl(Message::miner, Kind::Authorize, Shape::complete_if(complete));
    set_login(&mut message, wallet);
    add_worker(&mut message, params);
    message.agent = agent(member(params, b"agent"));
    message.algo = copy(member(params, b"type"));
    Some(message)
}

fn add_worker(message: &mut Message, params: Option<View<'_>>) {
    let worker = member(params, b"worker");
    if is_text(worker) {
        message.worker = copy(worker);
    }
}

fn subscribe(params: Option<View<'_>>) -> Option<Message> {
    let named = member(params, b"agent").filter(|agent| is_text(Some(*agent)));
    named?;
    let mut message = Message::miner(Dialects::PEARL, Kind::Subscribe, Shape::Valid);
    message.agent = agent(named);
    Some(message)
}

fn submit(params: Option<View<'_>>) -> Option<Message> {
    let proof = member(params, b"plain_proof")?;
    let encoding = member(params, b"proof_encoding");
    let encoded = encoding.is_none() || matches!(text(encoding), b"none" | b"gzip");
    let fits = proof.is_base64() && is_id(member(params, b"job_id")) && encoded;
    let mut message = pearl(Message::miner, Kind::Submit, Shape::valid_if(fits));
    set_login(&mut message, member(params, b"wallet"));
    add_worker(&mut message, params);
    message.job_id = copy(member(params, b"job_id"));
    message.coin_hint = "PRL";
    Some(message)
}

fn notify(params: Option<View<'_>>) -> Option<Message> {
    let header = member(params, b"header")?;
    let fits = header.hex() == Some(HEADER_DIGITS)
        && is_id(member(params, b"job_id"))
        && digits(member(params, b"target")) == 64;
    let mut message = pearl(Message::pool, Kind::Job, Shape::valid_if(fits));
    message.job_id = copy(member(params, b"job_id"));
    message.target = copy(member(params, b"target"));
    message.height = height(member(params, b"height"));
    message.difficulty = number(member(params, b"difficulty"));
    message.coin_hint = if fits { "PRL" } else { "" };
    Some(message)
}

fn set_difficulty(params: Option<View<'_>>) -> Option<Message> {
    let difficulty = number(Some(member(params, b"difficulty")?));
    let shape = Shape::valid_if(difficulty > 0.0);
    let mut message = pearl(Message::pool, Kind::Difficulty, shape);
    message.difficulty = difficulty;
    Some(message)
}

fn set_target(params: Option<View<'_>>) -> Option<Message> {
    let target = member(params, b"target")?;
    let shape = Shape::valid_if(target.hex() == Some(64));
    let mut message = pearl(Message::pool, Kind::Target, shape);
    message.target = copy(Some(target));
    Some(message)
}
