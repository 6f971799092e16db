//! The JSON tokenizer, which must get on with every byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outgate_core::proto::json::Tokenizer;

const LIMIT: usize = 4096;

fuzz_target!(|pieces: Vec<Vec<u8>>| {
    let mut tokenizer = Tokenizer::new(LIMIT);
    for bytes in &pieces {
        let mut rest = bytes.as_slice();
        let mut given_up = false;
        while !rest.is_empty() {
            let fed = tokenizer.feed(rest);
            assert!(fed.used > 0 || !given_up, "the same byte is given up twice");
            given_up = fed.used == 0;
            rest = &rest[fed.used..];
        }
    }
    tokenizer.cut();
});
