//! SSH in clear.

/// placeholder
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {}
/// placeholder
#[derive(Debug, Clone, PartialEq)]
pub struct Token {}
