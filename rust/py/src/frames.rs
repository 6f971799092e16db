//! Single frames, for carving and dissection.

use outgate_core::pipeline;
use pyo3::prelude::*;

use crate::CaptureError;

/// One captured frame.
#[pyclass(frozen, get_all)]
pub struct CapturedFrame {
    /// From 1.
    number: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    ts_ns: i64,
    /// Bytes on the wire.
    orig_len: u32,
    /// Bytes captured.
    data: Vec<u8>,
    /// Number in the LINKTYPE registry.
    link_type: u16,
    /// Index of its interface in the file.
    interface: usize,
}

/// Reads the frames with these numbers; those that are not there are left out.
#[pyfunction]
pub fn read_frames(
    py: Python<'_>,
    path: String,
    numbers: Vec<u64>,
) -> PyResult<Vec<CapturedFrame>> {
    let frames = py
        .detach(|| pipeline::read_frames(&path, &numbers))
        .map_err(|e| CaptureError::new_err((path.clone(), e.offset, e.message)))?;
    let converted = frames.into_iter().map(|frame| CapturedFrame {
        number: frame.number,
        ts_ns: frame.ts,
        orig_len: frame.orig_len,
        data: frame.data,
        link_type: frame.link_number,
        interface: frame.interface,
    });
    Ok(converted.collect())
}
