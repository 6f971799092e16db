"""Uploads in pieces: what is on the disk counts, and an end is never lost.

An upload's row says how many bytes are safe on the disk. Its end takes three steps, each of which
may be repeated: the row names the capture, the part becomes the capture, the row names the job.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from analyzer.errors import NotFoundError
from analyzer.intake.keeping import keep
from analyzer.intake.names import UNNAMED, NameRefused, clean_name
from analyzer.intake.parts import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.intake.parts import IntakeLimits
    from analyzer.store import Store
    from analyzer.store.records import Actor, Upload


def open_part(store: Store, upload: Upload, limits: IntakeLimits) -> Part:
    """The part of an upload, at the offset of its row; new if there is none yet.

    What a kill left behind that offset is cut off. Should bytes be missing before it, because
    somebody removed them, the upload goes back to what is there.
    """
    path = store.uploads.part_path(upload.id)
    try:
        part = Part.resume(path, limits, offset=upload.offset)
    except FileNotFoundError:
        part = Part.create(path.parent, limits, name=upload.id)
    if part.size_bytes != upload.offset:
        store.uploads.advance(upload.id, offset=part.size_bytes, from_offset=upload.offset)
    return part


def completed(store: Store, upload: Upload, part: Part | None, *, name: str, by: Actor) -> Upload:
    """Ends an upload whose bytes are all there; safe to repeat after a kill at any point.

    Args:
        store: Where it is.
        upload: Its row, with `offset` at `length`.
        part: Its part; None where that already became a capture.
        name: Of the capture.
        by: Who sent it.

    Raises:
        NotACapture: It is none.
        NotFoundError: Neither its bytes nor a capture of them are there any more.
        StoreUnavailable: The disk or the database refuses.
    """
    if upload.job_id:
        return upload
    if part is None:
        return _adopted_before(store, upload, by)
    if not upload.capture:
        store.uploads.finish(upload.id, capture=part.finish().sha256, job_id="")
    kept = keep(store, part, name=name, by=by).adopted
    return store.uploads.finish(upload.id, capture=kept.capture.sha256, job_id=kept.job.id)


def _adopted_before(store: Store, upload: Upload, by: Actor) -> Upload:
    if not upload.capture:
        raise NotFoundError("upload", upload.id, hint="begin a new one: POST /v1/uploads")
    capture = store.captures.get(upload.capture)
    jobs = store.jobs.list(capture=capture.sha256, limit=1)
    job = jobs[0] if jobs else store.jobs.submit(capture.sha256, by=by)
    return store.uploads.finish(upload.id, capture=capture.sha256, job_id=job.id)


def file_name(metadata: Mapping[str, str]) -> str:
    """The name in an upload's metadata as it was sent: `filename` or `name`, in base64; or ""."""
    coded = metadata.get("filename") or metadata.get("name") or ""
    try:
        return base64.b64decode(coded, validate=True).decode("utf-8", "replace")
    except binascii.Error:
        return ""


def name_of(upload: Upload) -> str:
    """The name an upload's capture is kept under."""
    try:
        return clean_name(file_name(upload.metadata))
    except NameRefused:  # it was checked when the upload began
        return UNNAMED
