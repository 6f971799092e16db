//! `mining.*` and `client.*` methods a pool sends, jobs aside.

use super::envelope::{Context, Envelope};
use super::fields::{copy, digits, digits_any, is_text, nth, number, port};
use super::{Dialects, Kind, Message, Role, Shape};
use crate::proto::json::View;

/// Digits of a target that no other number would have.
const MIN_TARGET_DIGITS: u32 = 12;

/// `mining.set_*` and the like.
pub(super) fn mining_method(
    name: &[u8],
    envelope: &Envelope<'_>,
    context: &Context,
) -> Option<Message> {
    let list = envelope.array();
    let bare = envelope.params.filter(|params| params.text().is_some());
    let first = nth(list, 0).or(bare);
    // Alephium alone leaves the brackets out.
    let family = if bare.is_some() { Dialects::ALEPHIUM } else { Dialects::ARRAY_FAMILY };
    match name {
        b"set_difficulty" => Some(difficulty(first)),
        b"set_target" => Some(target(family, first)),
        b"set_extranonce" => Some(extranonce(family, first)),
        b"set_version_mask" => {
            let shape = Shape::valid_if(digits_any(first) == 8);
            let mut message = Message::pool(Dialects::STRATUM_V1, Kind::Other, shape);
            message.specific = shape == Shape::Valid;
            Some(message)
        }
        b"set_goal" => {
            let shape = Shape::valid_if(is_text(first));
            Some(Message::pool(Dialects::STRATUM_V1, Kind::Other, shape))
        }
        b"set_cleanjobs" => Some(Message::pool(Dialects::ALEPHIUM, Kind::Other, Shape::Partial)),
        b"reconnect" => Some(reconnect(Dialects::ETHEREUMSTRATUM_V2, list)),
        b"ping" if context.confirmed => {
            let dialects = Dialects::STRATUM_V1 | Dialects::XELIS;
            Some(Message::pool(dialects, Kind::Keepalive, Shape::Partial))
        }
        b"print" if context.confirmed => {
            Some(Message::pool(Dialects::XELIS, Kind::Other, Shape::Partial))
        }
        _ => None,
    }
}

fn difficulty(value: Option<View<'_>>) -> Message {
    let difficulty = number(value);
    let shape = Shape::valid_if(difficulty > 0.0);
    let dialects = Dialects::ARRAY_FAMILY.without(Dialects::EQUIHASH);
    let mut message = Message::pool(dialects, Kind::Difficulty, shape);
    message.specific = shape == Shape::Valid;
    message.difficulty = difficulty;
    message
}

fn target(dialects: Dialects, value: Option<View<'_>>) -> Message {
    let fits = (1..=64).contains(&digits_any(value));
    let mut message = Message::pool(dialects, Kind::Target, Shape::valid_if(fits));
    message.specific = digits_any(value) >= MIN_TARGET_DIGITS && fits;
    message.target = copy(value);
    message
}

fn extranonce(dialects: Dialects, first: Option<View<'_>>) -> Message {
    let fits = (1..=64).contains(&digits(first)) || first.is_some_and(|v| v.text() == Some(b""));
    let mut message = Message::pool(dialects, Kind::Extranonce, Shape::valid_if(fits));
    message.specific = fits && dialects != Dialects::KASPA;
    message.extranonce = copy(first);
    message
}

fn reconnect(dialects: Dialects, list: Option<View<'_>>) -> Message {
    let radix = if dialects == Dialects::ETHEREUMSTRATUM_V2 { 16 } else { 10 };
    let mut message = Message::pool(dialects, Kind::Reconnect, Shape::Partial);
    message.host = copy(nth(list, 0));
    message.port = port(nth(list, 1), radix);
    message
}

/// `client.*`, `set_extranonce` and `connection.set_gzip`: too common as words to open a session,
/// so they count only where mining was seen, or where the parameters leave no doubt.
pub(super) fn client_method(envelope: &Envelope<'_>, context: &Context) -> Option<Message> {
    let list = envelope.array();
    let dialects = Dialects::ARRAY_FAMILY | Dialects::CRYPTONOTE;
    match envelope.method {
        b"set_extranonce" if context.confirmed || digits(nth(list, 0)) > 0 => {
            Some(extranonce(Dialects::KASPA, nth(list, 0)))
        }
        b"connection.set_gzip" => Some(set_gzip(envelope)),
        b"client.reconnect" if context.confirmed => Some(reconnect(dialects, list)),
        b"client.get_version" | b"client.show_message" if context.confirmed => {
            Some(Message::pool(dialects, Kind::Other, Shape::Partial))
        }
        _ => None,
    }
}

/// Alephium turns compression on: a request with an id is the miner's, a notice the pool's.
fn set_gzip(envelope: &Envelope<'_>) -> Message {
    let asks = envelope.id.is_some_and(|id| !id.is_null());
    let switched = nth(envelope.array(), 0).and_then(View::bool).is_some();
    let role = if asks { Role::Miner } else { Role::Pool };
    Message::new(Dialects::ALEPHIUM, Kind::Other, role, Shape::complete_if(asks || switched))
}
