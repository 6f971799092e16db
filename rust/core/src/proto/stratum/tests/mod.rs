//! Sessions written from the descriptions of the dialects, and what must not be taken for them.

mod array_coins;
mod cryptonote;
mod ethereum;
mod lookalikes;
mod named;
mod properties;
mod sessions;
mod v1;

use super::*;
use crate::proto::{At, Dir, Event, Events, Label, Parser};

/// Messages that most dialects have, as [`brief`] writes them.
pub(super) const MINER_SUBMIT: &str = "submit miner valid !";
pub(super) const POOL_JOB: &str = "job pool valid !";
pub(super) const ANSWER: &str = "result pool valid";

pub(super) const UP: Dir = Dir::Up;
pub(super) const DOWN: Dir = Dir::Down;

pub(super) fn at(dir: Dir, frame: u64) -> At {
    At { frame, ts: 0, dir }
}

/// 64 hex digits.
pub(super) fn h64() -> String {
    "00ab54f3".repeat(8)
}

/// Feeds lines (a line end is added) and gives all events, the end of the flow included.
pub(super) fn events(lines: &[(Dir, &str)]) -> Events {
    let mut session = JsonSession::new("");
    let mut out = Events::new();
    for (frame, (dir, line)) in (1..).zip(lines) {
        session.data(at(*dir, frame), line.as_bytes(), &mut out);
        session.data(at(*dir, frame), b"\n", &mut out);
    }
    session.finish(&mut out);
    out
}

pub(super) fn mining(events: &Events) -> Vec<&Message> {
    let mut found = Vec::new();
    for (_, event) in events {
        if let Event::Mining(message) = event {
            found.push(&**message);
        }
    }
    found
}

pub(super) fn labels(events: &Events) -> Vec<&Label> {
    let mut found = Vec::new();
    for (_, event) in events {
        if let Event::Label(label) = event {
            found.push(label);
        }
    }
    found
}

/// The mining messages of a session, which must have no label.
pub(super) fn session(lines: &[(Dir, &str)]) -> Vec<Message> {
    let events = events(lines);
    assert_eq!(labels(&events), Vec::<&Label>::new());
    mining(&events).into_iter().cloned().collect()
}

pub(super) fn names(dialects: Dialects) -> String {
    dialects.names().collect::<Vec<_>>().join("|")
}

/// Kind, role, shape and whether specific: `submit miner valid !`.
pub(super) fn brief(message: &Message) -> String {
    let mark = if message.specific { " !" } else { "" };
    let parts = [message.kind.name(), message.role.name(), message.shape.name()];
    format!("{}{mark}", parts.join(" "))
}

pub(super) fn briefs(messages: &[Message]) -> Vec<String> {
    messages.iter().map(brief).collect()
}
