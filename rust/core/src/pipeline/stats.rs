//! What a run counts.

use std::collections::BTreeMap;

use crate::capture::{Frame, Interface};
use crate::decode::{Packet, protocol};
use crate::error::Issue;

/// One input file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileStats {
    /// As it was given.
    pub path: String,
    /// SHA-256 of the file as stored.
    pub sha256: String,
    /// `pcap` or `pcapng`.
    pub format: &'static str,
    /// `gzip`, `zstd` or empty.
    pub compression: &'static str,
    /// Bytes read of it.
    pub bytes: u64,
    /// Number of its first frame in the run.
    pub first_frame: u64,
    /// Its frames.
    pub frames: u64,
}

/// The counters of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Inputs in the order they were read.
    pub files: Vec<FileStats>,
    /// Interfaces of all inputs.
    pub interfaces: Vec<Interface>,
    /// Frames read.
    pub frames: u64,
    /// Bytes captured.
    pub captured_bytes: u64,
    /// Bytes on the wire.
    pub wire_bytes: u64,
    /// Time of the earliest frame, 0 without one.
    pub first_ns: i64,
    /// Time of the latest frame, 0 without one.
    pub last_ns: i64,
    /// Coarsest time step.
    pub resolution_ns: i64,
    /// Frames cut by the snap length.
    pub snaplen_cut: u64,
    /// Frames earlier than the one before.
    pub time_backwards: u64,
    /// An input ended inside a record.
    pub truncated_tail: bool,
    /// Comments in the inputs.
    pub comments: u64,
    /// Frames the capturing system says it dropped.
    pub drops_reported: u64,
    /// Issues by `layer.kind`.
    pub issue_counts: BTreeMap<String, u64>,
    /// Rows that found no room, by table.
    pub rows_dropped: BTreeMap<String, u64>,
    /// Frames without IP, by what they hold.
    pub not_ip: BTreeMap<&'static str, u64>,
    /// IP packets of tunnels that are not looked into, by kind.
    pub tunnelled_undecoded: BTreeMap<&'static str, u64>,
    /// IP packets that are no TCP, UDP, ICMP or SCTP.
    pub not_tcp_udp: u64,
    /// Packets added to flows.
    pub packets: u64,
    /// Flows.
    pub flows: u64,
    /// Flows closed for room.
    pub flows_evicted: u64,
    /// Most flows open at once.
    pub peak_flows: u64,
    /// Fragments seen.
    pub fragments: u64,
    /// Datagrams that never became complete.
    pub fragments_incomplete: u64,
    /// Stream bytes that were not captured.
    pub stream_gap_bytes: u64,
    /// Stream bytes out of order that found no room.
    pub reassembly_dropped_bytes: u64,
    /// Stream bytes that came twice with different content.
    pub conflicting_bytes: u64,
}

impl Stats {
    /// Counts a frame.
    #[inline]
    pub fn frame(&mut self, frame: &Frame, previous_ns: i64) {
        self.frames += 1;
        let captured = u64::try_from(frame.data.len()).unwrap_or(u64::MAX);
        self.captured_bytes += captured;
        self.wire_bytes += u64::from(frame.orig_len).max(captured);
        self.snaplen_cut += u64::from(captured < u64::from(frame.orig_len));
        if self.frames == 1 {
            self.first_ns = frame.ts;
            self.last_ns = frame.ts;
        } else {
            self.time_backwards += u64::from(frame.ts < previous_ns);
            self.first_ns = self.first_ns.min(frame.ts);
            self.last_ns = self.last_ns.max(frame.ts);
        }
    }

    /// Counts a packet.
    #[inline]
    pub fn packet(&mut self, packet: &Packet) {
        self.packets += 1;
        if !matches!(packet.proto, protocol::TCP | protocol::UDP) {
            self.other_packet(packet.proto);
        } else if packet.proto == protocol::UDP
            && let Some(name) = tunnel_port(packet.dst_port)
        {
            *self.tunnelled_undecoded.entry(name).or_default() += 1;
        }
    }

    fn other_packet(&mut self, proto: u8) {
        let tunnel = match proto {
            4 => Some("ipip"),
            41 => Some("ipv6_in_ip"),
            47 => Some("gre"),
            50 => Some("esp"),
            137 => Some("mpls_in_ip"),
            _ => None,
        };
        if let Some(name) = tunnel {
            *self.tunnelled_undecoded.entry(name).or_default() += 1;
        }
        let known = [protocol::ICMP, protocol::ICMPV6, protocol::SCTP].contains(&proto);
        self.not_tcp_udp += u64::from(!known);
    }

    /// Counts an issue.
    pub fn issue(&mut self, issue: &Issue) {
        *self.issue_counts.entry(format!("{}.{}", issue.layer, issue.kind)).or_default() += 1;
    }
}

fn tunnel_port(port: u16) -> Option<&'static str> {
    match port {
        2152 => Some("gtp_u"),
        4789 => Some("vxlan"),
        6081 => Some("geneve"),
        _ => None,
    }
}
