//! Browser mining (the Coinhive family): `type` and `params` in WebSocket text.

use super::envelope::{Context, Envelope};
use super::fields::{copy, is_number, is_text, member, text};
use super::{Dialects, Kind, Message, Outcome, Shape, cryptonote};

/// A message of the family, if its fields say so.
pub(super) fn message(envelope: &Envelope<'_>, context: &Context) -> Option<Message> {
    let params = envelope.object();
    match envelope.type_name {
        b"auth" => auth(envelope),
        b"job" => cryptonote::job(params).map(as_browser),
        b"submit" => {
            let share = as_browser(cryptonote::share(params));
            (share.shape == Shape::Valid || context.confirmed).then_some(share)
        }
        b"authed" => {
            let hashes = is_number(member(params, b"hashes"));
            hashes.then(|| answer(Shape::Valid, Outcome::Accepted, "auth"))
        }
        b"hash_accepted" => {
            let hashes = is_number(member(params, b"hashes"));
            Some(answer(Shape::complete_if(hashes), Outcome::Accepted, "submit"))
        }
        b"error" | b"banned" if context.confirmed => {
            let mut message = answer(Shape::Partial, Outcome::Rejected, "");
            message.error = copy(member(params, b"error"));
            Some(message)
        }
        b"open" | b"close" if context.confirmed => {
            Some(Message::miner(Dialects::BROWSER, Kind::Other, Shape::Partial))
        }
        _ => None,
    }
}

fn as_browser(mut message: Message) -> Message {
    message.dialects = Dialects::BROWSER;
    message
}

fn answer(shape: Shape, outcome: Outcome, method: &'static str) -> Message {
    let mut message = Message::pool(Dialects::BROWSER, Kind::Result, shape);
    message.outcome = outcome;
    message.method = method.to_owned();
    message
}

fn auth(envelope: &Envelope<'_>) -> Option<Message> {
    let params = envelope.object();
    let key = member(params, b"site_key").filter(|key| is_text(Some(*key)))?;
    // Whether the visitor is known belongs to the family alone; a site key also to tests for humans.
    let kind = text(member(params, b"type"));
    let mut message = Message::miner(Dialects::BROWSER, Kind::Authorize, Shape::Valid);
    message.specific = matches!(kind, b"anonymous" | b"token" | b"user");
    message.wallet = copy(Some(key));
    message.worker = copy(member(params, b"user"));
    Some(message)
}
