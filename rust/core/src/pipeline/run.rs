//! One run: frames in one after another, tables out at the end.

use arrow_schema::ArrowError;

use super::Analysis;
use super::stats::{FileStats, Stats};
use super::track::Track;
use crate::capture::{Frame, Reader};
use crate::decode::{Decoded, Decoder, Packet, protocol};
use crate::error::Issue;
use crate::flow::{Flow, Table};
use crate::limits::Limits;
use crate::matcher::Matcher;
use crate::proto::{At, Events};
use crate::stream::Budget;
use crate::table::Tables;

/// The stages of one run, in their order.
pub struct Run {
    decoder: Decoder,
    flows: Table<Track>,
    keeper: Keeper,
    previous_ns: i64,
    /// Frames of the files before this one.
    frames_before: u64,
}

/// What packets and closed flows are written to.
struct Keeper {
    limits: Limits,
    matcher: Matcher,
    tables: Tables,
    stats: Stats,
    budget: Budget,
    events: Events,
    /// Data segments remembered by open flows and in the table.
    segments: usize,
}

impl Run {
    /// A run within `limits` that looks for the patterns of `matcher`.
    #[must_use]
    pub fn new(limits: Limits, matcher: Matcher) -> Self {
        let budget = Budget {
            used: 0,
            total: limits.reorder_bytes,
            per_direction: limits.reorder_bytes_per_flow,
            window: limits.reorder_window,
            dropped: 0,
            missing: 0,
            conflicting: 0,
        };
        Self {
            decoder: Decoder::new(&limits),
            flows: Table::new(&limits),
            previous_ns: i64::MIN,
            frames_before: 0,
            keeper: Keeper {
                tables: Tables::new(&limits),
                stats: Stats::default(),
                events: Events::new(),
                segments: 0,
                limits,
                matcher,
                budget,
            },
        }
    }

    /// The next file begins.
    pub fn begin_file(&mut self) {
        self.frames_before = self.keeper.stats.frames;
    }

    /// Takes a frame.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>) {
        let Self { decoder, flows, keeper, .. } = self;
        keeper.stats.frame(frame, self.previous_ns);
        self.previous_ns = frame.ts;
        let number = self.frames_before + frame.number;
        match decoder.decode(frame) {
            Decoded::Packet(packet) => {
                keeper.stats.packet(&packet);
                let touch = flows.update(&packet, number, frame.ts);
                let at = At { frame: number, ts: frame.ts, dir: touch.dir };
                if let Some(flow) = flows.flow(touch) {
                    keeper.packet(flow, at, &packet);
                }
                if flows.has_closed() {
                    for flow in flows.take_closed() {
                        keeper.close(flow);
                    }
                }
            }
            Decoded::Fragment => {}
            Decoded::Other(name) => *keeper.stats.not_ip.entry(name).or_default() += 1,
            Decoded::Bad(problem) => keeper.issue(&problem.at(number, frame.offset)),
        }
    }

    /// A file is over.
    pub fn end_file(&mut self, path: String, sha256: String, mut reader: Reader) {
        for mut issue in std::mem::take(&mut reader.issues) {
            issue.frame += self.frames_before;
            self.keeper.issue(&issue);
        }
        let stats = &mut self.keeper.stats;
        for (kind, more) in &reader.issues_more {
            *stats.issue_counts.entry(format!("capture.{kind}")).or_default() += more;
        }
        stats.files.push(FileStats {
            path,
            sha256,
            format: reader.format_name(),
            compression: reader.compression().name(),
            bytes: reader.progress().0,
            first_frame: self.frames_before + 1,
            frames: stats.frames - self.frames_before,
        });
        stats.truncated_tail |= reader.truncated_tail;
        stats.comments += reader.comments;
        stats.resolution_ns = stats.resolution_ns.max(reader.resolution_ns);
        stats.drops_reported += reader.interfaces.iter().map(|i| i.dropped).sum::<u64>();
        stats.interfaces.append(&mut reader.interfaces);
    }

    /// Closes what is open and gives the result.
    ///
    /// # Errors
    ///
    /// If a row did not match its table's columns: a mistake of this crate.
    pub fn finish(mut self) -> Result<Analysis, ArrowError> {
        self.flows.finish();
        for flow in self.flows.take_closed() {
            self.keeper.close(flow);
        }
        let Keeper { mut tables, mut stats, budget, .. } = self.keeper;
        stats.flows = u64::from(self.flows.opened());
        stats.flows_evicted = self.flows.evicted;
        stats.peak_flows = u64::try_from(self.flows.peak).unwrap_or(u64::MAX);
        stats.fragments = self.decoder.fragments().seen;
        stats.fragments_incomplete = self.decoder.fragments().incomplete();
        stats.stream_gap_bytes = budget.missing;
        stats.reassembly_dropped_bytes = budget.dropped;
        stats.conflicting_bytes = budget.conflicting;
        stats.rows_dropped =
            tables.dropped().into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
        Ok(Analysis { tables: tables.finish()?, stats })
    }
}

impl Keeper {
    fn issue(&mut self, issue: &Issue) {
        self.stats.issue(issue);
        self.tables.issue(issue);
    }

    #[inline]
    fn packet(&mut self, flow: &mut Flow<Track>, at: At, packet: &Packet<'_>) {
        let Flow { record, extra: track, .. } = flow;
        if packet.payload_len > 0 {
            self.find_signatures(record.id, track, at, packet.payload);
            if matches!(packet.proto, protocol::TCP | protocol::UDP) {
                let room = self.segments < self.limits.segments;
                let before = track.segments.len();
                let most = if room { self.limits.segments_per_flow } else { 0 };
                track.segment(at, packet.payload_len, most);
                self.segments += track.segments.len() - before;
            }
        }
        match &packet.tcp {
            Some(tcp) => track.tcp(record, at, packet, tcp, &mut self.budget, &mut self.events),
            None if packet.proto == protocol::UDP && !packet.payload.is_empty() => {
                track.udp(record, at, packet.payload, &mut self.events);
            }
            None => {}
        }
        if !self.events.is_empty() {
            track.learn(&self.events);
            self.write_events(record.id);
        }
    }

    #[inline]
    fn find_signatures(&mut self, id: u32, track: &mut Track, at: At, payload: &[u8]) {
        let seen = track.matched.of_mut(at.dir);
        if *seen >= self.limits.matched_packets || self.matcher.is_empty() || payload.is_empty() {
            return;
        }
        *seen += 1;
        let first = *seen == 1;
        let start = payload.get(..self.limits.matched_bytes).unwrap_or(payload);
        let Self { matcher, tables, .. } = self;
        matcher.find(at.dir, first, start, |hit| {
            let offset = u32::try_from(hit.offset).unwrap_or(u32::MAX);
            tables.hit(id, at, matcher.id(hit.pattern), offset);
        });
    }

    fn write_events(&mut self, id: u32) {
        for (at, event) in &self.events {
            self.tables.event(id, *at, event);
        }
        self.events.clear();
    }

    fn close(&mut self, mut flow: Flow<Track>) {
        let Flow { record, extra: track, .. } = &mut flow;
        track.finish(&mut self.budget, &mut self.events);
        track.learn(&self.events);
        self.write_events(record.id);
        let facts = track.facts();
        if facts.app.is_empty() || facts.encrypted {
            for (at, size) in &track.segments {
                self.tables.segment(record.id, *at, *size);
            }
        } else {
            self.segments -= track.segments.len().min(self.segments);
        }
        self.tables.flow(record, &facts);
    }
}
