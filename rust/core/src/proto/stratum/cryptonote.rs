//! CryptoNote, Grin and Beam: bare words such as `login`, told from job queues by their fields.

use super::envelope::{Context, Envelope};
use super::fields::{
    compact_target_difficulty, copy, digits, height, is_cryptonote_address, is_id, is_number,
    is_text, member, number, set_login, text,
};
use super::miner::agent;
use super::{Dialects, Kind, Message, Shape};
use crate::proto::json::View;
use crate::text::clip;

/// The shortest hashing blob: 76 bytes.
const MIN_BLOB_DIGITS: u32 = 152;
/// The shortest part of a Grin header before its proof of work.
const MIN_PRE_POW_DIGITS: u32 = 100;
/// Numbers of a Grin cycle.
const GRIN_CYCLE: u32 = 42;
/// Hex digits a Beam login key starts with at least, if it is an address.
const MIN_BEAM_KEY_DIGITS: usize = 60;
/// Bytes kept of a list of algorithms.
const MAX_ALGO_BYTES: usize = 256;

/// A message of one of the three, if its fields say so.
pub(super) fn message(envelope: &Envelope<'_>, context: &Context) -> Option<Message> {
    match envelope.method {
        b"login" => login(envelope),
        b"submit" => submit(envelope, context),
        b"job" => job_push(envelope),
        b"getjob" if context.confirmed => Some(bare(Kind::GetJob, Dialects::CRYPTONOTE)),
        b"getjobtemplate" if has_text_id(envelope) => Some(bare(Kind::GetJob, Dialects::GRIN)),
        b"keepalived" => keepalived(envelope),
        b"keepalive" if context.confirmed => Some(bare(Kind::Keepalive, Dialects::GRIN)),
        b"status" if context.confirmed => Some(bare(Kind::Other, Dialects::GRIN)),
        b"solution" => beam_share(envelope),
        b"result" => beam_result(envelope, context),
        _ => None,
    }
}

fn bare(kind: Kind, dialect: Dialects) -> Message {
    Message::miner(dialect, kind, Shape::Partial)
}

fn has_text_id(envelope: &Envelope<'_>) -> bool {
    is_text(envelope.id)
}

fn login(envelope: &Envelope<'_>) -> Option<Message> {
    if let Some(key) = envelope.root.get(b"api_key") {
        return beam_login(key);
    }
    let params = envelope.object();
    let login = member(params, b"login").filter(|login| is_text(Some(*login)))?;
    let algo = member(params, b"algo").filter(|algo| algo.is_array());
    let named = is_text(member(params, b"agent"));
    let with_pass = member(params, b"pass").is_some();
    let address = is_cryptonote_address(Some(login));
    if algo.is_none() && !address && !(named && with_pass) {
        return None;
    }
    let grin = Dialects::GRIN.when(has_text_id(envelope) && algo.is_none());
    let dialects = Dialects::CRYPTONOTE | grin;
    let specific =
        algo.is_some_and(|algo| algo.count() > 0 && named) || (address && (named || with_pass));
    // A job queue may ask for name, password and software too: without more it stays partial.
    let mut message = Message::miner(dialects, Kind::Login, Shape::complete_if(specific));
    message.specific = specific;
    set_login(&mut message, Some(login));
    let rig = member(params, b"rigid");
    if is_text(rig) {
        message.worker = copy(rig);
    }
    message.agent = agent(member(params, b"agent"));
    message.algo = algo.map(joined).unwrap_or_default();
    Some(message)
}

fn joined(list: View<'_>) -> String {
    let mut names = Vec::new();
    for name in list.items().filter_map(View::text) {
        if names.len() + name.len() > MAX_ALGO_BYTES {
            break;
        }
        if !names.is_empty() {
            names.push(b',');
        }
        names.extend_from_slice(name);
    }
    clip(&names, MAX_ALGO_BYTES)
}

fn submit(envelope: &Envelope<'_>, context: &Context) -> Option<Message> {
    let params = envelope.object();
    if let Some(pow) = member(params, b"pow").filter(|pow| pow.is_array()) {
        return Some(grin_share(params, pow));
    }
    let share = share(params);
    (share.shape == Shape::Valid || context.confirmed).then_some(share)
}

/// A share as CryptoNote and the browser family send it.
pub(super) fn share(params: Option<View<'_>>) -> Message {
    let fits = is_id(member(params, b"job_id"))
        && digits(member(params, b"nonce")) == 8
        && digits(member(params, b"result")) == 64;
    let mut message = Message::miner(Dialects::CRYPTONOTE, Kind::Submit, Shape::valid_if(fits));
    message.specific = fits;
    message.job_id = copy(member(params, b"job_id"));
    message.nonce = copy(member(params, b"nonce"));
    message.algo = copy(member(params, b"algo"));
    message
}

fn grin_share(params: Option<View<'_>>, pow: View<'_>) -> Message {
    let fits = pow.count() == GRIN_CYCLE
        && pow.items().all(View::is_number)
        && is_number(member(params, b"nonce"))
        && is_number(member(params, b"height"));
    let mut message = Message::miner(Dialects::GRIN, Kind::Submit, Shape::valid_if(fits));
    message.specific = fits;
    message.job_id = copy(member(params, b"job_id"));
    message.nonce = copy(member(params, b"nonce"));
    message.height = height(member(params, b"height"));
    message.coin_hint = if fits { "GRIN" } else { "" };
    message
}

