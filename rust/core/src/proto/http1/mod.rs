//! HTTP/1 heads, and what HTTP carries: JSON bodies, WebSockets and tunnels (RFC 9110, RFC 9112).

mod body;
mod chia;
mod head;
mod side;

use std::collections::VecDeque;

use body::{Chunked, Framing};
use head::Parsed;
use side::{Json, Said, Side};

use crate::proto::stratum::{HttpFacts, JsonSession};
use crate::proto::text::clip;
use crate::proto::websocket::WebSocket;
use crate::proto::{At, Both, Event, Events, Label, Parser, Session, Step};

/// A request or response head. Text is bounded: the target to 512 bytes, `ws_protocol` to 2,048,
/// the rest to 256.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// True for a request.
    pub request: bool,
    /// The request's method; empty in a response.
    pub method: String,
    /// The request's target: a path, or `host:port` of a `CONNECT`.
    pub target: String,
    /// `1.0` or `1.1`.
    pub version: String,
    /// The response's status; 0 in a request.
    pub status: u16,
    /// `Host`.
    pub host: String,
    /// `User-Agent`.
    pub user_agent: String,
    /// `Upgrade`.
    pub upgrade: String,
    /// `Sec-WebSocket-Protocol`; tunnel clients carry tokens here.
    pub ws_protocol: String,
    /// `Sec-WebSocket-Key` is there.
    pub ws_key: bool,
    /// `Sec-WebSocket-Accept` is there.
    pub ws_accept: bool,
    /// `Content-Type`.
    pub content_type: String,
    /// `X-Mining-Extensions`, sent by getwork miners.
    pub extensions: String,
    /// `Accept-Language`; one tunnel tool carries its password here.
    pub accept_language: String,
    /// `Content-Length` in bytes; 0 if there is none.
    pub content_length: u64,
}

/// Requests that wait for their response; more are forgotten, oldest first.
const MAX_PENDING: usize = 64;
/// Bytes of wire text in a label.
const MAX_DETAIL: usize = 120;

const METHODS: [&[u8]; 16] = [
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"CONNECT ",
    b"OPTIONS ",
    b"DELETE ",
    b"PATCH ",
    b"TRACE ",
    b"PROPFIND ",
    b"PROPPATCH ",
    b"MKCOL ",
    b"COPY ",
    b"MOVE ",
    b"REPORT ",
    b"SUBSCRIBE ",
];

/// True if `bytes`, the first of a direction, begin an HTTP/1 request or response.
#[must_use]
pub fn probe(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HTTP/1.") || METHODS.iter().any(|method| bytes.starts_with(method))
}

/// What is kept of a request until its answer is read.
#[derive(Debug, Clone, Default)]
struct Asked {
    method: String,
    target: String,
    user_agent: String,
    extensions: String,
}

/// A request whose response has not come yet.
#[derive(Debug, Default)]
struct Pending {
    asked: Asked,
    upgrade: bool,
}

impl Pending {
    fn is_connect(&self) -> bool {
        self.asked.method == "CONNECT"
    }

    /// The connection leaves HTTP if the answer agrees.
    fn asks_change(&self) -> bool {
        self.upgrade || self.is_connect()
    }
}

/// What a head or a direction's bytes led to.
enum Outcome {
    Go,
    NotMine,
    /// The connection changes its protocol; this many of the given bytes are behind the change.
    Hand(usize),
    WebSocket {
        deflate: bool,
        left: usize,
    },
}

/// Makes the parser for what a WebSocket carries.
type MakeCarried = Box<dyn FnOnce() -> Box<dyn Parser + Send> + Send>;

/// Reads both directions of one HTTP/1 connection.
pub struct Http1Parser {
    sides: Both<Side>,
    pending: VecDeque<Pending>,
    heads: u64,
    chia_said: bool,
    make_carried: Option<MakeCarried>,
    mining: Option<Box<JsonSession>>,
    websocket: Option<WebSocket>,
}

