//! HTTP/1 heads and bodies, and what is carried in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outgate_core::proto::http1::Http1Parser;

mod common;

fuzz_target!(|pieces: Vec<common::Piece>| {
    common::feed(&mut Http1Parser::new(0), &pieces);
});
