"""Opens what the service consists of, in order, and closes it in the reverse order."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from analyzer.confinement import WorkerLimits
from analyzer.errors import ConflictError
from analyzer.intake import IntakeLimits, sweep
from analyzer.jobs import JobSettings, Supervisor
from analyzer.push import Dispatcher, PushSettings
from analyzer.settings import PRIVATE_NETWORKS
from analyzer.store import Store
from analyzer.store.maintenance.compaction import compact
from analyzer.store.maintenance.recovery import recover
from analyzer.store.maintenance.retention import RetentionSettings, enforce_retention
from analyzer.store.records import SERVICE, Scope
from analyzer.watch import Watcher, WatchSettings
from api.settings import ServiceSettings, listed
from api.state import ServiceState

FIRST_KEY_NAME = "first administrator"
TICK_S = 5.0
AGAIN_S = 600.0
"""How long a chore that failed waits at most until it is tried again."""

DAY_S = 86_400.0
COMPACTION_MOST_S = 60.0
"""How long one compaction keeps the other chores waiting; what is left comes the next day."""

log = logging.getLogger("outgate.service")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """Something to be done from time to time."""

    name: str
    every_s: float
    do: Callable[[], object]


@dataclass(slots=True, kw_only=True)
class Housekeeping:
    """A thread that does the chores; one that fails is logged and tried again later."""

    chores: tuple[Chore, ...]
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins; every chore is done once at once."""
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends after the chore that is being done."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        due = dict.fromkeys((chore.name for chore in self.chores), 0.0)
        while not self._stop.is_set():
            for chore in self.chores:
                if time.monotonic() >= due[chore.name] and not self._stop.is_set():
                    wait_s = chore.every_s if self._done(chore) else min(chore.every_s, AGAIN_S)
                    due[chore.name] = time.monotonic() + wait_s
            self._stop.wait(TICK_S)

    def _done(self, chore: Chore) -> bool:
        try:
            chore.do()
        except ConflictError as error:  # such as a backup that is being made
            log.info("%s waits: %s", chore.name, error.message)
        except Exception:  # the thread must outlive whatever one chore meets
            log.exception("a chore failed: %s", chore.name)
        else:
            return True
        return False


def start(state: ServiceState) -> ExitStack:
    """Opens the store and starts everything that works beside the requests.

    Returns:
        What `stop` closes again.

    Raises:
        OutgateError: The store cannot be opened.
    """
    settings = state.settings
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(settings.data, settings.database, exclusive=True))
        state.opened = store
        recover(store)
        state.dispatcher = Dispatcher(store, push_settings(settings))
        stack.callback(state.dispatcher.stop)
        state.supervisor = Supervisor(store, job_settings(settings))
        stack.callback(state.supervisor.stop)
        state.dispatcher.start()
        state.supervisor.start()
        if settings.watch is not None:
            stack.enter_context(watcher(store, settings, settings.watch, state.supervisor.wake))
        if settings.auth:
            make_first_key(store)
        keeping = Housekeeping(chores=chores(store, settings))
        keeping.start()
        stack.callback(keeping.stop)
        return stack.pop_all()
    raise AssertionError  # an ExitStack lets no exception go


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Opens the service with an application that was not given an open store."""
    state = app.state.outgate
    if state.opened is not None:
        yield
        return
    running = await run_in_threadpool(start, state)
    try:
        yield
    finally:
        await run_in_threadpool(stop, running, state)


def stop(running: ExitStack, state: ServiceState) -> None:
    """Closes everything, the last opened first."""
    state.stopping.set()
    state.reception.close()
    running.close()
    state.opened = None


def job_settings(settings: ServiceSettings) -> JobSettings:
    """What the supervisor is told."""
    limits = WorkerLimits(
        memory_bytes=settings.worker_memory,
        cpu_s=settings.worker_timeout_s,
        wall_s=settings.worker_timeout_s,
    )
    return JobSettings(
        workers=settings.workers,
        limits=limits,
        min_free_bytes=settings.min_free,
        inside=settings.networks_inside(),
    )


def watcher(
    store: Store, settings: ServiceSettings, folder: Path, wake: Callable[[], object]
) -> Watcher:
    """Takes captures from a folder, not started yet."""
    limits = IntakeLimits(max_bytes=settings.max_upload, min_free_bytes=settings.min_free)
    watching = WatchSettings(folder=folder, limits=limits, move=settings.watch_move)
    return Watcher(store=store, settings=watching, wake=wake)


def push_settings(settings: ServiceSettings) -> PushSettings:
    """What the dispatcher is told."""
    return PushSettings(
        networks=listed(settings.sink_networks),
        folder=settings.sink_folder,
        inside=settings.networks_inside() or PRIVATE_NETWORKS,
    )


def make_first_key(store: Store) -> None:
    """Gives a store that never had a key one for its administrator, shown this once."""
    if store.keys.list():
        return
    key, text = store.keys.create(FIRST_KEY_NAME, [Scope.ADMIN], by=SERVICE)
    sys.stderr.write(
        f"This store had no API key. The key {key.id} below may do everything; it is shown this\n"
        "once and never again. Keep it, and make keys with fewer scopes for daily use:\n"
        "  curl -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' \\\n"
        '    -d \'{"name": "poller", "scopes": ["findings:read"]}\' URL/v1/keys\n'
    )
    sys.stderr.flush()
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def chores(store: Store, settings: ServiceSettings) -> tuple[Chore, ...]:
    """What there is to do, in the order it is done in."""
    kept = RetentionSettings(keep_days=settings.retention_days, keep_bytes=settings.retention_size)
    return (
        Chore(name="expire suppressions", every_s=30, do=store.suppressions.expire),
        Chore(name="count what suppressions hide", every_s=600, do=store.suppressions.recount),
        Chore(name="note used keys", every_s=30, do=store.keys.note_uses),
        Chore(name="forget idempotency keys", every_s=3600, do=store.idempotency.prune),
        Chore(name="sweep uploads", every_s=600, do=lambda: sweep(store)),
        Chore(name="retention", every_s=600, do=lambda: enforce_retention(store, kept)),
        Chore(
            name="compaction",
            every_s=DAY_S,
            do=lambda: compact(store, busy=True, most_s=COMPACTION_MOST_S),
        ),
    )
