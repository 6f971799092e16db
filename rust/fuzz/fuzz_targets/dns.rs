//! DNS messages, bare and over TCP.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outgate_core::proto::dns;

mod common;

fuzz_target!(|pieces: Vec<common::Piece>| {
    for (_, _, bytes) in &pieces {
        let _ = dns::probe_udp(bytes);
        let _ = dns::parse(bytes);
    }
    common::feed(&mut dns::tcp::TcpDns::default(), &pieces);
});
