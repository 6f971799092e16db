"""Pieces of a resumable upload: onto the disk first, into its row then, a capture at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from fastapi import Request

from analyzer.errors import NotFoundError, OutgateError
from analyzer.intake import NotACapture, Part, completed, name_of, open_part
from analyzer.store.records import Actor, Upload
from api import tus
from api.errors import Problem
from api.receiving import announced_bytes, in_thread, limits_of, pour
from api.state import ServiceState


def find_upload(state: ServiceState, upload_id: str, caller: Actor) -> Upload:
    """An upload of this caller's.

    Raises:
        NotFoundError: There is none, or it is somebody else's.
        Problem: 410, its time is over.
    """
    upload = state.store.uploads.get(upload_id)
    if upload.created_by != caller.name:
        raise NotFoundError("upload", upload_id, hint="begin a new one: POST /v1/uploads")
    if upload.expires_ns <= state.store.now_ns():
        raise Problem(
            "gone",
            detail=f"cannot go on with upload {upload_id}: it has expired",
            hint="begin a new one: POST /v1/uploads",
        )
    return upload


async def take_piece(
    request: Request, state: ServiceState, upload: Upload, caller: Actor, *, offset: int
) -> Upload:
    """Appends a request's body to an upload, which nobody else may change meanwhile.

    What arrived before a cut counts, unless the piece has a checksum.

    Raises:
        Problem: The piece does not fit, does not add up, or broke off.
        OutgateError: It is no capture, or the disk or the database refuses.
    """
    checksum = tus.checksum_of(request)
    _check_fits(upload, offset, announced_bytes(request) or 0)
    if upload.job_id:
        return upload
    part = await in_thread(lambda: _taken(state, upload))
    if part is None:
        return await in_thread(lambda: _ended(state, upload, None, caller))
    piece = Piece(state, upload, part, checksum)
    try:
        upload = await _poured(request, piece)
        if upload.offset == upload.length:
            return await in_thread(lambda: _ended(state, upload, part, caller))
    except NotACapture:
        part.discard()
        await in_thread(lambda: state.store.uploads.delete(upload.id))
        raise
    except BaseException:
        part.close()  # the next piece reads again what is on the disk
        raise
    state.reception.give(upload.id, part)
    return upload


def _check_fits(upload: Upload, offset: int, length: int) -> None:
    if offset != upload.offset:
        raise Problem(
            "conflict",
            detail=f"cannot append at byte {offset}: the upload is at byte {upload.offset}",
            hint="ask for its offset with HEAD and go on from there",
            headers={"Upload-Offset": str(upload.offset)},
        )
    if offset + length > upload.length:
        raise _too_long(upload)


def _too_long(upload: Upload) -> Problem:
    return Problem(
        "body-too-large",
        detail=f"cannot append behind byte {upload.length}, which is the upload's length",
        hint="send no more than Upload-Length announced",
    )


class Piece:
    """One piece that is arriving."""

    def __init__(
        self, state: ServiceState, upload: Upload, part: Part, checksum: tus.Checksum | None
    ) -> None:
        self.part = part
        self._uploads = state.store.uploads
        self._upload = upload
        self._checksum = checksum
        self._hash: Any = tus.new_hash(checksum.algorithm) if checksum else None
        self._mark = part.mark()

    def write(self, data: bytes) -> None:
        """Appends bytes; the row follows each time they were made safe."""
        if self.part.size_bytes + len(data) > self._upload.length:
            raise _too_long(self._upload)
        self.part.write(data)
        if self._hash is not None:
            self._hash.update(data)
        else:
            self._advance()

    def keep(self) -> Upload:
        """Makes all of it safe and notes it.

        Raises:
            Problem: 460, it does not add up to its checksum; nothing of it is kept.
        """
        if self._checksum is not None and self._hash.digest() != self._checksum.digest:
            self.part.rewind(self._mark)
            raise Problem(
                "checksum-mismatch",
                detail=f"cannot keep the piece: its {self._checksum.algorithm} is another",
            )
        self.part.sync()
        self._advance()
        return self._upload

    def keep_what_came(self) -> None:
        """Keeps what arrived of a piece that broke off, if it can be kept without its rest."""
        if self._checksum is None:
            with suppress(OutgateError):
                self.part.sync()
                self._advance()

    def _advance(self) -> None:
        safe, known = self.part.synced_bytes, self._upload.offset
        if safe > known:
            self._upload = self._uploads.advance(self._upload.id, offset=safe, from_offset=known)


async def _poured(request: Request, piece: Piece) -> Upload:
    try:
        await pour(request, piece.write)
    except NotACapture:
        raise
    except (OutgateError, Problem):
        await in_thread(piece.keep_what_came)
        raise
    return await in_thread(piece.keep)


def _taken(state: ServiceState, upload: Upload) -> Part | None:
    """The part to append to; None when it became a capture before."""
    part = state.reception.take(upload.id)
    if part is not None and part.size_bytes == part.synced_bytes == upload.offset:
        return part
    if part is not None:
        part.close()
    path = state.store.uploads.part_path(upload.id)
    if upload.offset == upload.length and not path.exists():
        return None
    opened = open_part(state.store, upload, limits_of(state.settings))
    if opened.size_bytes == upload.offset:
        return opened
    opened.close()
    raise Problem(
        "conflict",
        detail=f"cannot append at byte {upload.offset}: {opened.size_bytes} bytes are there",
        hint="ask for its offset with HEAD and go on from there",
    )


def _ended(state: ServiceState, upload: Upload, part: Part | None, caller: Actor) -> Upload:
    done = completed(state.store, upload, part, name=name_of(upload), by=caller)
    if state.supervisor is not None:
        state.supervisor.wake()
    return done


async def looked_at(state: ServiceState, upload: Upload, caller: Actor) -> Upload:
    """An upload as it really is: ended, should a kill have come between its last byte and that."""
    if upload.job_id:
        return upload
    with suppress(Problem), state.reception.alone(upload.id):
        check: Callable[[], Upload] = partial(_settled, state, upload.id, caller)
        return await in_thread(check)
    return upload


def _settled(state: ServiceState, upload_id: str, caller: Actor) -> Upload:
    upload = state.store.uploads.get(upload_id)
    path = state.store.uploads.part_path(upload_id)
    there = path.stat().st_size if path.exists() else 0
    if upload.offset < upload.length or upload.job_id:
        if there < upload.offset and not upload.job_id:  # somebody removed bytes
            return state.store.uploads.advance(upload_id, offset=there, from_offset=upload.offset)
        return upload
    part = _taken(state, upload)
    try:
        return _ended(state, upload, part, caller)
    except NotACapture:
        state.store.uploads.delete(upload_id)
        raise
    finally:
        if part is not None:
            part.close()
