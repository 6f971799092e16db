"""Resumable uploads that are not finished yet, as rows (tus 1.0); their bytes are part files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.errors import ConflictError, LimitError, NotFoundError
from analyzer.store import schema
from analyzer.store.parts import new_id
from analyzer.store.records import Actor, Upload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from analyzer.store.parts import Parts

MAX_OPEN = 1000
MAX_OPEN_EACH = 250
"""Of everybody and of one caller: uploads cost nothing to open, and last for days."""

MAX_LISTED = 10_000
TABLE = schema.uploads
COLUMNS = TABLE.c


class Uploads:
    """The open uploads of one store."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def part_path(self, upload_id: str) -> Path:
        """Where an upload's bytes are."""
        return self._parts.folder.uploads / f"{upload_id}.part"

    def create(
        self, *, length: int, metadata: Mapping[str, str], by: Actor, expires_ns: int
    ) -> Upload:
        """Opens an upload of so many bytes.

        Raises:
            LimitError: Too many are open.
        """
        row: dict[str, Any] = {
            "id": new_id("u"),
            "length": length,
            "offset": 0,
            "metadata": dict(metadata),
            "created_ns": self._parts.now_ns(),
            "created_by": by.name,
            "expires_ns": expires_ns,
        }
        with self._parts.database.write() as connection:
            _check_room(connection, by)
            connection.execute(sa.insert(TABLE).values(**row))
        return self.get(row["id"])

    def get(self, upload_id: str) -> Upload:
        """One upload.

        Raises:
            NotFoundError: There is none with that id, or it expired.
        """
        query = sa.select(TABLE).where(COLUMNS.id == upload_id)
        with self._parts.database.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise NotFoundError("upload", upload_id, hint="begin a new one: POST /v1/uploads")
        return _upload(dict(row))

    def advance(self, upload_id: str, *, offset: int, from_offset: int) -> Upload:
        """Notes that the bytes before `offset` are on the disk.

        Raises:
            ConflictError: The upload is not at `from_offset` any more.
        """
        with self._parts.database.write() as connection:
            moved = connection.execute(
                sa.update(TABLE)
                .where(COLUMNS.id == upload_id, COLUMNS.offset == from_offset)
                .values(offset=offset)
            )
            if moved.rowcount != 1:
                raise ConflictError(
                    f"cannot continue upload {upload_id}: it is not at byte {from_offset} any more",
                    hint="ask for its offset with HEAD and go on from there",
                )
        return self.get(upload_id)

    def finish(self, upload_id: str, *, capture: str, job_id: str) -> Upload:
        """Notes which capture an upload became."""
        with self._parts.database.write() as connection:
            done = sa.update(TABLE).where(COLUMNS.id == upload_id)
            connection.execute(done.values(capture=capture, job_id=job_id))
        return self.get(upload_id)

    def delete(self, upload_id: str) -> None:
        """Forgets an upload and removes its bytes.

        Raises:
            NotFoundError: There is none with that id.
        """
        self.get(upload_id)
        with self._parts.database.write() as connection:
            connection.execute(sa.delete(TABLE).where(COLUMNS.id == upload_id))
        self.part_path(upload_id).unlink(missing_ok=True)

    def expired(self) -> list[Upload]:
        """Uploads whose time is over, finished ones too."""
        query = sa.select(TABLE).where(COLUMNS.expires_ns <= self._parts.now_ns())
        with self._parts.database.read() as connection:
            rows = connection.execute(query.limit(MAX_LISTED)).mappings()
            return [_upload(dict(row)) for row in rows]

    def list(self) -> list[Upload]:
        """All uploads that are known, the oldest first."""
        query = sa.select(TABLE).order_by(COLUMNS.created_ns, COLUMNS.id).limit(MAX_LISTED)
        with self._parts.database.read() as connection:
            return [_upload(dict(row)) for row in connection.execute(query).mappings()]


def _check_room(connection: sa.Connection, by: Actor) -> None:
    still_open = sa.select(sa.func.count()).select_from(TABLE).where(COLUMNS.capture == "")
    own = still_open.where(COLUMNS.created_by == by.name)
    for query, most, whose in ((still_open, MAX_OPEN, ""), (own, MAX_OPEN_EACH, " of yours")):
        if connection.execute(query).scalar_one() >= most:
            raise LimitError(
                f"cannot open an upload: {most}{whose} are open",
                hint="finish or delete some, or wait until they expire",
            )


def _upload(row: Mapping[str, Any]) -> Upload:
    return Upload(**{**row, "metadata": row["metadata"] or {}})