fn job_push(envelope: &Envelope<'_>) -> Option<Message> {
    if envelope.root.get(b"input").is_some() {
        return beam_job(envelope);
    }
    job(envelope.object())
}

/// A CryptoNote or Grin job, if the object has one's members; also inside login answers.
pub(super) fn job(object: Option<View<'_>>) -> Option<Message> {
    if let Some(pre_pow) = member(object, b"pre_pow") {
        return Some(grin_job(object, pre_pow));
    }
    let blob = member(object, b"blob")?;
    let target = member(object, b"target")?;
    let fits = digits(Some(blob)) >= MIN_BLOB_DIGITS
        && is_id(member(object, b"job_id"))
        && (matches!(digits(Some(target)), 8 | 16));
    let mut message = Message::pool(Dialects::CRYPTONOTE, Kind::Job, Shape::valid_if(fits));
    message.specific = fits;
    message.job_id = copy(member(object, b"job_id"));
    message.target = copy(Some(target));
    message.difficulty = compact_target_difficulty(Some(target));
    message.height = height(member(object, b"height"));
    message.algo = copy(member(object, b"algo"));
    if digits(member(object, b"seed_hash")) == 64 && fits {
        message.coin_hint = "XMR";
    }
    Some(message)
}

fn grin_job(object: Option<View<'_>>, pre_pow: View<'_>) -> Message {
    let fits = digits(Some(pre_pow)) >= MIN_PRE_POW_DIGITS
        && is_number(member(object, b"height"))
        && is_number(member(object, b"difficulty"))
        && is_id(member(object, b"job_id"));
    let mut message = Message::pool(Dialects::GRIN, Kind::Job, Shape::valid_if(fits));
    message.specific = fits;
    message.job_id = copy(member(object, b"job_id"));
    message.height = height(member(object, b"height"));
    message.difficulty = number(member(object, b"difficulty"));
    message.coin_hint = if fits { "GRIN" } else { "" };
    message
}

fn keepalived(envelope: &Envelope<'_>) -> Option<Message> {
    let params = envelope.object();
    params?;
    let shape = Shape::complete_if(is_id(member(params, b"id")));
    Some(Message::miner(Dialects::CRYPTONOTE, Kind::Keepalive, shape))
}

fn beam_login(key: View<'_>) -> Option<Message> {
    let digits = text(Some(key)).iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let is_address = digits >= MIN_BEAM_KEY_DIGITS;
    let mut message = Message::miner(Dialects::BEAM, Kind::Login, Shape::complete_if(is_address));
    set_login(&mut message, Some(key));
    // A long hexadecimal key alone may be any service's token; nobody else names a worker with it.
    message.specific = is_address && !message.worker.is_empty();
    message.coin_hint = if is_address { "BEAM" } else { "" };
    is_text(Some(key)).then_some(message)
}

fn beam_job(envelope: &Envelope<'_>) -> Option<Message> {
    let root = Some(envelope.root);
    let difficulty = member(root, b"difficulty")?;
    let fits = digits(member(root, b"input")) == 64 && difficulty.is_number() && is_id(envelope.id);
    let mut message = Message::pool(Dialects::BEAM, Kind::Job, Shape::valid_if(fits));
    message.specific = fits;
    message.job_id = copy(envelope.id);
    message.height = height(member(root, b"height"));
    message.extranonce = copy(member(root, b"nonceprefix"));
    message.coin_hint = if fits { "BEAM" } else { "" };
    Some(message)
}

fn beam_share(envelope: &Envelope<'_>) -> Option<Message> {
    let root = Some(envelope.root);
    let output = member(root, b"output")?;
    let fits = digits(member(root, b"nonce")) == 16 && digits(Some(output)) > 64;
    let mut message = Message::miner(Dialects::BEAM, Kind::Submit, Shape::valid_if(fits));
    message.specific = fits;
    message.job_id = copy(envelope.id);
    message.nonce = copy(member(root, b"nonce"));
    message.coin_hint = if fits { "BEAM" } else { "" };
    Some(message)
}

/// Beam's pool answers with a method of its own and a numeric code: 0 and 1 are good news.
fn beam_result(envelope: &Envelope<'_>, context: &Context) -> Option<Message> {
    let code = envelope.root.get(b"code")?.f64()?;
    let asked = context.asked.filter(|asked| asked.dialects.contains(Dialects::BEAM))?;
    let mut message = Message::pool(Dialects::BEAM, Kind::Result, Shape::Valid);
    message.method = asked.method.to_owned();
    message.extranonce = copy(envelope.root.get(b"nonceprefix"));
    let accepted = (0.0..=1.0).contains(&code);
    message.outcome = super::answer::outcome_of(asked.kind, Some(accepted));
    if !accepted {
        message.error = copy(envelope.root.get(b"description"));
    }
    Some(message)
}
