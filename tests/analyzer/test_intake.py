"""What arrives becomes a capture, or a clear refusal that leaves nothing behind."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.errors import OutgateError, StoreUnavailable
from analyzer.intake import (
    IntakeLimits,
    Kind,
    NameRefused,
    NoSpace,
    NotACapture,
    Part,
    TooLarge,
    clean_name,
    recognise,
)
from analyzer.intake.kinds import HEAD_BYTES, REFUSE_BYTES
from analyzer.intake.names import EXECUTABLES, MAX_NAME_CHARS
from analyzer.store import Store
from analyzer.store.records import Actor

if TYPE_CHECKING:
    from collections.abc import Iterator

PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + struct.pack("<IIII", 1, 0, 4, 4)
PCAP += b"data" * 100
SAMPLE = Path(__file__).resolve().parents[2] / "pcaps" / "rome-incident.pcapng"
LIMITS = IntakeLimits(max_bytes=10_000_000, min_free_bytes=0)
SOMEBODY = Actor(name="key:test")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "parts"
    made.mkdir()
    return made


# What a file is


@pytest.mark.parametrize(
    "magic",
    ["a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "a1b2cd34", "34cdb2a1"],
)
def test_every_kind_of_pcap_is_known_by_its_first_four_bytes(magic: str) -> None:
    head = bytes.fromhex(magic)
    assert recognise(head, whole=False) == Kind(format="pcap", compression="")


def test_a_compressed_capture_is_known_by_what_is_inside() -> None:
    data = SAMPLE.read_bytes()
    zipped = gzip.compress(data)
    packed = bytes(pa.compress(data, codec="zstd", asbytes=True))

    assert recognise(zipped[:1000], whole=False) == Kind(format="pcapng", compression="gzip")
    assert recognise(packed[:HEAD_BYTES], whole=False) == Kind(format="pcapng", compression="zstd")
    assert recognise(zipped[:5], whole=False) is None
    assert recognise(packed[:1000], whole=False) is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\x7fELF\x02" + bytes(99), "a Linux program"),
        (b"MZ\x90\0" + bytes(99), "a Windows program"),
        (b"#!/bin/sh\n", "a script"),
        (b"PK\x03\x04" + bytes(99), "a ZIP archive"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"<!DOCTYPE html><p>", "an HTML page"),
        (b"\n\n <html>", "an HTML page"),
        (b'{"event_type": "alert"}', "JSON text"),
        (b"time\tsource\n" * 10, "text"),
        (("größer\n" * 9999).encode(), "text"),
        (b"\x0c\xa5\x01\0" + bytes(200), "nfdump"),
        (bytes(5000), "nothing but zeros"),
        (bytes(257) + b"ustar\0" + bytes(200), "a tar archive"),
        (bytes(range(256)), "of an unknown kind (it begins 00 01 02 03"),
        (b"\xfd7zXZ\0", "an xz file"),
        (gzip.compress(b"MZ" + bytes(2000)), "inside it is a Windows program"),
        (gzip.compress(gzip.compress(PCAP)), "inside it is a gzip file"),
        (gzip.compress(b""), "a gzip file with nothing in it"),
        (b"\x1f\x8b" + bytes(range(200)), "a damaged gzip file"),
        (b"\x28\xb5\x2f\xfd" + bytes(range(200)), "a zstd file with nothing in it"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_what_is_no_capture_is_named_for_what_it_is(data: bytes, words: str) -> None:
    with pytest.raises(NotACapture) as caught:
        recognise(data[:HEAD_BYTES], whole=True)
    assert words in caught.value.message
    assert "pcapng" in caught.value.hint


@given(st.binary(max_size=600), st.booleans())
def test_no_bytes_confuse_recognition(data: bytes, whole: bool) -> None:
    try:
        found = recognise(data, whole=whole)
    except NotACapture:
        return
    assert found is None or found.format in {"pcap", "pcapng"}
    assert found is not None or not whole


@pytest.mark.parametrize("lead", [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b""])
def test_every_file_is_of_some_kind_or_refused_by_the_end_of_its_head(lead: bytes) -> None:
    data = lead + bytes(i * 7 % 256 for i in range(HEAD_BYTES))
    with pytest.raises(NotACapture):
        recognise(data[:HEAD_BYTES], whole=False)


# Names


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..",
        "a/../b.pcap",
        "..\\..\\boot.ini",
        "/etc/passwd",
        "C:\\x.pcap",
        "a\0b",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(NameRefused):
        clean_name(name)


@pytest.mark.parametrize(
    "name",
    ["a.exe", "A.EXE", "a.exe.gz", "a.exe. ", "a.exe::$DATA", "a.ex\u200be", "b.pcap.sh", "x.DLL"],
)
def test_a_program_s_name_is_refused_however_it_is_written(name: str) -> None:
    with pytest.raises(NameRefused, match="is the name of a program"):
        clean_name(name)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("gateway.pcapng", "gateway.pcapng"),
        ("www.example.com", "www.example.com"),
        ("lab/monday.pcap", "monday.pcap"),
        ("...hidden.pcap", "hidden.pcap"),
        ("", "unnamed"),
        (" . ", "unnamed"),
        ("a\x1b[31m\n.pcap", "a\\x1b[31m\\x0a.pcap"),
        ("a\u202efdp.pcap", "a\\u202efdp.pcap"),
        ("größe.pcap", "größe.pcap"),
        ("<b>.pcap", "\\x3cb\\x3e.pcap"),
    ],
)
def test_other_names_are_cleaned_and_shown(name: str, kept: str) -> None:
    assert clean_name(name) == kept


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    kept = clean_name("a" * 10_000 + ".pcapng")
    assert len(kept) == MAX_NAME_CHARS
    assert kept.startswith("aaa")
    assert kept.endswith(".pcapng")


@given(st.text(max_size=400))
def test_a_kept_name_is_short_printable_and_one_component(name: str) -> None:
    try:
        kept = clean_name(name)
    except NameRefused:
        return
    assert kept.isprintable()
    assert 0 < len(kept) <= MAX_NAME_CHARS
    assert "/" not in kept
    assert kept not in {".", ".."}
    assert kept.rpartition(".")[2].lower() not in EXECUTABLES or "." not in kept


# Parts


def test_a_part_knows_hash_size_and_kind_of_what_was_written(folder: Path) -> None:
    part = Part.create(folder, LIMITS)
    for start in range(0, len(PCAP), 7):
        part.write(PCAP[start : start + 7])
    whole = part.finish()
    part.close()

    assert whole.sha256 == hashlib.sha256(PCAP).hexdigest()
    assert whole.size_bytes == len(PCAP)
    assert whole.kind == Kind(format="pcap", compression="")
    assert part.path.read_bytes() == PCAP
    assert part.path.stat().st_mode & 0o077 == 0


def test_a_part_is_refused_as_soon_as_it_is_seen_to_be_no_capture(folder: Path) -> None:
    part = Part.create(folder, LIMITS)
    with pytest.raises(NotACapture, match="Linux program"):
        part.write(b"\x7fELF" + bytes(REFUSE_BYTES))
    part.discard()
    assert list(folder.iterdir()) == []


def test_a_part_grows_to_its_limit_and_no_further(folder: Path) -> None:
    part = Part.create(folder, IntakeLimits(max_bytes=len(PCAP), min_free_bytes=0))
    part.write(PCAP)
    with pytest.raises(TooLarge, match=f"more than {len(PCAP)} bytes"):
        part.write(b"x")
    part.discard()


def test_a_disk_at_its_reserve_takes_nothing(folder: Path) -> None:
    with pytest.raises(NoSpace, match="in reserve"):
        Part.create(folder, IntakeLimits(max_bytes=10, min_free_bytes=2**62))
    assert list(folder.iterdir()) == []


def test_what_would_not_fit_is_refused_before_it_is_sent(folder: Path) -> None:
    with pytest.raises(NoSpace):
        Part.create(folder, LIMITS, announced_bytes=2**60)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_meanwhile_is_said_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    part = Part.create(folder, LIMITS)
    part.write(PCAP)

    def full(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("analyzer.intake.parts.os.write", full)
    with pytest.raises(NoSpace):
        part.write(PCAP)
    monkeypatch.undo()
    part.discard()
    assert list(folder.iterdir()) == []


def test_a_failing_disk_is_not_called_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part.create(folder, LIMITS)

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("analyzer.intake.parts.os.write", broken)
    with pytest.raises(StoreUnavailable, match="input/output error") as caught:
        part.write(PCAP)
    assert not isinstance(caught.value, NoSpace)
    monkeypatch.undo()
    part.discard()


def test_a_part_can_be_set_back_to_a_mark(folder: Path) -> None:
    part = Part.create(folder, LIMITS)
    part.write(PCAP[:100])
    mark = part.mark()
    part.write(b"damaged on its way")
    part.rewind(mark)
    part.write(PCAP[100:])

    assert part.finish().sha256 == hashlib.sha256(PCAP).hexdigest()
    part.discard()


def test_a_resumed_part_goes_on_at_its_offset_and_loses_what_lies_behind(folder: Path) -> None:
    part = Part.create(folder, LIMITS)
    part.write(PCAP[:200])
    part.close()

    again = Part.resume(part.path, LIMITS, offset=150)
    assert again.path.stat().st_size == 150
    again.write(PCAP[150:])
    assert again.finish().sha256 == hashlib.sha256(PCAP).hexdigest()
    again.discard()


def test_a_part_has_one_writer(folder: Path) -> None:
    part = Part.create(folder, LIMITS)
    with pytest.raises(StoreUnavailable, match="something else"):
        Part.resume(part.path, LIMITS, offset=0)
    part.discard()


def test_every_error_of_intake_says_what_and_what_to_do() -> None:
    errors: list[OutgateError] = [TooLarge(5), NoSpace("it is full"), NotACapture("text")]
    for error in errors:
        assert error.message.startswith("cannot ")
        assert error.hint
