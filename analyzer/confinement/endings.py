"""From how a process ended to what a person is told."""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analyzer.confinement.limits import GIB, MIB, Failure, Outcome, WorkerLimits
from analyzer.confinement.messages import text
from analyzer.escape import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

OUT_OF_MEMORY_WORDS = ("memory allocation of", "bad_alloc", "MemoryError", "Cannot allocate memory")
"""What Rust, C++, Python and the C library print before they give up."""

SAID = frozenset(
    {
        Failure.OUT_OF_MEMORY,
        Failure.CAPTURE_UNREADABLE,
        Failure.REFUSED,
        Failure.TOOL_MISSING,
        Failure.WORKER_ERROR,
    }
)
"""What a worker may say of itself; the rest is seen from outside."""

MAX_LAST_WORDS_CHARS = 300
CPU_SHARE = 0.8
"""The clock a limit is held to and the one that is reported afterwards differ by some percent."""

HINTS = {
    Failure.OUT_OF_MEMORY: "give workers more memory, or split the capture (editcap -c)",
    Failure.CPU_LIMIT: "give jobs more processor time, or split the capture (editcap -c)",
    Failure.TIME_LIMIT: "give jobs more time, or split the capture (editcap -c)",
    Failure.OUTPUT_LIMIT: "give jobs more room, or split the capture (editcap -c)",
    Failure.PROCESS_LIMIT: "no capture should need so many; keep it and report a defect",
    Failure.DISK_FULL: "free space on the disk of the data folder; it is tried again",
    Failure.WORKER_ERROR: "this is a defect; the service's log shows where",
}


@dataclass(slots=True, kw_only=True)
class Ending:
    """What is known of a worker's end.

    Attributes:
        over: Whether it has ended.
        status: Its exit status; minus the signal's number if one killed it.
        given_up: Why we killed it, if we did.
        lost: Why nobody knows how it ended, or "".
        result: Its last `result` message, from a process that read hostile input.
        error: Its last `error` message, likewise.
    """

    over: bool = False
    status: int = 0
    given_up: Failure | None = None
    lost: str = ""
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] = field(default_factory=dict)
    applied: Mapping[str, str] = field(default_factory=dict)
    stderr: str = ""
    cpu_s: float = 0.0
    peak_bytes: int = 0
    wall_s: float = 0.0


def outcome(task: str, limits: WorkerLimits, ending: Ending) -> Outcome:
    """The ending as an outcome, with a message and a hint."""
    failure, reason, hint, transient = _why(limits, ending)
    return Outcome(
        failure=failure,
        message=reason if failure in {None, *_OWN_WORDS} else f"cannot {task}: {reason}",
        hint=hint or HINTS.get(failure, "") if failure else "",
        result=ending.result or {} if failure is None else {},
        transient=transient,
        cpu_s=ending.cpu_s,
        peak_bytes=ending.peak_bytes,
        wall_s=ending.wall_s,
        applied=ending.applied,
    )


_OWN_WORDS = frozenset({Failure.CAPTURE_UNREADABLE, Failure.REFUSED, Failure.TOOL_MISSING})
"""Their messages are whole sentences already."""


def _why(limits: WorkerLimits, ending: Ending) -> tuple[Failure | None, str, str, bool]:
    """Failure, reason, hint (empty for the usual one), and whether trying again may help."""
    if ending.given_up is not None:
        # Others may have filled the disk; what else was given up for would be so again.
        again = ending.given_up is Failure.DISK_FULL
        return ending.given_up, _reason(ending.given_up, limits), "", again
    if ending.lost:
        return Failure.WORKER_ERROR, ending.lost, "it is tried again by itself", True
    if ending.status < 0:
        return _by_signal(-ending.status, limits, ending)
    if ending.status == 0 and ending.result is not None:
        return None, "", "", False
    said = text(ending.error, "failure")
    failure = Failure(said) if said in SAID else Failure.WORKER_ERROR
    if failure is Failure.OUT_OF_MEMORY:
        return failure, _reason(failure, limits), "", False
    reason = text(ending.error, "message") or f"the worker ended with status {ending.status}"
    return failure, reason, text(ending.error, "hint"), False


def _by_signal(number: int, limits: WorkerLimits, ending: Ending) -> tuple[Failure, str, str, bool]:
    known = {signal.SIGXCPU: Failure.CPU_LIMIT, signal.SIGXFSZ: Failure.OUTPUT_LIMIT}
    failure = known.get(signal.Signals(number)) if number in list(signal.Signals) else None
    if failure is None and number == signal.SIGKILL and ending.cpu_s >= CPU_SHARE * limits.cpu_s:
        failure = Failure.CPU_LIMIT  # it took no notice of SIGXCPU
    if failure is None and number in {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS}:
        short = any(words in ending.stderr for words in OUT_OF_MEMORY_WORDS)
        failure = Failure.OUT_OF_MEMORY if short else None
    if failure is not None:
        return failure, _reason(failure, limits), "", False
    reason = f"the worker was killed by {signal_name(number)}"
    if number in {signal.SIGKILL, signal.SIGTERM}:
        hint = "the system may be short of memory: run fewer jobs at once; it is tried again"
        return Failure.KILLED, reason, hint, True
    words = shorten(ending.stderr.strip(), MAX_LAST_WORDS_CHARS)
    hint = "this is a defect; keep the capture and report it"
    return Failure.KILLED, f"{reason}: {words}" if words else reason, hint, False


def _reason(failure: Failure, limits: WorkerLimits) -> str:
    return {
        Failure.OUT_OF_MEMORY: f"it needs more than {_size(limits.memory_bytes)} of memory",
        Failure.CPU_LIMIT: f"it took more than {limits.cpu_s} s of processor time",
        Failure.TIME_LIMIT: f"it took longer than {limits.wall_s:g} s",
        Failure.OUTPUT_LIMIT: f"its results take more than {_size(limits.output_bytes)} or "
        f"{limits.output_files} files",
        Failure.PROCESS_LIMIT: f"it started more than {limits.processes} processes",
        Failure.DISK_FULL: f"less than {_size(limits.min_free_bytes)} of the disk are free",
        Failure.CANCELLED: "it was cancelled",
    }[failure]


def _size(count: int) -> str:
    return f"{count / GIB:.3g} GiB" if count >= GIB else f"{count / MIB:.3g} MiB"


def signal_name(number: int) -> str:
    """SIGKILL for 9."""
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
