"""What a file is, by its first bytes and never by its name."""

from __future__ import annotations

import codecs
import zlib
from dataclasses import dataclass

from analyzer.errors import OutgateError
from analyzer.ingest import CAPTURE_MAGICS, GZIP_MAGIC, MAGIC_BYTES, ZSTD_MAGIC

HEAD_BYTES = 256 * 1024
"""First bytes kept for looking inside: one zstd block is up to 128 KiB (RFC 8878 section 3.1.1.2)
and gives nothing before it is whole."""

REFUSE_BYTES = 4096
"""Enough to say what a file is that is no capture."""

INNER_BYTES = 1024
"""Looked at inside a compressed file, whatever it would expand to."""

SHOWN_BYTES = 8
PCAPNG_MAGIC = bytes.fromhex("0a0d0d0a")
GZIP_WRAPPER = 16 + zlib.MAX_WBITS
ACCEPTED = "pcap or pcapng, as it is or compressed with gzip or zstd"

MAGICS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x7fELF", "a Linux program (ELF)"),
    (0, b"MZ", "a Windows program (PE)"),
    (0, b"\xcf\xfa\xed\xfe", "a macOS program (Mach-O)"),
    (0, b"\xce\xfa\xed\xfe", "a macOS program (Mach-O)"),
    (0, b"\xca\xfe\xba\xbe", "a Java class or a macOS program"),
    (0, b"\0asm", "a WebAssembly program"),
    (0, b"#!", "a script"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"PK\x05\x06", "an empty ZIP archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\xfd7zXZ\0", "an xz file"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\x04\x22\x4d\x18", "an lz4 file"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"PAR1", "a Parquet file"),
    (0, b"\x0c\xa5", "an nfdump flow file (nfcapd)"),
    (0, b"\xa5\x0c", "an nfdump flow file (nfcapd)"),
    (0, b"\xde\xad\xbe\xef", "a SiLK flow file"),
    (0, b"\0\x0a\0", "an IPFIX flow file"),
    (0, b"\0\x09\0", "a NetFlow file"),
    (0, b"snoop\0\0\0", "a Solaris snoop capture"),
    (0, b"GMBU", "a Microsoft Network Monitor capture"),
    (0, b"RTSS", "a Microsoft Network Monitor 1 capture"),
    (0, b"XCP\0", "a NetXRay capture"),
    (0, b"TRSNIFF data", "a DOS Sniffer capture"),
    (0, b"#separator", "a Zeek log"),
)
"""Offset, bytes, and what begins like that; formats by their own documentation."""

REMEDIES: tuple[tuple[str, str], ...] = (
    ("archive", "unpack it and send the capture in it"),
    ("xz file", "send it uncompressed, or compressed with gzip or zstd"),
    ("bzip2 file", "send it uncompressed, or compressed with gzip or zstd"),
    ("lz4 file", "send it uncompressed, or compressed with gzip or zstd"),
    ("flow file", "send the packets themselves: flow records hold no payload"),
    ("NetFlow file", "send the packets themselves: flow records hold no payload"),
    (" capture", "convert it first: editcap -F pcapng IN OUT"),
)


class NotACapture(OutgateError):  # noqa: N818 - it names what the file is
    """A file whose first bytes are no capture's.

    Args:
        looks_like: What it is instead, with its article.
    """

    exit_status = 3

    def __init__(self, looks_like: str) -> None:
        self.looks_like = looks_like
        remedy = next((text for words, text in REMEDIES if words in looks_like), "")
        hint = f"accepted is {ACCEPTED}"
        super().__init__(
            f"cannot take this as a capture: it is {looks_like}",
            hint=f"{remedy}; {hint}" if remedy else hint,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What kind of capture a file is.

    Attributes:
        format: `pcap` or `pcapng`.
        compression: `gzip`, `zstd`, or "".
    """

    format: str
    compression: str


def recognise(head: bytes, *, whole: bool) -> Kind | None:
    """The kind of a capture by its first bytes; None when more are needed.

    Args:
        head: What there is of the first `HEAD_BYTES`.
        whole: Whether the file ends here.

    Raises:
        NotACapture: Whatever follows, it is none.
    """
    if not head and whole:
        raise NotACapture("empty")
    if len(head) < MAGIC_BYTES and not whole:
        return None
    found = _format(head)
    if found:
        return Kind(format=found, compression="")
    if head.startswith(GZIP_MAGIC):
        return _inside("gzip", _gzip_start(head), whole=whole or len(head) >= HEAD_BYTES)
    if head.startswith(ZSTD_MAGIC):
        return _inside("zstd", _zstd_start(head), whole=whole or len(head) >= HEAD_BYTES)
    if not whole and len(head) < REFUSE_BYTES:
        return None
    raise NotACapture(describe(head))


def describe(head: bytes) -> str:
    """What a file that is no capture looks like."""
    for offset, magic, words in MAGICS:
        if head.startswith(magic, offset):
            return words
    if head.startswith(GZIP_MAGIC):
        return "a gzip file"
    if head.startswith(ZSTD_MAGIC):
        return "a zstd file"
    if not head.strip(b"\0"):
        return "nothing but zeros" if head else "empty"
    return _describe_text(head) or f"of an unknown kind (it begins {head[:SHOWN_BYTES].hex(' ')})"


def _describe_text(head: bytes) -> str:
    decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
    try:
        text = decoder.decode(head[:REFUSE_BYTES])  # the cut may fall inside a character
    except UnicodeDecodeError:
        return ""
    if any(not char.isprintable() and char not in "\t\r\n\f" for char in text):
        return ""
    start = text.lstrip().lower()
    if start.startswith(("<!doctype html", "<html")):
        return "an HTML page"
    if start.startswith("<"):
        return "an XML document"
    return "JSON text" if start.startswith(("{", "[")) else "text"


def _format(head: bytes) -> str:
    magic = head[:MAGIC_BYTES]
    if magic not in CAPTURE_MAGICS:
        return ""
    return "pcapng" if magic == PCAPNG_MAGIC else "pcap"


def _inside(compression: str, inner: bytes | None, *, whole: bool) -> Kind | None:
    if inner is None:
        raise NotACapture(f"a damaged {compression} file")
    if len(inner) < MAGIC_BYTES and not whole:
        return None
    found = _format(inner)
    if found:
        return Kind(format=found, compression=compression)
    if len(inner) < INNER_BYTES and not whole:
        return None
    if not inner:
        raise NotACapture(f"a {compression} file with nothing in it, or cut off at its start")
    raise NotACapture(f"a {compression} file around something else: inside it is {describe(inner)}")


def _gzip_start(head: bytes) -> bytes | None:
    """The first bytes inside; None if it is damaged."""
    try:
        return zlib.decompressobj(GZIP_WRAPPER).decompress(head, INNER_BYTES)
    except zlib.error:
        return None


def _zstd_start(head: bytes) -> bytes:
    """The first bytes inside; none before the first block is whole, or if it is damaged."""
    import pyarrow as pa  # noqa: PLC0415 - only for zstd

    for wanted in (INNER_BYTES, MAGIC_BYTES):  # less than asked for is an error, not a short answer
        try:
            with pa.CompressedInputStream(pa.BufferReader(head), "zstd") as inner:
                return bytes(inner.read(wanted))
        except (OSError, ValueError):
            continue
    return b""
