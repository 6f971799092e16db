//! One run, called from Python.

use std::collections::HashMap;

use arrow_array::RecordBatch;
use outgate_core::limits::Limits;
use outgate_core::matcher::{Pattern, Side};
use outgate_core::pipeline::{self, Failure, Options};
use pyo3::exceptions::{PyKeyError, PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrow::ArrowTable;
use crate::{CaptureError, stats};

/// `(id, bytes, direction, at_start)`; the direction is `any`, `up` or `down`.
type PatternTuple = (String, Vec<u8>, String, bool);

/// What came out of a run.
#[pyclass(frozen)]
pub struct Analysis {
    tables: HashMap<&'static str, RecordBatch>,
    stats: Py<PyDict>,
}

#[pymethods]
impl Analysis {
    /// A table by name.
    fn table(&self, name: &str) -> PyResult<ArrowTable> {
        let found = self.tables.get(name).cloned();
        found.map(ArrowTable::new).ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    /// The names of all tables.
    #[getter]
    fn table_names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.tables.keys().copied().collect();
        names.sort_unstable();
        names
    }

    /// The counters of the run.
    #[getter]
    fn stats(&self, py: Python<'_>) -> Py<PyDict> {
        self.stats.clone_ref(py)
    }
}

/// Analyses one capture, or several as one stream.
#[pyfunction]
#[pyo3(signature = (paths, *, patterns=vec![], limits=HashMap::new(), progress=None))]
pub fn analyze(
    py: Python<'_>,
    paths: Vec<String>,
    patterns: Vec<PatternTuple>,
    limits: HashMap<String, u64>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Analysis> {
    let options = options(patterns, limits)?;
    let mut raised = None;
    let outcome = py.detach(|| {
        let mut look = |done: u64, total: u64| {
            let answer = Python::attach(|py| {
                if let Some(call) = &progress {
                    call.call1(py, (done, total))?;
                }
                py.check_signals()
            });
            match answer {
                Ok(()) => true,
                Err(e) => {
                    raised = Some(e);
                    false
                }
            }
        };
        pipeline::analyze(&paths, options, &mut look)
    });
    let analysis = match (outcome, raised) {
        (_, Some(e)) => return Err(e),
        (Err(failure), None) => return Err(error(failure)),
        (Ok(analysis), None) => analysis,
    };
    Ok(Analysis {
        stats: stats::to_dict(py, &analysis.stats)?.unbind(),
        tables: analysis.tables.into_iter().collect(),
    })
}

fn options(patterns: Vec<PatternTuple>, limits: HashMap<String, u64>) -> PyResult<Options> {
    let mut options = Options { limits: Limits::default(), patterns: Vec::new() };
    for (name, value) in limits {
        options.limits.set(&name, value).map_err(PyValueError::new_err)?;
    }
    for (id, bytes, direction, at_start) in patterns {
        let side = match direction.as_str() {
            "any" => Side::Any,
            "up" => Side::Up,
            "down" => Side::Down,
            other => return Err(PyValueError::new_err(format!("no direction `{other}`"))),
        };
        options.patterns.push(Pattern { id, bytes, side, at_start });
    }
    Ok(options)
}

fn error(failure: Failure) -> PyErr {
    match failure {
        Failure::Capture { path, error } => {
            CaptureError::new_err((path, error.offset, error.message))
        }
        Failure::Options(message) => PyValueError::new_err(message),
        Failure::Stopped => PyKeyboardInterrupt::new_err(()),
    }
}
