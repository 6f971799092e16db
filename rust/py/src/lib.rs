//! Builds `analyzer._core`: converts types, releases the interpreter, maps errors, and makes the
//! calls by which a worker process confines itself; nothing else.

mod analysis;
mod arrow;
#[cfg(target_os = "linux")]
mod confine;
mod frames;
mod stats;

use pyo3::prelude::*;

pyo3::create_exception!(
    _core,
    CaptureError,
    pyo3::exceptions::PyException,
    "An input is no capture, or the system refused it: (path, offset, message)."
);

/// The Rust core of Outgate.
#[pymodule]
mod _core {
    use super::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_export]
    use super::CaptureError;
    #[pymodule_export]
    use super::analysis::{Analysis, analyze};
    #[pymodule_export]
    use super::arrow::ArrowTable;
    #[cfg(target_os = "linux")]
    #[pymodule_export]
    use super::confine::{
        confine_files, confine_namespaces, confine_syscalls, drop_capabilities, end_with_parent,
    };
    #[pymodule_export]
    use super::frames::{CapturedFrame, read_frames};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
