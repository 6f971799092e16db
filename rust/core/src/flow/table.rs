//! The bounded table of open flows.

use hashbrown::HashMap;

use super::key::{Key, is_icmp_answer, ports};
use super::list::{Links, List, Slots};
use super::record::{EndReason, InitiatorBy, Record};
use super::tcp::Connection;
use crate::decode::{Packet, Tcp, flag, protocol};
use crate::dir::Dir;
use crate::limits::Limits;

/// Ports below are given to services (RFC 6335 section 6).
const SYSTEM_PORTS: u16 = 1024;
/// Where Linux, the most common system in a cluster, begins to take ephemeral ports.
const EPHEMERAL_PORTS: u16 = 32_768;

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const OTHER: u8 = 2;

/// One open flow, with what later stages keep beside it.
#[derive(Debug)]
pub struct Flow<X> {
    /// Counters and times.
    pub record: Record,
    /// What later stages keep.
    pub extra: X,
    key: Key,
    /// The initiator is the smaller end of the key.
    up_from_low: bool,
    connection: Connection,
    last_ts: i64,
    links: Links,
}

/// Which flow a packet belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    slot: u32,
    /// Who sent the packet.
    pub dir: Dir,
}

struct Slab<X>(Vec<Option<Flow<X>>>);

impl<X> Slab<X> {
    #[inline]
    fn get(&mut self, slot: u32) -> Option<&mut Flow<X>> {
        let index = usize::try_from(slot).ok()?;
        self.0.get_mut(index)?.as_mut()
    }
}

impl<X> Slots for Slab<X> {
    fn links(&mut self, slot: u32) -> Option<&mut Links> {
        self.get(slot).map(|flow| &mut flow.links)
    }
}

/// Open flows by key, oldest first by silence.
///
/// The index hashes with a key drawn for each process, so that crafted traffic cannot aim at one
/// bucket.
pub struct Table<X> {
    index: HashMap<Key, u32, foldhash::fast::RandomState>,
    slab: Slab<X>,
    free: Vec<u32>,
    lists: [List; 3],
    idle_ns: [i64; 3],
    flows_max: usize,
    next_id: u32,
    closed: Vec<Flow<X>>,
    /// Flows closed to make room.
    pub evicted: u64,
    /// Most flows open at once.
    pub peak: usize,
}

