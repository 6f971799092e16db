//! From a path to a stream of capture bytes, decompressed where need be.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;
use sha2::{Digest, Sha256};

use crate::error::CaptureError;
use crate::text::hex;

/// How a file was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Compression {
    /// The name in reports; empty for none.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// A capture's bytes, with what is known of the file they come from.
pub struct Opened {
    /// The decompressed bytes.
    pub bytes: Box<dyn Read + Send>,
    /// How the file was packed.
    pub compression: Compression,
    /// The file's size, 0 for standard input.
    pub size: u64,
    /// Bytes of the file read so far.
    pub read: Arc<AtomicU64>,
    /// The hash of what was read, for standard input; files are hashed apart.
    pub hash: Option<Arc<std::sync::Mutex<Sha256>>>,
}

/// Opens `path`; `-` is standard input.
///
/// # Errors
///
/// What the operating system refused.
pub fn open(path: &str) -> Result<Opened, CaptureError> {
    let refused = |e: io::Error| CaptureError::new(0, e.to_string());
    let read = Arc::new(AtomicU64::new(0));
    let (source, size, hash): (Box<dyn Read + Send>, u64, _) = if path == "-" {
        let hash = Arc::new(std::sync::Mutex::new(Sha256::new()));
        let input = Hashed { inner: io::stdin(), hash: Arc::clone(&hash) };
        (Box::new(input), 0, Some(hash))
    } else {
        let file = File::open(path).map_err(refused)?;
        let about = file.metadata().map_err(refused)?;
        if about.is_dir() {
            return Err(CaptureError::new(0, "is a folder"));
        }
        (Box::new(file), about.len(), None)
    };
    let counted = Counted { inner: source, read: Arc::clone(&read) };
    let mut input = BufReader::with_capacity(256 << 10, counted);
    let compression = sniff(input.fill_buf().map_err(refused)?);
    let bytes: Box<dyn Read + Send> = match compression {
        Compression::None => {
            // What was sniffed at, then the file itself: no second buffer on the way.
            let sniffed = io::Cursor::new(input.buffer().to_vec());
            Box::new(sniffed.chain(input.into_inner()))
        }
        Compression::Gzip => Box::new(MultiGzDecoder::new(input)),
        Compression::Zstd => Box::new(ZstdFrames::new(input)),
    };
    Ok(Opened { bytes, compression, size, read, hash })
}

fn sniff(start: &[u8]) -> Compression {
    match start {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

/// The SHA-256 of a file as it is stored, in hex.
///
/// # Errors
///
/// What the operating system refused.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        let n = match file.read(&mut block) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hash.update(block.get(..n).unwrap_or_default());
    }
}

struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        self.read.fetch_add(u64::try_from(n).unwrap_or(0), Ordering::Relaxed);
        Ok(n)
    }
}

struct Hashed<R> {
    inner: R,
    hash: Arc<std::sync::Mutex<Sha256>>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        if let (Ok(mut hash), Some(bytes)) = (self.hash.lock(), into.get(..n)) {
            hash.update(bytes);
        }
        Ok(n)
    }
}

/// Bytes that tell a Zstandard frame from a skippable one.
const ZSTD_MAGIC_BYTES: u64 = 4;

/// Zstandard frames one after another, as `zstd`, `pzstd` and `cat a.zst b.zst` write them.
struct ZstdFrames<R: Read> {
    state: ZstdState<R>,
}

/// What a frame is read from: the magic number that told what it is, then the rest.
type ZstdSource<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

enum ZstdState<R: Read> {
    Between(R),
    Inside(Box<StreamingDecoder<ZstdSource<R>, ruzstd::decoding::FrameDecoder>>),
    Over,
}

impl<R: Read> ZstdFrames<R> {
    fn new(input: R) -> Self {
        Self { state: ZstdState::Between(input) }
    }
}

impl<R: Read> Read for ZstdFrames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, ZstdState::Over) {
                ZstdState::Over => return Ok(0),
                ZstdState::Between(mut input) => {
                    let mut magic = Vec::new();
                    input.by_ref().take(ZSTD_MAGIC_BYTES).read_to_end(&mut magic)?;
                    match magic.as_slice() {
                        [] => return Ok(0),
                        [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                            skip_frame(&mut input)?;
                            self.state = ZstdState::Between(input);
                        }
                        _ => {
                            let frame = StreamingDecoder::new(io::Cursor::new(magic).chain(input))
                                .map_err(|e| cut_or_invalid(&e))?;
                            self.state = ZstdState::Inside(Box::new(frame));
                        }
                    }
                }
                ZstdState::Inside(mut frame) => {
                    let n = frame.read(into).map_err(|e| cut_or_invalid(&e))?;
                    if n > 0 {
                        self.state = ZstdState::Inside(frame);
                        return Ok(n);
                    }
                    self.state = ZstdState::Between(frame.into_inner().into_inner().1);
                }
            }
        }
    }
}

/// Passes over a skippable frame (RFC 8878 section 3.1.2), which holds what others may need.
fn skip_frame(input: &mut impl Read) -> io::Result<()> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = u64::from(u32::from_le_bytes(length));
    io::copy(&mut input.take(length), &mut io::sink())?;
    Ok(())
}

/// The decoder's error, as a cut if the input ended and as bad data otherwise.
fn cut_or_invalid(error: &(dyn std::error::Error + 'static)) -> io::Error {
    let mut cause = Some(error);
    let mut kind = io::ErrorKind::InvalidData;
    while let Some(e) = cause {
        if let Some(e) = e.downcast_ref::<io::Error>()
            && e.kind() == io::ErrorKind::UnexpectedEof
        {
            kind = io::ErrorKind::UnexpectedEof;
        }
        cause = e.source();
    }
    io::Error::new(kind, error.to_string())
}
