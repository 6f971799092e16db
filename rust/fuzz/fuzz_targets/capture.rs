//! A file through every stage.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outgate_core::capture::Reader;
use outgate_core::limits::Limits;
use outgate_core::matcher::Matcher;
use outgate_core::pipeline::Run;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let Ok(mut reader) = Reader::from_bytes(bytes.to_vec(), &limits) else { return };
    let matcher = Matcher::new(Vec::new()).expect("no pattern cannot be wrong");
    let mut run = Run::new(limits, matcher);
    run.begin_file();
    while let Some(frame) = reader.next_frame() {
        run.frame(&frame);
    }
    run.end_file(String::new(), String::new(), reader);
    run.finish().expect("rows fit their tables");
});
