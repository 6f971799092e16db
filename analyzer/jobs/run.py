"""One attempt of one job, from the row that was claimed to the row that has ended."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from analyzer import worker
from analyzer.confinement import Failure
from analyzer.confinement.limits import GIB, MIB
from analyzer.confinement.messages import count, text
from analyzer.errors import ConflictError, NotFoundError, OutgateError, StoreUnavailable
from analyzer.files import remove_tree
from analyzer.jobs.results import BadResult, check_tables, read_report, warnings_of
from analyzer.store.records import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from analyzer.confinement import ForkServer, Outcome, WorkerLimits
    from analyzer.jobs.settings import JobSettings
    from analyzer.store import Store
    from analyzer.store.records import Job

SERVICE_ERROR = "service-error"
STAGES = frozenset({"reading", "judging", "saving"})
PROGRESS_EVERY_S = 0.5
CANCEL_LOOK_EVERY_S = 1.0
DECOMPRESSION_RATIO = 200
"""Captures compress to a twentieth; deflate can go to a thousandth, on a bomb."""

DECOMPRESSED_LEAST_BYTES, DECOMPRESSED_MOST_BYTES = 4 * GIB, 256 * GIB
MIN_OUTPUT_BYTES = 16 * MIB
MAX_NOTED_FINDINGS = 20
"""Findings told one by one as events; the analysis has all of them."""

STORE_PATIENCE_S = 600.0
"""How long an end is offered to a store that refuses; the next start finds jobs left over."""

LONGEST_PAUSE_S = 15.0

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class JobRun:
    """A job while its worker lives.

    Attributes:
        stopping: Set when the service ends: the worker is killed, the row stays as it is and the
            next start takes the job up again.
        nudge: Set when somebody changed something: the row is looked at at once.
    """

    store: Store
    server: ForkServer
    settings: JobSettings
    job: Job
    stopping: threading.Event
    nudge: threading.Event = field(default_factory=threading.Event)
    _cancelled: bool = False
    _told_at: float = 0.0
    _looked_at: float = 0.0
    _stage: str = ""
    _read_bytes: tuple[int, int] = (0, 0)

    def __call__(self) -> None:
        """Runs the attempt; never raises."""
        try:
            self._attempt()
        except Exception as error:
            log.exception("job %s failed in the service itself", self.job.id)
            self._fail_by(error)

    def _fail_by(self, error: Exception) -> None:
        """Ends a job that met a defect of ours, or a machine in trouble."""
        ours = not isinstance(error, (OutgateError, OSError))
        said = (error.strerror or "").lower() if isinstance(error, OSError) else str(error)
        message = said if isinstance(error, OutgateError) else f"cannot run the job: {said}"
        try:
            self._fail(
                SERVICE_ERROR,
                f"{message} ({type(error).__name__})" if ours else message,
                "the service's log shows where",
                again=not ours,
            )
        except Exception:
            log.exception("job %s stays as it is until the next start", self.job.id)

    def _attempt(self) -> None:
        job = self.job
        folder = self.store.folder.work_path(job.id, job.attempt)
        remove_tree(folder)
        folder.mkdir(parents=True, mode=0o700)
        limits = self._limits(folder)
        capture = self.store.captures.get(job.capture)
        outcome = worker.run(
            self.server,
            "analyze",
            {
                "capture": str(self.store.folder.capture_path(job.capture)),
                "name": capture.name,
                "inside": list(self.settings.inside),
                "limits": core_limits(self.settings, capture.size_bytes),
            },
            folder=folder,
            limits=limits,
            on_message=self._progress,
            cancelled=self._given_up,
        )
        log.info(
            "job %s attempt %d: %s in %.1f s, %.1f s of processor time, %d MiB at most",
            job.id,
            job.attempt,
            outcome.failure or "done",
            outcome.wall_s,
            outcome.cpu_s,
            outcome.peak_bytes // MIB,
        )
        if not outcome.ok:
            remove_tree(folder)  # before the store does, which expects no malice
        if outcome.ok:
            self._finish(folder, outcome)
        elif outcome.failure is Failure.CANCELLED:
            if self._cancelled:
                self._offer(lambda: self.store.jobs.cancelled(job.id, job.attempt))
        else:
            squeezed = limits.output_bytes < self.settings.limits.output_bytes
            again = outcome.transient or (outcome.failure is Failure.OUTPUT_LIMIT and squeezed)
            self._fail(str(outcome.failure), outcome.message, outcome.hint, again=again)

    def _finish(self, folder: Path, outcome: Outcome) -> None:
        """Reads the worker's results as the hostile input they may be, and hands them over."""
        job = self.job
        try:
            report = read_report(folder, job.capture)
            tables = check_tables(folder)
        except BadResult as error:
            self._fail(str(Failure.WORKER_ERROR), error.message, error.hint, again=False)
            return
        warnings = warnings_of(report, count(outcome.result, "left_out"))
        self._note(report, warnings)

        def finish() -> None:
            self.store.jobs.finish(
                job.id,
                job.attempt,
                report,
                # The first try may have moved them and then met a database that refused.
                tables if tables is not None and tables.exists() else None,
                state=JobState.PARTIAL if warnings else JobState.SUCCEEDED,
                warnings=warnings,
            )

        self._offer(finish)

    def _note(self, report: Mapping[str, Any], warnings: list[dict[str, Any]]) -> None:
        """Tells whoever follows the job; a result is not lost for want of it."""
        try:
            for warning in warnings:
                self.store.jobs.note(self.job.id, "warning", warning)
            for finding in report["findings"][:MAX_NOTED_FINDINGS]:
                about = {key: finding[key] for key in ("id", "detector", "severity", "title")}
                self.store.jobs.note(self.job.id, "finding", about)
        except Exception:
            log.warning("job %s: an event could not be noted", self.job.id, exc_info=True)

    def _fail(self, code: str, message: str, hint: str, *, again: bool) -> None:
        job = self.job
        waits = self.settings.retry_in_s
        retry_in_s = waits[min(job.attempt, len(waits)) - 1] if again and waits else None
        log.warning("job %s attempt %d failed: %s: %s", job.id, job.attempt, code, message)
        self._offer(
            lambda: self.store.jobs.fail(
                job.id, job.attempt, code=code, message=message, hint=hint, retry_in_s=retry_in_s
            )
        )

    def _offer(self, end: Callable[[], object]) -> None:
        """Ends the row, again and again while the store refuses.

        A job that somebody else ended meanwhile stays as they left it.
        """
        pause_s, deadline = 0.2, time.monotonic() + STORE_PATIENCE_S
        while True:
            try:
                end()
            except (ConflictError, NotFoundError) as error:
                log.warning("job %s: %s", self.job.id, error)
            except (StoreUnavailable, OSError):
                log.exception("job %s: the store refuses its end", self.job.id)
                if time.monotonic() < deadline and not self.stopping.wait(pause_s):
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                    continue
                log.error("job %s stays as it is until the next start", self.job.id)  # noqa: TRY400
            return

    def _limits(self, folder: Path) -> WorkerLimits:
        """No more room than the disk has beyond its reserve."""
        limits, reserve = self.settings.limits, self.settings.min_free_bytes
        free = max(shutil.disk_usage(folder).free - reserve, MIN_OUTPUT_BYTES)
        return replace(
            limits,
            output_bytes=min(limits.output_bytes, free),
            # Half of the reserve is left to the database, to say what happened.
            min_free_bytes=reserve // 2,
        )

    def _progress(self, said: Mapping[str, Any]) -> None:
        """Notes how far the worker is, a few times a second; every word of it is checked."""
        stage = text(said, "stage")
        if stage not in STAGES:
            return
        if stage == "reading":
            total = count(said, "total")
            self._read_bytes = (min(count(said, "done"), total), total)
        now = time.monotonic()
        if stage == self._stage and now - self._told_at < PROGRESS_EVERY_S:
            return
        self._stage, self._told_at = stage, now
        done, total = self._read_bytes
        try:
            go_on = self.store.jobs.progress(
                self.job.id, stage=stage, bytes_done=done, bytes_total=total
            )
        except Exception:  # a store that refuses for a moment costs no analysis
            log.warning("job %s: progress could not be noted", self.job.id, exc_info=True)
            return
        self._cancelled = self._cancelled or not go_on

    def _given_up(self) -> bool:
        """Whether the worker is to be killed: asked ten times a second."""
        if self.stopping.is_set() or self._cancelled:
            return True
        now = time.monotonic()
        if self.nudge.is_set() or now - self._looked_at >= CANCEL_LOOK_EVERY_S:
            self.nudge.clear()
            self._looked_at = now
            try:
                job = self.store.jobs.get(self.job.id)
            except NotFoundError:
                self._cancelled = True
            except Exception:
                log.warning("job %s could not be looked at", self.job.id, exc_info=True)
            else:
                self._cancelled = job.cancel_requested or job.state is not JobState.RUNNING
        return self._cancelled


def core_limits(settings: JobSettings, size_bytes: int) -> dict[str, int]:
    """Bounds of the core for a capture of this size: one that grows too much is read in part."""
    grown = size_bytes * DECOMPRESSION_RATIO
    bounded = min(max(grown, DECOMPRESSED_LEAST_BYTES), DECOMPRESSED_MOST_BYTES)
    return {"decompressed_bytes": bounded, **settings.core_limits}
