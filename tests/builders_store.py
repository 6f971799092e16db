"""Captures, jobs and findings for tests of the store, taken in as the service does it."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from pyarrow import parquet

from analyzer import engine
from analyzer.store.records import SERVICE, Actor, Job
from tests.builders import context, flow, observations, row, stats
from tests.detectors import EveryLogin

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer.store import Store
    from analyzer.store.captures import Adopted
    from analyzer.store.records import Analysis

ANA = Actor(name="user:ana@example.com", source_ip="192.0.2.7", request_id="r-1")
EPOCH_NS = 1_700_000_000 * 10**9


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ns = EPOCH_NS

    def __call__(self) -> int:
        return self.now_ns

    def move(self, *, days: float = 0, seconds: float = 0) -> None:
        self.now_ns += int((days * 86_400 + seconds) * 10**9)


def part(store: Store, content: bytes) -> Path:
    """An upload that is whole."""
    path = store.folder.uploads / f"{secrets.token_hex(4)}.part"
    path.write_bytes(content)
    return path


def adopt(
    store: Store, content: bytes = b"one", *, name: str = "a.pcap", **options: Any
) -> Adopted:
    """A capture with a job that waits."""
    return store.captures.adopt(
        part(store, content),
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        name=name,
        by=ANA,
        **options,
    )


def report_of(sha256: str, *, logins: int = 1, agent: str = "XMRig") -> dict[str, Any]:
    """A report with a finding for each login."""
    return engine.run(_seen(sha256, logins, agent), [EveryLogin()], context()).to_dict()


def tables_of(store: Store, job: Job, *, logins: int = 1) -> Path:
    """What a worker writes beside its report."""
    folder = store.folder.work_path(job.id, job.attempt) / "tables"
    folder.mkdir(parents=True)
    source = _seen(job.capture, logins, "XMRig").source
    parquet.write_table(source("flows"), folder / "flows.parquet")
    parquet.write_table(source("mining"), folder / "mining.parquet")
    return folder


def _seen(sha256: str, logins: int, agent: str) -> Any:
    ends = [(f"10.20.0.{n + 1}:49152", "198.51.100.20:3333") for n in range(logins)]
    return observations(
        [flow(src, dst, flow_id=n, app="mining") for n, (src, dst) in enumerate(ends)],
        path="a.pcap",
        counters=stats(sha256=sha256, flows=logins),
        mining=[row("mining", flow_id=n, frame=n + 1, agent=agent) for n in range(logins)],
    )


def claim(store: Store) -> Job:
    """The next job, running."""
    (job,) = store.jobs.claim(limit=1)
    return job


def finish(store: Store, job: Job, *, logins: int = 1, agent: str = "XMRig") -> Analysis:
    """Ends a running job with findings and tables."""
    report = report_of(job.capture, logins=logins, agent=agent)
    return store.jobs.finish(job.id, job.attempt, report, tables_of(store, job, logins=logins))


def analysed(store: Store, content: bytes = b"one", *, logins: int = 1) -> Analysis:
    """A capture that was analysed."""
    adopt(store, content)
    return finish(store, claim(store), logins=logins)


def sink(store: Store, name: str = "siem") -> str:
    """A sink that hears of everything; its id."""
    made = store.sinks.create(
        name=name, kind="file", format="native", config={"path": "x"}, only={}, by=SERVICE
    )
    return made.id
