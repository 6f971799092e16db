//! Joins the stages: captures in, tables and statistics out. The only module that knows them all.

mod run;
mod stats;
#[cfg(test)]
mod tests;
mod track;

use std::path::Path;
use std::thread::JoinHandle;

use arrow_array::RecordBatch;

pub use self::run::Run;
pub use self::stats::{FileStats, Stats};
use crate::capture::{Reader, sha256_of};
use crate::error::CaptureError;
use crate::limits::Limits;
use crate::matcher::{Matcher, Pattern};

/// Frames between two looks at the progress and at interruptions.
const PROGRESS_FRAMES: u64 = 8192;

/// What a run is asked to do.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Bounds.
    pub limits: Limits,
    /// Signature bytes.
    pub patterns: Vec<Pattern>,
}

/// What came out of a run.
pub struct Analysis {
    /// Tables by name.
    pub tables: Vec<(&'static str, RecordBatch)>,
    /// Counters.
    pub stats: Stats,
}

/// Why a run gave nothing.
#[derive(Debug)]
pub enum Failure {
    /// An input is no capture, or the system refused it.
    Capture {
        /// Which.
        path: String,
        /// Why.
        error: CaptureError,
    },
    /// The options do not fit.
    Options(String),
    /// The caller asked to stop.
    Stopped,
}

/// Analyses one capture, or several as one stream in the order of their first frames. `progress`
/// is told bytes read and bytes in all (0 if unknown), and answers whether to go on.
///
/// # Errors
///
/// [`Failure`]; anything odd inside a capture is a row of `issues` instead.
pub fn analyze(
    paths: &[String],
    options: Options,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Analysis, Failure> {
    let matcher = Matcher::new(options.patterns).map_err(Failure::Options)?;
    let mut inputs = open_all(paths, &options.limits)?;
    if inputs.len() > 1 {
        inputs.sort_by_key(|input| input.first_ts);
    }
    let total = inputs.iter().map(|input| input.reader.progress().1).sum();
    let mut run = Run::new(options.limits, matcher);
    let mut done = 0;
    for input in inputs {
        done += read_all(input, &mut run, &mut |read| progress(done + read, total))?;
    }
    progress(total, total);
    run.finish().map_err(|e| Failure::Options(e.to_string()))
}

struct Input {
    path: String,
    reader: Reader,
    hash: Option<JoinHandle<Option<String>>>,
    first_ts: i64,
}

fn open_all(paths: &[String], limits: &Limits) -> Result<Vec<Input>, Failure> {
    let several = paths.len() > 1;
    paths
        .iter()
        .map(|path| {
            let failed = |error| Failure::Capture { path: path.clone(), error };
            let first_ts = if several && path != "-" {
                let mut reader = Reader::open(path, limits).map_err(failed)?;
                reader.next_frame().map_or(i64::MAX, |frame| frame.ts)
            } else {
                0
            };
            let reader = Reader::open(path, limits).map_err(failed)?;
            // Hashing takes as long as everything else together, so it has a thread of its own.
            let hash = (path != "-").then(|| {
                let path = path.clone();
                std::thread::spawn(move || sha256_of(Path::new(&path)).ok())
            });
            Ok(Input { path: path.clone(), reader, hash, first_ts })
        })
        .collect()
}

fn read_all(
    input: Input,
    run: &mut Run,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<u64, Failure> {
    let Input { path, mut reader, hash, .. } = input;
    run.begin_file();
    let mut until_look = PROGRESS_FRAMES;
    while let Some(frame) = reader.next_frame() {
        run.frame(&frame);
        until_look -= 1;
        if until_look == 0 {
            until_look = PROGRESS_FRAMES;
            if !progress(reader.progress().0) {
                return Err(Failure::Stopped);
            }
        }
    }
    let sha256 = match hash {
        Some(thread) => thread.join().ok().flatten(),
        None => reader.input_hash(),
    };
    let read = reader.progress().0;
    run.end_file(path, sha256.unwrap_or_default(), reader);
    Ok(read)
}

/// One frame by itself, for carving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedFrame {
    /// From 1.
    pub number: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    pub ts: i64,
    /// Bytes on the wire.
    pub orig_len: u32,
    /// Bytes captured.
    pub data: Vec<u8>,
    /// Number in the LINKTYPE registry.
    pub link_number: u16,
    /// Index of its interface in the file.
    pub interface: usize,
}

/// Reads the frames with these numbers (in any order; those that are not there are left out).
///
/// # Errors
///
/// [`CaptureError`] if the input is no capture.
pub fn read_frames(path: &str, numbers: &[u64]) -> Result<Vec<OwnedFrame>, CaptureError> {
    let mut reader = Reader::open(path, &Limits::default())?;
    let mut wanted: Vec<u64> = numbers.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    let last = wanted.last().copied().unwrap_or(0);
    let mut found = Vec::with_capacity(wanted.len());
    while let Some(frame) = reader.next_frame() {
        if frame.number > last {
            break;
        }
        if wanted.binary_search(&frame.number).is_ok() {
            found.push(OwnedFrame {
                number: frame.number,
                ts: frame.ts,
                orig_len: frame.orig_len,
                data: frame.data.to_vec(),
                link_number: frame.link_number,
                interface: frame.interface,
            });
        }
    }
    Ok(found)
}
