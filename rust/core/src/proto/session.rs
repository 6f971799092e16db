//! One flow's parser: probes what each side says, then feeds whoever recognised it.

use super::http1::{self, Http1Parser};
use super::stratum::{self, JsonSession};
use super::stratum_v2::{self, Sv2Parser};
use super::tls::{self, TlsParser};
use super::{At, Both, Event, Events, Parser, Step, dns, other, ssh::SshParser};

/// Deliveries of each direction that are probed before a flow counts as unknown. A proxy's greeting
/// takes two or three at most; what comes later is in the middle of something.
const TRIES: u8 = 4;
/// Bytes that tell protocols apart; fewer are held until more come.
const PROBE_BYTES: usize = 8;
/// Carriers looked through, one inside the other.
const DEPTH_MAX: u8 = 4;
/// Bytes a server may send before its SSH banner.
const BANNER_WITHIN: usize = 4000;

enum State {
    Probing,
    Parsing(Box<dyn Parser + Send>),
    Over,
}

/// What a flow speaks, as far as it was recognised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct App {
    /// The parser's or label's name; empty if nothing was recognised.
    pub name: &'static str,
    /// What it says is hidden from here on.
    pub encrypted: bool,
}

/// The parser of one TCP flow, or of what a carrier holds.
pub struct Session {
    state: State,
    app: App,
    tries: Both<u8>,
    said: Both<bool>,
    /// A direction's bytes that are too few to tell anything.
    held: Both<Vec<u8>>,
    carrier: &'static str,
    depth: u8,
    dns_port: bool,
}

impl Session {
    /// A session for a TCP flow between these ports.
    #[must_use]
    pub fn new(src_port: u16, dst_port: u16) -> Self {
        let dns_port = [src_port, dst_port].contains(&53);
        Self { dns_port, ..Self::carried("", 0) }
    }

    /// A session for what `carrier` holds, itself `depth` carriers deep.
    #[must_use]
    pub fn carried(carrier: &'static str, depth: u8) -> Self {
        Self {
            state: if depth > DEPTH_MAX { State::Over } else { State::Probing },
            app: App::default(),
            tries: Both::default(),
            said: Both::default(),
            held: Both::default(),
            carrier,
            depth,
            dns_port: false,
        }
    }

    /// What was recognised.
    #[must_use]
    pub fn app(&self) -> App {
        self.app
    }

