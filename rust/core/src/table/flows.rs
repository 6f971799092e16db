//! The row of a flow.

use crate::dir::Both;
use crate::flow::{InitiatorBy, Record, community_id, is_icmp_answer};

use super::columns::Columns;

/// What later stages found out about a flow.
#[derive(Debug, Clone, Copy, Default)]
pub struct FlowFacts {
    /// What it speaks; empty if that was not recognised.
    pub app: &'static str,
    /// What it says is hidden.
    pub encrypted: bool,
    /// Bytes of each direction that were not captured.
    pub missing: Both<u64>,
    /// Data segments that were not remembered.
    pub segments_dropped: u32,
}

/// Distinct byte values, of 64, from which a start counts as random: uniform bytes have 57 on
/// average and text under 40.
const RANDOM_VALUES: usize = 45;

/// True when the start of either direction looks like cipher text.
fn looks_random(record: &Record) -> bool {
    [&record.sent.up, &record.sent.down].into_iter().any(|sent| {
        let bytes = sent.prefix.bytes();
        let mut seen = [false; 256];
        for byte in bytes {
            if let Some(seen) = seen.get_mut(usize::from(*byte)) {
                *seen = true;
            }
        }
        bytes.len() == crate::flow::PREFIX_BYTES
            && seen.iter().filter(|seen| **seen).count() >= RANDOM_VALUES
    })
}

/// Writes the row of a flow.
pub fn push(table: &mut Columns, record: &Record, facts: &FlowFacts) {
    let src = (record.src, record.src_port);
    let dst = (record.dst, record.dst_port);
    // ICMP's type is the first packet's, which comes from the responder if it is an answer.
    let (from, to) =
        if is_icmp_answer(record.proto, record.icmp.0) { (dst, src) } else { (src, dst) };
    let Some(mut row) = table.row() else { return };
    let (up, down) = (&record.sent.up, &record.sent.down);
    let midstream = record.proto == crate::decode::protocol::TCP
        && !matches!(record.initiator_by, InitiatorBy::Syn | InitiatorBy::SynAck);
    row.u32(record.id)
        .time(record.start)
        .time(record.end)
        .address(record.src)
        .u16(record.src_port)
        .address(record.dst)
        .u16(record.dst_port)
        .u8(record.proto)
        .u8(record.icmp.0)
        .u8(record.icmp.1)
        .u16(record.vlan)
        .text(&community_id(from, to, record.proto, record.icmp))
        .word(record.initiator_by.name())
        .bool(midstream)
        .u64(up.packets)
        .u64(down.packets)
        .u64(up.bytes)
        .u64(down.bytes)
        .u64(up.payload)
        .u64(down.payload)
        .u32(up.retransmitted)
        .u32(down.retransmitted)
        .u64(facts.missing.up)
        .u64(facts.missing.down)
        .i64(record.rtt_ns.up)
        .i64(record.rtt_ns.down)
        .u64(record.first_frame)
        .u64(record.last_frame)
        .word(record.history())
        .word(record.end_reason.name())
        .word(facts.app)
        .bool(facts.encrypted || (facts.app.is_empty() && looks_random(record)))
        .u32(facts.segments_dropped)
        .bytes(up.prefix.bytes())
        .bytes(down.prefix.bytes());
}
