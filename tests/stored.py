"""What tests put into a store and take out: captures, analyses, the feed."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Any

from analyzer.store.queries import FindingQuery
from analyzer.store.records import SERVICE, Actor, JobState
from analyzer.times import NS_PER_SECOND, rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from analyzer.store import Store
    from analyzer.store.queries import Position
    from analyzer.store.records import Analysis

ANA = Actor(name="user:ana@example.com")
FIRST_SEEN_NS = 1_772_442_000 * NS_PER_SECOND
WALLET = "84" + "abcdefgh" * 11 + "xyz12"


class Clock:
    """A clock that goes on when it is told to, and a little whenever it is read."""

    def __init__(self) -> None:
        self.at_ns = 1_790_000_000 * NS_PER_SECOND

    def __call__(self) -> int:
        self.at_ns += 1000
        return self.at_ns

    def forward(self, seconds: float) -> None:
        """Lets time pass."""
        self.at_ns += int(seconds * NS_PER_SECOND)


def document(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A finding by contract; `changes` replaces members, `flow` and `attributes` one by one."""
    made: dict[str, Any] = {
        "id": f"f-{number:016x}",
        "detector": "mining.stratum",
        "detector_version": 1,
        "category": "mining",
        "title": f"192.0.2.10 mines Monero at pool.example.com:3333 ({number})",
        "severity": "high",
        "confidence": 0.9,
        "first_seen": rfc3339(FIRST_SEEN_NS + number * NS_PER_SECOND),
        "last_seen": rfc3339(FIRST_SEEN_NS + (number + 60) * NS_PER_SECOND),
        "flow": {
            "src_ip": "192.0.2.10",
            "src_port": 40_000,
            "dst_ip": "198.51.100.20",
            "dst_port": 3333,
            "transport": "tcp",
            "community_id": None,
        },
        "flows": 1,
        "flow_ids": [number],
        "evidence": [
            {
                "kind": "protocol",
                "summary": "the miner logs in",
                "weight": 2.2,
                "signature": None,
                "packets": [number, number + 1],
            }
        ],
        "evidence_available": True,
        "attack": ["T1496.001"],
        "attributes": {
            "pool": {
                "ip": "198.51.100.20",
                "port": 3333,
                "name": "pool.example.com",
                "name_source": "dns",
                "operator": "Example Pool",
            },
            "wallet": WALLET,
        },
        "not_visible": [],
        "next_steps": ["ask who runs it"],
    }
    for name in ("flow", "attributes"):
        made[name] = {**made[name], **changes.pop(name, {})}
    return {**made, **changes}


def keep_capture(store: Store, content: bytes = b"capture") -> str:
    """A capture of these bytes; gives its SHA-256, and leaves its job in the queue."""
    sha256 = hashlib.sha256(content).hexdigest()
    part = store.folder.uploads / f"{sha256}.part"
    part.write_bytes(content)
    store.captures.adopt(
        part, sha256=sha256, size_bytes=len(content), name="office.pcapng", by=SERVICE
    )
    return sha256


def analyse(
    store: Store, documents: Sequence[Mapping[str, Any]], content: bytes = b"capture"
) -> Analysis:
    """Has an analysis of the capture of these bytes say just these findings."""
    sha256 = keep_capture(store, content)
    queued = store.jobs.list(capture=sha256)[0]
    if queued.state.ended:
        store.jobs.retry(queued.id, by=SERVICE)
    job = queued
    while job.state is not JobState.RUNNING:
        store.jobs.claim(limit=1000)  # or another thread is just taking it
        job = store.jobs.get(queued.id)
    about = {"path": "office.pcapng", "sha256": sha256}
    report = {
        "tool_version": "1.0.0",
        "ruleset_version": "abc",
        "findings": [{"capture": about, **one} for one in documents],
    }
    return store.jobs.finish(job.id, job.attempt, report, None)


def poll(
    store: Store, after: Position | None, limit: int = 1000, **query: Any
) -> tuple[list[tuple[str, int]], Position]:
    """Ids and versions behind a position, all pages, and the position at their end."""
    found: list[tuple[str, int]] = []
    more = True
    while more:
        page = store.findings.page(FindingQuery(**query), after=after, limit=limit)
        found += [(finding.id, finding.version) for finding in page.findings]
        after, more = page.next, page.has_more
    assert after is not None
    return found, after


def started(work: Callable[[], object]) -> threading.Thread:
    """A thread that does the work, and does not outlive the tests."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
