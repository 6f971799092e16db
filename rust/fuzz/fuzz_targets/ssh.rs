//! SSH banners, key exchange and packets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outgate_core::proto::ssh::SshParser;

mod common;

fuzz_target!(|pieces: Vec<common::Piece>| {
    common::feed(&mut SshParser::new(""), &pieces);
});
