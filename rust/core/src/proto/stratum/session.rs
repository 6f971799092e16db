//! [`JsonSession`]: the parser of one flow.

use super::gunzip::Gunzip;
use super::judge::{Judge, Source};
use super::rpc::HttpFacts;
use crate::proto::json::Tokenizer;
use crate::proto::{At, Both, Dir, Events, Parser, Step};

/// Bytes of a message before the flow has shown mining.
pub const MAX_UNPROVEN_MESSAGE_BYTES: usize = 64 << 10;
/// Bytes of a message after that.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// Bytes that are no JSON, before the first message, after which the flow is something else.
const MAX_LEADING_NOISE_BYTES: u64 = 4096;
/// Bytes after which a flow that showed no mining is given up.
const MAX_IDLE_BYTES: u64 = 1 << 20;
/// First byte of a gzip member; no JSON message starts with it.
const GZIP_MAGIC: u8 = 0x1f;

/// One direction.
struct Lane {
    tokenizer: Tokenizer,
    gunzip: Option<Box<Gunzip>>,
    /// Compressed in a way that cannot be read.
    is_lost: bool,
}

impl Lane {
    fn new() -> Self {
        let tokenizer = Tokenizer::new(MAX_UNPROVEN_MESSAGE_BYTES);
        Self { tokenizer, gunzip: None, is_lost: false }
    }

    /// True if a gzip member starts here: between messages, white space aside.
    fn turns_gzip(&self, bytes: &[u8]) -> bool {
        self.tokenizer.is_between() && bytes.trim_ascii_start().first() == Some(&GZIP_MAGIC)
    }
}

/// Reads newline JSON (or JSON without newlines) of both directions of one flow.
///
/// Feed it TCP payload, WebSocket text payload or HTTP bodies, in order, in pieces of any size.
pub struct JsonSession {
    lanes: Both<Lane>,
    judge: Judge,
    carrier: &'static str,
    http: Option<HttpFacts>,
    bytes: u64,
}

impl JsonSession {
    /// Starts a session; `carrier` is ``, `websocket` or `http`.
    #[must_use]
    pub fn new(carrier: &'static str) -> Self {
        Self {
            lanes: Both { up: Lane::new(), down: Lane::new() },
            judge: Judge::new(),
            carrier,
            http: None,
            bytes: 0,
        }
    }

    /// True once a message was seen that only mining software sends.
    #[must_use]
    pub fn is_mining(&self) -> bool {
        self.judge.is_confirmed()
    }

    /// Bytes of one direction that belonged to no complete message.
    #[must_use]
    pub fn skipped_bytes(&self, dir: Dir) -> u64 {
        self.lanes.of(dir).tokenizer.skipped()
    }

    /// Notes the head of the HTTP request whose body, and whose answer's body, come next.
    pub fn http_head(&mut self, facts: HttpFacts) {
        self.http = Some(facts);
    }

    /// Says that the carrier's message (an HTTP body, say) is over: what was begun is dropped.
    pub fn boundary(&mut self, dir: Dir) {
        self.lanes.of_mut(dir).tokenizer.cut();
    }

    fn plain(&mut self, at: At, bytes: &[u8], carrier: &'static str, out: &mut Events) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let lane = self.lanes.of_mut(at.dir);
            if carrier != "gzip" && self.judge.is_confirmed() && lane.turns_gzip(rest) {
                lane.gunzip = Some(Box::new(Gunzip::new()));
                return self.inflate(at, rest.trim_ascii_start(), out);
            }
            let fed = lane.tokenizer.feed(rest);
            rest = rest.get(fed.used..).unwrap_or_default();
            if fed.complete {
                self.complete(at, carrier, out);
            }
        }
    }

    fn complete(&mut self, at: At, carrier: &'static str, out: &mut Events) {
        let was_mining = self.judge.is_confirmed();
        let tokenizer = &self.lanes.of(at.dir).tokenizer;
        self.judge.message(at, Source { tokenizer, carrier, http: self.http }, out);
        if !was_mining && self.judge.is_confirmed() {
            self.lanes.up.tokenizer.set_limit(MAX_MESSAGE_BYTES);
            self.lanes.down.tokenizer.set_limit(MAX_MESSAGE_BYTES);
        }
    }

    fn inflate(&mut self, at: At, bytes: &[u8], out: &mut Events) {
        let Some(mut gunzip) = self.lanes.of_mut(at.dir).gunzip.take() else {
            return;
        };
        let read = gunzip.feed(bytes, &mut |chunk| self.plain(at, chunk, "gzip", out));
        if read.is_ok() {
            self.lanes.of_mut(at.dir).gunzip = Some(gunzip);
        } else {
            self.lose(at, out);
        }
    }

    fn lose(&mut self, at: At, out: &mut Events) {
        self.lanes.of_mut(at.dir).is_lost = true;
        self.judge.compressed(at, out);
    }

    fn step(&self, dir: Dir) -> Step {
        if self.judge.is_confirmed() {
            return Step::More;
        }
        let noise = self.lanes.of(dir).tokenizer.skipped();
        if self.judge.messages() == 0 && noise > MAX_LEADING_NOISE_BYTES {
            return Step::NotMine;
        }
        if self.bytes > MAX_IDLE_BYTES { Step::Done } else { Step::More }
    }
}

impl Parser for JsonSession {
    fn data(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or_default());
        let lane = self.lanes.of(at.dir);
        if lane.is_lost {
            return Step::More;
        }
        if lane.gunzip.is_some() {
            self.inflate(at, bytes, out);
        } else {
            self.plain(at, bytes, self.carrier, out);
        }
        self.step(at.dir)
    }

    fn gap(&mut self, at: At, _missing: u64, out: &mut Events) -> Step {
        let lane = self.lanes.of_mut(at.dir);
        lane.tokenizer.cut();
        if lane.gunzip.take().is_some() {
            self.lose(at, out);
        }
        self.step(at.dir)
    }

    fn finish(&mut self, out: &mut Events) {
        self.judge.finish(out);
    }
}

/// Judges one HTTP body by itself.
///
/// Answers to shares are recognised only within a session: use [`JsonSession`] with carrier
/// `http`, [`JsonSession::http_head`] and [`JsonSession::boundary`] where both bodies are at hand.
#[must_use]
pub fn classify_http_json(at: At, facts: HttpFacts, body: &[u8]) -> Events {
    let mut session = JsonSession::new("http");
    let mut out = Events::new();
    session.http_head(facts);
    session.data(at, body, &mut out);
    session.finish(&mut out);
    out
}
