"""Pages by key: where one ended, the next goes on, whatever was added in between."""

from __future__ import annotations

import base64
import hashlib
import json
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analyzer.errors import UsageError
from analyzer.store.tables.columns import Kind, columns_named
from analyzer.store.tables.values import MAX_INTEGER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.store.tables.columns import Column
    from analyzer.store.tables.engine import Binder
    from analyzer.store.tables.sources import Source

MAX_CURSOR_CHARS = 4_000
MAX_SORT_COLUMNS = 3
DIGEST_CHARS = 16

Key = tuple[Any, ...]
"""Values of the sort columns, then the capture and the flow's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a page is sorted by; capture and flow number decide between equals."""

    columns: tuple[Column, ...]
    is_descending: tuple[bool, ...]

    def sql(self, prefix: str) -> str:
        """The `ORDER BY` list, of columns called `prefix` and a number."""
        parts = [
            f"{prefix}{number} {'DESC' if down else 'ASC'}"
            for number, down in enumerate(self.is_descending)
        ]
        return ", ".join([*parts, "place", "flow_id"])

    def keys(self, prefix: str) -> list[str]:
        """The sort columns as items of a `SELECT`."""
        return [f"{column.sql} AS {prefix}{n}" for n, column in enumerate(self.columns)]


def order_of(text: str) -> Order:
    """The order of `-bytes,start`.

    Raises:
        UsageError: A column cannot be sorted by, or there are too many.
    """
    names = [part.strip() for part in text.split(",") if part.strip()][: MAX_SORT_COLUMNS + 1]
    if len(names) > MAX_SORT_COLUMNS:
        raise UsageError(f"cannot sort by more than {MAX_SORT_COLUMNS} columns")
    columns = columns_named([name.removeprefix("-") for name in names], "sort by")
    if len(columns) != len(names):
        raise UsageError("cannot sort by a column twice")
    for column in columns:
        if not column.can_sort:
            raise UsageError(
                f"cannot sort by {column.name}", hint="sort by a time, a number, an address"
            )
    return Order(columns=columns, is_descending=tuple(name.startswith("-") for name in names))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page ended.

    Attributes:
        total: Rows of all pages, counted for the first.
        key: Of its last row.
    """

    total: int
    key: Key

    def text(self, query: object) -> str:
        """The cursor as clients keep it; good for the same query alone."""
        return _encoded({"q": digest_of(query), "t": self.total, "k": list(self.key)})


def cursor_from(text: str, query: object, order: Order) -> Cursor:
    """The reverse of `Cursor.text`.

    Raises:
        UsageError: It is none, or comes from another query.
    """
    data = _decoded(text, query)
    total, key = data.get("t"), data.get("k")
    if type(total) is not int or not 0 <= total <= MAX_INTEGER or not isinstance(key, list):
        raise _broken()
    if not _is_key(tuple(key), order):
        raise _broken()
    return Cursor(total=total, key=tuple(key))


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCursor:
    """Where a page of sums ended: the value it is sorted by, and the name of its last row."""

    value: int
    name: str

    def text(self, query: object) -> str:
        """The cursor as clients keep it; good for the same query alone."""
        return _encoded({"q": digest_of(query), "k": [self.value, self.name]})


def row_cursor_from(text: str, query: object) -> RowCursor:
    """The reverse of `RowCursor.text`.

    Raises:
        UsageError: It is none, or comes from another query.
    """
    match _decoded(text, query).get("k"):
        case [int(value), str(name)] if abs(value) <= MAX_INTEGER:
            return RowCursor(value=value, name=name)
    raise _broken()


def digest_of(query: object) -> str:
    """What ties a cursor to its query."""
    return hashlib.sha256(repr(query).encode("utf-8", "replace")).hexdigest()[:DIGEST_CHARS]


def _encoded(data: Mapping[str, Any]) -> str:
    text = json.dumps(data, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(text: str, query: object) -> dict[str, Any]:
    """What a cursor holds; it is only ever compared, and bound as values."""
    if len(text) > MAX_CURSOR_CHARS:
        raise _broken()
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        data = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise _broken() from error
    if not isinstance(data, dict):
        raise _broken()
    if data.get("q") != digest_of(query):
        raise UsageError(
            "cannot go on from this cursor: it belongs to another query",
            hint="repeat the filter and the order that it was made with, or begin without it",
        )
    return data


def _broken() -> UsageError:
    return UsageError(
        "cannot go on from this cursor: it is none of this service",
        hint="take `next` of the page before, or leave it out to begin",
    )


def after(order: Order, key: Key, sources: Sequence[Source], binder: Binder) -> str:
    """SQL that is true for rows that come after a key."""
    *values, capture, flow_id = key
    place, flow_id = _place(sources, capture, flow_id)
    columns = [*(column.sql for column in order.columns), "place", "flow_id"]
    downs = [*order.is_descending, False, False]
    wanted = [
        _place(sources, value, 0)[0] if column.name == "capture" else value
        for column, value in zip(order.columns, values, strict=True)
    ]
    bound = [binder.bind(value) for value in (*wanted, place, flow_id)]
    parts = []
    for number, (column, down) in enumerate(zip(columns, downs, strict=True)):
        same = [f"{columns[before]} = {bound[before]}" for before in range(number)]
        parts.append(" AND ".join([*same, f"{column} {'<' if down else '>'} {bound[number]}"]))
    return f"({' OR '.join(f'({part})' for part in parts)})"


def _place(sources: Sequence[Source], capture: str, flow_id: int) -> tuple[int, int]:
    """Where a capture stands; one that is gone meanwhile counts as read to its end."""
    captures = [source.capture for source in sources]
    place = bisect_left(captures, capture)
    if place < len(captures) and captures[place] == capture:
        return place, flow_id
    return place - 1, MAX_INTEGER


def _is_key(key: Key, order: Order) -> bool:
    kinds = [_type_of(column) for column in order.columns]
    expected = [*kinds, str, int]
    return len(key) == len(expected) and all(
        type(value) is kind and (not isinstance(value, int) or abs(value) <= MAX_INTEGER)
        for value, kind in zip(key, expected, strict=True)
    )


def _type_of(column: Column) -> type:
    if column.kind is Kind.FLAG:
        return bool
    is_text = column.kind in {Kind.WORD, Kind.ADDRESS}
    return str if is_text else int
