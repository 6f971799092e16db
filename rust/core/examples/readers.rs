//! This crate's capture reader beside `pcap-parser`: `readers CAPTURE [ROUNDS]`.
//!
//! Prints a line a reader: its name, frames read, nanoseconds a frame and MB/s (medians of the
//! rounds, which take turns), and how it ended. Both read the file through a buffer of their own
//! and touch every frame's length, as a decoder would. docs/decisions/0002 has the figures.

#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::fs::File;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use outgate_core::capture::Reader;
use outgate_core::limits::Limits;
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

const ROUNDS: usize = 5;
/// What this crate's reader takes at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Frames read, and how it ended.
type Outcome = Result<(u64, String), String>;
type Read = fn(&str) -> Outcome;

const READERS: [(&str, Read); 2] = [("outgate", outgate), ("pcap-parser", pcap_parser)];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: readers CAPTURE [ROUNDS]");
        return ExitCode::from(2);
    };
    let rounds = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS).max(1);
    match compare(&path, rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: cannot read {path}: {message}");
            ExitCode::from(3)
        }
    }
}

fn compare(path: &str, rounds: usize) -> Result<(), String> {
    let bytes = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    let mut times = READERS.map(|_| Vec::with_capacity(rounds));
    let mut ends = READERS.map(|_| (0, String::new()));
    for _ in 0..rounds {
        for (((_, read), times), end) in READERS.iter().zip(&mut times).zip(&mut ends) {
            let start = Instant::now();
            *end = black_box(read(path)?);
            times.push(start.elapsed().as_nanos());
        }
    }
    for (((name, _), times), (frames, end)) in READERS.iter().zip(&mut times).zip(&ends) {
        times.sort_unstable();
        let middle = times.get(times.len() / 2).copied().unwrap_or(0).max(1);
        let each = middle / u128::from(*frames).max(1);
        let speed = u128::from(bytes) * 1000 / middle;
        println!("{name}\t{frames} frames\t{each} ns/frame\t{speed} MB/s\t{end}");
    }
    Ok(())
}

fn outgate(path: &str) -> Outcome {
    let mut reader = Reader::open(path, &Limits::default()).map_err(|e| e.to_string())?;
    let (mut frames, mut bytes) = (0, 0);
    while let Some(frame) = reader.next_frame() {
        frames += 1;
        bytes += frame.data.len();
    }
    black_box(bytes);
    let issues: Vec<_> = reader.issues.iter().map(|issue| issue.kind).collect();
    Ok((frames, if issues.is_empty() { "to the end".to_owned() } else { issues.join(", ") }))
}

fn pcap_parser(path: &str) -> Outcome {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let mut reader = create_reader(BUFFER_BYTES, file).map_err(|e| format!("{e:?}"))?;
    let (mut frames, mut bytes) = (0, 0);
    loop {
        match reader.next() {
            Ok((used, block)) => {
                let length = match &block {
                    PcapBlockOwned::Legacy(b) => Some(b.data.len()),
                    PcapBlockOwned::NG(Block::EnhancedPacket(b)) => Some(b.data.len()),
                    PcapBlockOwned::NG(Block::SimplePacket(b)) => Some(b.data.len()),
                    _ => None,
                };
                frames += u64::from(length.is_some());
                bytes += length.unwrap_or(0);
                reader.consume(used);
            }
            Err(PcapError::Eof) => {
                black_box(bytes);
                return Ok((frames, "to the end".to_owned()));
            }
            Err(PcapError::Incomplete(_)) => {
                if reader.reader_exhausted() {
                    return Ok((frames, "stopped: incomplete".to_owned()));
                }
                if let Err(e) = reader.refill() {
                    return Ok((frames, format!("stopped: {e:?}")));
                }
            }
            Err(e) => return Ok((frames, format!("stopped: {e:?}"))),
        }
    }
}
