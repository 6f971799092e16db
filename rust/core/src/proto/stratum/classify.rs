//! From one JSON value to a verdict: which dialect's reader is asked.

use super::envelope::{Context, Envelope, Verdict};
use super::{
    answer, browser, cryptonote, ethereum, ironfish, jobs, label, miner, pearl, pool, rpc,
};

/// Judges one object.
pub(super) fn classify(envelope: &Envelope<'_>, context: &Context) -> Verdict {
    // Grin's answers repeat the method; Beam's have one of their own.
    let answers = answer::is_answer(envelope) && envelope.method != b"result";
    if !envelope.method.is_empty() && !answers {
        return request(envelope, context);
    }
    let typed = !envelope.type_name.is_empty() && envelope.result.is_none();
    let browser = if typed { browser::message(envelope, context) } else { None };
    if let Some(message) = browser.or_else(|| answer::message(envelope, context)) {
        return Verdict::Mining(Box::new(message));
    }
    label::of_answer(envelope)
}

fn request(envelope: &Envelope<'_>, context: &Context) -> Verdict {
    let message = match envelope.method.strip_prefix(b"mining.") {
        Some(name) => mining(name, envelope, context),
        None => ethereum::request(envelope, context)
            .or_else(|| cryptonote::message(envelope, context))
            .or_else(|| rpc::request(envelope, context))
            .or_else(|| pool::client_method(envelope, context)),
    };
    match message {
        Some(message) => Verdict::Mining(Box::new(message)),
        None => label::of_request(envelope),
    }
}

fn mining(name: &[u8], envelope: &Envelope<'_>, context: &Context) -> Option<super::Message> {
    if envelope.body.is_some_and(|body| body.is_object()) {
        return ironfish::message(name, envelope);
    }
    if envelope.object().is_some() {
        return pearl::message(name, envelope)
            .or_else(|| ethereum::named(name, envelope))
            .or_else(|| miner::named(name, envelope));
    }
    match name {
        b"notify" => jobs::notify(envelope),
        b"subscribe" | b"authorize" | b"submit" | b"configure" => miner::main(name, envelope),
        _ => miner::minor(name, envelope, context)
            .or_else(|| pool::mining_method(name, envelope, context)),
    }
}
