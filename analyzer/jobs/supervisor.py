"""The thread that takes queued jobs and starts a thread with a worker for each."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer import worker
from analyzer.confinement.limits import MIB
from analyzer.confinement.probe import ON, measures
from analyzer.jobs.run import JobRun
from analyzer.jobs.settings import JobSettings, JobStatus
from analyzer.jobs.tasks import FinishedTask, Tasks
from analyzer.store import schema
from analyzer.store.records import JobState
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from analyzer.confinement import ForkServer
    from analyzer.confinement.watching import Cancelled
    from analyzer.store import Store

LONGEST_PAUSE_S = 30.0
"""Between two tries when the store or the fork server does not work."""

KILL_GRACE_S = 15.0

log = logging.getLogger(__name__)


class Supervisor:
    """Runs the jobs of one store. Methods may be called from any thread.

    Args:
        store: Whose jobs; open until `stop` has returned.
        settings: How many at once, what each may use.
        server: Forks the workers; None starts one of its own, and ends it.
    """

    def __init__(
        self,
        store: Store,
        settings: JobSettings | None = None,
        *,
        server: ForkServer | None = None,
    ) -> None:
        self._store = store
        self.settings = settings or JobSettings()
        self._server = server or worker.fork_server()
        self._owns_server = server is None
        self._tasks = Tasks(self._server, store.folder.work, self.settings)
        self._runs: dict[str, tuple[JobRun, threading.Thread]] = {}
        self._runs_lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._killing = threading.Event()
        self._thread: threading.Thread | None = None
        self._confinement: Mapping[str, str] = MappingProxyType({})
        self._paused = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Takes up what a kill left running, then begins to take jobs."""
        if self._thread is not None:
            raise RuntimeError("the supervisor was started before")
        self._thread = threading.Thread(target=self._work, name="supervisor", daemon=True)
        self._thread.start()

    def stop(self, grace_s: float = 5.0) -> None:
        """Takes no more jobs, waits for those that run, and kills what is not done in time.

        Jobs that are killed stay as they are in the store; the next start takes them up again.
        """
        self._closing.set()
        self._wake.set()
        deadline = time.monotonic() + grace_s
        if self._thread is not None:
            self._thread.join()
        for thread in self._threads():
            thread.join(max(0.0, deadline - time.monotonic()))
        self._killing.set()
        for thread in self._threads():
            thread.join(KILL_GRACE_S)
        if self._owns_server:
            self._server.stop()

    def wake(self, job_id: str = "") -> None:
        """Says that there is something to do: a job was added, or changed if it is named."""
        with self._runs_lock:
            found = self._runs.get(job_id)
        if found is not None:
            found[0].nudge.set()
        self._wake.set()

    def run_task(
        self, task: str, arguments: Mapping[str, Any], *, cancelled: Cancelled | None = None
    ) -> FinishedTask:
        """Carves or dissects for somebody who waits.

        Args:
            task: `carve` or `dissect`.
            arguments: `capture` (path of the file) and `finding` (its document); for `dissect`
                also `frames`, how many at most.
            cancelled: True when nobody waits any more.

        Returns:
            The outcome and its files, to be closed when they were used. A failed outcome is no
            exception.

        Raises:
            LimitError: Too many are running.
            OutgateError: No worker can be started.
            OSError: The disk refuses.
        """
        return self._tasks.run(
            task,
            arguments,
            lambda: self._killing.is_set() or (cancelled is not None and cancelled()),
        )

    @property
    def alive(self) -> bool:
        """Whether jobs are being taken."""
        return self._thread is not None and self._thread.is_alive()

    def confinement(self) -> Mapping[str, str]:
        """What workers give up on this machine; empty until the first one was tried."""
        return self._confinement

    def status(self) -> JobStatus:
        """How things are, from the store and from memory.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        jobs = schema.jobs.c
        query = sa.select(sa.func.count(), sa.func.min(jobs.created_ns)).where(
            jobs.state == str(JobState.QUEUED)
        )
        with self._store.database.read() as connection:
            queued, oldest_ns = connection.execute(query).one()
        waited_ns = max(0, self._store.now_ns() - oldest_ns) if oldest_ns else 0
        with self._runs_lock:
            running = len(self._runs)
        return JobStatus(
            alive=self.alive,
            workers=self.settings.workers,
            running=running,
            queued=int(queued),
            oldest_queued_s=waited_ns / NS_PER_SECOND,
            tasks=self._tasks.running,
            paused=self._paused,
        )

    # The thread

    def _work(self) -> None:
        pause_s, recovered = 1.0, False
        while not self._closing.is_set():
            try:
                if not recovered:
                    self._begin()
                    recovered = True
                self._take_jobs()
                pause_s = 1.0
                self._wake.wait(self.settings.poll_s)
                self._wake.clear()
            except Exception:  # whatever it is, jobs that wait must be taken some day
                log.exception("jobs cannot be taken; trying again in %.0f s", pause_s)
                self._paused = "the store or the workers do not answer; the log says why"
                self._closing.wait(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _begin(self) -> None:
        self._tasks.clear()
        for job in self._store.jobs.recover():
            log.warning("job %s was interrupted; it is %s", job.id, job.state)
        self._server.start()
        self._confinement = measures(self._server, self._store.folder.work)
        for name, said in self._confinement.items():
            if not said.startswith(ON):
                log.warning("workers are not confined by %s: %s", name, said)

    def _take_jobs(self) -> None:
        with self._runs_lock:
            free = self.settings.workers - len(self._runs)
        self._paused = self._full()
        if free < 1 or self._paused:
            return
        for job in self._store.jobs.claim(limit=free):
            run = JobRun(
                store=self._store,
                server=self._server,
                settings=self.settings,
                job=job,
                stopping=self._killing,
            )
            thread = threading.Thread(
                target=self._run, args=(run,), name=f"job {job.id}", daemon=True
            )
            with self._runs_lock:
                self._runs[job.id] = (run, thread)
            thread.start()

    def _run(self, run: JobRun) -> None:
        try:
            run()
        finally:
            with self._runs_lock:
                self._runs.pop(run.job.id, None)
            self._wake.set()

    def _full(self) -> str:
        free = shutil.disk_usage(self._store.folder.work).free
        if free >= self.settings.min_free_bytes:
            return ""
        reserve = self.settings.min_free_bytes // MIB
        problem = f"the disk has {free // MIB} MiB left, {reserve} are kept in reserve"
        if problem != self._paused:
            log.warning("no job is started: %s", problem)
        return problem

    def _threads(self) -> list[threading.Thread]:
        with self._runs_lock:
            return [thread for _, thread in self._runs.values()]
