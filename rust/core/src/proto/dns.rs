//! DNS messages (RFC 1035).

/// placeholder
#[derive(Debug, Clone, PartialEq)]
pub struct Message {}
