"""What a worker may use, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB, GIB = 1 << 20, 1 << 30


class Failure(StrEnum):
    """Why a worker gave no result: the error code of its job."""

    OUT_OF_MEMORY = "out-of-memory"
    CPU_LIMIT = "cpu-limit"
    TIME_LIMIT = "time-limit"
    OUTPUT_LIMIT = "output-limit"
    PROCESS_LIMIT = "process-limit"
    DISK_FULL = "disk-full"
    KILLED = "killed-by-signal"
    CAPTURE_UNREADABLE = "capture-unreadable"
    REFUSED = "refused"
    TOOL_MISSING = "tool-missing"
    CANCELLED = "cancelled"
    WORKER_ERROR = "worker-error"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """Bounds of one worker process and whatever it starts.

    Attributes:
        memory_bytes: Data of each process (RLIMIT_DATA), and resident memory of all together.
        cpu_s: Processor seconds of each process.
        wall_s: Seconds from start to end.
        output_bytes: Bytes in its folder.
        output_files: Files and folders in its folder.
        open_files: File descriptors of each process.
        processes: Processes at once, where the task may start programs at all.
        min_free_bytes: Free space of the folder's disk below which it is ended, whoever took it.
    """

    memory_bytes: int = 4 * GIB
    cpu_s: int = 3600
    wall_s: float = 2 * 3600
    output_bytes: int = 8 * GIB
    output_files: int = 256
    open_files: int = 256
    processes: int = 16
    min_free_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one task.

    Attributes:
        failure: Why there is no result; None if there is one.
        message: What could not be done and why, in one line; "" if all went well.
        hint: What to do about it, or "".
        result: What the task returned: a small JSON object from a process that read hostile input.
        transient: Whether the same task may well succeed when tried again.
        cpu_s: Processor seconds used.
        peak_bytes: Most resident memory of the worker, with what it shares with its siblings.
        wall_s: Seconds it took.
        applied: What the worker gave up before it began, by measure: `on`, or why not.
    """

    failure: Failure | None = None
    message: str = ""
    hint: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    transient: bool = False
    cpu_s: float = 0.0
    peak_bytes: int = 0
    wall_s: float = 0.0
    applied: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the task came to its end."""
        return self.failure is None
