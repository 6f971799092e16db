//! Xatum: a word, a tilde, an object.

use super::fields::{copy, is_number, is_text, member, number, set_login, text};
use super::miner::agent;
use super::{Dialects, Kind, Message, Outcome, Shape};
use crate::proto::json::View;

/// A message with this word before the tilde.
pub(super) fn message(word: &[u8], root: View<'_>, confirmed: bool) -> Option<Message> {
    let root = Some(root);
    match word {
        b"shake" => shake(root),
        b"job" => job(root),
        b"submit" => submit(root),
        b"success" if confirmed => Some(success(root)),
        b"print" | b"ping" if confirmed => {
            let kind = if word == b"ping" { Kind::Keepalive } else { Kind::Other };
            Some(Message::pool(Dialects::XATUM, kind, Shape::Valid))
        }
        b"pong" if confirmed => {
            Some(Message::miner(Dialects::XATUM, Kind::Keepalive, Shape::Valid))
        }
        _ => None,
    }
}

fn shake(root: Option<View<'_>>) -> Option<Message> {
    let address = member(root, b"addr").or_else(|| member(root, b"address"))?;
    let shape = Shape::valid_if(text(Some(address)).starts_with(b"xe"));
    let mut message = Message::miner(Dialects::XATUM, Kind::Login, shape);
    message.specific = shape == Shape::Valid;
    set_login(&mut message, Some(address));
    let worker = member(root, b"work").or_else(|| member(root, b"worker"));
    if is_text(worker) {
        message.worker = copy(worker);
    }
    message.agent = agent(member(root, b"agent"));
    Some(message)
}

fn job(root: Option<View<'_>>) -> Option<Message> {
    let blob = member(root, b"blob")?;
    let difficulty = member(root, b"diff").or_else(|| member(root, b"difficulty"));
    let fits = is_block(blob) && is_number(difficulty);
    let mut message = Message::pool(Dialects::XATUM, Kind::Job, Shape::valid_if(fits));
    message.specific = fits;
    message.difficulty = number(difficulty);
    message.algo = copy(member(root, b"algo"));
    message.coin_hint = if fits { "XEL" } else { "" };
    Some(message)
}

fn submit(root: Option<View<'_>>) -> Option<Message> {
    let data = member(root, b"data").or_else(|| member(root, b"blob"))?;
    let fits = is_block(data);
    let mut message = Message::miner(Dialects::XATUM, Kind::Submit, Shape::valid_if(fits));
    message.specific = fits;
    Some(message)
}

/// True for a block header (112 bytes at least) in base64 or hexadecimal digits.
fn is_block(data: View<'_>) -> bool {
    const MIN_BASE64_BYTES: u32 = 150;
    data.is_base64() && data.text_total() >= MIN_BASE64_BYTES
}

fn success(root: Option<View<'_>>) -> Message {
    let mut message = Message::pool(Dialects::XATUM, Kind::Result, Shape::Valid);
    message.outcome = Outcome::Accepted;
    message.method = "submit".to_owned();
    let text = copy(member(root, b"msg"));
    if !text.is_empty() && text != "ok" {
        message.outcome = Outcome::Rejected;
        message.error = text;
    }
    message
}
