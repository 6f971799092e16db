//! Damaged captures through the whole pipeline: no panic, and no more rows than the limits allow.
//!
//! The seed is fixed, so a failure comes again; its number is in the message.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop"
)]

use std::path::{Path, PathBuf};

use outgate_core::capture::Reader;
use outgate_core::limits::Limits;
use outgate_core::matcher::Matcher;
use outgate_core::pipeline::{Analysis, Run};

const ROUNDS: u64 = 3000;
/// Samples above this size are left out, to keep the test short.
const SAMPLE_BYTES: u64 = 64 << 10;
const ROWS_MAX: usize = 500;

/// Numbers that look random and are the same every time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).unwrap()).unwrap()
    }
}

/// The captures of `pcaps/`.
fn samples() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps");
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if is_capture(&path) && path.metadata().unwrap().len() <= SAMPLE_BYTES {
                found.push(path);
            }
        }
    }
    found.sort();
    found.into_iter().map(|path: PathBuf| std::fs::read(path).unwrap()).collect()
}

fn is_capture(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext == "pcap" || ext == "pcapng")
}

/// Does one to eight things to a file: bits flipped, bytes set, cut out, doubled, cut off, or
/// replaced by a piece of another file.
fn mutate(numbers: &mut Numbers, file: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=numbers.below(8) {
        let at = numbers.below(bytes.len());
        let end = (at + 1 + numbers.below(64)).min(bytes.len());
        match numbers.below(7) {
            0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
            2 if !bytes.is_empty() => bytes[at] = [0, 0xff, 0x7f, 0x80][numbers.below(4)],
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            5 if numbers.below(4) == 0 => bytes.truncate(at),
            _ => {
                let from = numbers.below(other.len());
                let to = (from + 64).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
    bytes
}

fn limits() -> Limits {
    Limits { event_rows: ROWS_MAX, issue_rows: ROWS_MAX, flows: 50, ..Limits::default() }
}

fn analyze(bytes: Vec<u8>) -> Option<Analysis> {
    let limits = limits();
    let mut reader = Reader::from_bytes(bytes, &limits).ok()?;
    let mut run = Run::new(limits, Matcher::new(Vec::new()).unwrap());
    run.begin_file();
    while let Some(frame) = reader.next_frame() {
        run.frame(&frame);
    }
    run.end_file("memory".to_owned(), String::new(), reader);
    Some(run.finish().unwrap())
}

#[test]
fn damaged_captures_are_analysed_within_bounds() {
    let samples = samples();
    assert!(samples.len() > 5, "pcaps/ has too few samples");
    let mut read = 0;
    for round in 0..ROUNDS {
        let mut numbers = Numbers(round);
        let file = &samples[numbers.below(samples.len())];
        let other = &samples[numbers.below(samples.len())];
        let bytes = mutate(&mut numbers, file, other);
        let size = bytes.len();
        let Some(analysis) = analyze(bytes) else { continue };
        read += 1;
        for (name, table) in &analysis.tables {
            // A record takes 16 bytes at least, so a file bounds its own flows.
            let most = if *name == "flows" { size / 16 } else { ROWS_MAX };
            assert!(table.num_rows() <= most, "round {round}: {} {name}", table.num_rows());
        }
        assert!(analysis.stats.captured_bytes <= u64::try_from(size).unwrap(), "round {round}");
        assert!(analysis.stats.peak_flows <= 50, "round {round}");
    }
    assert!(read > ROUNDS / 2, "only {read} rounds were captures still");
}

#[test]
fn every_byte_of_a_small_capture_may_be_any_value() {
    let samples = samples();
    let smallest = samples.iter().min_by_key(|file| file.len()).unwrap();
    for at in 0..smallest.len().min(400) {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = smallest.clone();
            bytes[at] = value;
            let Some(analysis) = analyze(bytes) else {
                assert!(at < 24, "byte {at} made it no capture");
                continue;
            };
            assert!(analysis.stats.frames <= 10_000);
        }
    }
}
