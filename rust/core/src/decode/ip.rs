//! IPv4 and IPv6 with their extension headers, and the transport header inside.

use etherparse::{IpNumber, LaxIpSlice, UdpSlice};

use super::fragments::{Fragment, Fragments, Key};
use super::{Decoded, Packet, Problem, Tcp, protocol};
use crate::bytes::{Reader, Truncated};

/// Bytes of a TCP header without options (RFC 9293 section 3.1).
const TCP_HEADER_MIN: usize = 20;

/// Decodes what follows the link layer.
#[inline]
pub fn decode<'a>(
    bytes: &'a [u8],
    ts: i64,
    vlan: u16,
    fragments: &'a mut Fragments,
) -> Decoded<'a> {
    let (ip, stopped) = match LaxIpSlice::from_slice(bytes) {
        Ok(found) => found,
        Err(e) => return Decoded::Bad(Problem::new("ip", "bad_header", e.to_string())),
    };
    let body = ip.payload();
    let head_len = bytes_before(bytes, body.payload);
    let claimed = claimed_len(&ip);
    if claimed < head_len {
        let detail = format!("claims {claimed} bytes with {head_len} bytes of headers");
        return Decoded::Bad(Problem::new("ip", "bad_length", detail));
    }
    let base = Packet {
        src: ip.source_addr(),
        dst: ip.destination_addr(),
        src_port: 0,
        dst_port: 0,
        proto: body.ip_number.0,
        tcp: None,
        icmp: (0, 0),
        payload: body.payload,
        payload_len: 0,
        ip_len: number(claimed),
        packets: 1,
        vlan,
    };
    if body.fragmented {
        return fragment(&ip, base, ts, fragments);
    }
    if stopped.is_some() && !is_transport(body.ip_number) {
        return Decoded::Bad(Problem::new("ip", "bad_extension", "an extension header is cut"));
    }
    transport(base, claimed - head_len)
}

/// IP bytes the header claims; what was captured where it claims nothing (offloaded sends).
fn claimed_len(ip: &LaxIpSlice) -> usize {
    match ip {
        LaxIpSlice::Ipv4(v4) => {
            let head = v4.header().slice().len()
                + v4.extensions().auth.as_ref().map_or(0, |auth| auth.slice().len());
            let claimed = usize::from(v4.header().total_len());
            if claimed == 0 { head + v4.payload().payload.len() } else { claimed }
        }
        LaxIpSlice::Ipv6(v6) => {
            let claimed = usize::from(v6.header().payload_length());
            let captured = v6.extensions().slice().len() + v6.payload().payload.len();
            40 + if claimed == 0 { captured } else { claimed }
        }
    }
}

/// How far into `whole` the slice `part` of it begins.
fn bytes_before(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(whole.as_ptr().addr()).min(whole.len())
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn is_transport(number: IpNumber) -> bool {
    matches!(number, IpNumber::TCP | IpNumber::UDP | IpNumber::ICMP | IpNumber::IPV6_ICMP)
}

fn fragment<'a>(
    ip: &LaxIpSlice<'a>,
    base: Packet<'a>,
    ts: i64,
    fragments: &'a mut Fragments,
) -> Decoded<'a> {
    let (offset, more, id) = match ip {
        LaxIpSlice::Ipv4(v4) => {
            let head = v4.header();
            let offset = usize::from(head.fragments_offset().value()) * 8;
            (offset, head.more_fragments(), u32::from(head.identification()))
        }
        LaxIpSlice::Ipv6(v6) => {
            let found = v6.extensions().clone().into_iter().find_map(|ext| match ext {
                etherparse::Ipv6ExtensionSlice::Fragment(f) => Some(f.to_header()),
                _ => None,
            });
            match found {
                Some(h) => {
                    (usize::from(h.fragment_offset.value()) * 8, h.more_fragments, h.identification)
                }
                None => {
                    return Decoded::Bad(Problem::new("ip", "bad_extension", "no fragment header"));
                }
            }
        }
    };
    let key = Key { src: base.src, dst: base.dst, proto: base.proto, id };
    let piece = Fragment { offset, more, bytes: base.payload, ip_len: base.ip_len };
    match fragments.add(key, piece, ts) {
        Err(kind) => Decoded::Bad(Problem::new("fragment", kind, format!("offset {offset}"))),
        Ok(None) => Decoded::Fragment,
        Ok(Some(whole)) => {
            let len = whole.bytes.len();
            let packet = Packet {
                payload: whole.bytes,
                ip_len: whole.ip_len,
                packets: whole.packets,
                ..base
            };
            transport(packet, len)
        }
    }
}

