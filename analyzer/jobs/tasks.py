"""Short tasks for somebody who waits: a finding's frames, cut out or decoded."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from analyzer import worker
from analyzer.errors import LimitError
from analyzer.files import remove_tree

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

    from analyzer.confinement import ForkServer, Outcome
    from analyzer.confinement.watching import Cancelled
    from analyzer.jobs.settings import JobSettings

FOLDER_PREFIX = "task-"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedTask:
    """What a task came to; its files are there until `close`.

    Attributes:
        outcome: How it ended; its result names the files.
        folder: Where they are.
    """

    outcome: Outcome
    folder: Path

    def close(self) -> None:
        """Removes the files."""
        remove_tree(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Tasks:
    """Runs short tasks, a few at a time."""

    def __init__(self, server: ForkServer, folder: Path, settings: JobSettings) -> None:
        self._server = server
        self._folder = folder
        self._settings = settings
        self._turns = threading.BoundedSemaphore(settings.tasks)
        self._count_lock = threading.Lock()
        self.running = 0

    def run(
        self, task: str, arguments: Mapping[str, Any], cancelled: Cancelled | None
    ) -> FinishedTask:
        """Runs one and waits for its end; see `Supervisor.run_task`."""
        if not self._turns.acquire(timeout=self._settings.task_wait_s):
            raise LimitError(
                f"cannot {task} now: {self._settings.tasks} such tasks are running",
                hint="try again in some seconds",
            )
        folder = self._folder / f"{FOLDER_PREFIX}{secrets.token_hex(8)}"
        try:
            self._count(1)
            folder.mkdir(mode=0o700)
            outcome = worker.run(
                self._server,
                task,
                arguments,
                folder=folder,
                limits=replace(
                    self._settings.task_limits, min_free_bytes=self._settings.min_free_bytes // 2
                ),
                cancelled=cancelled,
            )
        except BaseException:
            remove_tree(folder)
            raise
        finally:
            self._count(-1)
            self._turns.release()
        return FinishedTask(outcome=outcome, folder=folder)

    def clear(self) -> None:
        """Removes what a kill left behind."""
        for path in self._folder.glob(f"{FOLDER_PREFIX}*"):
            remove_tree(path)

    def _count(self, change: int) -> None:
        with self._count_lock:
            self.running += change
