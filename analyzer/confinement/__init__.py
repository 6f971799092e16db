"""Runs a task on hostile input in a process that can hurt nothing: bounded, watched, cut off.

    service ── ForkServer ──> zygote (everything imported, no capture byte ever) ──fork──> worker
       └────────── bounded JSON lines over a pipe, never pickle ───────────────────────────┘

docs/decisions/0008-how-a-job-is-confined.md says what is done and against what.
"""

from analyzer.confinement.limits import Failure, Outcome, WorkerLimits
from analyzer.confinement.probe import confinement
from analyzer.confinement.server import ForkServer
from analyzer.confinement.watching import run

__all__ = ["Failure", "ForkServer", "Outcome", "WorkerLimits", "confinement", "run"]
