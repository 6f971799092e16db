"""Whether a service that was killed kept its promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.store import Store, schema
from analyzer.store.ledger import PUSHED_CHANGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.rounds import Run

OUTGATE = str(Path(sys.executable).parent / "outgate")
MAX_SHOWN = 20


@dataclass(frozen=True)
class Outcome:
    """Figures of a run, and what went wrong."""

    database: str
    seed: int
    seconds: float
    kills: dict[str, int]
    captures: int
    uploads_resumed: int
    uploads_repeated: int
    jobs: int
    interruptions: int
    findings: int
    finding_versions: int
    comments: int
    messages: int
    messages_repeated: int
    messages_refused: int
    broken: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        return not self.broken

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"good": self.good, **asdict(self)}


def judge(run: Run, calm: Path, seconds: float) -> Outcome:
    """Compares what is there with what was promised and with a calm run."""
    service, promises = run.service, run.promises
    broken = list(promises.errors)
    broken += _commands(service.data, run.database)
    broken += _stray_processes(service.data)
    with Store.open(service.data, run.database) as store, Store.open(calm) as other:
        figures = _figures(store)
        broken += _captures(run, store)
        broken += _same_findings(store, other)
        broken += _histories(store)
        broken += _comments(run, store)
        broken += _pushed(run, store)
        broken += _polled(run, store)
    got = run.recorder.got
    return Outcome(
        database=run.database.split(":")[0] or "sqlite",
        seed=run.seed,
        seconds=round(seconds, 1),
        kills=dict(run.kills),
        captures=len(promises.accepted),
        uploads_resumed=promises.resumed,
        uploads_repeated=promises.again,
        comments=sum(len(texts) for texts in promises.comments.values()),
        messages=got.total(),
        messages_repeated=got.total() - len(got),
        messages_refused=run.recorder.refused,
        broken=tuple(broken[:MAX_SHOWN]),
        **figures,
    )


def _commands(data: Path, database: str) -> Iterator[str]:
    """The store itself finds nothing wrong, and nothing left behind."""
    where = ["--data", str(data), *(["--database", database] if database else [])]
    check = [OUTGATE, "store", "check", "--deep", "--format", "json", *where]
    said = subprocess.run(check, capture_output=True, text=True, check=False)
    if said.returncode:
        yield f"store check: {said.stdout[:2000]}{said.stderr}"
    elif left := json.loads(said.stdout)["leftovers"]:
        yield f"left behind: {left[:3]}"
    audit = subprocess.run(
        [OUTGATE, "audit", "verify", *where], capture_output=True, text=True, check=False
    )
    if audit.returncode:
        yield f"audit verify: {audit.stdout}{audit.stderr}"


def _stray_processes(data: Path) -> Iterator[str]:
    """No worker outlives its service."""
    wanted = os.fsencode(str(data))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if wanted in words:
            yield f"process {process.name} is still there"


def _captures(run: Run, store: Store) -> Iterator[str]:
    for sample in run.plan:
        path = store.folder.capture_path(sample.sha256)
        if path.read_bytes() != sample.data:
            yield f"capture {sample.name} is not what was uploaded"
        states = {job.state for job in store.jobs.list(capture=sample.sha256)}
        if not states <= {"succeeded", "partial"} or not states:
            yield f"capture {sample.name} has jobs that are {sorted(states)}"
    for sha256, job_id in run.promises.accepted.items():
        if job_id and store.jobs.get(job_id).capture != sha256:
            yield f"job {job_id} is of another capture"


def _same_findings(store: Store, calm: Store) -> Iterator[str]:
    """Those of a run without kills, each once, byte for byte."""
    found, expected = _documents(store), _documents(calm)
    for finding_id in sorted(expected.keys() - found.keys()):
        yield f"finding {finding_id} is lost"
    for finding_id in sorted(found.keys() - expected.keys()):
        yield f"finding {finding_id} was invented"
    for finding_id in sorted(found.keys() & expected.keys()):
        if found[finding_id] != expected[finding_id]:
            yield f"finding {finding_id} differs"


def _documents(store: Store) -> dict[str, Any]:
    findings = schema.findings.c
    query = sa.select(findings.id, findings.document, findings.current)
    with store.database.read() as connection:
        return {row.id: (row.document, row.current) for row in connection.execute(query)}


def _histories(store: Store) -> Iterator[str]:
    """A finding is created once; the same again changes nothing."""
    versions = schema.finding_versions.c
    query = sa.select(versions.finding_id, versions.change)
    with store.database.read() as connection:
        changes = Counter(tuple(row) for row in connection.execute(query))
    for (finding_id, change), count in changes.items():
        if change != "comment" and (change != "created" or count != 1):
            yield f"finding {finding_id} was {change} {count} times"


def _comments(run: Run, store: Store) -> Iterator[str]:
    for finding_id, texts in run.promises.comments.items():
        there = Counter(one.text for one in store.findings.comments(finding_id))
        for text in texts:
            if there[text] != 1:
                yield f"a comment on {finding_id} is there {there[text]} times"


def _pushed(run: Run, store: Store) -> Iterator[str]:
    versions = schema.finding_versions.c
    query = sa.select(versions.finding_id, versions.version).where(
        versions.change.in_(PUSHED_CHANGES)
    )
    with store.database.read() as connection:
        wanted = {(row.finding_id, row.version) for row in connection.execute(query)}
    for key in sorted(wanted - run.recorder.got.keys()):
        yield f"version {key} was never pushed"
    for key in sorted(run.recorder.got.keys() - wanted):
        yield f"version {key} was pushed and is not there"


def _polled(run: Run, store: Store) -> Iterator[str]:
    """The poller got the newest version of every finding, and nothing twice."""
    findings = schema.findings.c
    query = sa.select(findings.id, findings.version)
    with store.database.read() as connection:
        newest = {(row.id, row.version) for row in connection.execute(query)}
    for key in sorted(newest - run.promises.seen.keys()):
        yield f"version {key} was never polled"
    for key, count in run.promises.seen.items():
        if count != 1:
            yield f"version {key} was polled {count} times"


def _figures(store: Store) -> dict[str, int]:
    events = schema.job_events.c
    query = sa.select(events.data).where(events.kind == "state")
    with store.database.read() as connection:
        said = list(connection.execute(query).scalars())
        return {
            "jobs": _count(connection, schema.jobs),
            "interruptions": sum(1 for one in said if one.get("error_code") == "interrupted"),
            "findings": _count(connection, schema.findings),
            "finding_versions": _count(connection, schema.finding_versions),
        }


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
