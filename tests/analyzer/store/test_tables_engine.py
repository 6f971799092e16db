"""DuckDB under lock, its limits, and rows as other programs read them."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

from analyzer.errors import LimitError
from analyzer.store.tables.engine import Binder, Engine, QueryFailedError, QueryLimits
from analyzer.store.tables.output import MAX_EXACT, json_rows, written

if TYPE_CHECKING:
    from pathlib import Path

SLOW = "SELECT count(*) AS n FROM range(100000000000) AS t(i) WHERE i % 7 = 3"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    folder = tmp_path / "it's [a] folder*"
    folder.mkdir()
    parquet.write_table(pa.table({"a": [1, 2, 3]}), folder / "inside.parquet")
    parquet.write_table(pa.table({"a": [9]}), tmp_path / "outside.parquet")
    return Engine(folder=folder, limits=QueryLimits(timeout_s=0.3, wait_s=0.1, queries=1))


def read(engine: Engine, path: object) -> list[int]:
    values = {"paths": [str(path)]}
    found = engine.arrow("SELECT a FROM read_parquet($paths)", values)
    return [one["a"] for one in found.to_pylist()]


def test_files_of_the_folder_are_read_whatever_it_is_called(engine: Engine) -> None:
    assert read(engine, engine.folder / "inside.parquet") == [1, 2, 3]


@pytest.mark.parametrize(
    "path",
    ["../outside.parquet", "/etc/passwd", "https://192.0.2.1/x.parquet", "s3://b/x.parquet"],
)
def test_nothing_else_is_read(engine: Engine, path: str) -> None:
    named = path if ":" in path else engine.folder / path
    with pytest.raises(QueryFailedError, match=r"Permission|disabled|xtension"):
        read(engine, named)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "COPY (SELECT 1) TO 'x.csv'",
        "SET threads = 1",
        "INSTALL httpfs",
        "LOAD inet",
        "ATTACH 'x.db'",
        "PRAGMA version",
        "CREATE TABLE x (a INT)",
    ],
)
def test_only_one_select_is_run(engine: Engine, sql: str) -> None:
    with pytest.raises(AssertionError, match="single SELECT"):
        engine.arrow(sql, {})


@pytest.mark.parametrize("sql", ["SELECT * FROM read_csv('/etc/passwd')", "SELECT getenv('HOME')"])
def test_functions_that_reach_outside_fail(engine: Engine, sql: str) -> None:
    with pytest.raises(QueryFailedError):
        engine.arrow(sql, {})


def test_values_are_data(engine: Engine) -> None:
    binder = Binder()
    name = binder.bind("'; DROP TABLE x; --\0\u202e")
    found = engine.arrow(f"SELECT {name} AS a", binder.values)
    assert found.to_pylist() == [{"a": "'; DROP TABLE x; --\0\u202e"}]


def test_a_query_that_takes_too_long_is_ended(engine: Engine) -> None:
    begun_s = time.monotonic()
    with pytest.raises(LimitError, match=r"within 0\.3 seconds"):
        engine.arrow(SLOW, {})
    assert time.monotonic() - begun_s < 10
    assert read(engine, engine.folder / "inside.parquet") == [1, 2, 3]


def test_a_query_that_takes_too_much_memory_is_ended(tmp_path: Path) -> None:
    engine = Engine(folder=tmp_path, limits=QueryLimits(memory_mib=64, timeout_s=60))
    with pytest.raises(LimitError, match="64 MiB"):
        engine.arrow("SELECT i, repeat('x', 100) || i AS t FROM range(9000000) r(i) ORDER BY t", {})
    assert list(tmp_path.iterdir()) == []  # nothing is spilled


def test_no_more_queries_than_allowed_run_at_once(engine: Engine) -> None:
    results: list[str] = []

    def ask() -> None:
        try:
            engine.arrow(SLOW, {})
        except LimitError as error:
            results.append(error.message)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert any("1 queries run already" in text for text in results)


# --- output ---

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("number", pa.int64()),
        ("at", pa.timestamp("ns", "UTC")),
        ("flag", pa.bool_()),
        ("real", pa.float64()),
    ]
)
ROWS = [
    {"text": "plain", "number": 1, "at": 1_500_000_001, "flag": True, "real": 0.5},
    {"text": "=cmd|' /C calc'!A0", "number": 2**63 - 1, "at": 0, "flag": False, "real": None},
    {"text": 'a\r\nb,"c"\u202e\0<b>', "number": None, "at": None, "flag": None, "real": 1e308},
    {"text": "", "number": -(2**60), "at": -1, "flag": True, "real": float("nan")},
]
TABLE = pa.Table.from_pylist(ROWS, schema=SCHEMA)


def body(name: str) -> bytes:
    return b"".join(written(name, SCHEMA, TABLE.to_batches(max_chunksize=2), {"total": 4}))


def test_json_rows_lose_nothing_a_reader_could_round() -> None:
    rows = list(json_rows(TABLE.to_batches()))
    assert rows[0] == {
        "text": "plain", "number": 1, "at": "1970-01-01T00:00:01.500000001Z", "flag": True,
        "real": 0.5,
    }  # fmt: skip
    assert rows[1]["number"] == str(2**63 - 1)
    assert rows[3]["number"] == str(-(2**60))
    assert rows[3]["real"] is None
    assert all(abs(row["number"]) <= MAX_EXACT for row in rows if isinstance(row["number"], int))


def test_ndjson_is_ascii_and_one_row_a_line() -> None:
    lines = body("ndjson").decode("ascii").splitlines()
    assert [json.loads(line) for line in lines] == list(json_rows(TABLE.to_batches()))
    assert b"<" not in body("ndjson")


def test_csv_calculates_nothing_and_shows_what_is_there() -> None:
    rows = list(csv.reader(io.StringIO(body("csv").decode(), newline="")))
    assert rows[0] == SCHEMA.names
    assert rows[2][0].startswith("'=cmd")
    assert rows[3][0] == 'a\\x0d\\x0ab,"c"\\u202e\\x00\\x3cb\\x3e'
    assert rows[1][1:] == ["1", "1970-01-01T00:00:01.500000001Z", "true", "0.5"]


def test_arrow_and_parquet_keep_values_types_and_notes() -> None:
    for found in (
        pa.ipc.open_stream(body("arrow")).read_all(),
        parquet.read_table(io.BytesIO(body("parquet"))),
    ):
        assert found.schema.equals(SCHEMA)
        assert found.schema.metadata[b"outgate.total"] == b"4"
        assert found.drop_columns("real").equals(
            TABLE.drop_columns("real").replace_schema_metadata(found.schema.metadata)
        )


@pytest.mark.parametrize("name", ["ndjson", "csv", "arrow", "parquet"])
def test_without_rows_there_is_still_a_file(name: str) -> None:
    content = b"".join(written(name, SCHEMA, [], {}))
    assert bool(content) is (name != "ndjson")
