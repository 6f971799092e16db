"""Puts the tables of observations into a store, the way a worker brings them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analyzer import ingest, ruleset
from analyzer.detectors import BUILTIN
from analyzer.detectors.base import Context
from analyzer.engine import run
from analyzer.settings import AnalysisSettings
from analyzer.store.tables import FlowQuery, selection_of
from analyzer.worker import write_tables
from tests.builders import flow, observations, row
from tests.stored import document, keep_capture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from analyzer.observations import Observations
    from analyzer.store import Store
    from analyzer.store.records import Analysis


Row = dict[str, Any]

FIRST = [
    flow("10.20.0.7:50000", "198.51.100.5:443", flow_id=0, app="tls", up_bytes=900, encrypted=True),
    flow("10.20.0.7:50001", "198.51.100.77:3333", flow_id=1, start_s=5, app="mining"),
    flow("10.20.0.8:50002", "192.0.2.53:53", flow_id=2, transport="udp", app="dns", lasting_s=0.01),
    flow("10.20.0.8:50003", "203.0.113.9:80", flow_id=3, start_s=20, app="http", down_bytes=10**6),
    flow("[2001:db8::7]:50004", "[2001:db8:1::1]:22", flow_id=4, start_s=40, app="ssh"),
    flow("10.20.0.9:0", "192.0.2.1:0", flow_id=5, transport="icmp", start_s=41, icmp_type=8),
]
SECOND = [
    flow("10.20.0.7:40000", "198.51.100.77:3333", flow_id=0, start_s=3600, app="mining"),
    flow("10.30.0.1:40001", "198.51.100.5:443", flow_id=1, start_s=3601, app="tls", vlan=7),
]
NAMES: dict[str, Any] = {
    "tls": [
        row("tls", flow_id=0, frame=3, hello="client", up=True, sni="Files.Example.com."),
        row("tls", flow_id=0, frame=4, hello="server", up=False, sni="never.example.com"),
    ],
    "http": [
        row(
            "http", flow_id=3, frame=9, kind="request", up=True, method="GET",
            host="web.example:80",
        )
    ],
    "dns": [
        row("dns", flow_id=2, frame=1, at_s=0, kind="question", name="pool.example.org", id=9),
        row(
            "dns", flow_id=2, frame=1, at_s=0, kind="answer", rtype="CNAME",
            name="pool.example.org", data="x.cdn.example", id=9,
        ),
        row(
            "dns", flow_id=2, frame=1, at_s=0, kind="answer", rtype="A",
            name="x.cdn.example", data="198.51.100.77", id=9,
        ),
    ],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Two:
    """A store with two captures: one of the flows `FIRST` with `NAMES`, one of those of `SECOND`.

    The first has a finding on its flow 1.
    """

    store: Store
    first: Analysis
    second: Analysis


def two_captures(store: Store) -> Two:
    """Fills an empty store."""
    first = keep_tables(store, observations(FIRST, **NAMES), [document(1)], b"one")
    return Two(store, first, keep_tables(store, observations(SECOND), [], b"two"))


def flow_rows(store: Store, text: str = "", **query: Any) -> list[Row]:
    """The flows of one page."""
    page = store.tables.flows(FlowQuery(selection=selection_of(text), **query))
    return [found for batch in page.rows for found in batch.to_pylist()]


def keep_tables(
    store: Store,
    held: Observations,
    documents: Sequence[Mapping[str, Any]] = (),
    content: bytes = b"capture",
) -> Analysis:
    """An analysis of the capture of these bytes, with these tables and findings."""
    sha256 = keep_capture(store, content)
    job = next(job for job in store.jobs.claim(limit=1000) if job.capture == sha256)
    work = store.folder.work_path(job.id, job.attempt)
    work.mkdir(parents=True, exist_ok=True)
    write_tables(held, work / "tables")
    about = {"path": "office.pcapng", "sha256": sha256}
    report = {
        "tool_version": "1.0.0",
        "ruleset_version": "abc",
        "quality": {"flows": held.count("flows")},
        "findings": [{**one, "capture": about} for one in documents],
    }
    return store.jobs.finish(job.id, job.attempt, report, work / "tables")


def observed(path: Path) -> Observations:
    """What the core says of a capture."""
    return ingest.load([str(path)], settings=AnalysisSettings(), ruleset=ruleset.load())


def found_in(observations: Observations) -> list[dict[str, Any]]:
    """The findings of all detectors, as documents."""
    context = Context(settings=AnalysisSettings(), ruleset=ruleset.load())
    return [finding.to_dict() for finding in run(observations, BUILTIN, context).findings]
