use super::*;
use crate::proto::Dir;
use proptest::prelude::*;

const UP: Dir = Dir::Up;
const DOWN: Dir = Dir::Down;

/// 64 bytes with the look of a random key.
fn key() -> Vec<u8> {
    (0..64u8).map(|index| index.wrapping_mul(151).wrapping_add(201)).collect()
}

fn run(sizes: &[(Dir, usize)]) -> (Vec<(&'static str, String)>, Step) {
    let mut parser = Sv2Parser::default();
    let mut out = Events::new();
    let mut step = Step::More;
    for &(dir, size) in sizes {
        if step == Step::More {
            step = parser.data(At { frame: 1, ts: 0, dir }, &vec![7; size], &mut out);
        }
    }
    parser.finish(&mut out);
    let labels = out.into_iter().filter_map(|(_, event)| match event {
        Event::Label(label) => Some((label.name, label.detail)),
        _ => None,
    });
    (labels.collect(), step)
}

#[test]
fn the_whole_grammar_is_a_handshake_and_its_frames_are_counted() {
    let (labels, _) = run(&[
        (UP, 64),
        (DOWN, 234),
        (UP, 110),
        (DOWN, 44),
        (UP, 100),
        (DOWN, 140),
        (DOWN, 83 + 86),
        (UP, 62),
        (DOWN, 58),
        (UP, 71),
        (DOWN, 87),
    ]);

    let frames = "submit=2 success=1 job=2 prevhash=1 target=0 other=2";
    assert_eq!(labels[0], ("stratum_v2_handshake", "64/234/110/44".to_owned()));
    assert_eq!(labels[1], ("stratum_v2_frames", frames.to_owned()));
}

#[test]
fn a_split_handshake_is_still_one() {
    let (labels, _) =
        run(&[(UP, 64), (DOWN, 100), (DOWN, 134), (UP, 22), (UP, 70), (DOWN, 40), (DOWN, 4)]);

    assert_eq!(labels[0], ("stratum_v2_handshake", "64/234/92/44".to_owned()));
}

#[test]
fn a_handshake_that_stops_is_partial() {
    let partial = |stages: &str| vec![("stratum_v2_partial", stages.to_owned())];

    assert_eq!(run(&[(UP, 64), (DOWN, 234)]).0, partial("act1,act2"));
    assert_eq!(run(&[(UP, 64), (DOWN, 170), (UP, 20)]).0, partial("act1,act2"));
    assert_eq!(run(&[(UP, 64), (DOWN, 234), (UP, 90)]).0, partial("act1,act2,setup"));
    assert_eq!(run(&[(UP, 64), (DOWN, 234), (UP, 90), (DOWN, 45)]).0, partial("act1,act2,setup"));
    assert_eq!(run(&[(UP, 64), (DOWN, 234), (UP, 9), (DOWN, 44)]).0, partial("act1,act2"));
}

#[test]
fn other_sizes_give_the_flow_back_and_say_nothing() {
    assert_eq!(run(&[(UP, 64), (DOWN, 1000)]), (Vec::new(), Step::NotMine));
    assert_eq!(run(&[(UP, 64), (UP, 1)]), (Vec::new(), Step::NotMine));
    assert_eq!(run(&[(UP, 64), (DOWN, 64), (UP, 100)]), (Vec::new(), Step::NotMine));
    assert_eq!(run(&[(UP, 64)]).0, Vec::new());
}

#[test]
fn the_probe_wants_64_bytes_without_structure() {
    assert!(probe(&key()));
    assert!(!probe(&key()[..63]) && !probe(&[0; 64]));
    assert!(!probe(
        &b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"abcdefghij/1\"]}\n  "[..64]
    ));
}

proptest! {
    #[test]
    fn arbitrary_sizes_never_panic(
        sizes in proptest::collection::vec((any::<bool>(), 0..300usize), 0..20),
    ) {
        let turns: Vec<(Dir, usize)> =
            sizes.iter().map(|&(up, size)| (if up { UP } else { DOWN }, size)).collect();
        let _ = run(&turns);
    }

    #[test]
    fn the_handshake_does_not_depend_on_the_cut(cuts in proptest::array::uniform4(1..40usize)) {
        let whole = [(UP, 64), (DOWN, 234), (UP, 110), (DOWN, 44)];
        let cut: Vec<(Dir, usize)> = whole
            .iter()
            .zip(cuts)
            .flat_map(|(&(dir, size), cut)| [(dir, cut), (dir, size - cut)])
            .collect();

        prop_assert_eq!(run(&cut), run(&whole));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = probe(&bytes);
    }
}
