//! Incremental JSON.
