"""Rows as others read them: JSON, NDJSON, CSV, an Arrow stream, Parquet; a batch at a time.

Times are RFC 3339 text with nanoseconds where a format has no times of its own. An integer that
JSON readers of 64-bit floats would round is given as text. Text from the wire is escaped as each
format has it: by JSON itself, and in CSV so that no spreadsheet calculates it.
"""

from __future__ import annotations

import csv
import io
import json
import math
from typing import TYPE_CHECKING, Any

from analyzer.escape import JSON_MARKUP, csv_cell
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa

MEDIA_TYPES = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
"""Formats by name."""

MAX_EXACT = 2**53 - 1
"""Largest integer that every JSON reader takes exactly (RFC 8259 section 6)."""


def json_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    """Every row as JSON values."""
    for batch in batches:
        columns = [_values(column) for column in batch.columns]
        names = batch.schema.names
        for cells in zip(*columns, strict=True):
            yield dict(zip(names, cells, strict=True))


def to_json(value: object) -> str:
    """ASCII JSON; text from the wire is escaped as JSON escapes it, markup too."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(JSON_MARKUP)


def written(
    name: str,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    notes: Mapping[str, object],
) -> Iterator[bytes]:
    """The rows in a format other than `json`.

    Args:
        name: One of `MEDIA_TYPES`.
        schema: Of the batches.
        batches: Taken once, as the result is.
        notes: Kept with the schema by the formats that have room for it.
    """
    if name == "ndjson":
        return _ndjson(batches)
    if name == "csv":
        return _csv(schema, batches)
    kept = {f"outgate.{key}": to_json(value) for key, value in notes.items()}
    return _binary(name, schema.with_metadata(kept), batches)


def _ndjson(batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    for batch in batches:
        lines = [to_json(row) for row in json_rows([batch])]
        yield ("\n".join(lines) + "\n").encode() if lines else b""


def _csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # RFC 4180
    writer.writerow(schema.names)
    yield text.getvalue().encode()
    for batch in batches:
        text.seek(0)
        text.truncate()
        writer.writerows([_cell(value) for value in row.values()] for row in json_rows([batch]))
        yield text.getvalue().encode()


def _binary(name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import parquet  # noqa: PLC0415 - as above

    held = _Pieces()
    sink = pa.PythonFile(held, mode="w")
    if name == "arrow":
        writer = pa.ipc.new_stream(sink, schema)
    else:
        writer = parquet.ParquetWriter(sink, schema, compression="zstd")
    for batch in batches:
        writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
        yield held.take()
    writer.close()
    yield held.take()


class _Pieces(io.RawIOBase):
    """A file that only grows, and whose bytes are taken as they come."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any) -> int:  # noqa: ANN401 - anything with bytes in it
        piece = bytes(data)
        self._waiting += piece
        self._written += len(piece)
        return len(piece)

    def take(self) -> bytes:
        """The bytes since the last time."""
        piece = bytes(self._waiting)
        self._waiting.clear()
        return piece


def _values(column: pa.Array) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    if pa.types.is_timestamp(column.type):
        times = column.cast(pa.int64()).to_pylist()
        return [None if time_ns is None else rfc3339(time_ns) for time_ns in times]
    values: list[Any] = column.to_pylist()
    if pa.types.is_integer(column.type):
        return [json_number(value) for value in values]
    if pa.types.is_floating(column.type):
        return [value if value is not None and math.isfinite(value) else None for value in values]
    return values


def json_number(value: int | None) -> int | str | None:
    """An integer as JSON; text if a reader could round it."""
    return value if value is None or abs(value) <= MAX_EXACT else str(value)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return csv_cell(value) if isinstance(value, str) else value
