//! Every variant of the two formats gives the same frames.

use crate::build::{
    Order, SECONDS_NS, Variant, block, enhanced, interface, microseconds, option, payload, pcap,
    pcapng, section,
};
use crate::read::{kinds, read};

const FRAMES: u32 = 9;

#[test]
fn classic_files_of_every_magic_number_give_the_same_frames() {
    for order in Order::BOTH {
        for variant in [Variant::Microseconds, Variant::Nanoseconds, Variant::Modified] {
            let (frames, reader) = read(&pcap(order, variant, FRAMES)).unwrap();
            let step = if variant == Variant::Nanoseconds { 1 } else { 1000 };
            assert_eq!(reader.resolution_ns, step);
            assert_eq!(frames.len(), 9, "{order:?} {variant:?}");
            for (n, frame) in (0u32..).zip(&frames) {
                assert_eq!(frame.data, payload(n), "{order:?} {variant:?}");
                assert_eq!(frame.ts, SECONDS_NS + i64::from(n) * (1_000_000_000 + step));
                assert_eq!(frame.orig_len, u32::try_from(frame.data.len()).unwrap() + 5);
                assert_eq!(frame.link_number, 1);
            }
            assert_eq!(kinds(&reader), [""; 0]);
            assert!(!reader.truncated_tail);
        }
    }
}

#[test]
fn block_files_of_both_byte_orders_give_the_same_frames() {
    let (little, _) = read(&pcapng(Order::Little, FRAMES)).unwrap();
    let (big, reader) = read(&pcapng(Order::Big, FRAMES)).unwrap();
    assert_eq!(little, big);
    assert_eq!(little.len(), 9);
    assert_eq!(little[3].data, payload(3));
    assert_eq!(little[3].ts, SECONDS_NS + 3_000_003_000);
    assert_eq!(reader.format_name(), "pcapng");
}

