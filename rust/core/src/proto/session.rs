//! One flow's parser.

/// placeholder
pub struct Session {}
