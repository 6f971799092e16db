use proptest::prelude::*;

use super::{EndReason, InitiatorBy, Table};
use crate::decode::{Packet, Tcp, flag, protocol};
use crate::dir::Dir;
use crate::limits::Limits;

const SECOND: i64 = 1_000_000_000;
const CLIENT: u16 = 40_000;
const SERVER: u16 = 443;

/// A segment between 10.0.0.1 and 198.51.100.7, from the side that has `port`.
fn segment(port: u16, flags: u8, seq: u32, ack: u32, payload: &'static [u8]) -> Packet<'static> {
    let ends = [([10, 0, 0, 1], CLIENT), ([198, 51, 100, 7], SERVER)];
    let [from, to] = if port == SERVER { [ends[1], ends[0]] } else { ends };
    let len = u32::try_from(payload.len()).unwrap();
    Packet {
        src: from.0.into(),
        dst: to.0.into(),
        src_port: from.1,
        dst_port: to.1,
        proto: protocol::TCP,
        tcp: Some(Tcp { seq, ack, flags, window: 1 }),
        icmp: (0, 0),
        payload,
        payload_len: len,
        ip_len: 40 + len,
        packets: 1,
        vlan: 0,
    }
}

fn datagram(src_port: u16, dst_port: u16) -> Packet<'static> {
    let made = segment(CLIENT, 0, 0, 0, b"");
    Packet { src_port, dst_port, proto: protocol::UDP, tcp: None, ip_len: 28, ..made }
}

struct Run {
    table: Table<()>,
    frame: u64,
}

impl Run {
    fn new() -> Self {
        Self::within(Limits::default())
    }

    fn within(limits: Limits) -> Self {
        Self { table: Table::new(&limits), frame: 0 }
    }

    fn at(&mut self, ts: i64, packet: &Packet) -> Dir {
        self.frame += 1;
        self.table.update(packet, self.frame, ts).dir
    }

    /// Ends the capture; flows in the order they began.
    fn finish(mut self) -> Vec<super::Record> {
        self.table.finish();
        let mut flows: Vec<_> = self.table.take_closed().into_iter().map(|f| f.record).collect();
        flows.sort_by_key(|record| record.id);
        flows
    }
}

fn handshake(run: &mut Run, ts: i64, isn: u32) {
    run.at(ts, &segment(CLIENT, flag::SYN, isn, 0, b""));
    run.at(ts + 10, &segment(SERVER, flag::SYN | flag::ACK, 900, isn + 1, b""));
    run.at(ts + 30, &segment(CLIENT, flag::ACK, isn + 1, 901, b""));
}

#[test]
fn a_whole_connection_is_one_flow_with_its_history_and_round_trips() {
    let mut run = Run::new();
    handshake(&mut run, 0, 100);
    run.at(100, &segment(CLIENT, flag::ACK, 101, 901, b"ask"));
    run.at(150, &segment(SERVER, flag::ACK, 901, 104, b"answer"));
    run.at(160, &segment(SERVER, flag::FIN | flag::ACK, 907, 104, b""));
    run.at(170, &segment(CLIENT, flag::FIN | flag::ACK, 104, 908, b""));
    run.at(180, &segment(SERVER, flag::ACK, 908, 105, b""));
    let flows = run.finish();
    let flow = &flows[0];
    assert_eq!((flows.len(), flow.history()), (1, "ShADdfFa"));
    assert_eq!((flow.end_reason, flow.initiator_by), (EndReason::Fin, InitiatorBy::Syn));
    assert_eq!((flow.src_port, flow.sent.up.packets, flow.sent.down.packets), (CLIENT, 4, 4));
    assert_eq!((flow.sent.up.payload, flow.sent.up.bytes), (3, 163));
    assert_eq!((flow.rtt_ns.up, flow.rtt_ns.down), (20, 10));
    assert_eq!(flow.sent.down.prefix.bytes(), b"answer");
}

#[test]
fn the_initiator_is_found_however_the_capture_begins() {
    for (packet, dir, by) in [
        (segment(CLIENT, flag::SYN, 1, 0, b""), Dir::Up, InitiatorBy::Syn),
        (segment(SERVER, flag::SYN | flag::ACK, 1, 2, b""), Dir::Down, InitiatorBy::SynAck),
        (segment(SERVER, flag::ACK, 1, 2, b"mid-stream"), Dir::Down, InitiatorBy::Port),
        (segment(CLIENT, flag::ACK, 1, 2, b"mid-stream"), Dir::Up, InitiatorBy::Port),
        (datagram(53, 41_000), Dir::Down, InitiatorBy::Port),
        (datagram(40_000, 50_000), Dir::Up, InitiatorBy::First),
    ] {
        let mut run = Run::new();
        assert_eq!(run.at(0, &packet), dir);
        assert_eq!(run.finish()[0].initiator_by, by);
    }
}

