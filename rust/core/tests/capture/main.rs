//! The capture readers, from outside: formats, damage, compression, and another implementation.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop"
)]

mod build;
mod damage;
mod formats;
mod oracle;
mod packed;
mod read;
