//! eth-proxy (`eth_*`) and the parts of EthereumStratum/2.0.0 and Alephium that take objects.

use super::envelope::{Context, Envelope};
use super::fields::{
    copy, digits_0x, is_text, member, nth, number, port, set_login, text, wide_target_difficulty,
};
use super::miner::agent;
use super::{Dialects, Kind, Message, Shape};
use crate::proto::json::View;

/// `eth_*` methods of a miner.
pub(super) fn request(envelope: &Envelope<'_>, context: &Context) -> Option<Message> {
    match envelope.method {
        b"eth_submitLogin" | b"eth_login" => submit_login(envelope),
        b"eth_getWork" => Some(get_work(envelope, context)),
        b"eth_submitWork" => Some(submit_work(envelope)),
        b"eth_submitHashrate" => Some(submit_hashrate(envelope)),
        _ => None,
    }
}

fn from_miner(kind: Kind, shape: Shape) -> Message {
    let mut message = Message::miner(Dialects::ETH_PROXY, kind, shape);
    message.coin_hint = "ETH";
    message
}

/// The dialect's own member beside the JSON-RPC ones; its stock value names no machine.
fn add_worker(message: &mut Message, envelope: &Envelope<'_>) {
    let worker = envelope.root.get(b"worker");
    if message.worker.is_empty() && text(worker) != b"eth1.0" {
        message.worker = copy(worker);
    }
}

fn submit_login(envelope: &Envelope<'_>) -> Option<Message> {
    let login = nth(envelope.array(), 0);
    let shape = Shape::valid_if(is_text(login));
    let mut message = from_miner(Kind::Login, shape);
    message.specific = shape == Shape::Valid;
    set_login(&mut message, login);
    add_worker(&mut message, envelope);
    Some(message)
}

fn get_work(envelope: &Envelope<'_>, context: &Context) -> Message {
    let empty = envelope.params.is_none_or(|params| params.count() == 0);
    let mut message = from_miner(Kind::GetJob, Shape::valid_if(empty));
    let is_miner = context.http.is_some_and(|http| http.is_miner);
    // A node's own tools ask the same; alone it says nothing.
    message.specific = is_miner;
    add_worker(&mut message, envelope);
    message
}

fn submit_work(envelope: &Envelope<'_>) -> Message {
    let list = envelope.array();
    let widths = [digits_0x(nth(list, 0)), digits_0x(nth(list, 1)), digits_0x(nth(list, 2))];
    let shape = Shape::valid_if(widths == [16, 64, 64]);
    let mut message = from_miner(Kind::Submit, shape);
    message.specific = shape == Shape::Valid;
    message.nonce = copy(nth(list, 0));
    message.job_id = copy(nth(list, 1));
    add_worker(&mut message, envelope);
    message
}

fn submit_hashrate(envelope: &Envelope<'_>) -> Message {
    let list = envelope.array();
    let fits = (1..=64).contains(&digits_0x(nth(list, 0))) && digits_0x(nth(list, 1)) > 0;
    let mut message = from_miner(Kind::Hashrate, Shape::valid_if(fits));
    message.specific = fits;
    add_worker(&mut message, envelope);
    message
}

/// Work as eth-proxy sends it: header and seed of 64 digits, a target, maybe a block number.
pub(super) fn work(result: Option<View<'_>>) -> Option<Message> {
    let list = result.filter(|list| list.is_array())?;
    let fits = (3..=4).contains(&list.count())
        && digits_0x(list.at(0)) == 64
        && digits_0x(list.at(1)) == 64
        && (1..=64).contains(&digits_0x(list.at(2)))
        && list.at(3).is_none_or(|block| block.hex_0x().is_some() || block.is_null());
    if !fits {
        return None;
    }
    let mut message = Message::pool(Dialects::ETH_PROXY, Kind::Job, Shape::Valid);
    message.coin_hint = "ETH";
    message.job_id = copy(list.at(0));
    message.target = copy(list.at(2));
    message.difficulty = wide_target_difficulty(list.at(2));
    message.height = super::fields::height(list.at(3));
    Some(message)
}

/// True if a member of an array or object is Alephium's protocol name.
pub(super) fn names_alephium(list: View<'_>) -> bool {
    list.items().any(|item| text(Some(item)).starts_with(b"AlephiumStratum/"))
}

/// `mining.hello` of EIP-1571 and Alephium, parameters in an object or an array.
pub(super) fn hello(envelope: &Envelope<'_>) -> Option<Message> {
    let params = envelope.params?;
    let alephium = names_alephium(params);
    let proto = text(params.get(b"proto"));
    let dialect = if alephium { Dialects::ALEPHIUM } else { Dialects::ETHEREUMSTRATUM_V2 };
    let named = alephium || proto.starts_with(b"EthereumStratum/");
    let mut message = Message::miner(dialect, Kind::Hello, Shape::complete_if(named));
    message.specific = named;
    message.agent = agent(params.get(b"agent").or_else(|| params.at(0).filter(|_| alephium)));
    message.host = copy(params.get(b"host"));
    message.port = port(params.get(b"port"), if alephium { 10 } else { 16 });
    message.coin_hint = if alephium { "ALPH" } else { "" };
    Some(message)
}

/// `mining.hello`, `mining.set` and `mining.set_*` with objects.
pub(super) fn named(name: &[u8], envelope: &Envelope<'_>) -> Option<Message> {
    match name {
        b"hello" => hello(envelope),
        b"set" => set(envelope.object()),
        b"reconnect" => {
            let mut message =
                Message::pool(Dialects::ETHEREUMSTRATUM_V2, Kind::Reconnect, Shape::Partial);
            message.host = copy(member(envelope.object(), b"host"));
            message.port = port(member(envelope.object(), b"port"), 16);
            Some(message)
        }
        _ => None,
    }
}

fn set(params: Option<View<'_>>) -> Option<Message> {
    let target = member(params, b"target");
    let extranonce = member(params, b"extranonce");
    if target.is_none() && extranonce.is_none() && member(params, b"epoch").is_none() {
        return None;
    }
    let is_hex = |view: Option<View<'_>>| view.is_none_or(|view| view.hex().is_some());
    let fits = is_hex(target) && is_hex(extranonce) && is_hex(member(params, b"epoch"));
    let mut message =
        Message::pool(Dialects::ETHEREUMSTRATUM_V2, Kind::Target, Shape::valid_if(fits));
    message.specific = fits && target.is_some() && member(params, b"algo").is_some();
    message.target = copy(target);
    message.extranonce = copy(extranonce);
    message.algo = copy(member(params, b"algo"));
    message.difficulty = number(member(params, b"difficulty"));
    Some(message)
}
