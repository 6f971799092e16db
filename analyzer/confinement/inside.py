"""What happens in a worker: it gives up what it does not need, then does its one task.

Runs in a process forked from the zygote, which has one thread. Everything given up is given up for
good before the first byte of a capture is read. What the kernel will not give up is said, and the
rest still holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyzer.confinement.limits import GIB, Failure, WorkerLimits
from analyzer.confinement.messages import encode
from analyzer.confinement.requests import ARGUMENTS_FILE, Request
from analyzer.errors import CaptureUnreadable, OutgateError, ToolMissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

MESSAGES_FD = 3
MAX_FDS = 4096
SCRATCH = "scratch"
"""Folder for temporary files, in the worker's own."""

ADDRESS_SPACE_BEYOND_DATA = 4 * GIB
"""Libraries, files mapped in, and stretches glibc reserves for each thread without using them."""

CPU_GRACE_S = 1
"""From the signal that says the time is up to the one that nobody can ignore."""

NICE = 5
OOM_SCORE = 900
"""Of 1000: the kernel, short of memory, takes a worker before the service."""

DONE, FAILED = 0, 1
LIBRARY_FOLDERS = frozenset({"site-packages", "dist-packages"})
MAX_ERROR_CHARS = 1000
MAX_REASON_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something a worker can do.

    Attributes:
        perform: Does it; what it returns becomes the outcome's result.
        programs: Whether it starts other programs; whoever asks for it must allow that.
    """

    perform: Callable[[Workplace, Mapping[str, Any]], Mapping[str, Any]]
    programs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What a task has of the world: a folder to write to and someone to tell."""

    folder: Path

    def tell(self, kind: str, data: Mapping[str, Any]) -> None:
        """Sends a message; the service ending meanwhile ends the worker by SIGPIPE."""
        line = encode(kind, data)
        while line:
            line = line[os.write(MESSAGES_FD, line) :]


def work(request: Request, module: ModuleType, *, zygote_pid: int, fds: tuple[int, int]) -> None:
    """The whole life of a worker; never returns.

    Args:
        request: What to do.
        module: Has the tasks, as `TASKS`.
        zygote_pid: Its parent, without which it ends.
        fds: Where messages go, and where what is printed to standard error goes.
    """
    status = FAILED
    try:
        _detach(zygote_pid, fds)
        place = Workplace(folder=Path(request.folder))
        task: Task = module.TASKS[request.task]
        arguments = json.loads((place.folder / ARGUMENTS_FILE).read_bytes())
        applied = _confine(request, module)
        place.tell("confined", applied)
        result = task.perform(place, arguments)
        place.tell("result", result)
        status = DONE
    except BaseException as error:  # noqa: BLE001 - a worker has nobody else to tell
        _report(error)
    finally:
        os._exit(status)


def _detach(zygote_pid: int, fds: tuple[int, int]) -> None:
    """A session of its own, no signal handler, no open file but the two pipes."""
    from analyzer import _core  # noqa: PLC0415 - the zygote has imported it

    _core.end_with_parent()
    if os.getppid() != zygote_pid:
        os._exit(FAILED)
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python would ignore them
        signal.signal(number, signal.SIG_DFL)
    messages, errors = fds
    nothing = os.open(os.devnull, os.O_RDWR)
    # Above everything that is open, so that the order of the next lines cannot matter.
    high = [_at_least(fd, 64) for fd in (nothing, nothing, errors, messages)]
    for target, fd in enumerate(high):
        os.dup2(fd, target, inheritable=target < MESSAGES_FD)
    os.closerange(MESSAGES_FD + 1, MAX_FDS)


def _at_least(fd: int, lowest: int) -> int:
    import fcntl  # noqa: PLC0415 - here alone

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest)


def _confine(request: Request, module: ModuleType) -> dict[str, str]:
    """Gives up everything else; says of each measure `on`, or why it is not."""
    from analyzer import _core  # noqa: PLC0415 - the zygote has imported it

    folder = Path(request.folder)
    scratch = folder / SCRATCH
    scratch.mkdir(mode=0o700, exist_ok=True)
    os.umask(0o077)
    os.chdir(folder)
    os.environ["TMPDIR"] = os.environ["HOME"] = tempfile.tempdir = str(scratch)
    measures: dict[str, Callable[[], str | None]] = {
        "priority": _low_priority,
        "namespaces": _own_namespaces,
        "files": partial(_only_files, request, module),
        "capabilities": _core.drop_capabilities,
        # Again: the kernel forgets it when capabilities change.
        "parent": _core.end_with_parent,
        "limits": partial(_limit, request.limits, programs=request.programs),
        "system_calls": partial(_core.confine_syscalls, request.programs),
    }
    return {name: _applied(measure) for name, measure in measures.items()}


