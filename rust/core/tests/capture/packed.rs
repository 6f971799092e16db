//! Compressed captures: several members, cuts, bombs.

use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use outgate_core::capture::Reader;
use outgate_core::limits::Limits;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::build::{Order, Variant, pcap};
use crate::read::{Read, drain, kinds, read};

/// A file that goes away with the test.
struct Stored(PathBuf);

impl Stored {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let name = format!("outgate-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn open(&self, limits: &Limits) -> Reader {
        Reader::open(self.0.to_str().unwrap(), limits).unwrap()
    }

    fn read(&self) -> (Vec<Read>, Reader) {
        let mut reader = self.open(&Limits::default());
        (drain(&mut reader), reader)
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// A frame other programs keep their own data in (RFC 8878 section 3.1.2).
fn skippable(data: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x50, 0x2a, 0x4d, 0x18];
    frame.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    frame.extend(data);
    frame
}

#[test]
fn packed_captures_give_the_frames_of_the_plain_one() {
    let plain = pcap(Order::Little, Variant::Nanoseconds, 500);
    let (all, _) = read(&plain).unwrap();
    let (front, back) = plain.split_at(7777);
    let joined = |pack: fn(&[u8]) -> Vec<u8>| [pack(front), pack(back)].concat();
    let seekable = [skippable(b"12"), zstd(front), skippable(b""), zstd(back), skippable(b"index")];
    for (name, packed, expected) in [
        ("one.gz", gzip(&plain), "gzip"),
        ("two.gz", joined(gzip), "gzip"),
        ("one.zst", zstd(&plain), "zstd"),
        ("two.zst", joined(zstd), "zstd"),
        ("seekable.zst", seekable.concat(), "zstd"),
    ] {
        let (frames, reader) = Stored::new(name, &packed).read();
        assert_eq!(frames, all, "{name}");
        assert_eq!(reader.compression().name(), expected);
        assert_eq!(kinds(&reader), [""; 0], "{name}");
        assert_eq!(reader.progress().0, u64::try_from(packed.len()).unwrap());
    }
}

#[test]
fn a_packed_capture_cut_anywhere_gives_a_prefix_and_says_so() {
    let plain = pcap(Order::Little, Variant::Microseconds, 300);
    let (all, _) = read(&plain).unwrap();
    for (name, packed) in [("cut.gz", gzip(&plain)), ("cut.zst", zstd(&plain))] {
        for cut in (1..packed.len()).step_by(97).chain([packed.len() - 1]) {
            let stored = Stored::new(&format!("{cut}-{name}"), &packed[..cut]);
            let path = stored.0.to_str().unwrap();
            let Ok(mut reader) = Reader::open(path, &Limits::default()) else { continue };
            let frames = drain(&mut reader);
            assert!(all.starts_with(&frames), "{name} cut at {cut}");
            assert!(reader.truncated_tail, "{name} cut at {cut}");
            assert!(kinds(&reader).contains(&"compressed_tail_cut"), "{name} {:?}", reader.issues);
        }
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let mut plain = pcap(Order::Little, Variant::Microseconds, 40);
    plain.resize(64 << 20, 0);
    for (name, packed) in [("bomb.gz", gzip(&plain)), ("bomb.zst", zstd(&plain))] {
        let limits = Limits { decompressed_bytes: 1 << 20, ..Limits::default() };
        let stored = Stored::new(name, &packed);
        let mut reader = stored.open(&limits);
        let frames = drain(&mut reader);
        assert!((40..100_000).contains(&frames.len()), "{name}: {}", frames.len());
        assert!(reader.truncated_tail);
        assert!(kinds(&reader).contains(&"read_failed"));
    }
}

#[test]
fn rubbish_after_a_packed_capture_costs_no_frame() {
    let plain = pcap(Order::Big, Variant::Microseconds, 50);
    let (all, _) = read(&plain).unwrap();
    for (name, mut packed) in [("tail.gz", gzip(&plain)), ("tail.zst", zstd(&plain))] {
        packed.extend(b"something else");
        let (frames, reader) = Stored::new(name, &packed).read();
        assert_eq!(frames, all, "{name}");
        assert!(!reader.issues.is_empty());
    }
}

#[test]
fn a_folder_and_a_missing_file_are_refused_with_words() {
    let folder = std::env::temp_dir();
    let refused = |path: &str| Reader::open(path, &Limits::default()).err().unwrap().message;
    assert_eq!(refused(folder.to_str().unwrap()), "is a folder");
    assert!(refused("/nowhere/at-all.pcap").contains("No such file"));
}