    /// True when further bytes are of no use.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn probe(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step {
        let held = self.held.of_mut(at.dir);
        if held.is_empty() && bytes.len() >= PROBE_BYTES {
            return self.probe_whole(at, bytes, out);
        }
        let before = held.len();
        held.extend_from_slice(bytes);
        let says_enough = other::label_first_bytes(at.dir.is_up(), held).is_some();
        if held.len() < PROBE_BYTES && !says_enough {
            return Step::More;
        }
        let whole = std::mem::take(held);
        let step = self.probe_whole(at, &whole, out);
        // What was held may have been a short reply of a proxy, and this the beginning.
        let is_open = matches!((step, &self.state), (Step::More, State::Probing));
        if before > 0 && is_open { self.probe_whole(at, bytes, out) } else { step }
    }

    fn probe_whole(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step {
        let opens = !std::mem::replace(self.said.of_mut(at.dir), true);
        if let Some((parser, name, encrypted)) = self.recognise(at, bytes, opens) {
            return self.begin(parser, App { name, encrypted }, at, bytes, out);
        }
        if tls::is_data(bytes) {
            self.app = App { name: "tls", encrypted: true };
            self.state = State::Over;
            return Step::Done;
        }
        if let Some(label) = other::label_first_bytes(at.dir.is_up(), bytes) {
            self.app.name = label.name;
            let goes_on = label.name == "socks";
            out.push((at, Event::Label(label)));
            if goes_on {
                self.tries = Both::default();
            } else {
                self.state = State::Over;
                return Step::Done;
            }
        } else if stratum::looks_like_json_session(bytes, !opens) {
            let parser = Box::new(JsonSession::new(self.carrier));
            return self.begin(parser, App { name: "json", encrypted: false }, at, bytes, out);
        }
        let tries = self.tries.of_mut(at.dir);
        *tries += 1;
        if *tries >= TRIES {
            self.state = State::Over;
            return Step::Done;
        }
        Step::More
    }

    fn begin(
        &mut self,
        parser: Box<dyn Parser + Send>,
        app: App,
        at: At,
        bytes: &[u8],
        out: &mut Events,
    ) -> Step {
        self.app = app;
        self.state = State::Parsing(parser);
        self.parse(at, bytes, out)
    }

    /// The parser whose protocol the bytes are of beyond doubt.
    fn recognise(
        &self,
        at: At,
        bytes: &[u8],
        opens: bool,
    ) -> Option<(Box<dyn Parser + Send>, &'static str, bool)> {
        if tls::probe(bytes) {
            return Some((Box::<TlsParser>::default(), "tls", true));
        }
        if is_ssh(bytes) {
            return Some((Box::new(SshParser::new(self.carrier)), "ssh", true));
        }
        if http1::probe(bytes) {
            return Some((Box::new(Http1Parser::new(self.depth)), "http", false));
        }
        if self.dns_port && dns::tcp::probe(bytes) {
            return Some((Box::<dns::TcpDns>::default(), "dns", false));
        }
        if opens && at.dir.is_up() && stratum_v2::probe(bytes) {
            return Some((Box::<Sv2Parser>::default(), "stratum_v2", true));
        }
        None
    }

    fn parse(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step {
        let State::Parsing(parser) = &mut self.state else { return Step::Done };
        let step = parser.data(at, bytes, out);
        self.follow(step, at, bytes, out)
    }

    fn follow(&mut self, step: Step, at: At, bytes: &[u8], out: &mut Events) -> Step {
        match step {
            Step::More => Step::More,
            Step::Done => {
                self.end(out);
                Step::Done
            }
            Step::NotMine => {
                self.end(out);
                self.state = State::Probing;
                self.app = App::default();
                *self.tries.of_mut(at.dir) += 1;
                Step::More
            }
            Step::Hand(from) => {
                self.end(out);
                *self = Self::carried("connect", self.depth + 1);
                match bytes.get(from..) {
                    Some(rest) if !rest.is_empty() => self.data(at, rest, out),
                    _ => Step::More,
                }
            }
        }
    }

    fn end(&mut self, out: &mut Events) {
        if let State::Parsing(parser) = &mut self.state {
            parser.finish(out);
        }
        self.state = State::Over;
    }
}

impl Parser for Session {
    fn data(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step {
        match self.state {
            State::Probing => self.probe(at, bytes, out),
            State::Parsing(_) => self.parse(at, bytes, out),
            State::Over => Step::Done,
        }
    }

    fn gap(&mut self, at: At, missing: u64, out: &mut Events) -> Step {
        *self.said.of_mut(at.dir) = true;
        self.held.of_mut(at.dir).clear();
        let State::Parsing(parser) = &mut self.state else { return Step::More };
        let step = parser.gap(at, missing, out);
        self.follow(step, at, &[], out)
    }

    fn finish(&mut self, out: &mut Events) {
        self.end(out);
    }
}

fn is_ssh(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"SSH-") {
        return true;
    }
    // A server may greet in text before its banner (RFC 4253 section 4.2).
    if !bytes.first().is_some_and(|byte| byte.is_ascii_graphic()) {
        return false;
    }
    let start = bytes.get(..BANNER_WITHIN).unwrap_or(bytes);
    memchr::memmem::find(start, b"\nSSH-2.0-").is_some()
}

#[cfg(test)]
mod tests {
    use super::super::Dir;
    use super::*;

    fn app_of(deliveries: &[(Dir, &[u8])]) -> &'static str {
        let (mut session, mut out) = (Session::new(40_000, 22), Events::new());
        for (frame, (dir, bytes)) in (1..).zip(deliveries) {
            session.data(At { frame, ts: 0, dir: *dir }, bytes, &mut out);
        }
        session.app().name
    }

    #[test]
    fn a_banner_in_any_pieces_is_ssh() {
        let banner = b"SSH-2.0-OpenSSH_9.9\r\n";
        for cut in 1..banner.len() {
            let (head, rest) = banner.split_at(cut);
            assert_eq!(app_of(&[(Dir::Up, head), (Dir::Up, rest)]), "ssh", "cut at {cut}");
        }
    }

    #[test]
    fn a_miner_behind_socks_is_heard() {
        let line = b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"x/1\"]}\n";
        let app = app_of(&[
            (Dir::Up, &[5, 1, 0]),
            (Dir::Down, &[5, 0]),
            (Dir::Up, &[5, 1, 0, 1, 198, 51, 100, 5, 13, 5]),
            (Dir::Down, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
            (Dir::Up, line),
        ]);
        assert_eq!(app, "json");
    }

    #[test]
    fn a_line_behind_two_odd_bytes_is_still_heard() {
        let line = b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"x/1\"]}\n";
        assert_eq!(app_of(&[(Dir::Up, &[0, 1]), (Dir::Up, line)]), "json");
    }

    #[test]
    fn bytes_that_say_nothing_are_given_up() {
        let (mut session, mut out) = (Session::new(1, 2), Events::new());
        for frame in 1..=u64::from(TRIES) {
            session.data(At { frame, ts: 0, dir: Dir::Up }, &[0xfe; 32], &mut out);
        }
        assert!(session.is_over());
        assert!(out.is_empty());
    }
}