impl<X: Default> Table<X> {
    /// An empty table.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let ns = |seconds: i64| seconds.saturating_mul(1_000_000_000);
        Self {
            index: HashMap::default(),
            slab: Slab(Vec::new()),
            free: Vec::new(),
            lists: [List::default(); 3],
            idle_ns: [ns(limits.tcp_idle_s), ns(limits.tcp_linger_s), ns(limits.other_idle_s)],
            flows_max: limits.flows,
            next_id: 0,
            closed: Vec::new(),
            evicted: 0,
            peak: 0,
        }
    }

    /// Flows that began so far.
    #[must_use]
    pub fn opened(&self) -> u32 {
        self.next_id
    }

    /// The flow of a touch.
    #[inline]
    pub fn flow(&mut self, touch: Touch) -> Option<&mut Flow<X>> {
        self.slab.get(touch.slot)
    }

    /// Flows that ended since this was asked last.
    pub fn take_closed(&mut self) -> Vec<Flow<X>> {
        std::mem::take(&mut self.closed)
    }

    /// True when flows ended since they were taken last.
    #[inline]
    #[must_use]
    pub fn has_closed(&self) -> bool {
        !self.closed.is_empty()
    }

    /// Adds a packet to its flow, opening or closing flows on the way.
    #[inline]
    pub fn update(&mut self, packet: &Packet, frame: u64, ts: i64) -> Touch {
        self.expire(ts);
        let (key, from_low) = Key::of(packet);
        let found = self.index.get(&key).copied();
        let slot = match found {
            Some(slot) if self.is_reopened(slot, from_low, packet) => {
                self.close(slot, Some(EndReason::Reopened));
                self.open(key, from_low, packet, frame, ts)
            }
            Some(slot) => slot,
            None => self.open(key, from_low, packet, frame, ts),
        };
        let dir = self.count(slot, from_low, packet, frame, ts);
        Touch { slot, dir }
    }

    #[inline]
    fn is_reopened(&mut self, slot: u32, from_low: bool, packet: &Packet) -> bool {
        let Some(tcp) = packet.tcp.filter(|tcp| tcp.has(flag::SYN)) else { return false };
        self.slab.get(slot).is_some_and(|flow| {
            let dir = direction(flow.up_from_low, from_low);
            flow.connection.is_reopened_by(dir, &tcp)
        })
    }

    #[inline]
    fn count(&mut self, slot: u32, from_low: bool, packet: &Packet, frame: u64, ts: i64) -> Dir {
        let Some(flow) = self.slab.get(slot) else { return Dir::Up };
        let dir = direction(flow.up_from_low, from_low);
        flow.record.count(dir, packet, frame, ts);
        flow.last_ts = ts;
        let mut list = flow.links.list;
        if let Some(tcp) = &packet.tcp {
            flow.connection.update(&mut flow.record, dir, packet, tcp, ts);
            list = if flow.connection.is_closed() { CLOSED } else { OPEN };
        }
        let from = flow.links.list;
        if from != list || !self.list(list).ends_with(slot) {
            self.relist(slot, from, list);
        }
        dir
    }

    fn list(&mut self, list: u8) -> &mut List {
        let [open, closed, other] = &mut self.lists;
        match list {
            OPEN => open,
            CLOSED => closed,
            _ => other,
        }
    }

    fn relist(&mut self, slot: u32, from: u8, to: u8) {
        let mut list = *self.list(from);
        list.remove(&mut self.slab, slot);
        *self.list(from) = list;
        self.enlist(slot, to);
    }

    fn enlist(&mut self, slot: u32, to: u8) {
        let mut list = *self.list(to);
        list.push(&mut self.slab, slot, to);
        *self.list(to) = list;
    }

    fn open(&mut self, key: Key, from_low: bool, packet: &Packet, frame: u64, ts: i64) -> u32 {
        if self.index.len() >= self.flows_max {
            self.evict();
        }
        let (is_up, initiator_by) = first_sender(packet);
        let src = (packet.src, packet.src_port);
        let dst = (packet.dst, packet.dst_port);
        let (initiator, responder) = if is_up { (src, dst) } else { (dst, src) };
        let mut record = Record::new(self.next_id, frame, ts, initiator, responder);
        record.proto = packet.proto;
        record.icmp = packet.icmp;
        record.vlan = packet.vlan;
        record.initiator_by = initiator_by;
        self.next_id = self.next_id.wrapping_add(1);
        let flow = Flow {
            record,
            extra: X::default(),
            key,
            up_from_low: from_low == is_up,
            connection: Connection::default(),
            last_ts: ts,
            links: Links::default(),
        };
        let slot = self.place(flow);
        self.index.insert(key, slot);
        self.peak = self.peak.max(self.index.len());
        self.enlist(slot, if packet.proto == protocol::TCP { OPEN } else { OTHER });
        slot
    }

    fn place(&mut self, flow: Flow<X>) -> u32 {
        if let Some(slot) = self.free.pop() {
            let index = usize::try_from(slot).unwrap_or(usize::MAX);
            if let Some(space) = self.slab.0.get_mut(index) {
                *space = Some(flow);
            }
            return slot;
        }
        let slot = u32::try_from(self.slab.0.len()).unwrap_or(u32::MAX);
        self.slab.0.push(Some(flow));
        slot
    }

    #[inline]
    fn expire(&mut self, now: i64) {
        for list in [OPEN, CLOSED, OTHER] {
            let idle = self.idle_ns.get(usize::from(list)).copied().unwrap_or(i64::MAX);
            while let Some(slot) = self.list(list).head() {
                let last = self.slab.get(slot).map_or(now, |flow| flow.last_ts);
                if now.saturating_sub(last) <= idle {
                    break;
                }
                self.close(slot, (list != CLOSED).then_some(EndReason::Timeout));
            }
        }
    }

    fn evict(&mut self) {
        for list in [CLOSED, OTHER, OPEN] {
            if let Some(slot) = self.list(list).head() {
                self.evicted += 1;
                self.close(slot, Some(EndReason::Evicted));
                return;
            }
        }
    }

    /// Closes a flow; without a reason, for what its connection says.
    fn close(&mut self, slot: u32, reason: Option<EndReason>) {
        let Some(list) = self.slab.get(slot).map(|flow| flow.links.list) else { return };
        let mut links = *self.list(list);
        links.remove(&mut self.slab, slot);
        *self.list(list) = links;
        let index = usize::try_from(slot).unwrap_or(usize::MAX);
        let Some(mut flow) = self.slab.0.get_mut(index).and_then(Option::take) else { return };
        self.index.remove(&flow.key);
        self.free.push(slot);
        flow.record.end_reason = match (reason, flow.connection.is_reset()) {
            (Some(EndReason::Reopened | EndReason::Eof) | None, true) => EndReason::Rst,
            (Some(EndReason::Reopened | EndReason::Eof) | None, false)
                if flow.connection.is_closed() =>
            {
                EndReason::Fin
            }
            (reason, _) => reason.unwrap_or(EndReason::Timeout),
        };
        self.closed.push(flow);
    }

    /// Closes what is still open, in the order flows began.
    pub fn finish(&mut self) {
        let mut open: Vec<(u32, u32)> = self
            .index
            .values()
            .filter_map(|&slot| self.slab.get(slot).map(|flow| (flow.record.id, slot)))
            .collect();
        open.sort_unstable();
        for (_, slot) in open {
            self.close(slot, Some(EndReason::Eof));
        }
    }
}

#[inline]
fn direction(up_from_low: bool, from_low: bool) -> Dir {
    if up_from_low == from_low { Dir::Up } else { Dir::Down }
}

/// Whether a flow's first packet comes from its initiator, and what tells.
fn first_sender(packet: &Packet) -> (bool, InitiatorBy) {
    match packet.tcp {
        Some(tcp) => tcp_sender(packet, &tcp),
        None if packet.proto == protocol::UDP => by_port(packet),
        None if is_icmp_answer(packet.proto, packet.icmp.0) => (false, InitiatorBy::Port),
        None => (true, InitiatorBy::First),
    }
}

fn tcp_sender(packet: &Packet, tcp: &Tcp) -> (bool, InitiatorBy) {
    match (tcp.has(flag::SYN), tcp.has(flag::ACK)) {
        (true, false) => (true, InitiatorBy::Syn),
        (true, true) => (false, InitiatorBy::SynAck),
        _ => by_port(packet),
    }
}

fn by_port(packet: &Packet) -> (bool, InitiatorBy) {
    let (src, dst) = ports(packet);
    let rank = |port: u16| match port {
        0..SYSTEM_PORTS => 0,
        SYSTEM_PORTS..EPHEMERAL_PORTS => 1,
        _ => 2,
    };
    match rank(src).cmp(&rank(dst)) {
        std::cmp::Ordering::Less => (false, InitiatorBy::Port),
        std::cmp::Ordering::Greater => (true, InitiatorBy::Port),
        std::cmp::Ordering::Equal => (true, InitiatorBy::First),
    }
}
