//! HTTP/1 heads.

/// placeholder
#[derive(Debug, Clone, PartialEq)]
pub struct Head {}
