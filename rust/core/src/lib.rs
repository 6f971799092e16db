//! Captures in, flows and protocol facts out.
//!
//! ```text
//! capture ──► decode ──► flow ──► stream ──► proto ──► table ──► pipeline
//! frames      packets    table    ordered    events   Arrow
//! ```
//!
//! Modules rank from left to right and use only what stands to their left. Nothing here knows
//! Python, asks the clock, prints, or trusts a length from the wire.

pub mod bytes;
pub mod capture;
pub mod decode;
pub mod dir;
pub mod error;
pub mod flow;
pub mod limits;
pub mod matcher;
pub mod pipeline;
pub mod proto;
pub mod stream;
pub mod table;
pub mod text;
