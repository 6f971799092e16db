//! A capture file to frames: pcap and pcapng, both byte orders, gzip and zstd, pipes.
//!
//! The readers are this project's own, because a bad record must not end a file and every frame
//! needs its place in it; docs/decisions/0002 has the comparison with `pcap-parser`, which the
//! tests hold them against.

mod buffer;
pub mod link;
pub mod open;
mod pcap;
mod pcapng;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use self::link::Link;
pub use self::open::{Compression, sha256_of};

use self::buffer::Buffer;
use self::open::Opened;
use crate::error::{CaptureError, Issue};
use crate::limits::Limits;
use crate::text::hex;

/// Issues of one file that are kept with their place; a hostile one may hold millions.
pub const ISSUES_MAX: usize = 4096;

/// One captured frame; the bytes are borrowed from the reader's block.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// From 1, as Wireshark counts.
    pub number: u64,
    /// Nanoseconds since 1970-01-01 UTC.
    pub ts: i64,
    /// Bytes on the wire.
    pub orig_len: u32,
    /// Bytes captured.
    pub data: &'a [u8],
    /// How the frame begins.
    pub link: Link,
    /// The same as the registry's number.
    pub link_number: u16,
    /// Index into [`Reader::interfaces`].
    pub interface: usize,
    /// Where the record starts in the decompressed file.
    pub offset: u64,
}

/// Where a record lies, before its bytes are borrowed.
#[derive(Debug, Clone, Copy)]
struct Located {
    /// Bytes from the record's data to the end of the record.
    back: usize,
    len: usize,
    ts: i64,
    orig_len: u32,
    interface: usize,
    offset: u64,
}

/// What a capture says of an interface it was taken on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// `if_name`, empty in pcap.
    pub name: String,
    /// `if_description`.
    pub description: String,
    /// Number in the LINKTYPE registry.
    pub link_number: u16,
    /// Most bytes kept of a frame; 0 means no limit.
    pub snaplen: u32,
    /// Frames read from it.
    pub frames: u64,
    /// Frames the capturing system says it dropped.
    pub dropped: u64,
}

/// Reads frames one after another.
pub struct Reader {
    buffer: Buffer,
    format: Format,
    /// Interfaces seen so far; pcap has one.
    pub interfaces: Vec<Interface>,
    /// The first [`ISSUES_MAX`] odd things met, taken by the caller.
    pub issues: Vec<Issue>,
    /// How many more there were, by kind.
    pub issues_more: BTreeMap<&'static str, u64>,
    /// The file ended inside a record.
    pub truncated_tail: bool,
    /// Comments in the file.
    pub comments: u64,
    /// Coarsest time step of the file, in nanoseconds.
    pub resolution_ns: i64,
    number: u64,
    compression: Compression,
    size: u64,
    read: Arc<AtomicU64>,
    hash: Option<Arc<std::sync::Mutex<sha2::Sha256>>>,
}

enum Format {
    Pcap(pcap::Pcap),
    Pcapng(pcapng::Pcapng),
    Empty,
}

impl Reader {
    /// Opens a capture; `-` is standard input.
    ///
    /// # Errors
    ///
    /// [`CaptureError`] if the system refuses or the first bytes are no capture's.
    pub fn open(path: &str, limits: &Limits) -> Result<Self, CaptureError> {
        Self::of(open::open(path)?, limits)
    }

