"""What an operator can set about jobs, and what the supervisor says of itself."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analyzer.confinement import WorkerLimits
from analyzer.confinement.limits import GIB, MIB

if TYPE_CHECKING:
    from collections.abc import Mapping


def _cores() -> int:
    return max(1, len(os.sched_getaffinity(0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """Settings of the supervisor.

    Attributes:
        workers: Analyses at the same time.
        limits: What one analysis may use.
        tasks: Carvings and dissections at the same time, beside the analyses.
        task_limits: What one of those may use.
        task_wait_s: How long one waits for its turn before it is refused.
        min_free_bytes: Free disk space below which no job is started.
        inside: Networks that count as inside; none stands for the private ranges.
        core_limits: Bounds of the core by name; the defaults apply to what is not named.
        poll_s: How often the queue is looked at when nobody says that there is something.
        retry_in_s: How long a job waits before its second, third … attempt, where trying again
            may help; the last counts for all that follow.
    """

    workers: int = field(default_factory=_cores)
    limits: WorkerLimits = field(default_factory=WorkerLimits)
    tasks: int = 2
    task_limits: WorkerLimits = field(
        default_factory=lambda: WorkerLimits(
            memory_bytes=2 * GIB, cpu_s=120, wall_s=120, output_bytes=512 * MIB
        )
    )
    task_wait_s: float = 15.0
    min_free_bytes: int = 512 * MIB
    inside: tuple[str, ...] = ()
    core_limits: Mapping[str, int] = field(default_factory=dict)
    poll_s: float = 2.0
    retry_in_s: tuple[float, ...] = (5.0, 30.0, 120.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """How the supervisor is doing.

    Attributes:
        alive: Whether it takes jobs at all.
        workers: How many analyses may run at once.
        running: How many run here.
        queued: How many wait.
        oldest_queued_s: How long the one that waits longest has waited; 0 if none does.
        tasks: Carvings and dissections that run.
        paused: Why no job is started though some wait, or "".
    """

    alive: bool
    workers: int
    running: int
    queued: int
    oldest_queued_s: float
    tasks: int
    paused: str
