"""The rows of a database as JSON lines, which either database takes.

The first line of a table names its columns; each further line is one row, in that order.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.store import schema
from analyzer.store.maintenance.archive import DamagedBackup

if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT_OUT = frozenset({"uploads", "idempotency"})
"""What is under way when a backup is made; its clients begin again."""

MAX_ROW_BYTES = 256 * 1024 * 1024
BATCH = 200
NUMBERED = ("comments", "outbox")
"""Tables whose ids the database gives out."""


def dumped_tables() -> list[sa.Table]:
    """The tables a backup holds, each behind those it names."""
    return [table for table in schema.METADATA.sorted_tables if table.name not in LEFT_OUT]


def write_table(connection: sa.Connection, table: sa.Table, file: IO[bytes]) -> int:
    """Writes a table's rows as the transaction sees them; gives their number."""
    names = [column.name for column in table.columns]
    file.write(_line({"table": table.name, "columns": names}))
    query = sa.select(table).order_by(*table.primary_key.columns)
    count = 0
    for row in connection.execute(query).yield_per(BATCH):
        file.write(_line(list(row)))
        count += 1
    return count


def last_numbers(connection: sa.Connection) -> dict[str, int]:
    """The last ids that were given out: none may come again, for receivers know them."""
    numbers: dict[str, int] = {}
    for name in NUMBERED:
        table = schema.METADATA.tables[name]
        highest = connection.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0
        numbers[name] = max(highest, _given_out(connection, name))
    return numbers


def _given_out(connection: sa.Connection, name: str) -> int:
    if connection.dialect.name == "sqlite":
        found = connection.execute(
            sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": name}
        ).scalar()
        return int(found or 0)
    sequence = connection.execute(
        sa.text("SELECT pg_get_serial_sequence(:name, 'id')"), {"name": name}
    ).scalar_one()
    found = connection.execute(
        sa.text("SELECT pg_sequence_last_value(CAST(:sequence AS regclass))"),
        {"sequence": sequence},
    ).scalar()
    return int(found or 0)


def set_last_numbers(connection: sa.Connection, numbers: dict[str, int]) -> None:
    """Makes the database give out ids behind these."""
    for name in NUMBERED:
        last = int(numbers.get(name, 0))
        if connection.dialect.name == "postgresql":
            connection.execute(
                sa.text(
                    "SELECT setval(pg_get_serial_sequence(:name, 'id'), :last, :used)",
                ),
                {"name": name, "last": max(last, 1), "used": last > 0},
            )
        elif last:
            key = {"name": name, "last": last}
            connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), key)
            connection.execute(
                sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), key
            )


def load_table(connection: sa.Connection, table: sa.Table, file: IO[bytes]) -> int:
    """Puts rows in place of what the table holds; gives their number.

    Args:
        connection: The transaction.
        table: As the database has it, which may be older than `schema`.
        file: As `write_table` wrote it.

    Raises:
        DamagedBackup: A line is not what belongs there.
    """
    columns = _columns(file, table)
    connection.execute(sa.delete(table))
    count = 0
    rows: list[dict[str, Any]] = []
    for values in _rows(file, len(columns)):
        for name, value in zip(columns, values, strict=True):
            _check_type(table.columns[name], value)
        rows.append(dict(zip(columns, values, strict=True)))
        if len(rows) >= BATCH:
            connection.execute(sa.insert(table), rows)
            count, rows = count + len(rows), []
    if rows:
        connection.execute(sa.insert(table), rows)
    return count + len(rows)


def tables_of(connection: sa.Connection) -> dict[str, sa.Table]:
    """The tables a database has, by name, with the types their rows are written by."""
    found = sa.MetaData()
    found.reflect(connection)
    for table in found.tables.values():
        for column in table.columns:
            if isinstance(column.type, sa.JSON):
                column.type.none_as_null = True
    return dict(found.tables)


def _columns(file: IO[bytes], table: sa.Table) -> list[str]:
    head = _parsed(file.readline(MAX_ROW_BYTES))
    columns = head.get("columns") if isinstance(head, dict) else None
    if not isinstance(columns, list) or set(columns) != set(table.columns.keys()):
        raise DamagedBackup(f"its table {table.name} has other columns than it should")
    return columns


def _check_type(column: sa.Column[Any], value: object) -> None:
    """SQLite would take text for a number, and fail when it is read."""
    kind: type | tuple[type, ...] = object
    if isinstance(column.type, sa.Boolean):
        kind = bool
    elif isinstance(column.type, sa.Integer):
        kind = int
    elif isinstance(column.type, sa.Float):
        kind = (int, float)
    elif isinstance(column.type, sa.String):
        kind = str
    if value is not None and not isinstance(value, kind):
        raise DamagedBackup(f"its table {column.table.name} holds a {column.name} that is none")


def _rows(file: IO[bytes], width: int) -> Iterator[list[Any]]:
    while line := file.readline(MAX_ROW_BYTES):
        row = _parsed(line)
        if not isinstance(row, list) or len(row) != width:
            raise DamagedBackup("a row of its tables is none")
        yield row


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DamagedBackup("a row of its tables is no JSON") from error


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
