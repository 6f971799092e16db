//! TLS records and hellos.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outgate_core::proto::tls::TlsParser;

mod common;

fuzz_target!(|pieces: Vec<common::Piece>| {
    common::feed(&mut TlsParser::default(), &pieces);
});
