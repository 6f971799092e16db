//! Link types, as the capture file names them.

/// How a frame begins (the LINKTYPE registry of tcpdump.org).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// BSD loopback: a 4-byte address family in the byte order of the host (0) or network (108).
    Null,
    /// Ethernet (1).
    Ethernet,
    /// An IPv4 or IPv6 header right away (12, 14, 101).
    Raw,
    /// An IPv4 header (228).
    Ipv4,
    /// An IPv6 header (229).
    Ipv6,
    /// Linux cooked capture (113).
    Sll,
    /// Linux cooked capture, version 2 (276).
    Sll2,
    /// Any other: frames are counted, not decoded.
    Other(u16),
}

impl Link {
    /// The link type with this number.
    #[must_use]
    pub fn from_number(number: u16) -> Self {
        match number {
            0 | 108 => Self::Null,
            1 => Self::Ethernet,
            12 | 14 | 101 => Self::Raw,
            113 => Self::Sll,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            276 => Self::Sll2,
            other => Self::Other(other),
        }
    }
}

/// The registry's name for a link type number, for people.
#[must_use]
pub fn name(number: u16) -> String {
    let known = match number {
        0 => "NULL",
        1 => "ETHERNET",
        9 => "PPP",
        12 | 14 | 101 => "RAW",
        105 => "IEEE802_11",
        108 => "LOOP",
        113 => "LINUX_SLL",
        127 => "IEEE802_11_RADIOTAP",
        228 => "IPV4",
        229 => "IPV6",
        276 => "LINUX_SLL2",
        other => return format!("LINKTYPE_{other}"),
    };
    known.to_owned()
}
