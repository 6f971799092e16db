"""How the service bears many at once: uploads, pollers, latencies, memory.

    python -m bench.service load [--uploads 100] [--pollers 50]
    python -m bench.service big  [--gib 5]

Both start the real `outgate serve` on loopback and end it. Results go to standard output and, as
JSON lines, to bench/results/service.jsonl.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any

import httpx

from tests.service import Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results" / "service.jsonl"
PIECE_BYTES = 1024 * 1024
POLL_EVERY_S = 0.2
DEADLINE_S = 1200
MIB = 1024 * 1024


class Meter:
    """Latencies by name, and what went wrong."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []

    async def call(self, name: str, request: Any) -> httpx.Response | None:  # noqa: ANN401
        """Awaits a request and notes how long it took."""
        started = time.perf_counter()
        try:
            answer: httpx.Response = await request
        except httpx.HTTPError as error:
            self.errors.append(f"{name}: {type(error).__name__} {error}")
            return None
        self.seconds[name].append(time.perf_counter() - started)
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            self.errors.append(f"{name}: {answer.status_code} {answer.text[:200]}")
        return answer

    def lines(self) -> Iterator[dict[str, Any]]:
        """p50, p95 and p99 of each name, in milliseconds."""
        for name, seconds in sorted(self.seconds.items()):
            cuts = quantiles(seconds, n=100) if len(seconds) > 1 else seconds * 99
            yield {
                "measure": name,
                "count": len(seconds),
                **{f"p{at}_ms": round(cuts[at - 1] * 1000, 1) for at in (50, 95, 99)},
                "max_ms": round(max(seconds) * 1000, 1),
            }


def samples(count: int) -> list[tuple[str, bytes]]:
    """So many different captures: the samples, then the samples compressed."""
    import gzip  # noqa: PLC0415

    found = sorted((ROOT / "pcaps").rglob("*.pcap*"))
    plain = [(path.name, path.read_bytes()) for path in found]
    packed = [(f"{name}.gz", gzip.compress(data, 1, mtime=0)) for name, data in plain]
    return (plain + packed)[:count]


async def load(service: Service, uploads: int, pollers: int) -> list[dict[str, Any]]:
    """Uploads at once while pollers follow the feed; ends when all jobs have."""
    meter = Meter()
    jobs: list[str] = []
    done = asyncio.Event()
    limits = httpx.Limits(max_connections=uploads + pollers, max_keepalive_connections=pollers)
    async with httpx.AsyncClient(
        base_url=service.url, headers=service.headers(), timeout=120, limits=limits
    ) as client:
        watching = [asyncio.create_task(_poll(client, meter, done)) for _ in range(pollers)]
        started = time.perf_counter()
        await asyncio.gather(
            *(_upload(client, meter, jobs, name, data) for name, data in samples(uploads))
        )
        accepted_s = time.perf_counter() - started
        states = await _all_ended(client, jobs)
        ended_s = time.perf_counter() - started
        done.set()
        delivered = await asyncio.gather(*watching)
    total = {
        "measure": "totals",
        "uploads": uploads,
        "pollers": pollers,
        "errors": len(meter.errors),
        "accepted_s": round(accepted_s, 2),
        "analysed_s": round(ended_s, 2),
        "states": {state: states.count(state) for state in sorted(set(states))},
        "findings_each_poller": sorted(set(delivered)),
        "peak_memory_mib": round(service.peak_memory_bytes() / MIB, 1),
    }
    for error in meter.errors[:10]:
        print(error)
    return [*meter.lines(), total]


async def _upload(
    client: httpx.AsyncClient, meter: Meter, jobs: list[str], name: str, data: bytes
) -> None:
    headers = {"Content-Type": "application/vnd.tcpdump.pcap"}
    query = {"name": name}
    request = client.post("/v1/captures", params=query, headers=headers, content=data)
    answer = await meter.call("upload", request)
    if answer is not None and answer.is_success:
        jobs.append(answer.json()["job"]["id"])


