"""What a worker might do after hostile input took it over; run by the tests of its confinement."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import mmap
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analyzer.confinement.inside import MESSAGES_FD, Task, Workplace
from analyzer.confinement.probe import warm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["TASKS", "warm"]

LIBC = ctypes.CDLL(None, use_errno=True)
SYS = {"ptrace": 101, "memfd_create": 319, "bpf": 321, "io_uring_setup": 425, "clone3": 435}
"""Numbers of x86-64; the last two are the same everywhere."""


def tried(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "done"


def call(number: int, *arguments: int) -> int:
    found = LIBC.syscall(number, *arguments)
    if found < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return int(found)


def libc(name: str, *arguments: Any) -> int:
    found = getattr(LIBC, name)(*arguments)
    if found < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return int(found)


def reach_out(_: Workplace, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    families = ("AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_PACKET")
    parent = os.getppid()
    tries: dict[str, Callable[[], object]] = {
        name: lambda name=name: socket.socket(getattr(socket, name), socket.SOCK_DGRAM)  # type: ignore[misc]
        for name in families
    }
    tries |= {
        "fork": os.fork,
        "exec": lambda: subprocess.run(["/bin/true"], check=True),
        "kill_zygote": lambda: os.kill(parent, signal.SIGKILL),
        "kill_service": lambda: os.kill(arguments["service"], signal.SIGKILL),
        "setsid": os.setsid,
        "limit_zygote": lambda: resource.prlimit(parent, resource.RLIMIT_CPU, (1, 1)),
        "unshare": lambda: libc("unshare", 0x10000000),
        "mount": lambda: libc("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "ptrace": lambda: call(SYS["ptrace"], 16, parent, 0, 0),
        "x32_ptrace": lambda: call(SYS["ptrace"] | 0x40000000, 16, parent, 0, 0),
        "bpf": lambda: call(SYS["bpf"], 0, 0, 0),
        "io_uring": lambda: call(SYS["io_uring_setup"], 1, 0),
        "clone3": lambda: call(SYS["clone3"], 0, 0),
        "outlive": lambda: libc("prctl", 1, 0, 0, 0, 0),
        "setuid": lambda: os.setresuid(os.getuid(), os.getuid(), os.getuid()),
    }
    return {name: tried(attempt) for name, attempt in tries.items()}


def touch_files(place: Workplace, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    other = Path(arguments["other"])
    tries: dict[str, Callable[[], object]] = {
        "read_capture": Path(arguments["capture"]).read_bytes,
        "read_other": other.read_bytes,
        "list_outside": lambda: list(other.parent.iterdir()),
        "read_service": Path(f"/proc/{arguments['service']}/environ").read_bytes,
        "write_capture": lambda: os.open(arguments["capture"], os.O_WRONLY),
        "write_beside": lambda: (place.folder.parent / "beside").write_bytes(b"x"),
        "remove_capture": lambda: Path(arguments["capture"]).unlink(),
        "symlink": lambda: (place.folder / "link").symlink_to(other),
        "hardlink": lambda: os.link(arguments["capture"], place.folder / "hard"),
        "fifo": lambda: os.mkfifo(place.folder / "fifo"),
        "own": lambda: (place.folder / "own").write_bytes(b"x"),
    }
    return {name: tried(attempt) for name, attempt in tries.items()}


def look_around(_: Workplace, __: Mapping[str, Any]) -> Mapping[str, Any]:
    status = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines()
    )
    fds = {}
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one the listing needed
            fds[fd.name] = str(fd.readlink()).split(":")[0]
    return {
        "environment": sorted(os.environ),
        "capabilities": status["CapEff"],
        "threads": status["Threads"],
        "fds": fds,
        "oom_score": Path("/proc/self/oom_score_adj").read_text().strip(),
        "interfaces": [line.split(":")[0].strip() for line in network_lines()],
    }


def network_lines() -> list[str]:
    try:
        return Path("/proc/self/net/dev").read_text().splitlines()[2:]
    except OSError:
        return []


def work_in_threads(_: Workplace, __: Mapping[str, Any]) -> Mapping[str, Any]:
    done: list[int] = []
    threads = [threading.Thread(target=done.append, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"done": len(done)}


def allocate(_: Workplace, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    size, piece = arguments["bytes"], arguments["piece"]
    kept = [bytearray(piece) for _ in range(size // piece)]
    return {"kept": len(kept)}


def exhaust_rust(_: Workplace, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """As the core ends when memory does: a line on standard error and SIGABRT."""
    os.write(2, b"memory allocation of 10737418240 bytes failed\n")
    os.abort()


def map_shared(_: Workplace, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Memory that is no data: shared and anonymous, past RLIMIT_DATA."""
    with mmap.mmap(-1, arguments["bytes"]) as area:
        for place in range(0, arguments["bytes"], 4096):
            area[place] = 1
        time.sleep(60)
    return {}


