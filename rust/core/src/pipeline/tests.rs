use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;

use super::{Analysis, Run};
use crate::capture::{Frame, Link};
use crate::limits::Limits;
use crate::matcher::Matcher;

const ECHO: u8 = 8;
const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const A: [u8; 4] = [192, 168, 0, 89];
const B: [u8; 4] = [192, 168, 0, 1];
/// Of an echo from A to B, in either direction (Community ID v1, published baseline).
const ECHO_ID: &str = "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=";

fn icmp(src: [u8; 4], dst: [u8; 4], kind: u8, code: u8) -> Vec<u8> {
    let mut bytes = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0];
    bytes.extend(src);
    bytes.extend(dst);
    bytes.extend([kind, code, 0, 0, 0, 1, 0, 1]);
    bytes
}

fn run(packets: &[Vec<u8>]) -> Analysis {
    let mut run = Run::new(Limits::default(), Matcher::new(Vec::new()).unwrap());
    run.begin_file();
    for (number, data) in (1..).zip(packets) {
        run.frame(&Frame {
            number,
            ts: i64::try_from(number).unwrap(),
            orig_len: u32::try_from(data.len()).unwrap(),
            data,
            link: Link::Raw,
            link_number: 101,
            interface: 0,
            offset: 0,
        });
    }
    run.finish().unwrap()
}

/// Source, Community ID and packets both ways of every flow.
fn flows(analysis: &Analysis) -> Vec<(String, String, u64, u64)> {
    let (_, table) = analysis.tables.iter().find(|(name, _)| *name == "flows").unwrap();
    let column = |name: &str| table.column_by_name(name).unwrap();
    let word = |name: &str, row: usize| {
        let plain = arrow_text(column(name), row);
        assert!(!plain.is_empty(), "{name}");
        plain
    };
    let number = |name: &str, row| column(name).as_primitive::<UInt64Type>().value(row);
    (0..table.num_rows())
        .map(|row| {
            let (up, down) = (number("up_packets", row), number("down_packets", row));
            (word("src_ip", row), word("community_id", row), up, down)
        })
        .collect()
}

fn arrow_text(column: &dyn arrow_array::Array, row: usize) -> String {
    if let Some(plain) = column.as_string_opt::<i32>() {
        return plain.value(row).to_owned();
    }
    let words = column.as_any_dictionary();
    let key = words.normalized_keys()[row];
    words.values().as_string::<i32>().value(key).to_owned()
}

#[test]
fn an_echo_has_its_id_whichever_half_was_captured_first() {
    let (ask, answer) = (icmp(A, B, ECHO, 0), icmp(B, A, ECHO_REPLY, 0));
    for packets in [vec![ask.clone(), answer.clone()], vec![answer.clone(), ask]] {
        let expected = ("192.168.0.89".to_owned(), ECHO_ID.to_owned(), 1, 1);
        assert_eq!(flows(&run(&packets)), [expected]);
    }
    let expected = ("192.168.0.89".to_owned(), ECHO_ID.to_owned(), 0, 1);
    assert_eq!(flows(&run(&[answer])), [expected]);
}

#[test]
fn errors_both_ways_are_two_flows_with_two_ids() {
    let found = flows(&run(&[icmp(A, B, UNREACHABLE, 3), icmp(B, A, UNREACHABLE, 3)]));
    assert_eq!(found.len(), 2);
    assert_ne!(found[0].1, found[1].1);
    assert!(found.iter().all(|flow| (flow.2, flow.3) == (1, 0)));
}

#[test]
fn what_has_no_flow_is_counted_by_name() {
    let mut bad = icmp(A, B, ECHO, 0);
    bad[0] = 0x15;
    let analysis = run(&[bad, vec![], icmp(A, B, ECHO, 0)]);
    let stats = &analysis.stats;
    assert_eq!((stats.frames, stats.packets, stats.flows), (3, 1, 1));
    let issues: Vec<_> = stats.issue_counts.iter().map(|(kind, n)| (kind.as_str(), *n)).collect();
    assert_eq!(issues, [("ip.bad_header", 1), ("link.truncated", 1)]);
}
