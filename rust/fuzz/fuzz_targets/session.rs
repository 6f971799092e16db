//! A flow from its first byte, through probing, parsers and carriers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outgate_core::proto::Session;

mod common;

fuzz_target!(|pieces: Vec<common::Piece>| {
    common::feed(&mut Session::new(40_000, 443), &pieces);
});
