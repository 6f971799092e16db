//! [`Judge`]: what the messages of one flow say together.

use std::collections::VecDeque;

use super::answer::{Asked, is_answer, known_method};
use super::classify::classify;
use super::envelope::{Context, Envelope, Verdict};
use super::{Dialects, HttpFacts, Kind, Message, Role, Shape, xatum};
use crate::proto::json::{Tokenizer, View};
use crate::proto::{At, Both, Event, Events, Label};
use crate::text::clip;

/// Requests remembered for each direction until they are answered.
const MAX_PENDING: usize = 64;
/// Messages read of one batch.
const MAX_BATCH: usize = 16;
/// Bytes kept of a method.
const MAX_METHOD_BYTES: usize = 64;
/// Bytes kept of a message id.
const MAX_ID_BYTES: usize = 64;
/// Bytes kept of what showed a label.
const MAX_DETAIL_BYTES: usize = 120;
/// Labels said of one flow.
const MAX_LABELS: usize = 8;

/// Outstanding requests of one direction, oldest first.
#[derive(Debug, Default)]
struct Pending(VecDeque<(u64, Asked)>);

impl Pending {
    fn add(&mut self, id: u64, asked: Asked) {
        if self.0.len() >= MAX_PENDING {
            self.0.pop_front();
        }
        self.0.push_back((id, asked));
    }

    fn take(&mut self, id: u64) -> Option<Asked> {
        let at = self.0.iter().position(|(known, _)| *known == id)?;
        self.0.remove(at).map(|(_, asked)| asked)
    }
}

/// One number for an id of any JSON type (FNV-1a); a collision costs one misnamed answer.
fn id_key(id: View<'_>) -> u64 {
    let (kind, bytes) = match (id.text(), id.number_text()) {
        (Some(text), _) => (b't', text),
        (_, Some(number)) => (b'n', number),
        _ => (b'0', [].as_slice()),
    };
    let start = 0xcbf2_9ce4_8422_2325_u64;
    std::iter::once(&kind)
        .chain(bytes)
        .fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The state that outlives a message: open requests, the dialects still possible, labels said.
#[derive(Debug)]
pub(super) struct Judge {
    pending: Both<Pending>,
    roles: Both<Option<Role>>,
    possible: Dialects,
    confirmed: bool,
    said: Vec<&'static str>,
    /// The first answer to something unseen; said at the end if nothing else was.
    unasked: Option<At>,
    compressed_said: bool,
    messages: u64,
}

impl Judge {
    pub(super) fn new() -> Self {
        Self {
            pending: Both::default(),
            roles: Both::default(),
            possible: Dialects::ALL,
            confirmed: false,
            said: Vec::new(),
            unasked: None,
            compressed_said: false,
            messages: 0,
        }
    }

    /// True once a message was seen that only mining software sends.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Messages judged so far.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Judges the message a tokenizer has just completed.
    pub(super) fn message(&mut self, at: At, source: Source<'_>, out: &mut Events) {
        self.messages += 1;
        let tokenizer = source.tokenizer;
        let Some(root) = tokenizer.tree().root() else {
            return;
        };
        if !tokenizer.tag().is_empty() {
            if let Some(message) = xatum::message(tokenizer.tag(), root, self.confirmed) {
                let message = Box::new(message);
                self.mining(at, &Envelope::of(root), message, source, out);
            }
            return;
        }
        if root.is_object() {
            return self.object(at, root, source, out);
        }
        for item in root.items().filter(|item| item.is_object()).take(MAX_BATCH) {
            self.object(at, item, source, out);
        }
    }

    fn object(&mut self, at: At, root: View<'_>, source: Source<'_>, out: &mut Events) {
        let envelope = Envelope::of(root);
        let asked = envelope
            .id
            .filter(|_| is_answer(&envelope))
            .and_then(|id| self.pending.of_mut(at.dir.flip()).take(id_key(id)));
        let context = Context { confirmed: self.confirmed, asked, http: source.http };
        match classify(&envelope, &context) {
            Verdict::Mining(message) => {
                self.mining(at, &envelope, message, source, out);
            }
            Verdict::Label(name) => {
                let detail =
                    if envelope.method.is_empty() { envelope.type_name } else { envelope.method };
                self.label(at, name, detail, out);
            }
            Verdict::Unasked => {
                self.unasked.get_or_insert(at);
            }
            Verdict::Nothing => {}
        }
    }

    fn mining(
        &mut self,
        at: At,
        envelope: &Envelope<'_>,
        mut message: Box<Message>,
        source: Source<'_>,
        out: &mut Events,
    ) {
        self.narrow(&mut message);
        *self.roles.of_mut(at.dir) = Some(message.role);
        let tokenizer = source.tokenizer;
        let method = [envelope.method, envelope.type_name, tokenizer.tag()];
        let method = method.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        if let (Role::Miner, Some(id)) = (message.role, envelope.id) {
            let (kind, dialects, shape) = (message.kind, message.dialects, message.shape);
            let asked = Asked { kind, method: known_method(method), dialects, shape };
            self.pending.of_mut(at.dir).add(id_key(id), asked);
        }
        if message.method.is_empty() {
            message.method = clip(method, MAX_METHOD_BYTES);
        }
        let id = envelope.id.and_then(|id| id.text().or(id.number_text()));
        message.msg_id = clip(id.unwrap_or_default(), MAX_ID_BYTES);
        message.bytes = u32::try_from(tokenizer.size()).unwrap_or(u32::MAX);
        message.excerpt = String::from_utf8_lossy(tokenizer.excerpt()).into_owned();
        message.carrier = source.carrier;
        out.push((at, Event::Mining(message)));
    }

    /// Keeps the dialects that all messages so far allow; a message that contradicts them all (a
    /// miner probing one dialect after the other) starts afresh.
    fn narrow(&mut self, message: &mut Message) {
        let both = self.possible & message.dialects;
        if !both.is_empty() {
            message.dialects = both;
        }
        if message.shape != Shape::Invalid {
            self.possible = message.dialects;
            self.confirmed |= message.specific;
        }
    }

    fn label(&mut self, at: At, name: &'static str, detail: &[u8], out: &mut Events) {
        let known = self.confirmed || self.said.contains(&name) || self.said.len() >= MAX_LABELS;
        if known {
            return;
        }
        self.said.push(name);
        let detail = clip(detail, MAX_DETAIL_BYTES);
        out.push((at, Event::Label(Label { name, detail })));
    }

    /// Says once that the rest of the stream is compressed and unreadable.
    pub(super) fn compressed(&mut self, at: At, out: &mut Events) {
        if std::mem::replace(&mut self.compressed_said, true) {
            return;
        }
        let other = match self.roles.of(at.dir.flip()) {
            Some(Role::Miner) => Role::Pool,
            _ => Role::Miner,
        };
        let role = self.roles.of(at.dir).unwrap_or(other);
        let mut message = Message::new(self.possible, Kind::Compressed, role, Shape::Partial);
        message.carrier = "gzip";
        out.push((at, Event::Mining(Box::new(message))));
    }

    /// Says what only the end of the flow allows to say.
    pub(super) fn finish(&mut self, out: &mut Events) {
        let unasked = self.unasked.take().filter(|_| self.said.is_empty());
        if let Some(at) = unasked {
            self.label(at, "json_rpc", b"", out);
        }
    }
}

/// A message and what carried it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    /// Holds the message.
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) carrier: &'static str,
    pub(super) http: Option<HttpFacts>,
}
