use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;

use super::*;
use crate::proto::Dir;
use crate::proto::text::clip;

/// Tells each delivery, each gap and the end as a label.
struct Tell;

impl Tell {
    fn tell(at: At, name: &'static str, detail: String, out: &mut Events) {
        out.push((at, Event::Label(Label { name, detail })));
    }
}

impl Parser for Tell {
    fn data(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step {
        Self::tell(at, "data", clip(bytes, 1 << 20), out);
        if bytes == b"enough" { Step::Done } else { Step::More }
    }

    fn gap(&mut self, at: At, missing: u64, out: &mut Events) -> Step {
        Self::tell(at, "gap", missing.to_string(), out);
        Step::More
    }

    fn finish(&mut self, _out: &mut Events) {}
}

const UP: At = At { frame: 1, ts: 0, dir: Dir::Up };

fn frame(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let masked = if mask.is_some() { MASKED } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(masked | u8::try_from(length).unwrap()),
        length => {
            bytes.push(masked | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend(mask.unwrap_or_default().iter().take(if mask.is_some() { 4 } else { 0 }));
    let key = mask.unwrap_or_default();
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

fn deflated(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.flush().unwrap();
    let mut bytes = encoder.get_ref().clone();
    bytes.truncate(bytes.len() - DEFLATE_TAIL.len());
    bytes
}

fn run(deflate: bool, pieces: &[&[u8]]) -> (Vec<(&'static str, String)>, Step) {
    let mut socket = WebSocket::new(Box::new(Tell), deflate);
    let mut out = Events::new();
    let mut step = Step::More;
    for piece in pieces {
        if step == Step::More {
            step = socket.data(UP, piece, &mut out);
        }
    }
    let told = out.into_iter().filter_map(|(_, event)| match event {
        Event::Label(label) => Some((label.name, label.detail)),
        _ => None,
    });
    (told.collect(), step)
}

fn joined(deflate: bool, pieces: &[&[u8]]) -> String {
    run(deflate, pieces).0.into_iter().map(|(_, detail)| detail).collect()
}

#[test]
fn a_whole_masked_frame_is_one_delivery() {
    let (told, _) = run(false, &[&frame(0x81, b"{\"id\":1}", Some([1, 2, 3, 4]))]);

    assert_eq!(told, [("data", "{\"id\":1}".to_owned())]);
}

#[test]
fn control_frames_between_fragments_are_passed_over() {
    let bytes =
        [frame(0x01, b"one ", None), frame(0x89, b"ping", None), frame(0x80, b"message", None)];

    assert_eq!(joined(false, &[&bytes.concat()]), "one message");
}

#[test]
fn long_frames_stream_through() {
    let payload = "x".repeat(3000);
    let bytes = frame(0x82, payload.as_bytes(), Some([9, 8, 7, 6]));

    let (told, _) = run(false, &[&bytes[..1000], &bytes[1000..]]);

    assert_eq!(told.len(), 2);
    assert_eq!(told.into_iter().map(|(_, part)| part).collect::<String>(), payload);
}

#[test]
fn a_64_bit_length_reserves_no_memory() {
    let bytes = [0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, b'a', b'b'];

    assert_eq!(joined(false, &[&bytes]), "ab");
}

#[test]
fn agreed_compression_is_undone_across_messages() {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let mut bytes = Vec::new();
    let mut done = 0;
    for text in [b"{\"method\":\"submit\"}", b"{\"method\":\"submit\"}"] {
        encoder.write_all(text).unwrap();
        encoder.flush().unwrap();
        let all = encoder.get_ref();
        bytes.extend(frame(0xc1, &all[done..all.len() - DEFLATE_TAIL.len()], Some([5; 4])));
        done = all.len();
    }

    assert_eq!(joined(true, &[&bytes]), "{\"method\":\"submit\"}".repeat(2));
}

#[test]
fn compression_nobody_agreed_on_is_named_once() {
    let bytes = frame(0xc1, &deflated(b"text"), None).repeat(2);

    assert_eq!(run(false, &[&bytes]).0, [("websocket_compressed", String::new())]);
}

#[test]
fn a_message_that_inflates_without_end_is_cut() {
    let bytes = frame(0xc1, &deflated(&vec![b' '; 3 * MAX_INFLATED]), None);

    let length = joined(true, &[&bytes]).len();

    assert!((MAX_INFLATED..=MAX_INFLATED + INFLATE_STEP).contains(&length), "{length}");
}

#[test]
fn a_gap_inside_a_frame_keeps_the_mask_in_step() {
    let bytes = frame(0x81, b"0123456789", Some([1, 2, 3, 4]));
    let mut socket = WebSocket::new(Box::new(Tell), false);
    let mut out = Events::new();
    socket.data(UP, &bytes[..8], &mut out);
    socket.gap(UP, 5, &mut out);
    socket.data(UP, &bytes[13..], &mut out);

    let last = out.pop().unwrap().1;
    assert_eq!(last, Event::Label(Label { name: "data", detail: "789".to_owned() }));
}

#[test]
fn what_is_carried_can_end_the_reading() {
    assert_eq!(run(false, &[&frame(0x81, b"enough", None)]).1, Step::Done);
}

#[test]
fn unknown_opcodes_and_long_control_frames_end_the_direction() {
    let bad = [frame(0x83, b"a", None), frame(0x89, &[0; 126], None), frame(0xb1, b"a", None)];
    for first in bad {
        let bytes = [first, frame(0x81, b"later", None)].concat();
        assert_eq!(joined(false, &[&bytes]), "");
    }
}

proptest! {
    #[test]
    fn any_split_carries_the_same_bytes(cuts in proptest::collection::vec(0..400usize, 0..6)) {
        let bytes = [
            frame(0x81, b"plain text", Some([1, 2, 3, 4])),
            frame(0xc1, &deflated(b"{\"compressed\": true}"), Some([4, 3, 2, 1])),
            frame(0x8a, b"pong", None),
            frame(0x82, &[b'y'; 200], None),
        ]
        .concat();
        let mut edges: Vec<usize> = cuts.iter().map(|&cut| cut.min(bytes.len())).collect();
        edges.extend([0, bytes.len()]);
        edges.sort_unstable();
        let pieces: Vec<&[u8]> =
            edges.windows(2).map(|edge| &bytes[edge[0]..edge[1]]).collect();

        prop_assert_eq!(joined(true, &pieces), joined(true, &[&bytes]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400), deflate: bool,
    ) {
        let _ = run(deflate, &[&bytes]);
        let _ = run(deflate, &[&frame(0xc2, &bytes, Some([1; 4]))]);
    }
}