    /// Reads a capture from memory.
    ///
    /// # Errors
    ///
    /// [`CaptureError`] if the first bytes are no capture's.
    pub fn from_bytes(bytes: Vec<u8>, limits: &Limits) -> Result<Self, CaptureError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self::of(
            Opened {
                bytes: Box::new(std::io::Cursor::new(bytes)),
                compression: Compression::None,
                size,
                read: Arc::default(),
                hash: None,
            },
            limits,
        )
    }

    fn of(opened: Opened, limits: &Limits) -> Result<Self, CaptureError> {
        let Opened { bytes, compression, size, read, hash } = opened;
        let allowed = match compression {
            Compression::None => u64::MAX,
            _ => limits.decompressed_bytes,
        };
        let mut reader = Self {
            buffer: Buffer::new(bytes, allowed),
            format: Format::Empty,
            interfaces: Vec::new(),
            issues: Vec::new(),
            issues_more: BTreeMap::new(),
            truncated_tail: false,
            comments: 0,
            resolution_ns: 1,
            number: 0,
            compression,
            size,
            read,
            hash,
        };
        reader.format = reader.recognise(limits)?;
        Ok(reader)
    }

    fn recognise(&mut self, limits: &Limits) -> Result<Format, CaptureError> {
        self.buffer.fill(24);
        let start = self.buffer.ready();
        if let Some(pcap) = pcap::Pcap::recognise(start, limits) {
            self.interfaces.push(pcap.interface());
            self.resolution_ns = pcap.resolution_ns();
            self.buffer.consume(24);
            return Ok(Format::Pcap(pcap));
        }
        if pcapng::is_pcapng(start) {
            return Ok(Format::Pcapng(pcapng::Pcapng::new(limits)));
        }
        if let Some(failure) = self.buffer.failure() {
            return Err(CaptureError::new(0, format!("cannot be decompressed: {failure}")));
        }
        Err(CaptureError::new(0, describe(start)))
    }

    /// The next frame, or `None` at the end.
    #[inline]
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        let mut at = Context {
            buffer: &mut self.buffer,
            interfaces: &mut self.interfaces,
            issues: &mut self.issues,
            issues_more: &mut self.issues_more,
            truncated_tail: &mut self.truncated_tail,
            comments: &mut self.comments,
            resolution_ns: &mut self.resolution_ns,
            number: self.number,
        };
        let found = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut at),
            Format::Pcapng(ng) => ng.next(&mut at),
            Format::Empty => None,
        };
        let Some(found) = found else {
            self.note_failure();
            return None;
        };
        self.number += 1;
        let mut link_number = 0;
        if let Some(interface) = self.interfaces.get_mut(found.interface) {
            interface.frames += 1;
            link_number = interface.link_number;
        }
        Some(Frame {
            number: self.number,
            ts: found.ts,
            orig_len: found.orig_len,
            data: self.buffer.behind(found.back, found.len),
            link: Link::from_number(link_number),
            link_number,
            interface: found.interface,
            offset: found.offset,
        })
    }

    fn note_failure(&mut self) {
        let Some(failure) = self.buffer.failure() else { return };
        let detail = failure.to_string();
        let kind = match failure.kind() {
            std::io::ErrorKind::UnexpectedEof => "compressed_tail_cut",
            _ => "read_failed",
        };
        if self.issues.iter().any(|i| i.kind == kind) {
            return;
        }
        self.truncated_tail = true;
        let (frame, offset) = (self.number, self.buffer.offset());
        self.issues.push(Issue { frame, offset, layer: "capture", kind, detail });
    }

    /// `pcap` or `pcapng`.
    #[must_use]
    pub fn format_name(&self) -> &'static str {
        match self.format {
            Format::Pcapng(_) => "pcapng",
            _ => "pcap",
        }
    }

    /// How the file was packed.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Bytes read of the file, and its size (0 if unknown).
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.size)
    }

    /// The SHA-256 of standard input, read to its end; `None` for files.
    pub fn input_hash(&mut self) -> Option<String> {
        use sha2::Digest;
        self.hash.as_ref()?;
        while self.buffer.fill(1) {
            self.buffer.consume(usize::MAX);
        }
        let hash = self.hash.as_ref()?.lock().ok()?.clone();
        Some(hex(&hash.finalize()))
    }
}

/// What a format's reader may touch while it looks for the next record.
struct Context<'r> {
    buffer: &'r mut Buffer,
    interfaces: &'r mut Vec<Interface>,
    issues: &'r mut Vec<Issue>,
    issues_more: &'r mut BTreeMap<&'static str, u64>,
    truncated_tail: &'r mut bool,
    comments: &'r mut u64,
    resolution_ns: &'r mut i64,
    number: u64,
}

impl Context<'_> {
    fn issue(&mut self, kind: &'static str, detail: String) {
        if self.issues.len() >= ISSUES_MAX {
            *self.issues_more.entry(kind).or_default() += 1;
            return;
        }
        let (frame, offset) = (self.number, self.buffer.offset());
        self.issues.push(Issue { frame, offset, layer: "capture", kind, detail });
    }

    fn end_inside_record(&mut self, needed: usize) {
        let have = self.buffer.ready().len();
        if have > 0 {
            *self.truncated_tail = true;
            self.issue("truncated_tail", format!("record needs {needed} bytes, {have} are left"));
            self.buffer.consume(have);
        }
    }
}

fn describe(start: &[u8]) -> String {
    let what = match start {
        [] => "is empty: not even a capture header",
        [b'P', b'K', 3, 4, ..] => "is a zip archive: unpack it first",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "is xz compressed: unpack it first",
        [b'B', b'Z', b'h', ..] => "is bzip2 compressed: unpack it first",
        [0x04, 0x22, 0x4d, 0x18, ..] => "is lz4 compressed: unpack it first",
        [b's', b'n', b'o', b'o', b'p', 0, 0, 0, ..] => "is a snoop capture: convert it to pcapng",
        [0x7f, b'E', b'L', b'F', ..] => "is a program",
        [b'%', b'P', b'D', b'F', ..] => "is a PDF document",
        _ if start.len() < 24 => {
            return format!("is cut: {} bytes, no capture header", start.len());
        }
        _ => "is no pcap or pcapng capture",
    };
    match start.get(..4) {
        Some(magic) if what.starts_with("is no") => {
            format!("{what}: it starts with {}", hex(magic))
        }
        _ => what.to_owned(),
    }
}
