//! One direction: heads and bodies in turn.

use memchr::memmem;

use super::Asked;
use super::body::{Framing, JsonBody, Progress};
use super::head::{self, Parsed};
use crate::proto::At;

/// The longest head that is read.
const MAX_HEAD: usize = 32 * 1024;
/// Bytes kept of a client that speaks on before its upgrade is answered.
const MAX_HELD: usize = 64 * 1024;

/// What a head begins with; the next head is looked for by these after bytes were lost.
const STARTS: [&[u8]; 3] = [b"HTTP/1.", b"POST ", b"GET "];
/// Bytes that may be the beginning of the longest of [`STARTS`].
const MAX_START_PREFIX: usize = 6;

/// What the bytes just taken completed.
#[derive(Debug)]
pub(super) enum Said {
    Nothing,
    Head(Box<Parsed>),
    /// The bytes where a head should be are none.
    NoHead,
    Json(Json),
}

/// A JSON body, or its first bytes.
#[derive(Debug)]
pub(super) struct Json {
    pub(super) request: bool,
    /// The request it belongs to or answers.
    pub(super) asked: Asked,
    pub(super) body: Vec<u8>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    Body(Framing),
    /// A tunnel or an upgrade was asked for; nothing is read until the answer.
    Held,
    /// A head's begin is looked for.
    Lost,
}

#[derive(Debug)]
struct Collector {
    request: bool,
    asked: Asked,
    json: JsonBody,
}

impl Collector {
    fn close(mut self) -> Option<Json> {
        let body = self.json.close();
        let Self { request, asked, .. } = self;
        (!body.is_empty()).then_some(Json { request, asked, body })
    }
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Side {
    state: State,
    /// The head, the held bytes, or the last bytes while lost.
    buffer: Vec<u8>,
    searched: usize,
    collector: Option<Collector>,
    holds_after_body: bool,
    last: Option<At>,
}

impl Side {
    /// Takes bytes off the front of `rest` until something is said.
    pub(super) fn advance(&mut self, at: At, rest: &mut &[u8]) -> Said {
        self.last = Some(at);
        match &self.state {
            State::Head => self.head(rest),
            State::Body(_) => self.body(rest),
            State::Held => {
                self.hold(rest);
                Said::Nothing
            }
            State::Lost => {
                self.resync(rest);
                Said::Nothing
            }
        }
    }

    fn head(&mut self, rest: &mut &[u8]) -> Said {
        if self.buffer.is_empty() {
            *rest = skip_line_ends(rest);
            match rest.first() {
                None => return Said::Nothing,
                Some(first) if first.is_ascii_alphabetic() => {}
                Some(_) => return self.lose(),
            }
        }
        let before = self.buffer.len();
        let room = MAX_HEAD.saturating_sub(before);
        self.buffer.extend_from_slice(rest.get(..room).unwrap_or(rest));
        let Some(end) = head::end(&self.buffer, self.searched) else {
            *rest = rest.get(room..).unwrap_or_default();
            if self.buffer.len() >= MAX_HEAD {
                return self.lose();
            }
            // The empty line may be cut anywhere within its three bytes.
            self.searched = self.buffer.len().saturating_sub(3);
            return Said::Nothing;
        };
        *rest = rest.get(end.saturating_sub(before)..).unwrap_or_default();
        let parsed = head::parse(self.buffer.get(..end).unwrap_or_default());
        self.forget_buffer();
        match parsed {
            Some(parsed) => Said::Head(Box::new(parsed)),
            None => self.lose(),
        }
    }

    fn forget_buffer(&mut self) {
        self.buffer = Vec::new();
        self.searched = 0;
    }

    fn lose(&mut self) -> Said {
        self.forget_buffer();
        self.collector = None;
        self.state = State::Lost;
        Said::NoHead
    }

    /// Sets what comes after a head. Its JSON body is collected if it is known what was `asked`; with
    /// `holds`, what comes behind the body waits for the answer.
    pub(super) fn begin_body(
        &mut self,
        framing: Option<Framing>,
        request: bool,
        asked: Option<Asked>,
        holds: bool,
    ) {
        self.holds_after_body = holds;
        match framing {
            None | Some(Framing::Length(0)) => self.end_body(),
            Some(framing) => {
                self.state = State::Body(framing);
                let json = JsonBody::default();
                self.collector = asked.map(|asked| Collector { request, asked, json });
            }
        }
    }

    fn end_body(&mut self) {
        self.state = if self.holds_after_body { State::Held } else { State::Head };
    }

    fn body(&mut self, rest: &mut &[u8]) -> Said {
        let State::Body(framing) = &mut self.state else {
            return Said::Nothing;
        };
        let collector = &mut self.collector;
        let mut full = false;
        let progress = framing.take(rest, &mut |content| {
            if let Some(collector) = collector {
                full |= collector.json.push(content);
            }
        });
        let said = match progress {
            Progress::More if !full => return Said::Nothing,
            Progress::Broken => return self.lose(),
            Progress::More | Progress::End => self.collector.take().and_then(Collector::close),
        };
        if progress == Progress::End {
            self.end_body();
        }
        said.map_or(Said::Nothing, Said::Json)
    }

    fn hold(&mut self, rest: &mut &[u8]) {
        let room = MAX_HELD.saturating_sub(self.buffer.len());
        self.buffer.extend_from_slice(rest.get(..room).unwrap_or(rest));
        *rest = &[];
    }

    /// Ends the waiting and gives back what was held.
    pub(super) fn release(&mut self) -> Option<(At, Vec<u8>)> {
        self.holds_after_body = false;
        if !matches!(self.state, State::Held) {
            return None;
        }
        let held = std::mem::take(&mut self.buffer);
        let whole = held.len() < MAX_HELD;
        self.state = if whole { State::Head } else { State::Lost };
        if held.is_empty() || !whole { None } else { Some((self.last?, held)) }
    }

    fn resync(&mut self, rest: &mut &[u8]) {
        let before = self.buffer.len();
        self.buffer.extend_from_slice(rest);
        let found = STARTS.iter().filter_map(|start| memmem::find(&self.buffer, start)).min();
        match found {
            Some(start) => {
                // What was kept of earlier bytes goes back in front by staying in the buffer.
                let kept = self.buffer.get(start..before).unwrap_or_default().to_vec();
                *rest = rest.get(start.saturating_sub(before)..).unwrap_or_default();
                self.buffer = kept;
                self.searched = 0;
                self.state = State::Head;
            }
            None => {
                *rest = &[];
                let keep_from = self.buffer.len().saturating_sub(MAX_START_PREFIX);
                self.buffer.drain(..keep_from);
            }
        }
    }

    /// Passes over `missing` bytes that were not captured.
    pub(super) fn gap(&mut self, missing: u64) {
        let kept = match &mut self.state {
            State::Body(framing) => framing.skip(missing),
            State::Head | State::Held | State::Lost => false,
        };
        // A body with a hole is no JSON, even if its end is still found.
        self.collector = None;
        if !kept {
            self.lose();
        }
    }

    /// The flow is over: gives a JSON body that ends with it.
    pub(super) fn finish(&mut self) -> Option<(At, Json)> {
        let json = self.collector.take()?.close()?;
        Some((self.last?, json))
    }
}

fn skip_line_ends(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    start.and_then(|start| bytes.get(start..)).unwrap_or_default()
}
