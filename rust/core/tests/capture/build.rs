//! Captures made in memory, field by field.

/// Byte order of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Big,
    Little,
}

impl Order {
    pub const BOTH: [Self; 2] = [Self::Big, Self::Little];

    pub fn u16(self, n: u16) -> [u8; 2] {
        if self == Self::Big { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    pub fn u32(self, n: u32) -> [u8; 4] {
        if self == Self::Big { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    pub fn i64(self, n: i64) -> [u8; 8] {
        if self == Self::Big { n.to_be_bytes() } else { n.to_le_bytes() }
    }
}

/// The classic format's variants, by magic number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    Microseconds,
    Nanoseconds,
    Modified,
}

pub const SECONDS: u32 = 1_767_225_600;
pub const SECONDS_NS: i64 = 1_767_225_600_000_000_000;

/// Payload of the n-th frame: a length and bytes of its own.
pub fn payload(n: u32) -> Vec<u8> {
    let len = 20 + n % 41;
    (0..len).map(|i| u8::try_from((n * 31 + i * 7) % 251).unwrap()).collect()
}

/// A classic file of `frames` frames, one second and one step apart.
pub fn pcap(order: Order, variant: Variant, frames: u32) -> Vec<u8> {
    let magic = match variant {
        Variant::Microseconds => 0xa1b2_c3d4,
        Variant::Nanoseconds => 0xa1b2_3c4d,
        Variant::Modified => 0xa1b2_cd34,
    };
    let mut file = order.u32(magic).to_vec();
    file.extend([order.u16(2), order.u16(4)].concat());
    for word in [0, 0, 65_535, 1] {
        file.extend(order.u32(word));
    }
    for n in 0..frames {
        file.extend(record(order, variant, n));
    }
    file
}

/// The n-th record of a classic file.
pub fn record(order: Order, variant: Variant, n: u32) -> Vec<u8> {
    let data = payload(n);
    let len = u32::try_from(data.len()).unwrap();
    let mut bytes = Vec::new();
    for word in [SECONDS + n, n, len, len + 5] {
        bytes.extend(order.u32(word));
    }
    if variant == Variant::Modified {
        // Interface index, protocol, packet type and padding of Kuznetzov's libpcap.
        bytes.extend([0xee; 8]);
    }
    bytes.extend(data);
    bytes
}

/// A pcapng option, padded.
pub fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = [order.u16(code), order.u16(u16::try_from(value.len()).unwrap())].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A pcapng block around a body, which is padded.
pub fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(12 + body.len().next_multiple_of(4)).unwrap();
    let mut bytes = [order.u32(kind), order.u32(len)].concat();
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(order.u32(len));
    bytes
}

/// A section header block.
pub fn section(order: Order, options: &[u8]) -> Vec<u8> {
    let mut body = order.u32(0x1a2b_3c4d).to_vec();
    body.extend([order.u16(1), order.u16(0)].concat());
    body.extend(order.i64(-1));
    body.extend(options);
    block(order, 0x0a0d_0d0a, &body)
}

/// An interface description block.
pub fn interface(order: Order, link: u16, snaplen: u32, options: &[u8]) -> Vec<u8> {
    let mut body = [order.u16(link), order.u16(0)].concat();
    body.extend(order.u32(snaplen));
    body.extend(options);
    block(order, 1, &body)
}

/// An enhanced packet block.
pub fn enhanced(order: Order, interface: u32, units: u64, data: &[u8], options: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len()).unwrap();
    let high = u32::try_from(units >> 32).unwrap();
    let low = u32::try_from(units & 0xffff_ffff).unwrap();
    let mut body = Vec::new();
    for word in [interface, high, low, len, len] {
        body.extend(order.u32(word));
    }
    body.extend(data);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(options);
    block(order, 6, &body)
}

/// Microseconds since 1970 of the n-th frame.
pub fn microseconds(n: u32) -> u64 {
    u64::from(SECONDS + n) * 1_000_000 + u64::from(n)
}

/// A pcapng file of `frames` enhanced packets on one Ethernet interface, in microseconds.
pub fn pcapng(order: Order, frames: u32) -> Vec<u8> {
    let mut file = section(order, &[]);
    file.extend(interface(order, 1, 0, &[]));
    for n in 0..frames {
        file.extend(enhanced(order, 0, microseconds(n), &payload(n), &[]));
    }
    file
}
