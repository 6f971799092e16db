"""What arrived becomes a capture, also when a kill comes between any two steps."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from analyzer import intake
from analyzer.errors import NotFoundError
from analyzer.intake import (
    IntakeLimits,
    Part,
)
from analyzer.store import Store
from analyzer.store.records import Actor, Upload

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


# Keeping


def test_a_whole_part_becomes_a_capture_with_a_job(store: Store) -> None:
    part = Part.create(store.folder.uploads, LIMITS)
    part.write(PCAP)
    kept = intake.keep(store, part, name="a.pcap", by=SOMEBODY)

    assert kept.queued
    assert kept.adopted.created
    assert kept.adopted.capture.format == "pcap"
    assert store.captures.path(kept.adopted.capture.sha256).read_bytes() == PCAP
    assert list(store.folder.uploads.iterdir()) == []


def test_the_same_bytes_again_give_the_job_there_is(store: Store) -> None:
    first, second = (_keep(store, PCAP) for _ in range(2))
    again = _keep(store, PCAP, reanalyse=True)

    assert (second.queued, second.adopted.created) == (False, False)
    assert second.adopted.job.id == first.adopted.job.id
    assert again.queued
    assert again.adopted.job.id != first.adopted.job.id
    assert list(store.folder.uploads.iterdir()) == []


def _keep(store: Store, data: bytes, *, reanalyse: bool = False) -> intake.Kept:
    part = Part.create(store.folder.uploads, LIMITS)
    part.write(data)
    return intake.keep(store, part, name="a.pcap", by=SOMEBODY, reanalyse=reanalyse)


# Uploads in pieces, and kills between any two steps


def _upload(store: Store, *, length: int = len(PCAP), hours: int = 1) -> Upload:
    coded = base64.b64encode(b"night.pcap").decode()
    expires_ns = store.now_ns() + hours * 3600 * 10**9
    metadata = {"filename": coded}
    return store.uploads.create(
        length=length, metadata=metadata, by=SOMEBODY, expires_ns=expires_ns
    )


def _written(store: Store, upload: Upload, data: bytes) -> Upload:
    part = intake.open_part(store, upload, LIMITS)
    part.write(data)
    part.sync()
    part.close()
    return store.uploads.advance(
        upload.id, offset=upload.offset + len(data), from_offset=upload.offset
    )


def _end(store: Store, upload: Upload) -> Upload:
    part = intake.open_part(store, upload, LIMITS)
    try:
        return intake.completed(store, upload, part, name=intake.name_of(upload), by=SOMEBODY)
    finally:
        part.close()


def test_an_upload_in_pieces_becomes_a_capture(store: Store) -> None:
    upload = _upload(store)
    for start in range(0, len(PCAP), 100):
        upload = _written(store, upload, PCAP[start : start + 100])
    done = _end(store, upload)

    assert done.capture == hashlib.sha256(PCAP).hexdigest()
    assert store.captures.get(done.capture).name == "night.pcap"
    assert store.jobs.get(done.job_id).capture == done.capture


def test_bytes_nobody_noted_are_cut_off_and_sent_again(store: Store) -> None:
    upload = _written(store, _upload(store), PCAP[:100])
    with store.uploads.part_path(upload.id).open("ab") as file:
        file.write(b"written, then killed before the row knew")
    upload = _written(store, upload, PCAP[100:])
    assert _end(store, upload).capture == hashlib.sha256(PCAP).hexdigest()


def test_bytes_somebody_removed_are_asked_for_again(store: Store) -> None:
    upload = _written(store, _upload(store), PCAP[:100])
    os.truncate(store.uploads.part_path(upload.id), 40)
    intake.open_part(store, upload, LIMITS).close()
    assert store.uploads.get(upload.id).offset == 40


def test_an_end_that_a_kill_prevented_is_made_up_for(store: Store) -> None:
    upload = _written(store, _upload(store), PCAP)
    assert intake.sweep(store).completed == 1

    done = store.uploads.get(upload.id)
    assert done.capture == hashlib.sha256(PCAP).hexdigest()
    assert store.jobs.get(done.job_id).capture == done.capture
    assert intake.sweep(store).completed == 0


def test_a_kill_between_capture_and_row_loses_and_doubles_nothing(store: Store) -> None:
    upload = _written(store, _upload(store), PCAP)
    upload = store.uploads.finish(upload.id, capture=hashlib.sha256(PCAP).hexdigest(), job_id="")
    part = intake.open_part(store, upload, LIMITS)
    kept = intake.keep(store, part, name="night.pcap", by=SOMEBODY)

    done = intake.completed(store, upload, None, name="night.pcap", by=SOMEBODY)
    assert done.job_id == kept.adopted.job.id
    assert len(store.jobs.list()) == 1


def test_an_upload_whose_bytes_are_gone_says_so(store: Store) -> None:
    upload = _upload(store)
    with pytest.raises(NotFoundError):
        intake.completed(store, upload, None, name="a", by=SOMEBODY)


def test_an_upload_that_turns_out_to_be_no_capture_is_swept_away(store: Store) -> None:
    upload = _upload(store, length=3)
    part = Part.create(store.folder.uploads, LIMITS, name=upload.id)
    part.write(b"abc")
    part.close()
    store.uploads.advance(upload.id, offset=3, from_offset=0)

    assert intake.sweep(store).completed == 0
    assert list(store.folder.uploads.iterdir()) == []
    with pytest.raises(NotFoundError):
        store.uploads.get(upload.id)


# Sweeping


def test_sweeping_removes_parts_nobody_writes_and_leaves_the_others(store: Store) -> None:
    left = Part.create(store.folder.uploads, LIMITS)
    left.close()
    arriving = Part.create(store.folder.uploads, LIMITS)
    upload = _written(store, _upload(store), PCAP[:50])

    assert intake.sweep(store).removed == 0  # they are young
    swept = intake.sweep(store, min_age_s=0)

    assert swept.removed == 1
    names = {path.name for path in store.folder.uploads.iterdir()}
    assert names == {arriving.path.name, f"{upload.id}.part"}
    arriving.discard()


def test_sweeping_ends_what_has_expired_unless_it_is_being_written(store: Store) -> None:
    old = _upload(store, hours=-1)
    busy = _upload(store, hours=-1)
    part = intake.open_part(store, busy, LIMITS)
    assert intake.sweep(store).expired == 1
    with pytest.raises(NotFoundError):
        store.uploads.get(old.id)
    part.close()
    assert intake.sweep(store).expired == 1
    assert list(store.folder.uploads.iterdir()) == []