#[test]
fn a_new_syn_opens_a_new_flow_and_a_repeated_one_does_not() {
    let mut run = Run::new();
    handshake(&mut run, 0, 100);
    run.at(50, &segment(CLIENT, flag::SYN, 100, 0, b""));
    run.at(60, &segment(CLIENT, flag::SYN, 7000, 0, b""));
    let flows = run.finish();
    assert_eq!(flows.iter().map(|f| f.sent.up.packets).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(flows[0].end_reason, EndReason::Reopened);
}

#[test]
fn a_syn_captured_after_what_followed_it_opens_nothing() {
    let mut run = Run::new();
    run.at(0, &segment(SERVER, flag::SYN | flag::ACK, 900, 101, b""));
    run.at(1, &segment(CLIENT, flag::ACK, 101, 901, b"ask"));
    run.at(2, &segment(CLIENT, flag::SYN, 100, 0, b""));
    assert_eq!(run.finish().len(), 1);
}

#[test]
fn a_syn_after_mid_stream_data_of_another_connection_opens_a_flow() {
    let mut run = Run::new();
    run.at(0, &segment(CLIENT, flag::ACK, 5000, 1, b"old"));
    run.at(1, &segment(CLIENT, flag::SYN, 100, 0, b""));
    assert_eq!(run.finish().len(), 2);
}

#[test]
fn silence_ends_flows_by_capture_time() {
    let limits = Limits::default();
    for (idle_s, expected) in [(limits.other_idle_s, 1), (limits.other_idle_s + 1, 2)] {
        let mut run = Run::new();
        run.at(0, &datagram(40_000, 50_000));
        run.at(idle_s * SECOND, &datagram(40_000, 50_000));
        assert_eq!(run.finish().len(), expected, "{idle_s} s");
    }
    let mut run = Run::new();
    run.at(0, &segment(CLIENT, flag::ACK, 1, 1, b"x"));
    run.at((limits.tcp_idle_s + 1) * SECOND, &segment(CLIENT, flag::ACK, 2, 1, b"y"));
    assert_eq!(run.finish()[0].end_reason, EndReason::Timeout);
}

#[test]
fn late_segments_belong_to_a_closed_flow_for_a_minute() {
    for (late_s, expected) in [(60, 1), (61, 2)] {
        let mut run = Run::new();
        handshake(&mut run, 0, 100);
        run.at(SECOND, &segment(SERVER, flag::RST, 901, 0, b""));
        run.at((1 + late_s) * SECOND, &segment(CLIENT, flag::ACK, 101, 901, b"late"));
        let flows = run.finish();
        assert_eq!((flows.len(), flows[0].end_reason), (expected, EndReason::Rst));
    }
}

#[test]
fn retransmissions_are_counted_and_keep_alives_are_not() {
    let mut run = Run::new();
    handshake(&mut run, 0, 100);
    for payload in [&b"hello"[..], b"hello", b"hell"] {
        run.at(100, &segment(CLIENT, flag::ACK, 101, 901, payload));
    }
    run.at(200, &segment(CLIENT, flag::ACK, 105, 901, b"o"));
    assert_eq!(run.finish()[0].sent.up.retransmitted, 2);
}

#[test]
fn a_retransmitted_segment_gives_no_round_trip() {
    let mut run = Run::new();
    run.at(0, &segment(CLIENT, flag::ACK, 101, 901, b"hello"));
    run.at(SECOND, &segment(CLIENT, flag::ACK, 101, 901, b"hello"));
    run.at(SECOND + 5, &segment(SERVER, flag::ACK, 901, 106, b""));
    assert_eq!(run.finish()[0].rtt_ns.down, 0);
}

#[test]
fn a_full_table_closes_the_flow_idle_longest_and_counts_it() {
    let mut run = Run::within(Limits { flows: 100, ..Limits::default() });
    for port in 0..1000 {
        run.at(i64::from(port), &datagram(10_000 + port, 50_000));
    }
    assert_eq!((run.table.evicted, run.table.peak, run.table.opened()), (900, 100, 1000));
    let flows = run.finish();
    let evicted = flows.iter().filter(|flow| flow.end_reason == EndReason::Evicted);
    assert!(evicted.map(|flow| flow.id).eq(0..900));
}

proptest! {
    #[test]
    fn every_packet_is_counted_in_one_flow(
        packets in proptest::collection::vec(
            (any::<bool>(), 0u8..32, 0u32..4, 0u32..4, 0i64..8_000_000_000_000, any::<bool>()),
            0..200,
        ),
        flows_max in 1usize..4,
    ) {
        let mut run = Run::within(Limits { flows: flows_max, ..Limits::default() });
        for (client, flags, seq, ack, ts, with_data) in &packets {
            let port = if *client { CLIENT } else { SERVER };
            let payload: &[u8] = if *with_data { b"data" } else { b"" };
            run.at(*ts, &segment(port, *flags, *seq, *ack, payload));
        }
        let counted: u64 =
            run.finish().iter().map(|flow| flow.sent.up.packets + flow.sent.down.packets).sum();
        prop_assert_eq!(counted, u64::try_from(packets.len()).unwrap());
    }
}
