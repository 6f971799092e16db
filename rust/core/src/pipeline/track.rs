//! What is kept beside an open flow: its streams, its session, its segments.

use crate::decode::{Packet, Tcp, flag};
use crate::dir::{Both, Dir};
use crate::flow::Record;
use crate::proto::session::App;
use crate::proto::{At, Event, Events, Parser, Session, dns, other};
use crate::stream::{Assembler, Budget, Piece, Segment};
use crate::table::FlowFacts;

/// Datagrams of each direction that are asked for a label.
const UDP_TRIES: u8 = 3;
/// Room for the segments of a short flow, so that it is asked for once.
const SEGMENTS_AT_FIRST: usize = 16;
const DNS_PORTS: [u16; 3] = [53, 5353, 5355];

/// Streams and parser of a TCP flow that is still of interest.
struct Active {
    session: Session,
    streams: Both<Assembler>,
}

/// Beside an open flow.
#[derive(Default)]
pub struct Track {
    active: Option<Box<Active>>,
    over: bool,
    begins: Both<Option<u32>>,
    app: App,
    missing: Both<u64>,
    tries: Both<u8>,
    /// Payload packets that signatures were matched against.
    pub matched: Both<u8>,
    /// Data segments remembered.
    pub segments: Vec<(At, u32)>,
    /// Data segments not remembered.
    pub segments_dropped: u32,
}

impl Track {
    /// Takes a TCP segment; what it says goes to `out`.
    #[inline]
    pub fn tcp(
        &mut self,
        record: &Record,
        at: At,
        packet: &Packet,
        tcp: &Tcp,
        budget: &mut Budget,
        out: &mut Events,
    ) {
        if self.over {
            return;
        }
        if tcp.has(flag::SYN) {
            *self.begins.of_mut(at.dir) = Some(tcp.seq.wrapping_add(1));
        }
        if packet.payload_len > 0 {
            self.payload(record, at, packet, tcp, budget, out);
        }
        if tcp.has(flag::ACK)
            && let Some(active) = &mut self.active
            && !active.streams.of(at.dir.flip()).is_in_order()
        {
            let Active { session, streams } = &mut **active;
            let dir = at.dir.flip();
            let missing = self.missing.of_mut(dir);
            let give = |piece: Piece<'_>| deliver(session, missing, dir, piece, out);
            streams.of_mut(dir).acknowledged(tcp.ack, budget, give);
        }
        if self.active.as_ref().is_some_and(|active| active.session.is_over()) {
            self.stop(budget, out);
        }
    }

    #[inline]
    fn payload(
        &mut self,
        record: &Record,
        at: At,
        packet: &Packet,
        tcp: &Tcp,
        budget: &mut Budget,
        out: &mut Events,
    ) {
        let begins = &self.begins;
        let active = self.active.get_or_insert_with(|| {
            let mut streams = Both::<Assembler>::default();
            for dir in [Dir::Up, Dir::Down] {
                if let Some(seq) = *begins.of(dir) {
                    streams.of_mut(dir).begin(seq);
                }
            }
            Box::new(Active { session: Session::new(record.src_port, record.dst_port), streams })
        });
        let Active { session, streams } = &mut **active;
        let stream = streams.of_mut(at.dir);
        if let Some(seq) = *begins.of(at.dir) {
            stream.begin(seq);
        }
        let segment = Segment {
            // SYN takes a sequence number of its own (TCP Fast Open sends data with it).
            seq: tcp.seq.wrapping_add(u32::from(tcp.has(flag::SYN))),
            bytes: packet.payload,
            wire_len: packet.payload_len,
            frame: at.frame,
            ts: at.ts,
        };
        let missing = self.missing.of_mut(at.dir);
        let give = |piece: Piece<'_>| deliver(session, missing, at.dir, piece, out);
        stream.push(segment, budget, give);
    }

    /// Takes a datagram; what it says goes to `out`.
    #[inline]
    pub fn udp(&mut self, record: &Record, at: At, payload: &[u8], out: &mut Events) {
        let (src, dst) = (record.src_port, record.dst_port);
        if DNS_PORTS.contains(&dst) || DNS_PORTS.contains(&src) {
            if let Some(message) = dns::parse(payload) {
                self.app.name = "dns";
                out.push((at, Event::Dns(Box::new(message))));
            }
            return;
        }
        let tries = self.tries.of_mut(at.dir);
        if *tries >= UDP_TRIES || !self.app.name.is_empty() {
            return;
        }
        *tries += 1;
        let (from, to) = if at.dir.is_up() { (src, dst) } else { (dst, src) };
        if let Some(label) = other::label_udp(from, to, payload) {
            let hidden = matches!(label.name, "quic" | "wireguard" | "dtls");
            self.app = App { name: label.name, encrypted: hidden };
            out.push((at, Event::Label(label)));
        }
    }

    /// Remembers the size of a data segment of a flow that is not known to be in clear.
    #[inline]
    pub fn segment(&mut self, at: At, size: u32, most: usize) {
        if !self.app.name.is_empty() && !self.app.encrypted {
            return;
        }
        if self.segments.len() < most {
            if self.segments.is_empty() {
                self.segments.reserve(SEGMENTS_AT_FIRST);
            }
            self.segments.push((at, size));
        } else {
            self.segments_dropped = self.segments_dropped.saturating_add(1);
        }
    }

    /// Takes in what the events of this flow say of it.
    pub fn learn(&mut self, events: &Events) {
        for (_, event) in events {
            match event {
                Event::Mining(_) => self.app.name = "mining",
                Event::Label(label) if matches!(self.app.name, "" | "json" | "http") => {
                    self.app.name = label.name;
                }
                _ => {}
            }
        }
    }

    /// Stops reassembly: nothing further is of use.
    pub fn stop(&mut self, budget: &mut Budget, out: &mut Events) {
        self.over = true;
        let Some(mut active) = self.active.take() else { return };
        active.session.finish(out);
        active.streams.up.clear(budget);
        active.streams.down.clear(budget);
        let app = active.session.app();
        self.app.encrypted |= app.encrypted;
        if self.app.name.is_empty() {
            self.app.name = app.name;
        }
        if !self.app.name.is_empty() && !self.app.encrypted {
            self.segments = Vec::new();
        }
    }

    /// The flow is over: gives what still waits, and ends the session.
    pub fn finish(&mut self, budget: &mut Budget, out: &mut Events) {
        if let Some(active) = &mut self.active {
            let Active { session, streams } = &mut **active;
            for dir in [Dir::Up, Dir::Down] {
                let missing = self.missing.of_mut(dir);
                let give = |piece: Piece<'_>| deliver(session, missing, dir, piece, out);
                streams.of_mut(dir).finish(budget, give);
            }
        }
        self.stop(budget, out);
    }

    /// What the flow's row says.
    #[must_use]
    pub fn facts(&self) -> FlowFacts {
        FlowFacts {
            app: self.app.name,
            encrypted: self.app.encrypted,
            missing: self.missing,
            segments_dropped: self.segments_dropped,
        }
    }
}

fn deliver(session: &mut Session, missing: &mut u64, dir: Dir, piece: Piece<'_>, out: &mut Events) {
    match piece {
        Piece::Bytes(bytes, frame, ts) => {
            session.data(At { frame, ts, dir }, bytes, out);
        }
        Piece::Gap(gap, frame, ts) => {
            *missing += gap;
            session.gap(At { frame, ts, dir }, gap, out);
        }
    }
}
