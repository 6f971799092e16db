//! Builds `analyzer._core`.
use pyo3::prelude::*;

/// The Rust core of Outgate.
#[pymodule]
mod _core {}
