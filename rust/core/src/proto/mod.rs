//! From ordered bytes to protocol facts.
//!
//! A [`Session`] sits on one flow. It probes what each side says first, picks a parser, and feeds
//! it the ordered bytes of both directions. Parsers report [`Event`]s: what was said, never what it
//! means. Carriers (WebSocket, HTTP CONNECT) hand the bytes they carry to a session of their own.

pub mod dns;
pub mod http1;
pub mod json;
pub mod other;
pub mod session;
pub mod ssh;
pub mod stratum;
pub mod stratum_v2;

pub mod tls;
pub mod websocket;

pub use crate::dir::{Both, Dir};
pub use crate::text;
pub use session::Session;

/// Where bytes came from: the frame (from 1, as Wireshark counts), its time, and who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Frame number, from 1.
    pub frame: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    pub ts: i64,
    /// Who spoke.
    pub dir: Dir,
}

/// One fact, with the frame that completed it.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A DNS message.
    Dns(Box<dns::Message>),
    /// A TLS ClientHello or ServerHello.
    Tls(Box<tls::Hello>),
    /// An HTTP/1 request or response head.
    Http(Box<http1::Head>),
    /// What an SSH connection showed in clear; one for each SSH connection, at its end.
    Ssh(Box<ssh::Summary>),
    /// One SSH packet, or one segment where packet lengths are not readable.
    SshToken(ssh::Token),
    /// A message of the stratum family.
    Mining(Box<stratum::Message>),
    /// What the flow speaks, where that is not mining: said once for each label and flow.
    Label(Label),
}

/// A name for what a flow speaks, such as `electrum`, `mqtt` or `bitcoin_p2p`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Snake case, fixed in this crate; never text from the wire.
    pub name: &'static str,
    /// What showed it, such as a method name; from the wire, at most 120 bytes.
    pub detail: String,
}

/// Where parsers put their events; the pipeline empties it after each segment.
pub type Events = Vec<(At, Event)>;

/// What a parser wants after it was given bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Go on.
    More,
    /// Nothing further is of use; the session stops reassembling the flow.
    Done,
    /// These bytes are not this protocol after all; the session may probe again.
    NotMine,
    /// From this offset of the given bytes on, both directions belong to a new protocol (after
    /// `CONNECT` or an upgrade); the session probes them afresh.
    Hand(usize),
}

/// One protocol's parser on one flow.
pub trait Parser {
    /// Takes the next ordered bytes of one direction: at most one TCP segment, one datagram or one
    /// WebSocket frame's payload at a call. Any split of the same bytes must give the same events.
    fn data(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step;

    /// Learns that `missing` bytes of this direction were not captured.
    fn gap(&mut self, at: At, missing: u64, out: &mut Events) -> Step;

    /// Learns that the flow is over.
    fn finish(&mut self, out: &mut Events);
}
