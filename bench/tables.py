"""How long questions about flows take: 199 small captures and one of a million flows.

    .venv/bin/python -m bench.tables [FLOWS]

The tables are made, not analysed: random addresses and ports, so that almost every pair of hosts is
its own, which is the slowest case for sums by host.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from analyzer.store import Store
from analyzer.store.records import SERVICE
from analyzer.store.tables import (
    AggregateQuery,
    FlowQuery,
    HostQuery,
    MiningQuery,
    TimelineQuery,
    selection_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CAPTURES = 200
ROUNDS = 5
START_NS = 1_772_442_421 * 10**9
DAY_NS = 86_400 * 10**9
COUNTERS = ("up_packets", "down_packets", "up_bytes", "down_bytes", "up_payload", "down_payload")
RANDOM = np.random.default_rng(1)


def numbers(low: int, high: int, count: int) -> list[int]:
    """Random integers, as Python has them."""
    return [int(number) for number in RANDOM.integers(low, high, count)]


def flows(count: int) -> pa.Table:
    """A table of flows of one day."""
    start = np.sort(RANDOM.integers(0, DAY_NS, count)) + START_NS
    inside = zip(numbers(0, 4, count), numbers(0, 40, count), numbers(0, 250, count), strict=True)
    outside = zip(numbers(0, 256, count), numbers(0, 250, count), strict=True)
    moment = pa.timestamp("ns", "UTC")
    columns: dict[str, Any] = {
        "flow_id": pa.array(np.arange(count), pa.uint32()),
        "start": pa.array(start, moment),
        "end": pa.array(start + RANDOM.integers(0, 600 * 10**9, count), moment),
        "src_ip": [f"10.{a}.{b}.{c}" for a, b, c in inside],
        "src_port": pa.array(RANDOM.integers(1024, 65_535, count), pa.uint16()),
        "dst_ip": [f"198.51.{a}.{b}" if a < 250 else f"2001:db8::{a:x}:{b:x}" for a, b in outside],
        "dst_port": pa.array(RANDOM.choice([443, 80, 53, 3333, 22], count), pa.uint16()),
        "proto": pa.array(RANDOM.choice([6, 17], count), pa.uint8()),
        "community_id": [f"1:{number:027d}=" for number in range(count)],
        "app": RANDOM.choice(["tls", "ssh", "http", ""], count),
    }
    for name in COUNTERS:
        columns[name] = pa.array(RANDOM.integers(0, 100_000, count), pa.uint64())
    return pa.table(columns)


def hellos(count: int) -> pa.Table:
    """Client hellos of every second flow."""
    ids = np.arange(0, count, 2)
    return pa.table(
        {
            "flow_id": pa.array(ids, pa.uint32()),
            "frame": pa.array(ids * 10, pa.uint64()),
            "ts": pa.array(START_NS + ids, pa.timestamp("ns", "UTC")),
            "hello": ["client"] * len(ids),
            "up": np.ones(len(ids), bool),
            "sni": [f"h{number % 5000}.example.com" for number in ids.tolist()],
        }
    )


def fill(store: Store, largest: int) -> None:
    """Keeps the captures: many small ones and the large one."""
    for number in range(CAPTURES):
        count = largest if number == 0 else 500 + number * 20
        sha256 = f"{number:064x}"
        part = store.folder.uploads / f"{number}.part"
        part.write_bytes(b"")
        store.captures.adopt(part, sha256=sha256, size_bytes=0, name=f"{number}.pcap", by=SERVICE)
        job = store.jobs.claim(limit=1)[0]
        tables = store.folder.work_path(job.id, job.attempt) / "tables"
        tables.mkdir(parents=True)
        parquet.write_table(flows(count), tables / "flows.parquet", compression="zstd")
        parquet.write_table(hellos(count), tables / "tls.parquet", compression="zstd")
        report = {"quality": {"flows": count}, "findings": []}
        store.jobs.finish(job.id, job.attempt, report, tables)


def measure(label: str, ask: Callable[[], object]) -> None:
    """Prints the first and the median time of a question."""
    times_ms = []
    for _ in range(ROUNDS):
        begun_s = time.perf_counter()
        ask()
        times_ms.append((time.perf_counter() - begun_s) * 1000)
    print(f"{label:44} first {times_ms[0]:6.0f} ms  median {sorted(times_ms)[ROUNDS // 2]:6.0f} ms")


def main() -> None:
    """Fills a store in a temporary folder and asks."""
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "data", exclusive=True) as store,
    ):
        fill(store, largest)
        tables = store.tables
        for text in (
            "",
            "src:10.1.2.3",
            "host:10.1.2.0/24 dport:3333",
            "host:2001:db8::/33 bytes:>100k",
            "sni:h7.example.com",
            "name:*77*.example.com",
            '"h77.exam"',
            "since:2026-03-02T12:00:00Z until:2026-03-02T12:01:00Z",
        ):
            query = FlowQuery(selection=selection_of(text))
            measure(f"flows {text or 'all'}"[:44], lambda query=query: tables.flows(query))  # type: ignore[misc]
        measure("flows by size", lambda: tables.flows(FlowQuery(sort="-bytes")))
        sums = AggregateQuery(group_by=("src_ip", "dst_port"), aggregates=("count", "sum(bytes)"))
        measure("sums by source and port", lambda: tables.aggregate(sums))
        measure("hosts by bytes", lambda: tables.hosts(HostQuery()))
        measure(
            "hosts inside by peers", lambda: tables.hosts(HostQuery(sort="-peers", is_inside=True))
        )
        measure("one host", lambda: tables.host("10.1.2.3", HostQuery()))
        measure("timeline", lambda: tables.timeline(TimelineQuery()))
        measure("pools", lambda: tables.pools(MiningQuery()))


if __name__ == "__main__":
    main()
