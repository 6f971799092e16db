"""What a worker cannot do, and what is said of one that tried."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import confinement
from analyzer.confinement import Failure, ForkServer, Outcome, WorkerLimits
from analyzer.confinement.limits import MIB
from analyzer.confinement.messages import MAX_MESSAGE_BYTES, MAX_MESSAGES, MessageReader, encode
from analyzer.errors import OutgateError
from tests import hostile_tasks
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SMALL = WorkerLimits(
    memory_bytes=256 * MIB,
    cpu_s=1,
    wall_s=30,
    output_bytes=8 * MIB,
    output_files=40,
    processes=6,
)
REFUSED = {"EPERM", "EACCES"}


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer(hostile_tasks.__name__) as started:
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


def run(
    server: ForkServer, task: str, folder: Path, limits: WorkerLimits = SMALL, **arguments: Any
) -> Outcome:
    return confinement.run(
        server,
        task,
        arguments,
        folder=folder,
        limits=limits,
        programs=hostile_tasks.TASKS[task].programs,
        read=[Path(arguments["capture"])] if "capture" in arguments else [],
    )


def only_if_on(outcome: Outcome, measure: str) -> None:
    """Tests of what this machine's kernel refuses say so instead of failing."""
    assert measure in outcome.applied
    if not outcome.applied[measure].startswith("on"):
        pytest.skip(f"this kernel confines nothing by {measure}: {outcome.applied[measure]}")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# What it cannot do


@pytest.mark.parametrize("task", ["reach_out", "reach_out_with_programs"])
def test_a_worker_reaches_no_network_and_no_other_process(
    server: ForkServer, folder: Path, task: str
) -> None:
    outcome = run(server, task, folder, service=os.getpid())
    only_if_on(outcome, "system_calls")
    said = dict(outcome.result)
    if task == "reach_out_with_programs":
        # It may start programs and end them; what lies outside is kept from it by Landlock.
        assert said.pop("fork") == "done"
        assert said.pop("exec") == "done"
        assert said.pop("setuid") == "done", "which gives it nothing it had not"
    assert said.pop("clone3") == "ENOSYS", "so that the C library falls back to clone"
    if said.get("x32_ptrace") == "ENOSYS":
        del said["x32_ptrace"]
    assert {name for name, answer in said.items() if answer not in REFUSED} == set()
    assert server.pid


def test_a_worker_reads_its_capture_and_writes_its_folder_and_nothing_else(
    server: ForkServer, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "captures").mkdir()
    capture, other = tmp_path / "captures" / "mine", tmp_path / "captures" / "other"
    capture.write_bytes(b"mine")
    other.write_bytes(b"other")
    outcome = run(
        server,
        "touch_files",
        folder,
        capture=str(capture),
        other=str(other),
        service=os.getpid(),
    )
    only_if_on(outcome, "files")
    done = {name for name, answer in outcome.result.items() if answer == "done"}
    assert done == {"read_capture", "own"}
    assert set(outcome.result.values()) <= {"done", *REFUSED}
    assert capture.read_bytes() == b"mine"


