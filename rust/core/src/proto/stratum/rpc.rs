//! getwork and getblocktemplate: a miner's calls, but a node's own tools make them too.

use super::answer::has_hash;
use super::envelope::{Context, Envelope};
use super::fields::{copy, digits, height, is_text, member, nth, number};
use super::{Dialects, Kind, Message, Shape};
use crate::proto::json::View;

/// A block header padded for hashing, as getwork sends it.
const WORK_DIGITS: u32 = 256;
/// A block header: the least a solved block has.
const HEADER_DIGITS: u32 = 160;

/// What the HTTP message around the JSON says of the software.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpFacts {
    /// True if the headers are a miner's.
    pub is_miner: bool,
}

impl HttpFacts {
    /// Reads a request's `User-Agent` (empty if it has none) and whether it has an
    /// `X-Mining-Extensions` header.
    #[must_use]
    pub fn new(user_agent: &str, mining_extensions: bool) -> Self {
        /// Software that mines over HTTP, in lower case.
        const MINERS: &[&str] = &[
            "cgminer", "bfgminer", "cpuminer", "minerd", "ccminer", "sgminer", "ethminer",
            "guiminer", "poclbm", "xmrig",
        ];
        let agent = user_agent.get(..64).unwrap_or(user_agent).to_ascii_lowercase();
        let is_miner = mining_extensions || MINERS.iter().any(|miner| agent.contains(miner));
        Self { is_miner }
    }
}

/// A call of one of the two.
pub(super) fn request(envelope: &Envelope<'_>, context: &Context) -> Option<Message> {
    let is_miner = context.http.is_some_and(|http| http.is_miner);
    let first = nth(envelope.array(), 0);
    let mut message = match envelope.method {
        b"getwork" if first.is_some() => solved_work(first),
        b"getwork" => Message::miner(Dialects::GETWORK, Kind::GetJob, Shape::Valid),
        b"getblocktemplate" | b"get_block_template" => ask_template(envelope),
        b"submitblock" | b"submit_block" => {
            let shape = Shape::valid_if(digits(first) >= HEADER_DIGITS);
            Message::miner(Dialects::GETBLOCKTEMPLATE, Kind::Submit, shape)
        }
        _ => return None,
    };
    message.specific |= is_miner && message.shape == Shape::Valid;
    Some(message)
}

fn solved_work(data: Option<View<'_>>) -> Message {
    let shape = Shape::valid_if(digits(data) == WORK_DIGITS);
    let mut message = Message::miner(Dialects::GETWORK, Kind::Submit, shape);
    message.specific = shape == Shape::Valid;
    message
}

fn ask_template(envelope: &Envelope<'_>) -> Message {
    let mut message = Message::miner(Dialects::GETBLOCKTEMPLATE, Kind::GetJob, Shape::Valid);
    let wallet = member(envelope.object(), b"wallet_address");
    if is_text(wallet) {
        message.wallet = copy(wallet);
    }
    message
}

/// The answer to getwork or getblocktemplate.
pub(super) fn template(result: View<'_>, context: &Context) -> Option<Message> {
    let is_miner = context.http.is_some_and(|http| http.is_miner);
    let mut message = if digits(result.get(b"data")) == WORK_DIGITS {
        let shape = Shape::complete_if(has_hash(result, b"target"));
        let mut message = Message::pool(Dialects::GETWORK, Kind::Job, shape);
        message.target = copy(result.get(b"target"));
        message
    } else if has_hash(result, b"previousblockhash") && result.get(b"bits").is_some() {
        let complete = result.get(b"coinbasevalue").or_else(|| result.get(b"coinbasetxn"));
        let shape = Shape::complete_if(complete.is_some());
        let mut message = Message::pool(Dialects::GETBLOCKTEMPLATE, Kind::Job, shape);
        message.height = height(result.get(b"height"));
        message.target = copy(result.get(b"target"));
        message
    } else if digits(result.get(b"blocktemplate_blob")) >= HEADER_DIGITS {
        let mut message = Message::pool(Dialects::GETBLOCKTEMPLATE, Kind::Job, Shape::Valid);
        message.height = height(result.get(b"height"));
        message.difficulty = number(result.get(b"difficulty"));
        message
    } else {
        return None;
    };
    message.specific = is_miner && message.shape == Shape::Valid;
    Some(message)
}
