"""Findings in a store, sinks for them, and a dispatcher: what the tests of pushing share.

Run as a program (`python -m tests.analyzer.pushing FOLDER`) it is a dispatcher that can be killed.
"""

import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from analyzer.push import Dispatcher, PushSettings
from analyzer.sinks.trial import trial_finding
from analyzer.store import Store
from analyzer.store.records import SERVICE, Delivery, DeliveryState, Sink
from tests.analyzer.sinks.receivers import LOOPBACK

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SERVICE_FIELDS = (
    "sequence",
    "version",
    "current",
    "status",
    "verdict",
    "assignee",
    "tags",
    "created_at",
    "updated_at",
    "analysis_id",
    "capture_id",
    "suppressed_by",
)


def document(number: int, **fields: Any) -> dict[str, Any]:
    """A finding by contract."""
    trial = trial_finding("x", f"{number:x}", 1_772_442_421_014_000_000)
    plain = {name: value for name, value in trial.items() if name not in SERVICE_FIELDS}
    own = {"id": f"f-{number:016x}", "detector": "mining.stratum", "severity": "high"}
    return {**plain, **own, "category": "mining", "title": f"finding {number}", **fields}


def found(store: Store, documents: Sequence[dict[str, Any]], capture: str = "one") -> None:
    """An analysis of a capture finished with these findings."""
    part = store.folder.uploads / "x.part"
    part.write_text(capture)
    sha256 = hashlib.sha256(capture.encode()).hexdigest()
    adopted = store.captures.adopt(
        part, sha256=sha256, size_bytes=len(capture), name="a.pcap", by=SERVICE, reanalyse=True
    )
    (job,) = store.jobs.claim(limit=1)
    assert job.id == adopted.job.id
    store.jobs.finish(job.id, job.attempt, {"findings": list(documents)}, None)


def add_sink(store: Store, kind: str = "webhook", name: str = "", **config: Any) -> Sink:
    """A sink of native findings."""
    if kind == "webhook":
        config.setdefault("secrets", [SECRET])
    return store.sinks.create(
        name=name or kind, kind=kind, format="native", config=config, only={}, by=SERVICE
    )


def settings(folder: Path | None = None, **values: Any) -> PushSettings:
    """Quick ones, for this machine alone."""
    usual = {"base_s": 0.02, "cap_s": 0.2, "poll_s": 0.05}
    return PushSettings(networks=LOOPBACK, folder=folder, **{**usual, **values})


@contextmanager
def pushing(store: Store, folder: Path | None = None, **values: Any) -> Iterator[Dispatcher]:
    """A dispatcher at work."""
    dispatcher = Dispatcher(store, settings(folder, **values))
    dispatcher.start()
    try:
        yield dispatcher
    finally:
        dispatcher.stop(10)


def until(condition: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Waits for something that is to happen."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"it did not happen: {what}"
        time.sleep(0.01)


def count(store: Store, sink: Sink, state: DeliveryState) -> int:
    """How many deliveries of a sink are in a state."""
    return store.outbox.counts(sink.id).get(state, 0)


def until_counted(store: Store, sink: Sink, state: DeliveryState, wanted: int) -> list[Delivery]:
    """Waits for so many deliveries in a state; gives them."""
    until(lambda: count(store, sink, state) == wanted, f"{wanted} {state}")
    return list(store.outbox.list(sink.id, state=state, limit=1000))


if __name__ == "__main__":
    with Store.open(Path(sys.argv[1])) as opened, pushing(opened):
        print("started", flush=True)  # noqa: T201 - its parent waits for it
        sys.stdin.read()