impl Http1Parser {
    /// Starts at the first byte of a connection, itself `depth` carriers deep. If it becomes a
    /// WebSocket, a session of its own reads what that carries.
    #[must_use]
    pub fn new(depth: u8) -> Self {
        Self::carrying(Box::new(move || {
            Box::new(Session::carried("websocket", depth.saturating_add(1)))
        }))
    }

    fn carrying(make_carried: MakeCarried) -> Self {
        Self {
            sides: Both::default(),
            pending: VecDeque::new(),
            heads: 0,
            chia_said: false,
            make_carried: Some(make_carried),
            mining: None,
            websocket: None,
        }
    }

    fn consume(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Outcome {
        let mut rest = bytes;
        while !rest.is_empty() {
            let outcome = match self.sides.of_mut(at.dir).advance(at, &mut rest) {
                Said::Nothing => Outcome::Go,
                Said::Head(parsed) => self.head(at, *parsed, rest.len(), out),
                Said::NoHead if self.heads == 0 => return Outcome::NotMine,
                Said::NoHead => Outcome::Go,
                Said::Json(json) => {
                    self.json(at, &json, out);
                    Outcome::Go
                }
            };
            if !matches!(outcome, Outcome::Go) {
                return outcome;
            }
        }
        Outcome::Go
    }

    fn head(&mut self, at: At, parsed: Parsed, left: usize, out: &mut Events) -> Outcome {
        self.heads += 1;
        if parsed.head.request {
            self.request(at, parsed, out);
            return Outcome::Go;
        }
        self.response(at, parsed, left, out)
    }

    fn request(&mut self, at: At, parsed: Parsed, out: &mut Events) {
        let head = &parsed.head;
        let pending = Pending {
            asked: Asked {
                method: head.method.clone(),
                target: head.target.clone(),
                user_agent: head.user_agent.clone(),
                extensions: head.extensions.clone(),
            },
            upgrade: !head.upgrade.is_empty(),
        };
        if chia::is_request(&head.method, &head.target) {
            self.chia(at, &pending.asked, out);
        }
        let collect = head.method == "POST";
        let waits = pending.asks_change();
        let framing = match parsed {
            Parsed { chunked: true, .. } => Some(Framing::Chunked(Chunked::default())),
            Parsed { has_length: true, .. } => Some(Framing::Length(head.content_length)),
            _ => None,
        };
        let kept = collect.then(|| pending.asked.clone());
        self.sides.of_mut(at.dir).begin_body(framing, true, kept, waits);
        if self.pending.len() >= MAX_PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back(pending);
        out.push((at, Event::Http(Box::new(parsed.head))));
    }

    fn response(&mut self, at: At, parsed: Parsed, left: usize, out: &mut Events) -> Outcome {
        let status = parsed.head.status;
        let interim = (100..200).contains(&status) && status != 101;
        let asked = if interim { None } else { self.pending.pop_front() };
        let refuses_change = asked.as_ref().is_none_or(Pending::asks_change);
        let pending = asked.unwrap_or_default();
        let upgrade = parsed.head.upgrade.clone();
        let framing = response_framing(&parsed, &pending);
        let kept = wants_json(&pending).then(|| pending.asked.clone());
        self.sides.of_mut(at.dir).begin_body(framing, false, kept, false);
        out.push((at, Event::Http(Box::new(parsed.head))));
        if interim {
            return Outcome::Go;
        }
        if pending.is_connect() && (200..300).contains(&status) {
            label(at, "http_connect", &pending.asked.target, out);
            return Outcome::Hand(left);
        }
        if status == 101 && upgrade.eq_ignore_ascii_case("websocket") {
            return Outcome::WebSocket { deflate: parsed.deflate, left };
        }
        if status == 101 {
            label(at, "http_upgrade", &upgrade, out);
            return Outcome::Hand(left);
        }
        if refuses_change { self.replay_held(at, out) } else { Outcome::Go }
    }

    /// The protocol did not change after all: what the client sent meanwhile is HTTP.
    fn replay_held(&mut self, at: At, out: &mut Events) -> Outcome {
        let Some((held_at, held)) = self.sides.of_mut(at.dir.flip()).release() else {
            return Outcome::Go;
        };
        match self.consume(held_at, &held, out) {
            Outcome::NotMine => Outcome::NotMine,
            _ => Outcome::Go,
        }
    }

    fn json(&mut self, at: At, json: &Json, out: &mut Events) {
        let Json { request, asked, body } = json;
        if chia::is_body(&asked.target, *request, body) {
            self.chia(at, asked, out);
        }
        let mining = self.mining.get_or_insert_with(|| Box::new(JsonSession::new("http")));
        mining.http_head(HttpFacts::new(&asked.user_agent, !asked.extensions.is_empty()));
        mining.data(at, body, out);
        mining.boundary(at.dir);
    }

    fn chia(&mut self, at: At, asked: &Asked, out: &mut Events) {
        if !std::mem::replace(&mut self.chia_said, true) {
            let path = asked.target.split('?').next().unwrap_or_default();
            label(at, "chia", &format!("{} {path}", asked.method), out);
        }
    }

    /// Becomes a WebSocket: first what the client sent before the agreement was seen, then what
    /// came in one segment with it.
    fn open(&mut self, at: At, deflate: bool, rest: &[u8], out: &mut Events) -> Step {
        let Some(make_carried) = self.make_carried.take() else {
            return Step::Done;
        };
        let mut websocket = WebSocket::new(make_carried(), deflate);
        let mut step = Step::More;
        if let Some((held_at, held)) = self.sides.of_mut(at.dir.flip()).release() {
            step = websocket.data(held_at, &held, out);
        }
        if step == Step::More && !rest.is_empty() {
            step = websocket.data(at, rest, out);
        }
        self.websocket = Some(websocket);
        step
    }
}

fn label(at: At, name: &'static str, detail: &str, out: &mut Events) {
    let detail = clip(detail.as_bytes(), MAX_DETAIL);
    out.push((at, Event::Label(Label { name, detail })));
}

fn response_framing(parsed: &Parsed, pending: &Pending) -> Option<Framing> {
    let status = parsed.head.status;
    let bodiless = status < 200 || status == 204 || status == 304;
    if bodiless || pending.asked.method == "HEAD" {
        return None;
    }
    Some(match parsed {
        Parsed { chunked: true, .. } => Framing::Chunked(Chunked::default()),
        Parsed { has_length: true, head, .. } => Framing::Length(head.content_length),
        _ => Framing::ToClose,
    })
}

/// Answers that may be mining: to a `POST`, to a long poll of a getwork miner, and Chia's.
fn wants_json(pending: &Pending) -> bool {
    let asked = &pending.asked;
    asked.method == "POST" || !asked.extensions.is_empty() || chia::answer_decides(&asked.target)
}

impl Parser for Http1Parser {
    fn data(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step {
        if let Some(websocket) = &mut self.websocket {
            return websocket.data(at, bytes, out);
        }
        match self.consume(at, bytes, out) {
            Outcome::Go => Step::More,
            Outcome::NotMine => Step::NotMine,
            Outcome::Hand(left) => Step::Hand(bytes.len().saturating_sub(left)),
            Outcome::WebSocket { deflate, left } => {
                let rest = bytes.get(bytes.len().saturating_sub(left)..).unwrap_or_default();
                self.open(at, deflate, rest, out)
            }
        }
    }

    fn gap(&mut self, at: At, missing: u64, out: &mut Events) -> Step {
        if let Some(websocket) = &mut self.websocket {
            return websocket.gap(at, missing, out);
        }
        self.sides.of_mut(at.dir).gap(missing);
        Step::More
    }

    fn finish(&mut self, out: &mut Events) {
        let unfinished = [self.sides.up.finish(), self.sides.down.finish()];
        for (at, json) in unfinished.iter().flatten() {
            self.json(*at, json, out);
        }
        if let Some(mining) = &mut self.mining {
            mining.finish(out);
        }
        if let Some(websocket) = &mut self.websocket {
            websocket.finish(out);
        }
    }
}

#[cfg(test)]
mod tests;
