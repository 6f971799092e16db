//! Times the stages of a run, each with all before it: `stages CAPTURE [ROUNDS]`.
//!
//! Prints a line a stage: its name, a tab, CPU-bound wall nanoseconds a frame (median of the
//! rounds). Hashing the file is not in it; `hash` has a line of its own.

#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use outgate_core::capture::{Reader, sha256_of};
use outgate_core::decode::{Decoded, Decoder};
use outgate_core::error::CaptureError;
use outgate_core::flow::Table;
use outgate_core::limits::Limits;
use outgate_core::matcher::Matcher;
use outgate_core::pipeline::Run;

const ROUNDS: usize = 5;

/// One stage: takes a capture's path, gives the frames it went through.
type Stage = fn(&str) -> Result<u64, CaptureError>;

const STAGES: [(&str, Stage); 5] =
    [("read", read), ("decode", decode), ("flow", flow), ("all", all), ("hash", hash)];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next() else {
        eprintln!("usage: stages CAPTURE [ROUNDS]");
        return ExitCode::from(2);
    };
    let rounds = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS).max(1);
    for (name, stage) in STAGES {
        match median(&path, stage, rounds) {
            Ok(nanoseconds) => println!("{name}\t{nanoseconds:.1}"),
            Err(error) => {
                eprintln!("error: cannot read {path} {error}");
                return ExitCode::from(3);
            }
        }
    }
    ExitCode::SUCCESS
}

fn median(path: &str, stage: Stage, rounds: usize) -> Result<f64, CaptureError> {
    let frames = read(path)?.max(1);
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let start = Instant::now();
        black_box(stage(path)?);
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let middle = times.get(times.len() / 2).copied().unwrap_or(0.0);
    let frames = u32::try_from(frames).map_or(f64::MAX, f64::from);
    Ok(middle * 1e9 / frames)
}

fn read(path: &str) -> Result<u64, CaptureError> {
    let mut reader = Reader::open(path, &Limits::default())?;
    let mut frames = 0;
    while let Some(frame) = reader.next_frame() {
        black_box(frame.data.first());
        frames += 1;
    }
    Ok(frames)
}

fn decode(path: &str) -> Result<u64, CaptureError> {
    let limits = Limits::default();
    let mut reader = Reader::open(path, &limits)?;
    let mut decoder = Decoder::new(&limits);
    let mut packets = 0;
    while let Some(frame) = reader.next_frame() {
        if let Decoded::Packet(packet) = decoder.decode(&frame) {
            black_box(packet.payload_len);
            packets += 1;
        }
    }
    Ok(packets)
}

fn flow(path: &str) -> Result<u64, CaptureError> {
    let limits = Limits::default();
    let mut reader = Reader::open(path, &limits)?;
    let mut decoder = Decoder::new(&limits);
    let mut table = Table::<()>::new(&limits);
    let mut packets = 0;
    while let Some(frame) = reader.next_frame() {
        if let Decoded::Packet(packet) = decoder.decode(&frame) {
            black_box(table.update(&packet, frame.number, frame.ts));
            packets += 1;
        }
        if table.has_closed() {
            black_box(table.take_closed());
        }
    }
    table.finish();
    Ok(packets)
}

fn all(path: &str) -> Result<u64, CaptureError> {
    let limits = Limits::default();
    let mut reader = Reader::open(path, &limits)?;
    let matcher = Matcher::new(Vec::new()).map_err(|e| CaptureError::new(0, e))?;
    let mut run = Run::new(limits, matcher);
    run.begin_file();
    let mut frames = 0;
    while let Some(frame) = reader.next_frame() {
        run.frame(&frame);
        frames += 1;
    }
    run.end_file(path.to_owned(), String::new(), reader);
    black_box(run.finish().map_err(|e| CaptureError::new(0, e.to_string()))?.tables.len());
    Ok(frames)
}

fn hash(path: &str) -> Result<u64, CaptureError> {
    let digest = sha256_of(path.as_ref()).map_err(|e| CaptureError::new(0, e.to_string()))?;
    black_box(digest.len());
    Ok(0)
}
