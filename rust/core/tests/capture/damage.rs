//! Damage costs what it touches and nothing after it.

use outgate_core::capture::ISSUES_MAX;

use crate::build::{
    Order, Variant, block, enhanced, interface, microseconds, payload, pcap, pcapng, record,
    section,
};
use crate::read::{Read, kinds, read};

const FRAMES: u32 = 12;

fn samples() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for order in Order::BOTH {
        for variant in [Variant::Microseconds, Variant::Nanoseconds, Variant::Modified] {
            files.push(pcap(order, variant, FRAMES));
        }
        files.push(pcapng(order, FRAMES));
    }
    files
}

#[test]
fn a_file_cut_at_any_byte_gives_a_prefix_of_its_frames() {
    for file in samples() {
        let (all, _) = read(&file).unwrap();
        assert_eq!(all.len(), 12);
        for cut in 0..file.len() {
            let Ok((frames, reader)) = read(&file[..cut]) else {
                assert!(cut < 24, "refused at {cut}");
                continue;
            };
            assert!(all.starts_with(&frames), "cut at {cut}");
            let at_end = reader.truncated_tail || reader.issues.is_empty();
            assert!(at_end && reader.issues.len() <= 1, "cut at {cut}: {:?}", reader.issues);
        }
    }
}

/// Frames that are in both lists.
fn kept(all: &[Read], frames: &[Read]) -> usize {
    frames.iter().filter(|frame| all.contains(frame)).count()
}

#[test]
fn frames_after_a_bad_record_are_found_again() {
    for order in Order::BOTH {
        for variant in [Variant::Microseconds, Variant::Nanoseconds, Variant::Modified] {
            let head = pcap(order, variant, 0).len();
            let before: usize = (0..4).map(|n| record(order, variant, n).len()).sum();
            let whole = pcap(order, variant, FRAMES);
            let (all, _) = read(&whole).unwrap();
            // Beyond every limit; beyond the file; beyond the next records.
            for claim in [u32::MAX, 200_000, 300] {
                let mut file = whole.clone();
                file[head + before + 8..head + before + 12].copy_from_slice(&order.u32(claim));
                let (frames, reader) = read(&file).unwrap();
                let lost = if claim == 300 { 5 } else { 1 };
                assert_eq!(all[..4], frames[..4]);
                assert_eq!(all.last(), frames.last());
                assert!(kept(&all, &frames) >= 12 - lost, "{order:?} {variant:?} {claim}");
                assert!(kinds(&reader).starts_with(&["bad_record", "resynchronised"]));
                assert!(!reader.truncated_tail);
            }
        }
    }
}

#[test]
fn records_that_kept_more_than_there_was_are_read_as_they_are() {
    // Some writers note 0 wire bytes; the records still follow each other.
    let order = Order::Little;
    let mut file = pcap(order, Variant::Microseconds, FRAMES);
    let mut place = 24;
    for n in 0..FRAMES {
        file[place + 12..place + 16].fill(0);
        place += record(order, Variant::Microseconds, n).len();
    }
    let (frames, reader) = read(&file).unwrap();
    assert_eq!(frames.len(), 12);
    assert!(reader.issues.is_empty());
}