struct TcpHeader {
    ports: (u16, u16),
    tcp: Tcp,
    /// Bytes it claims with its options, which a short snap length may have cut.
    len: usize,
}

#[inline]
fn tcp_header(bytes: &[u8]) -> Result<TcpHeader, Truncated> {
    let mut r = Reader::new(bytes);
    let ports = (r.u16()?, r.u16()?);
    let (seq, ack) = (r.u32()?, r.u32()?);
    let [offset, flags] = r.array::<2>()?;
    let tcp = Tcp { seq, ack, flags, window: r.u16()? };
    Ok(TcpHeader { ports, tcp, len: usize::from(offset >> 4) * 4 })
}

/// Reads the transport header at the start of `packet.payload`, `claimed` bytes on the wire.
#[inline]
fn transport(mut packet: Packet<'_>, claimed: usize) -> Decoded<'_> {
    let bytes = packet.payload;
    match packet.proto {
        protocol::TCP => {
            let header = match tcp_header(bytes) {
                Ok(header) => header,
                Err(e) => return Decoded::Bad(Problem::new("tcp", "truncated", e.to_string())),
            };
            if !(TCP_HEADER_MIN..=claimed).contains(&header.len) {
                let detail = format!("header of {} bytes in {claimed}", header.len);
                return Decoded::Bad(Problem::new("tcp", "bad_header", detail));
            }
            (packet.src_port, packet.dst_port) = header.ports;
            packet.tcp = Some(header.tcp);
            packet.payload = bytes.get(header.len..).unwrap_or_default();
            packet.payload_len = number(claimed - header.len);
        }
        protocol::UDP => {
            let udp = match UdpSlice::from_slice_lax(bytes) {
                Ok(udp) => udp,
                Err(e) => return Decoded::Bad(Problem::new("udp", "bad_header", e.to_string())),
            };
            packet.src_port = udp.source_port();
            packet.dst_port = udp.destination_port();
            packet.payload = udp.payload();
            let told = usize::from(udp.length());
            let wire = if told >= 8 { told.min(claimed.max(8)) } else { claimed };
            packet.payload_len = number(wire.saturating_sub(8));
        }
        protocol::ICMP | protocol::ICMPV6 => {
            let (Some(kind), Some(code)) = (bytes.first(), bytes.get(1)) else {
                return Decoded::Bad(Problem::new("icmp", "truncated", "no type and code"));
            };
            packet.icmp = (*kind, *code);
            packet.payload = bytes.get(8..).unwrap_or_default();
            packet.payload_len = number(claimed.saturating_sub(8));
        }
        protocol::SCTP => {
            let Some([a, b, c, d]) = bytes.first_chunk::<4>() else {
                return Decoded::Bad(Problem::new("sctp", "truncated", "no ports"));
            };
            packet.src_port = u16::from_be_bytes([*a, *b]);
            packet.dst_port = u16::from_be_bytes([*c, *d]);
            packet.payload = bytes.get(12..).unwrap_or_default();
            packet.payload_len = number(claimed.saturating_sub(12));
        }
        _ => packet.payload_len = number(claimed),
    }
    Decoded::Packet(packet)
}