def _applied(measure: Callable[[], str | None]) -> str:
    try:
        said = measure()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        return f"off: {reason}".lower()[:MAX_REASON_CHARS]
    except ValueError as error:
        return f"off: {error}"[:MAX_REASON_CHARS]
    return said or "on"


def _low_priority() -> None:
    os.nice(NICE)
    Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")


def _own_namespaces() -> None:
    """No network, no System V memory shared with others, and itself as its only user."""
    from analyzer import _core  # noqa: PLC0415 - as above

    user, group = os.getuid(), os.getgid()
    _core.confine_namespaces()
    for file, line in (
        ("uid_map", f"{user} {user} 1"),
        ("setgroups", "deny"),
        ("gid_map", f"{group} {group} 1"),
    ):
        Path(f"/proc/self/{file}").write_text(line, encoding="ascii")


def _only_files(request: Request, module: ModuleType) -> str | None:
    from analyzer import _core  # noqa: PLC0415 - as above

    read = [*request.read, *_libraries(module)]
    write = [request.folder]
    if request.programs:
        read += ["/bin", "/etc/wireshark", "/etc/passwd", "/etc/nsswitch.conf", "/proc"]
        write.append(os.devnull)
    enforced = _core.confine_files(read, write, request.programs)
    return {"full": "on", "partial": "on: in part, the kernel is older"}.get(
        enforced, "off: the kernel has no Landlock"
    )


def _libraries(module: ModuleType) -> list[str]:
    """Where Python, its libraries and the system's are; nothing of any user."""
    import analyzer  # noqa: PLC0415 - for its place alone
    import signatures  # noqa: PLC0415 - as above

    packages = [part for package in (analyzer, signatures) for part in package.__path__]
    # Of a user, or given by PYTHONPATH: those lie outside Python's own folders.
    elsewhere = [entry for entry in sys.path if Path(entry).name in LIBRARY_FOLDERS]
    own = [str(Path(module.__file__).parent)] if module.__file__ else []
    system = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime"]
    system += [os.devnull, "/dev/urandom", "/dev/random", "/proc/self"]
    return [sys.prefix, sys.base_prefix, *elsewhere, *packages, *own, *system]


def _limit(limits: WorkerLimits, *, programs: bool) -> None:
    """Bounds the kernel keeps for each process; what all use together is watched from outside."""
    address_space = limits.memory_bytes + ADDRESS_SPACE_BEYOND_DATA
    for which, soft, hard in (
        (resource.RLIMIT_DATA, limits.memory_bytes, limits.memory_bytes),
        (resource.RLIMIT_AS, address_space, address_space),
        (resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + CPU_GRACE_S),
        (resource.RLIMIT_FSIZE, limits.output_bytes, limits.output_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files, limits.open_files),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
    ):
        _set_limit(which, soft, hard)
    if programs:  # counts the threads of the worker's user in its own namespace
        with contextlib.suppress(OSError, ValueError):
            _set_limit(resource.RLIMIT_NPROC, limits.processes * 16, limits.processes * 16)


def _set_limit(which: int, soft: int, hard: int) -> None:
    """Never above what the service itself was given."""
    given = resource.getrlimit(which)[1]
    most = hard if given == resource.RLIM_INFINITY else min(hard, given)
    resource.setrlimit(which, (min(soft, most), most))


def _report(error: BaseException) -> None:
    """Says why there is no result, if there is still memory to say it with."""
    failure, message, hint = _described(error)
    if failure is Failure.WORKER_ERROR:
        with contextlib.suppress(BaseException):
            traceback.print_exception(error, file=sys.stderr)
            sys.stderr.flush()
    data = {"failure": str(failure), "message": message, "hint": hint}
    with contextlib.suppress(BaseException):
        os.write(MESSAGES_FD, encode("error", data))


def _described(error: BaseException) -> tuple[Failure, str, str]:
    if isinstance(error, MemoryError):
        return Failure.OUT_OF_MEMORY, "", ""
    if isinstance(error, CaptureUnreadable):
        return Failure.CAPTURE_UNREADABLE, error.message, error.hint
    if isinstance(error, ToolMissingError):
        return Failure.TOOL_MISSING, error.message, error.hint
    if isinstance(error, OutgateError):
        return Failure.REFUSED, error.message, error.hint
    text = _reason(error) if isinstance(error, OSError) else str(error)
    text = text[:MAX_ERROR_CHARS]
    return Failure.WORKER_ERROR, f"internal error, {type(error).__name__}: {text}", ""


def _reason(error: OSError) -> str:
    """What the kernel said, without the path it said it of, which is nobody's business."""
    return os.strerror(error.errno).lower() if error.errno else "reading or writing failed"