def spin(_: Workplace, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    if arguments.get("deaf"):
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True:
        pass


def sleep(_: Workplace, __: Mapping[str, Any]) -> Mapping[str, Any]:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(60)


def fill(place: Workplace, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Writes until stopped: into one file, into many, or none at all but names."""
    chunk, how = bytes(1 << 20), arguments["how"]
    if how == "deep":
        for _ in range(5000):
            Path("d").mkdir()
            os.chdir("d")
    if how == "locked":
        Path("locked").mkdir()
        Path("locked/file").write_bytes(chunk * 7)
        Path("locked").chmod(0)
        time.sleep(60)
    if how == "nameless":
        with (place.folder / "gone").open("wb") as file:
            (place.folder / "gone").unlink()
            for _ in range(7):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
            time.sleep(60)
    if how == "hole":
        os.truncate(os.open(place.folder / "hole", os.O_CREAT | os.O_WRONLY), 10 << 30)
    for number in range(10_000):
        name = "one" if how == "one" else f"many{number}"
        with (place.folder / name).open("ab") as file:
            file.write(chunk if how in {"one", "many"} else b"")
    return {}


def breed(_: Workplace, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Starts processes: many that wait, or some that take memory."""
    taken = arguments.get("bytes", 0)
    code = f"import time; b = bytearray({taken}); time.sleep(600)"
    children = [
        subprocess.Popen([sys.executable, "-c", code]) for _ in range(arguments["children"])
    ]
    if arguments.get("leave"):
        return {"pids": [child.pid for child in children]}
    for child in children:
        child.wait()
    return {}


def end(_: Workplace, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    how = arguments["how"]
    if how == "silently":
        os._exit(0)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "raise":
        raise ValueError("a wallet \x1b[31m of many colours")
    if how == "look":
        Path.cwd().joinpath("nothing").read_bytes()
    if how == "lie":
        send(b'{"kind": "error", "data": {"failure": "cancelled", "message": "by nobody"}}\n')
        os._exit(1)
    os.kill(os.getpid(), signal.Signals[how])
    return {}


def send(data: bytes) -> None:
    while data:
        data = data[os.write(MESSAGES_FD, data) :]


def babble(place: Workplace, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Everything that is no message, then one that is."""
    nested = b"[" * 8000
    for line in (
        b"",
        b"no json",
        pickle.dumps(print),
        b'"text"',
        b"[1, 2]",
        b'{"kind": "exec", "data": {}}',
        b'{"kind": "progress", "data": 3}',
        b'{"kind": ["progress"], "data": {}}',
        b'{"kind": "progress", "data": ' + nested,
        b"x" * (1 << 20),
        b"\xff\xfe\n\x00",
    ):
        send(line + b"\n")
    place.tell("progress", {"stage": "reading\x1b[2J", "done": -5, "total": "many"})
    for number in range(arguments.get("flood", 0)):
        send(json.dumps({"kind": "progress", "data": {"done": number}}).encode() + b"\n")
    return {"said": "enough"}


def scream(_: Workplace, __: Mapping[str, Any]) -> Mapping[str, Any]:
    """Standard error without end, until killed."""
    while True:
        os.write(2, b"A" * 65536)


TASKS: Mapping[str, Task] = {
    **{
        task.__name__: Task(perform=task)
        for task in (
            reach_out,
            touch_files,
            look_around,
            work_in_threads,
            allocate,
            exhaust_rust,
            map_shared,
            spin,
            sleep,
            fill,
            end,
            babble,
            scream,
        )
    },
    "breed": Task(perform=breed, programs=True),
    "reach_out_with_programs": Task(perform=reach_out, programs=True),
}
