"""Files that are missing, cut, damaged or strange; captures that go while they are read."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

from analyzer.store import Store
from analyzer.store.records import SERVICE
from analyzer.store.tables import FlowQuery
from tests.builders import flow, observations, row
from tests.tables import FIRST, SECOND, Two, flow_rows, keep_tables, two_captures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """SQLite; what depends on the database has its own tests."""
    with Store.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def two(store: Store) -> Two:
    """Two captures, to be changed."""
    return two_captures(store)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeros_inside(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(3000) + content[3004:])


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def another_type(path: Path) -> None:
    table = parquet.read_table(path)
    place = table.schema.get_field_index("up_bytes")
    texts = pa.array(["x"] * table.num_rows)
    parquet.write_table(table.set_column(place, "up_bytes", texts), path)


def no_flow_id(path: Path) -> None:
    parquet.write_table(parquet.read_table(path).drop_columns("flow_id"), path)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def another_kind(path: Path) -> None:
    path.write_bytes(b"GIF89a" * 100)


HOW = [
    Path.unlink, cut, empty, zeros_inside, another_kind, link, pipe, folder, another_type,
    no_flow_id,
]  # fmt: skip


@pytest.mark.parametrize("how", HOW, ids=lambda how: how.__name__)
def test_a_file_that_cannot_be_read_is_a_named_gap(two: Two, how: Callable[[Path], None]) -> None:
    how(two.store.folder.tables_path(two.first.id) / "flows.parquet")

    for _ in range(2):  # the second time it is known
        page = two.store.tables.flows(FlowQuery())
        found = [one for batch in page.rows for one in batch.to_pylist()]
        assert [one["capture"] for one in found] == [two.second.capture] * len(SECOND)
        gap = next(one for one in page.gaps if one.table == "flows")
        assert (gap.capture, gap.analysis_id) == (two.first.capture, two.first.id)
        assert gap.reason
        assert str(two.store.folder.root) not in gap.reason


def repeated(path: Path, rows: int) -> None:
    """A file that says of one row that it comes again and again, in next to no bytes."""
    index = pa.UInt8Array.from_buffers(pa.uint8(), rows, [None, pa.py_buffer(bytes(rows))])
    number = pa.DictionaryArray.from_arrays(index, pa.array([1], pa.int64()))
    text = pa.DictionaryArray.from_arrays(index, pa.array(["10.20.0.7"]))
    columns = {"flow_id": number, "start_ns": number, "end_ns": number}
    table = pa.table({**columns, "src_ip": text, "dst_ip": text})
    parquet.write_table(table, path, compression="zstd", row_group_size=rows)


@pytest.mark.parametrize("table", ["flows", "dns"])
def test_a_small_file_of_endless_rows_is_a_named_gap(two: Two, table: str) -> None:
    path = two.store.folder.tables_path(two.first.id) / f"{table}.parquet"
    repeated(path, 20_000_000)
    assert path.stat().st_size < 1_000_000

    page = two.store.tables.flows(FlowQuery())

    (gap,) = [one for one in page.gaps if one.table == table]
    assert (gap.capture, gap.analysis_id) == (two.first.capture, two.first.id)
    assert gap.reason.startswith("it claims 20000000 rows in")
    found = [one for batch in page.rows for one in batch.to_pylist()]
    assert len(found) == len(SECOND) + (len(FIRST) if table == "dns" else 0)


def test_a_file_of_more_rows_than_any_has_is_a_named_gap(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analyzer.store.tables.files.MAX_ROWS", len(FIRST) - 1)

    (gap,) = two.store.tables.flows(FlowQuery()).gaps

    assert (gap.capture, gap.table) == (two.first.capture, "flows")


def test_more_flows_than_the_report_counts_are_a_named_gap(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analyzer.store.tables.files.FEW_ROWS", len(FIRST))
    path = two.store.folder.tables_path(two.first.id) / "flows.parquet"
    table = parquet.read_table(path)
    parquet.write_table(pa.concat_tables([table, table]), path)

    (gap,) = two.store.tables.flows(FlowQuery()).gaps

    assert gap.reason == f"it claims {2 * len(FIRST)} flows, and its report {len(FIRST)}"


def test_without_a_table_of_names_flows_are_shown_without_them(two: Two) -> None:
    cut(two.store.folder.tables_path(two.first.id) / "tls.parquet")

    page = two.store.tables.flows(FlowQuery(sort="flow_id"))

    names = [one["name"] for batch in page.rows for one in batch.to_pylist()]
    assert len(names) == len(FIRST) + len(SECOND)
    assert "files.example.com" not in names
    assert "pool.example.org" in names
    assert [gap.table for gap in page.gaps] == ["tls"]


def test_a_table_with_fewer_columns_counts_as_an_older_one(two: Two) -> None:
    path = two.store.folder.tables_path(two.first.id) / "flows.parquet"
    table = parquet.read_table(path).drop_columns(["vlan", "app", "encrypted"])
    parquet.write_table(table, path)

    found = flow_rows(two.store, "vlan:0", columns=("capture", "app", "encrypted"))

    old = [one for one in found if one["capture"] == two.first.capture]
    assert old == [{"capture": two.first.capture, "app": "", "encrypted": False}] * len(FIRST)


def test_text_of_any_size_and_kind_is_data(store: Store) -> None:
    bad = "x\0\n\"'; DROP TABLE flows; --\u202e" + "é" * 10_000
    hello = row("tls", flow_id=0, frame=1, hello="client", up=True, sni=bad)
    keep_tables(store, observations([FIRST[0]], tls=[hello]))

    found = flow_rows(store)[0]

    assert found["name"] == bad.lower()[:512]
    assert len(flow_rows(store, "name:*drop*")) == 1
    assert len(flow_rows(store, 'sni:"\u202e"')) == 0


def test_times_at_the_ends_of_their_range_are_data(store: Store) -> None:
    late = FIRST[0] | {"start": -(2**63) + 2, "end": 2**63 - 2}
    endless = FIRST[0] | {"flow_id": 1, "start": -(2**63) + 1, "end": 2**63 - 1}
    keep_tables(store, observations([late, endless]))

    found = flow_rows(store, columns=("duration_ns", "flow_id"))

    assert found == [
        {"duration_ns": 2**63 - 1, "flow_id": 0},
        {"duration_ns": 0, "flow_id": 1},
    ]


def test_many_threads_may_ask_at_once(two: Two) -> None:
    answers: list[int] = []

    def ask() -> None:
        answers.extend(len(flow_rows(two.store, "app:*")) for _ in range(3))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [len(FIRST) + len(SECOND)] * 24


def test_a_look_up_names_only_what_comes_after_it(store: Store) -> None:
    flows = [flow("10.0.0.1:1", "198.51.100.77:3333", flow_id=0, start_s=0, lasting_s=1)]
    flows.append(flow("10.0.0.1:2", "198.51.100.77:3333", flow_id=1, start_s=50))
    answer = row(
        "dns", flow_id=9, frame=1, at_s=20, kind="answer", rtype="A", name="late.example",
        data="198.51.100.77",
    )  # fmt: skip
    keep_tables(store, observations(flows, dns=[answer]))

    assert [one["name"] for one in flow_rows(store)] == ["", "late.example"]
    assert [one["flow_id"] for one in flow_rows(store, "name:late.example")] == [1]


def test_a_cursor_goes_on_when_its_capture_is_gone(two: Two) -> None:
    first, second = sorted((two.first, two.second), key=lambda one: one.capture)
    query = FlowQuery(sort="capture", limit=1)
    after = two.store.tables.flows(query).next
    two.store.captures.delete(first.capture, reason="test", by=SERVICE)

    left = flow_rows(two.store, sort="capture", limit=100, after=after)

    assert {one["capture"] for one in left} == {second.capture}
    assert len(left) == (len(FIRST) if second is two.first else len(SECOND))


def test_deleted_captures_and_older_analyses_do_not_count(two: Two) -> None:
    two.store.jobs.submit(two.first.capture, by=SERVICE)
    job = two.store.jobs.claim(limit=1)[0]
    report = {"quality": {"flows": 0}, "findings": []}
    two.store.jobs.finish(job.id, job.attempt, report, None)
    assert len(flow_rows(two.store)) == len(SECOND)

    two.store.captures.delete(two.second.capture, reason="test", by=SERVICE)
    assert flow_rows(two.store) == []


def test_a_stream_breaks_off_rather_than_leave_rows_out(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analyzer.store.tables.flows.STREAM_PART_ROWS", 1)
    stream = two.store.tables.stream_flows(FlowQuery())
    taken: Iterator[pa.RecordBatch] = iter(stream.rows)
    next(taken)
    (two.store.folder.tables_path(two.first.id) / "flows.parquet").unlink()

    with pytest.raises(Exception, match="cannot"):
        list(taken)
