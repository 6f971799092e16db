//! `mining.*` and `client.*` methods a pool sends, jobs aside.

use super::envelope::{Context, Envelope};
use super::fields::{copy, digits, digits_any, is_text, nth, number, port};
use super::{Dialects, Kind, Message, Shape};
use crate::proto::json::View;

/// `mining.set_*` and the like.
pub(super) fn mining_method(
    name: &[u8],
    envelope: &Envelope<'_>,
    context: &Context,
) -> Option<Message> {
    let list = envelope.array();
    let first = nth(list, 0);
    match name {
        b"set_difficulty" => Some(difficulty(first)),
        b"set_target" => Some(target(first)),
        b"set_extranonce" => Some(extranonce(Dialects::ARRAY_FAMILY, list)),
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

fn target(value: Option<View<'_>>) -> Message {
    let fits = (1..=64).contains(&digits_any(value));
    let mut message = Message::pool(Dialects::ARRAY_FAMILY, Kind::Target, Shape::valid_if(fits));
    message.specific = fits;
    message.target = copy(value);
    message
}

fn extranonce(dialects: Dialects, list: Option<View<'_>>) -> Message {
    let first = nth(list, 0);
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
            Some(extranonce(Dialects::KASPA, list))
        }
        b"connection.set_gzip" => {
            let switched = nth(list, 0).and_then(View::bool).is_some();
            Some(Message::pool(Dialects::ALEPHIUM, Kind::Other, Shape::complete_if(switched)))
        }
        b"client.reconnect" if context.confirmed => Some(reconnect(dialects, list)),
        b"client.get_version" | b"client.show_message" if context.confirmed => {
            Some(Message::pool(dialects, Kind::Other, Shape::Partial))
        }
        _ => None,
    }
}
