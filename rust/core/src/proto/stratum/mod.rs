//! The stratum family.

/// placeholder
#[derive(Debug, Clone, PartialEq)]
pub struct Message {}
