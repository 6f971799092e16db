"""Reads the frames a finding names again, and writes frames as a pcapng file.

The file follows draft-ietf-opsawg-pcapng: one section, one interface for each link type, times in
nanoseconds, a comment beside any packet that has one.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer import __version__
from analyzer.errors import CaptureUnreadable, UsageError
from analyzer.escape import escape
from analyzer.ingest import STDIN, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from analyzer._core import CapturedFrame
    from analyzer.model import Finding

MAX_COMMENT_BYTES = 2000
MAX_FRAMES = 4096
"""Frames read for one finding: 64 reasons of 64 frames."""

SECTION_HEADER, INTERFACE, ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
BYTE_ORDER_MAGIC = 0x1A2B3C4D
OPTION_END, OPTION_COMMENT, OPTION_USER_APPLICATION, OPTION_RESOLUTION = 0, 1, 4, 9
NANOSECONDS = b"\x09"
"""if_tsresol: a tick is 10^-9 seconds."""

HASH_CHUNK_BYTES = 1 << 20


def evidence_frames(finding: Finding, source: str, most: int = MAX_FRAMES) -> list[CapturedFrame]:
    """The frames a finding names, read again from its capture, at most `most`.

    Raises:
        UsageError: The finding names no frame, or the capture is not the one it was made on.
        CaptureUnreadable: The capture cannot be read.
    """
    if not finding.evidence_available:
        raise UsageError(f"cannot show frames of {finding.id}: its evidence names no packet")
    if source == STDIN:
        raise UsageError(
            f"cannot read frames of {finding.id}: the capture came from standard input",
            hint="keep the capture in a file and name it after the finding",
        )
    joined = len(finding.capture.paths) if finding.capture else 0
    if joined > 1:
        raise UsageError(
            f"cannot read frames of {finding.id}: it stands on {joined} files joined into one",
            hint="merge them into one capture (mergecap) and analyse that",
        )
    expected = finding.capture.sha256 if finding.capture else ""
    if expected and file_sha256(source) != expected:
        raise UsageError(
            f"cannot use {source} for {finding.id}: its SHA-256 is not the analysed capture's",
            hint="run `outgate analyze` on it again, or name the right capture",
        )
    return read_frames(source, list(finding.frames[:most]))


def read_frames(source: str, numbers: list[int]) -> list[CapturedFrame]:
    """Frames of a capture by number.

    Raises:
        CaptureUnreadable: The capture cannot be read.
    """
    from analyzer import _core  # noqa: PLC0415 - tests of the rest do without it

    try:
        return _core.read_frames(source, numbers)
    except _core.CaptureError as error:
        raise unreadable(error, source) from error


def file_sha256(path: str) -> str:
    """SHA-256 of a file as stored, in hex.

    Raises:
        CaptureUnreadable: The file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while chunk := file.read(HASH_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CaptureUnreadable(
            path, 0, reason, hint="name the capture after the finding"
        ) from error
    return digest.hexdigest()


def pcapng_of(
    frames: Sequence[CapturedFrame], comments: Mapping[int, str], about: str = ""
) -> bytes:
    """A pcapng file of these frames, in order, with comments by frame number."""
    interfaces: dict[int, int] = {}
    packets: list[bytes] = []
    for frame in frames:
        place = interfaces.setdefault(frame.link_type, len(interfaces))
        packets.append(_packet_block(frame, place, comments.get(frame.number, "")))
    descriptions = [_interface_block(link_type) for link_type in interfaces]
    return b"".join((_section_block(about), *descriptions, *packets))


def _section_block(about: str) -> bytes:
    body = struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1)
    options = [(OPTION_COMMENT, _comment(about))] if about else []
    options.append((OPTION_USER_APPLICATION, f"outgate {__version__}".encode()))
    return _block(SECTION_HEADER, body + _options(options))


def _interface_block(link_type: int) -> bytes:
    body = struct.pack("<HHI", link_type, 0, 0)
    return _block(INTERFACE, body + _options([(OPTION_RESOLUTION, NANOSECONDS)]))


def _packet_block(frame: CapturedFrame, interface: int, comment: str) -> bytes:
    high, low = divmod(max(0, frame.ts_ns), 1 << 32)
    head = struct.pack("<IIIII", interface, high, low, len(frame.data), frame.orig_len)
    options = _options([(OPTION_COMMENT, _comment(comment))]) if comment else b""
    return _block(ENHANCED_PACKET, head + _padded(frame.data) + options)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _options(options: Iterable[tuple[int, bytes]]) -> bytes:
    parts = [struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options]
    return b"".join(parts) + struct.pack("<HH", OPTION_END, 0)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _comment(text: str) -> bytes:
    return escape(text).encode()[:MAX_COMMENT_BYTES].decode(errors="ignore").encode()
