//! Frames of any link type, one after another, so that fragments meet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outgate_core::capture::{Frame, Link};
use outgate_core::decode::Decoder;
use outgate_core::limits::Limits;

fuzz_target!(|input: (u16, Vec<Vec<u8>>)| {
    let (link_number, frames) = input;
    let mut decoder = Decoder::new(&Limits::default());
    for (ts, data) in (0..).zip(&frames) {
        let frame = Frame {
            number: 1,
            ts,
            orig_len: 0,
            data,
            link: Link::from_number(link_number),
            link_number,
            interface: 0,
            offset: 0,
        };
        let _ = decoder.decode(&frame);
    }
});