async def _poll(client: httpx.AsyncClient, meter: Meter, done: asyncio.Event) -> int:
    """Follows the feed to its end; how many findings came."""
    cursor, seen = "", 0
    while True:
        last_round = done.is_set()
        query: dict[str, Any] = {"limit": 500} | ({"cursor": cursor} if cursor else {})
        answer = await meter.call("poll", client.get("/v1/findings", params=query))
        if answer is not None and answer.is_success:
            page = answer.json()
            cursor, seen = page["page"]["next_cursor"], seen + len(page["data"])
            if last_round and not page["page"]["has_more"]:
                return seen
        await asyncio.sleep(POLL_EVERY_S)


async def _all_ended(client: httpx.AsyncClient, jobs: list[str]) -> list[str]:
    states: dict[str, str] = {}
    deadline = time.monotonic() + DEADLINE_S
    while len(states) < len(jobs) and time.monotonic() < deadline:
        for job_id in jobs:
            if job_id not in states:
                state = (await client.get(f"/v1/jobs/{job_id}")).json()["state"]
                if state in {"succeeded", "partial", "failed", "cancelled"}:
                    states[job_id] = state
        await asyncio.sleep(0.5)
    return list(states.values())


async def big(service: Service, size_bytes: int) -> list[dict[str, Any]]:
    """One upload of a capture made on the way; memory before, during and after."""
    before = service.peak_memory_bytes()
    started = time.perf_counter()
    async with httpx.AsyncClient(base_url=service.url, timeout=DEADLINE_S) as client:
        headers = {
            **service.headers(),
            "Content-Type": "application/vnd.tcpdump.pcap",
            "Content-Length": str(size_bytes),
        }
        answer = await client.post(
            "/v1/captures?name=big.pcap", headers=headers, content=_capture(size_bytes)
        )
        took_s = time.perf_counter() - started
        job = answer.json()["job"]["id"]
        after = service.peak_memory_bytes()
        await client.delete(f"/v1/jobs/{job}", headers=service.headers())
    return [
        {
            "measure": "big upload",
            "status": answer.status_code,
            "gib": round(size_bytes / 2**30, 2),
            "seconds": round(took_s, 1),
            "mib_per_s": round(size_bytes / MIB / took_s, 1),
            "memory_before_mib": round(before / MIB, 1),
            "memory_peak_mib": round(after / MIB, 1),
        }
    ]


async def _capture(size_bytes: int) -> AsyncIterator[bytes]:
    """A pcap of one packet again and again, cut to the size."""
    header = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
    frame = bytes(range(256)) * 4
    record = bytes(8) + len(frame).to_bytes(4, "little") * 2 + frame
    piece = record * (PIECE_BYTES // len(record))
    yield header
    left = size_bytes - len(header)
    while left > 0:
        part = piece[:left]
        yield part
        left -= len(part)


def main() -> None:
    """Runs one case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=["load", "big"])
    parser.add_argument("--uploads", type=int, default=100)
    parser.add_argument("--pollers", type=int, default=50)
    parser.add_argument("--gib", type=float, default=5.0)
    parser.add_argument("--database", default="", help="a PostgreSQL URL instead of SQLite")
    given = parser.parse_args()
    environ = {
        "OUTGATE_RATE_PER_MINUTE": "1000000",
        "OUTGATE_MAX_UPLOAD": str(int(given.gib * 2**30) + 1),
    }
    with tempfile.TemporaryDirectory(prefix="outgate-bench-") as folder:
        service = Service(Path(folder) / "data", database=given.database, environ=environ)
        with service:
            if given.case == "load":
                lines = asyncio.run(load(service, given.uploads, given.pollers))
            else:
                lines = asyncio.run(big(service, int(given.gib * 2**30)))
    _keep(lines, given.case, "postgresql" if given.database else "sqlite")


def _keep(lines: list[dict[str, Any]], case: str, database: str) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    about = {"commit": commit, "machine": platform.machine(), "cores": os.cpu_count()}
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a") as file:
        for line in lines:
            print(json.dumps(line))
            file.write(json.dumps({**about, "case": case, "database": database, **line}) + "\n")


if __name__ == "__main__":
    main()