#[test]
fn sections_of_different_byte_order_number_their_interfaces_anew() {
    let mut file = pcapng(Order::Little, 2);
    file.extend(section(Order::Big, &[]));
    file.extend(interface(Order::Big, 113, 0, &option(Order::Big, 9, &[9])));
    file.extend(enhanced(Order::Big, 0, 5_000_000_007, b"second section", &[]));
    let (frames, reader) = read(&file).unwrap();
    assert_eq!(frames.len(), 3);
    assert_eq!((frames[2].ts, frames[2].link_number), (5_000_000_007, 113));
    assert_eq!(reader.interfaces.iter().map(|i| i.frames).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn every_interface_counts_time_in_its_own_way() {
    let order = Order::Little;
    let mut file = section(order, &[]);
    let offset = option(order, 14, &order.i64(1000));
    // Milliseconds; nanoseconds; 1/1024 s; seconds with an offset of 1000 s.
    for options in [option(order, 9, &[3]), option(order, 9, &[9]), option(order, 9, &[0x8a]), {
        let mut both = option(order, 9, &[0]);
        both.extend(offset);
        both
    }] {
        file.extend(interface(order, 1, 0, &options));
    }
    for (index, units) in [(0, 1500), (1, 1500), (2, 1536), (3, 7)] {
        file.extend(enhanced(order, index, units, b"frame", &[]));
    }
    let (frames, reader) = read(&file).unwrap();
    let times: Vec<_> = frames.iter().map(|frame| frame.ts).collect();
    assert_eq!(times, [1_500_000_000, 1500, 1_500_000_000, 1_007_000_000_000]);
    assert_eq!(reader.resolution_ns, 1_000_000_000);
}

#[test]
fn a_resolution_beyond_64_bits_is_an_issue_and_no_panic() {
    let order = Order::Big;
    let mut file = section(order, &[]);
    file.extend(interface(order, 1, 0, &option(order, 9, &[0xff])));
    file.extend(enhanced(order, 0, u64::MAX, b"frame", &[]));
    let (frames, reader) = read(&file).unwrap();
    assert_eq!(frames.len(), 1);
    assert_eq!(kinds(&reader), ["bad_resolution"]);
}

#[test]
fn simple_packets_are_cut_by_the_snap_length() {
    let order = Order::Little;
    let mut file = section(order, &[]);
    file.extend(interface(order, 1, 10, &[]));
    for (len, data) in [(6u32, &b"sixsix"[..]), (40, b"only ten b")] {
        let mut body = order.u32(len).to_vec();
        body.extend(data);
        file.extend(block(order, 3, &body));
    }
    let (frames, _) = read(&file).unwrap();
    assert_eq!(frames[0].data, b"sixsix");
    assert_eq!((frames[1].data.as_slice(), frames[1].orig_len), (&b"only ten b"[..], 40));
}

#[test]
fn the_obsolete_packet_block_is_read() {
    let order = Order::Big;
    let mut file = section(order, &[]);
    file.extend(interface(order, 1, 0, &[]));
    // Interface 0, 3 drops, time in two words, captured and wire length.
    let mut body = [order.u16(0), order.u16(3)].concat();
    for word in [0, 2_000_000, 5, 90] {
        body.extend(order.u32(word));
    }
    body.extend(b"hello");
    file.extend(block(order, 2, &body));
    let (frames, _) = read(&file).unwrap();
    assert_eq!((frames[0].data.as_slice(), frames[0].orig_len), (&b"hello"[..], 90));
    assert_eq!(frames[0].ts, 2_000_000_000);
}

#[test]
fn names_comments_and_drops_are_taken_from_options() {
    let order = Order::Little;
    let comment = option(order, 1, b"why this was captured");
    let mut file = section(order, &comment);
    let mut about = option(order, 2, b"eth0");
    about.extend(option(order, 3, b"uplink"));
    about.extend(comment.clone());
    file.extend(interface(order, 1, 96, &about));
    file.extend(enhanced(order, 0, microseconds(0), b"odd", &comment));
    let mut statistics = [order.u32(0), order.u32(0), order.u32(0)].concat();
    statistics.extend(option(order, 5, &order.i64(42)));
    file.extend(block(order, 5, &statistics));
    // A block of a kind nobody knows is passed over.
    file.extend(block(order, 0x0bad_cafe, b"?"));
    file.extend(enhanced(order, 0, microseconds(1), b"last", &[]));
    let (frames, reader) = read(&file).unwrap();
    assert_eq!(frames.len(), 2);
    assert_eq!(reader.comments, 3);
    let about = &reader.interfaces[0];
    assert_eq!((about.name.as_str(), about.description.as_str()), ("eth0", "uplink"));
    assert_eq!((about.snaplen, about.dropped, about.frames), (96, 42, 2));
}

#[test]
fn a_capture_without_frames_is_empty_and_well() {
    for file in [pcap(Order::Big, Variant::Nanoseconds, 0), pcapng(Order::Little, 0)] {
        let (frames, reader) = read(&file).unwrap();
        assert!(frames.is_empty() && !reader.truncated_tail && reader.issues.is_empty());
    }
}

#[test]
fn what_is_no_capture_is_named() {
    for (bytes, expected) in [
        (&b""[..], "is empty"),
        (b"PK\x03\x04 and then some more bytes", "zip"),
        (b"hello, this is plain text, not a capture", "is no pcap"),
        (b"\xd4\xc3\xb2\xa1\x02\x00", "is cut"),
    ] {
        let error = read(bytes).err().unwrap();
        assert!(error.message.contains(expected), "{}", error.message);
    }
}

#[test]
fn times_of_the_32_bit_clock_do_not_wrap_after_2038() {
    let mut file = pcap(Order::Little, Variant::Microseconds, 0);
    for word in [u32::MAX, 999_999, 1, 1] {
        file.extend(word.to_le_bytes());
    }
    file.push(0);
    let (frames, _) = read(&file).unwrap();
    assert_eq!(frames[0].ts, 4_294_967_295_999_999_000);
}
