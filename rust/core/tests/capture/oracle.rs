//! Frame for frame against the pcap-parser crate, on generated and on real captures.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use outgate_core::capture::Reader;
use outgate_core::limits::Limits;
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

use crate::build::{Order, Variant, pcap, pcapng};
use crate::read::drain;

type Frames = Vec<(u32, Vec<u8>)>;

/// Wire length and bytes of every frame pcap-parser reads, and whether it read to the end.
fn by_pcap_parser(bytes: Vec<u8>) -> Option<(Frames, bool)> {
    let mut reader = create_reader(1 << 20, Cursor::new(bytes)).ok()?;
    let mut frames = Vec::new();
    let (mut snaplens, mut whole) = (Vec::new(), true);
    loop {
        match reader.next() {
            Ok((used, block)) => {
                match block {
                    PcapBlockOwned::Legacy(b) => {
                        let len = usize::try_from(b.caplen).unwrap();
                        frames.push((b.origlen, b.data[..len].to_vec()));
                    }
                    PcapBlockOwned::NG(Block::SectionHeader(_)) => snaplens.clear(),
                    PcapBlockOwned::NG(Block::InterfaceDescription(b)) => snaplens.push(b.snaplen),
                    PcapBlockOwned::NG(Block::EnhancedPacket(b)) => {
                        let len = usize::try_from(b.caplen).unwrap();
                        frames.push((b.origlen, b.data[..len].to_vec()));
                    }
                    PcapBlockOwned::NG(Block::SimplePacket(b)) => {
                        let snaplen = snaplens.first().copied().unwrap_or(0);
                        let kept = if snaplen == 0 { b.origlen } else { b.origlen.min(snaplen) };
                        let len = usize::try_from(kept).unwrap().min(b.data.len());
                        frames.push((b.origlen, b.data[..len].to_vec()));
                    }
                    // The obsolete packet block, which pcap-parser does not read.
                    PcapBlockOwned::NG(Block::Unknown(b))
                        if matches!(b.block_type, 2 | 0x0200_0000) =>
                    {
                        whole = false
                    }
                    _ => {}
                }
                reader.consume(used);
            }
            Err(PcapError::Eof) => return Some((frames, whole)),
            Err(PcapError::Incomplete(_)) => {
                if reader.reader_exhausted() || reader.refill().is_err() {
                    return Some((frames, false));
                }
            }
            Err(_) => return Some((frames, false)),
        }
    }
}

fn compare(name: &str, bytes: Vec<u8>) -> bool {
    let Some((theirs, whole)) = by_pcap_parser(bytes.clone()) else { return false };
    let Ok(mut reader) = Reader::from_bytes(bytes, &Limits::default()) else {
        assert!(theirs.is_empty(), "{name}: only pcap-parser reads it");
        return false;
    };
    let ours: Frames = drain(&mut reader).into_iter().map(|f| (f.orig_len, f.data)).collect();
    // Where pcap-parser gives up, frames after the damage are ours alone.
    assert!(ours.starts_with(&theirs), "{name}: {} and {} frames", ours.len(), theirs.len());
    if whole && reader.issues.is_empty() {
        assert_eq!(ours.len(), theirs.len(), "{name}");
    }
    whole
}

#[test]
fn generated_captures_are_read_as_pcap_parser_reads_them() {
    for order in Order::BOTH {
        // pcap-parser does not take the nanosecond variant of the opposite byte order for longer
        // headers, so Kuznetzov's is left out; formats.rs has it.
        for variant in [Variant::Microseconds, Variant::Nanoseconds] {
            assert!(compare(&format!("{order:?} {variant:?}"), pcap(order, variant, 1000)));
        }
        assert!(compare(&format!("{order:?} pcapng"), pcapng(order, 1000)));
    }
}

/// The captures beside the repository, or `None` where they are not.
fn shared_captures() -> Option<Vec<PathBuf>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("OUTGATE_SHARED").map_or(beside, PathBuf::from).join("captures");
    let mut found = Vec::new();
    for kind in folder.read_dir().ok()? {
        for file in kind.ok()?.path().read_dir().into_iter().flatten() {
            found.push(file.ok()?.path());
        }
    }
    found.sort();
    Some(found)
}

#[test]
fn real_captures_are_read_as_pcap_parser_reads_them() {
    let Some(paths) = shared_captures() else {
        println!("left out: no captures at ../shared or OUTGATE_SHARED");
        return;
    };
    let mut whole = 0;
    for path in paths {
        let bytes = std::fs::read(&path).unwrap();
        whole += u32::from(compare(&path.display().to_string(), bytes));
    }
    assert!(whole > 500, "only {whole} captures were read to the end by both");
}