#[test]
fn an_issue_names_the_place_of_the_bad_record() {
    let mut file = pcap(Order::Little, Variant::Microseconds, FRAMES);
    let place = 24 + record(Order::Little, Variant::Microseconds, 0).len();
    file[place + 8..place + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let (_, reader) = read(&file).unwrap();
    let issue = &reader.issues[0];
    assert_eq!((issue.frame, issue.offset), (1, u64::try_from(place).unwrap()));
    assert_eq!((issue.layer, issue.kind), ("capture", "bad_record"));
}

#[test]
fn bytes_thrown_in_between_records_cost_no_frame_after_them() {
    for junk in [1usize, 7, 300, 70_000] {
        let order = Order::Little;
        let mut file = pcap(order, Variant::Microseconds, 5);
        file.extend(std::iter::repeat_n(0xff, junk));
        for n in 5..FRAMES {
            file.extend(record(order, Variant::Microseconds, n));
        }
        let (frames, _) = read(&file).unwrap();
        let (all, _) = read(&pcap(order, Variant::Microseconds, FRAMES)).unwrap();
        assert_eq!(kept(&all, &frames), 12, "{junk} bytes");

        let mut file = pcapng(order, 5);
        file.extend(std::iter::repeat_n(0xff, junk));
        for n in 5..FRAMES {
            file.extend(enhanced(order, 0, microseconds(n), &payload(n), &[]));
        }
        let (frames, reader) = read(&file).unwrap();
        let (all, _) = read(&pcapng(order, FRAMES)).unwrap();
        assert_eq!(frames, all, "{junk} bytes");
        assert_eq!(kinds(&reader), ["bad_block", "resynchronised"]);
    }
}

#[test]
fn a_block_that_ends_with_another_length_costs_itself_alone() {
    let order = Order::Big;
    let mut file = pcapng(order, 3);
    let end = file.len();
    file[end - 4..].copy_from_slice(&order.u32(44));
    for n in 3..6 {
        file.extend(enhanced(order, 0, microseconds(n), &payload(n), &[]));
    }
    let (frames, reader) = read(&file).unwrap();
    let (mut all, _) = read(&pcapng(order, 6)).unwrap();
    all.remove(2);
    assert_eq!(frames, all);
    assert_eq!(kinds(&reader), ["bad_block", "resynchronised"]);
}

#[test]
fn a_huge_claim_costs_one_block_and_no_memory() {
    for claim in [u32::MAX, 16 << 20, 4096, 0] {
        let order = Order::Little;
        let mut file = pcapng(order, 2);
        let bad = file.len();
        for n in 2..6 {
            file.extend(enhanced(order, 0, microseconds(n), &payload(n), &[]));
        }
        file[bad + 4..bad + 8].copy_from_slice(&order.u32(claim));
        let (frames, reader) = read(&file).unwrap();
        let (mut all, _) = read(&pcapng(order, 6)).unwrap();
        all.remove(2);
        assert_eq!(frames, all, "claim {claim}");
        assert_eq!(kinds(&reader), ["bad_block", "resynchronised"]);
    }
}

#[test]
fn blocks_without_padding_are_read() {
    let order = Order::Little;
    let mut file = section(order, &[]);
    file.extend(interface(order, 1, 0, &[]));
    for n in 0..4u32 {
        let data = payload(n);
        let len = u32::try_from(data.len()).unwrap();
        let total = order.u32(32 + len);
        file.extend([order.u32(6), total].concat());
        for word in [0, 0, n, len, len] {
            file.extend(order.u32(word));
        }
        file.extend(data);
        file.extend(total);
    }
    let (frames, reader) = read(&file).unwrap();
    assert_eq!(
        frames.iter().map(|f| f.data.clone()).collect::<Vec<_>>(),
        [payload(0), payload(1), payload(2), payload(3)]
    );
    assert!(reader.issues.is_empty());
}

#[test]
fn a_packet_of_an_interface_nobody_described_is_an_issue() {
    let order = Order::Little;
    let mut file = pcapng(order, 1);
    file.extend(enhanced(order, 7, 0, b"whose?", &[]));
    file.extend(enhanced(order, 0, microseconds(1), &payload(1), &[]));
    let (frames, reader) = read(&file).unwrap();
    assert_eq!(frames.len(), 2);
    assert_eq!(kinds(&reader), ["bad_block"]);
}

#[test]
fn a_second_section_without_its_magic_is_passed_over() {
    let order = Order::Little;
    let mut file = pcapng(order, 2);
    let mut broken = section(order, &[]);
    broken[8] ^= 0xff;
    file.extend(broken);
    file.extend(enhanced(order, 0, microseconds(2), &payload(2), &[]));
    let (frames, reader) = read(&file).unwrap();
    assert_eq!(frames.len(), 3);
    assert_eq!(kinds(&reader), ["bad_block", "resynchronised"]);
}

#[test]
fn more_interfaces_than_are_kept_do_not_move_the_others() {
    let order = Order::Little;
    let mut file = section(order, &[]);
    for _ in 0..5000 {
        file.extend(interface(order, 1, 0, &[]));
    }
    file.extend(enhanced(order, 4095, 0, b"kept", &[]));
    file.extend(enhanced(order, 4999, 0, b"not kept", &[]));
    let (frames, reader) = read(&file).unwrap();
    assert_eq!(frames.len(), 1);
    assert_eq!(reader.interfaces.len(), 4096);
    assert!(kinds(&reader).contains(&"too_many_interfaces"));
}

#[test]
fn a_cut_interface_description_keeps_its_number() {
    let order = Order::Little;
    let mut file = section(order, &[]);
    file.extend(block(order, 1, &[1, 0]));
    file.extend(interface(order, 113, 0, &[]));
    file.extend(enhanced(order, 1, 0, b"the second", &[]));
    let (frames, reader) = read(&file).unwrap();
    assert_eq!(frames[0].link_number, 113);
    assert_eq!(kinds(&reader), ["bad_block"]);
}

#[test]
fn a_flood_of_bad_blocks_is_counted_but_not_kept() {
    let order = Order::Little;
    let mut file = pcapng(order, 1);
    for _ in 0..10_000 {
        file.extend(block(order, 6, &[]));
    }
    let (frames, reader) = read(&file).unwrap();
    assert_eq!((frames.len(), reader.issues.len()), (1, ISSUES_MAX));
    assert_eq!(reader.issues_more["bad_block"], 10_000 - u64::try_from(ISSUES_MAX).unwrap());
}