def test_a_worker_knows_no_secret_and_holds_nothing_open(
    server: ForkServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTGATE_DATABASE", "postgresql://someone:secret@db.example/outgate")
    with ForkServer(hostile_tasks.__name__) as fresh:
        outcome = run(fresh, "look_around", folder)
    said = outcome.result
    assert not [name for name in said["environment"] if name.startswith("OUTGATE")]
    assert sorted(said["fds"]) == ["0", "1", "2", "3"]
    assert said["fds"]["3"] == "pipe"
    assert int(said["capabilities"], 16) == 0
    assert said["threads"] == "1"
    assert int(said["oom_score"]) > 0
    if outcome.applied["namespaces"] == "on":
        assert said["interfaces"] == ["lo"]


def test_a_worker_may_use_threads(server: ForkServer, folder: Path) -> None:
    assert run(server, "work_in_threads", folder).result == {"done": 4}


# What it may not use up


@pytest.mark.parametrize(
    ("task", "arguments"),
    [
        ("allocate", {"bytes": 10 << 30, "piece": 10 << 30}),
        ("allocate", {"bytes": 10 << 30, "piece": 1 << 20}),
        ("allocate", {"bytes": 10 << 30, "piece": 100}),
        ("map_shared", {"bytes": 600 << 20}),
        ("exhaust_rust", {}),
    ],
    ids=["at once", "in pieces", "in crumbs", "shared", "in the core"],
)
def test_ten_gigabytes_of_memory_are_refused(
    server: ForkServer, folder: Path, task: str, arguments: Mapping[str, Any]
) -> None:
    limits = WorkerLimits(memory_bytes=256 * MIB, cpu_s=20, wall_s=30)
    outcome = run(server, task, folder, limits, **arguments)
    assert outcome.failure is Failure.OUT_OF_MEMORY
    assert outcome.message == f"cannot {task}: it needs more than 256 MiB of memory"
    assert "memory" in outcome.hint
    assert not outcome.transient
    assert outcome.peak_bytes < 700 * MIB


@pytest.mark.parametrize("deaf", [False, True], ids=["plainly", "deaf to the signal"])
def test_a_worker_that_spins_is_ended(server: ForkServer, folder: Path, deaf: bool) -> None:
    outcome = run(server, "spin", folder, deaf=deaf)
    assert outcome.failure is Failure.CPU_LIMIT
    assert outcome.message == "cannot spin: it took more than 1 s of processor time"
    assert 0.5 < outcome.cpu_s < 10


def test_a_worker_that_sleeps_is_ended(server: ForkServer, folder: Path) -> None:
    outcome = run(server, "sleep", folder, WorkerLimits(wall_s=0.3))
    assert outcome.failure is Failure.TIME_LIMIT
    assert outcome.message == "cannot sleep: it took longer than 0.3 s"
    assert outcome.wall_s < 5


@pytest.mark.parametrize("how", ["one", "many", "names", "hole", "deep"])
def test_a_worker_that_fills_the_disk_is_ended(server: ForkServer, folder: Path, how: str) -> None:
    outcome = run(server, "fill", folder, how=how)
    assert outcome.failure is Failure.OUTPUT_LIMIT
    assert outcome.message == "cannot fill: its results take more than 8 MiB or 40 files"


def test_a_worker_cannot_hide_what_it_writes_in_a_locked_folder(
    server: ForkServer, folder: Path
) -> None:
    limits = replace(SMALL, output_bytes=8 * MIB, wall_s=3)
    outcome = run(server, "fill", folder, limits, how="locked")
    if os.getuid() == 0:  # sees what is in there, which is within the limit
        assert outcome.failure is Failure.TIME_LIMIT
    else:
        assert outcome.failure is Failure.OUTPUT_LIMIT


def test_a_worker_is_ended_before_the_disk_is_full(server: ForkServer, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    outcome = run(server, "fill", folder, replace(SMALL, min_free_bytes=2 * free), how="nameless")
    assert outcome.failure is Failure.DISK_FULL
    assert "of the disk are free" in outcome.message
    assert outcome.transient


def test_a_worker_that_breeds_is_ended_with_all_its_children(
    server: ForkServer, folder: Path
) -> None:
    outcome = run(server, "breed", folder, children=40)
    assert outcome.failure is Failure.PROCESS_LIMIT
    assert outcome.message == "cannot breed: it started more than 6 processes"


def test_children_that_share_the_memory_among_them_are_counted_together(
    server: ForkServer, folder: Path
) -> None:
    outcome = run(server, "breed", folder, children=4, bytes=120 * MIB)
    assert outcome.failure is Failure.OUT_OF_MEMORY


def test_nothing_of_a_worker_outlives_it(server: ForkServer, folder: Path) -> None:
    outcome = run(server, "breed", folder, children=3, leave=True)
    pids = outcome.result["pids"]
    assert len(pids) == 3
    until(lambda: not any(alive(pid) for pid in pids), "the children ended")


# What is said of its end


@pytest.mark.parametrize(
    ("how", "failure", "transient", "words"),
    [
        ("SIGKILL", Failure.KILLED, True, "killed by SIGKILL"),
        ("SIGTERM", Failure.KILLED, True, "killed by SIGTERM"),
        ("segfault", Failure.KILLED, False, "killed by SIGSEGV"),
        ("SIGABRT", Failure.KILLED, False, "killed by SIGABRT"),
        ("silently", Failure.WORKER_ERROR, False, "the worker ended with status 0"),
        ("raise", Failure.WORKER_ERROR, False, r"internal error, ValueError: a wallet \x1b[31m of"),
        ("look", Failure.WORKER_ERROR, False, "internal error, FileNotFoundError: no such file"),
        ("lie", Failure.WORKER_ERROR, False, "by nobody"),
    ],
)
def test_every_end_has_a_reason(
    server: ForkServer, how: str, failure: Failure, *, transient: bool, words: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(server, "end", Path(folder), how=how)
    assert outcome.failure is failure
    assert words in outcome.message
    assert folder not in outcome.message
    assert outcome.message.isprintable()
    assert outcome.hint
    assert outcome.transient is transient
    assert outcome.result == {}


def test_a_worker_is_killed_when_it_is_cancelled(server: ForkServer, folder: Path) -> None:
    asked = threading.Event()
    threading.Timer(0.2, asked.set).start()
    outcome = confinement.run(
        server, "sleep", {}, folder=folder, limits=SMALL, cancelled=asked.is_set
    )
    assert outcome.failure is Failure.CANCELLED
    assert outcome.message == "cannot sleep: it was cancelled"
    assert outcome.wall_s < 5


def test_when_the_fork_server_is_killed_its_workers_end_and_the_next_finds_a_new_one(
    folder: Path, tmp_path: Path
) -> None:
    with ForkServer(hostile_tasks.__name__) as server:
        first = server.pid
        threading.Timer(0.3, lambda: os.kill(first, signal.SIGKILL)).start()
        outcome = run(server, "sleep", folder)
        assert outcome.failure is Failure.WORKER_ERROR
        assert outcome.transient
        (tmp_path / "again").mkdir()
        assert run(server, "work_in_threads", tmp_path / "again").ok
        assert server.pid not in {0, first}


def test_a_module_that_cannot_be_loaded_is_said() -> None:
    with pytest.raises(OutgateError, match="cannot start workers: ModuleNot"):
        ForkServer("tests.no_such_tasks").start()


SERVICE = """
import sys, threading
from pathlib import Path
from analyzer import confinement
server = confinement.ForkServer("tests.hostile_tasks")
server.start()
print(server.pid, flush=True)
def said(_): pass
# A thread that is not the main one, and ends: workers die with the service, not with threads.
def work(name):
    folder = Path(sys.argv[1]) / name
    folder.mkdir()
    confinement.run(server, "sleep", {}, folder=folder)
for name in ("a", "b"):
    threading.Thread(target=work, args=(name,), daemon=True).start()
threading.Event().wait()
"""


def test_when_the_service_is_killed_nothing_is_left(tmp_path: Path) -> None:
    service = subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert service.stdout is not None
    with service.stdout:
        zygote = int(service.stdout.readline())
        children = Path(f"/proc/{zygote}/task/{zygote}/children")
        until(lambda: len(children.read_text().split()) == 2, "two workers")
        workers = [int(pid) for pid in children.read_text().split()]
        service.kill()
        service.wait()
    until(lambda: not any(alive(pid) for pid in (zygote, *workers)), "all of it ended")


# What it says


def test_what_is_no_message_is_passed_over(server: ForkServer, folder: Path) -> None:
    heard: list[Mapping[str, Any]] = []
    outcome = confinement.run(
        server, "babble", {"flood": 500}, folder=folder, limits=SMALL, on_message=heard.append
    )
    assert outcome.result == {"said": "enough"}
    assert len(heard) == 501


def test_a_worker_that_screams_costs_the_service_little(server: ForkServer, folder: Path) -> None:
    before = time.thread_time()
    outcome = run(server, "scream", folder, WorkerLimits(wall_s=1.0))
    assert outcome.failure is Failure.TIME_LIMIT
    assert time.thread_time() - before < 0.5


def test_a_reader_keeps_no_more_than_one_message() -> None:
    reader = MessageReader()
    for _ in range(100):
        assert list(reader.feed(b"x" * 65536)) == []
        assert len(reader._rest) <= MAX_MESSAGE_BYTES
    assert list(reader.feed(b'\n{"kind": "progress", "data": {}}\n')) == [("progress", {})]


def test_a_message_may_come_in_any_pieces() -> None:
    reader = MessageReader()
    line = encode("progress", {"stage": "reading", "done": 1})
    found = [message for byte in line * 2 for message in reader.feed(bytes([byte]))]
    assert found == [("progress", {"stage": "reading", "done": 1})] * 2


def test_after_too_many_messages_no_more_are_taken() -> None:
    reader = MessageReader()
    line = encode("progress", {})
    taken = sum(1 for _ in range(101) for _ in reader.feed(line * (MAX_MESSAGES // 100)))
    assert taken == MAX_MESSAGES
    assert reader.ignored == MAX_MESSAGES // 100


def test_a_message_that_no_reader_takes_is_not_sent() -> None:
    with pytest.raises(ValueError, match="at most"):
        encode("result", {"text": "x" * MAX_MESSAGE_BYTES})


def test_what_is_given_up_on_this_machine_is_known() -> None:
    said = confinement.confinement()
    assert {"namespaces", "files", "system_calls", "limits", "try_network"} <= set(said)
    assert said["limits"] == "on"
    assert all(value.startswith(("on", "off")) for value in said.values())


def test_a_worker_starts_in_some_ten_milliseconds(server: ForkServer, tmp_path: Path) -> None:
    times = []
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        times.append(run(server, "work_in_threads", folder).wall_s)
    assert min(times) < 0.2
