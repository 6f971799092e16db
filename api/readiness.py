"""Which parts of the service work, asked one by one."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable

import sqlalchemy as sa

from analyzer.errors import OutgateError
from analyzer.escape import shorten
from analyzer.store.records import JobState
from api.state import Component, ServiceState

MAX_SINKS = 1000
KEPT_S = 1.0
"""How long an answer stands for those who ask again."""

log = logging.getLogger("outgate.api")


def components(state: ServiceState) -> list[Component]:
    """Every part, in a fixed order, asked at most once in `KEPT_S`; asking never raises.

    Nobody needs a key to ask, so asking often must not cost the database anything.
    """
    with state.readiness_turn:
        kept = state.readiness
        if kept is None or time.monotonic() - kept[0] >= KEPT_S:
            kept = state.readiness = (time.monotonic(), _ask_all(state))
    return list(kept[1])


def _ask_all(state: ServiceState) -> list[Component]:
    asked: tuple[tuple[str, Callable[[ServiceState], Component]], ...] = (
        ("database", _database),
        ("disk", _disk),
        ("workers", _workers),
        ("sinks", _sinks),
    )
    found = [_ask(name, ask, state) for name, ask in asked]
    for component in found:
        state.metrics.component.labels(component.name).set(component.state == "ok")
    return found


def count_jobs(state: ServiceState) -> None:
    """Brings the figures of jobs up to date."""
    counts = state.store.jobs.counts()
    for name in JobState:
        state.metrics.jobs.labels(name.value).set(counts.get(name.value, 0))


def _ask(name: str, ask: Callable[[ServiceState], Component], state: ServiceState) -> Component:
    try:
        return ask(state)
    except (OutgateError, OSError, sa.exc.SQLAlchemyError, RuntimeError) as error:
        log.warning("a component failed: %s: %s", name, error)
        return Component(name=name, state="failed", detail="it does not answer; the log says why")


def _database(state: ServiceState) -> Component:
    with state.store.database.read() as connection:
        connection.execute(sa.text("SELECT 1"))
    return Component(name="database", state="ok")


def _disk(state: ServiceState) -> Component:
    free = shutil.disk_usage(state.store.folder.captures).free
    if free < state.settings.min_free:
        detail = f"{free} bytes are free, {state.settings.min_free} are kept in reserve"
        return Component(name="disk", state="failed", detail=detail)
    return Component(name="disk", state="ok")


def _workers(state: ServiceState) -> Component:
    supervisor = state.supervisor
    if supervisor is None:
        return Component(name="workers", state="degraded", detail="this process runs no jobs")
    if not supervisor.alive:
        return Component(name="workers", state="failed", detail="the supervisor has stopped")
    paused = supervisor.status().paused
    if paused:
        return Component(name="workers", state="degraded", detail=shorten(paused))
    return Component(name="workers", state="ok")


def _sinks(state: ServiceState) -> Component:
    failing = sum(
        bool(sink.disabled_because) or sink.last_failure_ns > sink.last_success_ns
        for sink in state.store.sinks.list()[:MAX_SINKS]
    )
    if failing:
        return Component(name="sinks", state="degraded", detail=f"{failing} cannot be reached")
    return Component(name="sinks", state="ok")
