//! TLS hellos.

/// placeholder
#[derive(Debug, Clone, PartialEq)]
pub struct Hello {}
