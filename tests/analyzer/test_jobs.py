"""The supervisor: from a queued job to the state it ends in, whatever happens on the way."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analyzer import worker
from analyzer.confinement import ForkServer, WorkerLimits
from analyzer.confinement.limits import GIB, MIB
from analyzer.errors import LimitError, StoreUnavailable
from analyzer.jobs import JobSettings, Supervisor
from analyzer.jobs.run import core_limits
from analyzer.store import Store
from analyzer.store.records import SERVICE, Job, JobState
from tests.bombs import PCAP_HEADER, gzip_bomb, pcap_of
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PCAPS = Path(__file__).parents[2] / "pcaps"
ROME = PCAPS / "rome-incident.pcapng"
QUICK = JobSettings(workers=2, poll_s=0.05, retry_in_s=(0.01,), min_free_bytes=0)


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """One for all tests that do not kill it."""
    with worker.fork_server() as started:
        yield started


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Store]:
    """A store on SQLite, for what has nothing to do with the database."""
    with Store.open(tmp_path / "local", exclusive=True) as opened:
        yield opened


def add(store: Store, source: Path | bytes, name: str = "", priority: int = 0) -> Job:
    content = source if isinstance(source, bytes) else source.read_bytes()
    part = store.folder.uploads / f"{os.urandom(4).hex()}.part"
    part.write_bytes(content)
    adopted = store.captures.adopt(
        part,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        name=name or (source.name if isinstance(source, Path) else "capture.pcap"),
        by=SERVICE,
        priority=priority,
    )
    return adopted.job


def ended(store: Store, job: Job, timeout_s: float = 30) -> Job:
    until(lambda: store.jobs.get(job.id).state.ended, "the job ended", timeout_s)
    return store.jobs.get(job.id)


def running(store: Store, job: Job) -> None:
    """Waits until its worker reads."""
    until(lambda: store.jobs.get(job.id).bytes_total > 0, "the worker reads")


def bomb(tmp_path: Path, size_bytes: int = 4 * GIB) -> Path:
    """A capture that keeps a worker busy for most of a minute."""
    return gzip_bomb(tmp_path / "bomb.pcap.gz", size_bytes)


def test_a_queued_job_ends_with_findings_and_tables(server: ForkServer, store: Store) -> None:
    with Supervisor(store, QUICK, server=server) as supervisor:
        job = add(store, ROME)
        supervisor.wake()
        done = ended(store, job)
        assert (done.state, done.findings, done.error_code) == (JobState.SUCCEEDED, 3, "")
        assert done.bytes_done == done.bytes_total == ROME.stat().st_size
        analysis = store.captures.current_analysis(done.capture)
        assert analysis is not None
        assert analysis.id == done.analysis_id
        assert (store.folder.tables_path(analysis.id) / "flows.parquet").is_file()
        kinds = [event.kind for event in store.jobs.events(job.id)]
        assert kinds[0] == "state"
        assert kinds.count("finding") == 3
        assert kinds[-1] == "done"
    assert list(store.folder.work.iterdir()) == []


def test_a_cut_capture_is_a_partial_result_with_the_reason(
    server: ForkServer, local: Store
) -> None:
    with Supervisor(local, QUICK, server=server):
        done = ended(local, add(local, ROME.read_bytes()[:-50]))
    assert done.state is JobState.PARTIAL
    assert done.findings == 3
    assert [warning["code"] for warning in done.warnings] == ["truncated"]
    assert done.warnings[0]["count"] == 1


def test_what_is_no_capture_fails_once_and_for_all(server: ForkServer, local: Store) -> None:
    with Supervisor(local, QUICK, server=server):
        done = ended(local, add(local, b"MZ this is a program", name="invoice.exe"))
    assert (done.state, done.error_code) == (JobState.FAILED, "capture-unreadable")
    assert done.error_message.startswith("cannot read invoice.exe: ")
    assert done.error_hint
    assert done.attempt == 1


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (WorkerLimits(cpu_s=1), "cpu-limit"),
        (WorkerLimits(wall_s=0.5), "time-limit"),
        (WorkerLimits(memory_bytes=16 * MIB), "out-of-memory"),
    ],
)
def test_a_bomb_ends_in_a_reason_and_the_service_goes_on(
    server: ForkServer, local: Store, tmp_path: Path, limits: WorkerLimits, code: str
) -> None:
    settings = JobSettings(
        workers=1, poll_s=0.05, retry_in_s=(0.01,), min_free_bytes=0, limits=limits
    )
    with Supervisor(local, settings, server=server) as supervisor:
        done = ended(local, add(local, bomb(tmp_path)))
        assert (done.state, done.error_code) == (JobState.FAILED, code)
        assert done.error_message.startswith("cannot analyze: it ")
        assert done.attempt == 1, "a second try would end the same way"
        assert supervisor.alive
        next_one = ended(local, add(local, pcap_of([b"\x02" * 60])))
        assert next_one.error_code in {"", code}  # too little memory is too little for all


def test_a_running_job_can_be_cancelled(server: ForkServer, store: Store, tmp_path: Path) -> None:
    with Supervisor(store, QUICK, server=server) as supervisor:
        job = add(store, bomb(tmp_path))
        running(store, job)
        store.jobs.cancel(job.id, by=SERVICE)
        supervisor.wake(job.id)
        done = ended(store, job, timeout_s=5)
        assert (done.state, done.error_code) == (JobState.CANCELLED, "cancelled")
        assert supervisor.status().running <= 1
        again = store.jobs.retry(job.id, by=SERVICE)
        running(store, again)
        store.jobs.cancel(job.id, by=SERVICE)  # and without a word to the supervisor
        assert ended(store, job, timeout_s=5).state is JobState.CANCELLED


def test_a_worker_killed_by_the_system_is_tried_again(
    server: ForkServer, local: Store, tmp_path: Path
) -> None:
    with Supervisor(local, QUICK, server=server) as supervisor:
        job = add(local, bomb(tmp_path))
        for attempt in (1, 2, 3):
            until(
                lambda: (
                    local.jobs.get(job.id).attempt == attempt  # noqa: B023 - asked at once
                    and len(workers_of(supervisor)) == 1
                ),
                "the attempt has a worker",
            )
            (pid,) = workers_of(supervisor)
            os.kill(pid, signal.SIGKILL)
        done = ended(local, job)
    assert (done.state, done.error_code) == (JobState.FAILED, "killed-by-signal")
    assert done.attempt == 3
    assert "SIGKILL" in done.error_message


def workers_of(supervisor: Supervisor) -> list[int]:
    zygote = supervisor._server.pid
    return [int(pid) for pid in Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split()]


def test_when_the_fork_server_is_killed_the_job_is_done_by_the_next(
    local: Store, tmp_path: Path
) -> None:
    with Supervisor(local, QUICK) as supervisor:
        job = add(local, bomb(tmp_path, 64 << 20))
        running(local, job)
        os.kill(supervisor._server.pid, signal.SIGKILL)
        done = ended(local, job)
    assert done.state.ended
    assert done.attempt == 2
    assert done.error_code == ""


def test_the_most_urgent_job_goes_first_and_no_more_than_allowed_run(
    server: ForkServer, local: Store
) -> None:
    jobs = [add(local, pcap_of([bytes([n]) * 60]), priority=n) for n in (1, 5, 3)]
    settings = JobSettings(workers=1, poll_s=0.05, min_free_bytes=0)
    most = 0
    with Supervisor(local, settings, server=server) as supervisor:
        while not all(local.jobs.get(job.id).state.ended for job in jobs):
            most = max(most, supervisor.status().running)
    rows = [local.jobs.get(job.id) for job in jobs]
    assert [row.priority for row in sorted(rows, key=lambda row: row.started_ns)] == [5, 3, 1]
    assert most == 1


def test_stopping_leaves_a_running_job_to_the_next_start(
    server: ForkServer, store: Store, tmp_path: Path
) -> None:
    job = add(store, bomb(tmp_path, 64 << 20))
    first = Supervisor(store, QUICK, server=server)
    first.start()
    running(store, job)
    first.stop(grace_s=0)
    assert not first.alive
    assert store.jobs.get(job.id).state is JobState.RUNNING
    with Supervisor(store, QUICK, server=server):
        done = ended(store, job)
    assert done.state in {JobState.SUCCEEDED, JobState.PARTIAL}
    assert done.attempt == 2


def test_stopping_waits_for_what_is_nearly_done(server: ForkServer, local: Store) -> None:
    job = add(local, ROME)
    supervisor = Supervisor(local, QUICK, server=server)
    supervisor.start()
    until(lambda: local.jobs.get(job.id).state is not JobState.QUEUED, "it began")
    supervisor.stop(grace_s=20)
    assert local.jobs.get(job.id).state is JobState.SUCCEEDED


SERVICE_PROGRAM = """
import sys, threading
from pathlib import Path
from analyzer.jobs import JobSettings, Supervisor
from analyzer.settings import AnalysisSettings
from analyzer.store import Store
with Store.open(Path(sys.argv[1]), exclusive=True) as store, Supervisor(
    store, JobSettings(workers=1, poll_s=0.05, min_free_bytes=0)
):
    threading.Event().wait()
"""


def test_a_job_whose_service_was_killed_is_taken_up_again(
    server: ForkServer, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with Store.open(data) as store:
        job = add(store, bomb(tmp_path, 64 << 20))
        service = subprocess.Popen(
            [sys.executable, "-c", SERVICE_PROGRAM, str(data)], cwd=Path(__file__).parents[2]
        )
        running(store, job)
        service.kill()
        service.wait()
        assert store.jobs.get(job.id).state is JobState.RUNNING
    with Store.open(data, exclusive=True) as store, Supervisor(store, QUICK, server=server):
        done = ended(store, job)
    assert done.state.ended
    assert done.error_code == ""
    assert done.attempt == 2


def test_a_store_that_refuses_for_a_while_costs_no_result(
    server: ForkServer, local: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = {"claim": 1, "finish": 2, "progress": 100, "note": 100, "recover": 1}

    def flaky(name: str) -> Callable[..., Any]:
        real = getattr(local.jobs, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            refusals[name] -= 1
            if refusals[name] >= 0:
                raise StoreUnavailable("cannot write: database is locked")
            return real(*args, **kwargs)

        return call

    for name in refusals:
        monkeypatch.setattr(local.jobs, name, flaky(name))
    with Supervisor(local, QUICK, server=server) as supervisor:
        done = ended(local, add(local, ROME))
        assert supervisor.alive
    assert (done.state, done.findings) == (JobState.SUCCEEDED, 3)
    assert (local.folder.tables_path(done.analysis_id) / "flows.parquet").is_file()


def test_what_a_job_failed_of_names_no_path_of_the_service(
    server: ForkServer, local: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("analyzer.jobs.run.remove_tree", full)
    with Supervisor(local, QUICK, server=server):
        done = ended(local, add(local, ROME))
    assert done.state is JobState.FAILED
    assert done.error_message == "cannot run the job: no space left on device"


def test_a_defect_of_the_service_itself_fails_the_job_and_nothing_else(
    server: ForkServer, local: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("of all things")

    with monkeypatch.context() as patched:
        patched.setattr(local.jobs, "finish", broken)
        with Supervisor(local, QUICK, server=server) as supervisor:
            done = ended(local, add(local, ROME))
            assert (done.state, done.error_code) == (JobState.FAILED, "service-error")
            assert "ZeroDivisionError" in done.error_message
            assert supervisor.alive


def test_no_job_is_started_while_the_disk_is_nearly_full(server: ForkServer, local: Store) -> None:
    settings = JobSettings(workers=1, poll_s=0.05, min_free_bytes=1 << 60)
    with Supervisor(local, settings, server=server) as supervisor:
        job = add(local, ROME)
        until(lambda: bool(supervisor.status().paused), "the pause is said")
        status = supervisor.status()
        assert "are kept in reserve" in status.paused
        assert (status.queued, status.running) == (1, 0)
        assert status.oldest_queued_s > 0
        assert local.jobs.get(job.id).state is JobState.QUEUED


def test_a_capture_whose_file_is_gone_fails_with_the_reason(
    server: ForkServer, local: Store
) -> None:
    job = add(local, ROME)
    local.folder.capture_path(job.capture).unlink()
    with Supervisor(local, QUICK, server=server):
        done = ended(local, job)
    assert (done.state, done.error_code) == (JobState.FAILED, "capture-unreadable")


def test_a_capture_that_changed_on_disk_gives_no_findings(server: ForkServer, local: Store) -> None:
    job = add(local, ROME)
    path = local.folder.capture_path(job.capture)
    path.chmod(0o600)
    path.write_bytes(PCAP_HEADER)
    with Supervisor(local, QUICK, server=server):
        done = ended(local, job)
    assert (done.state, done.error_code) == (JobState.FAILED, "worker-error")
    assert "another capture" in done.error_message


def test_evidence_is_carved_beside_running_jobs(server: ForkServer, local: Store) -> None:
    with Supervisor(local, QUICK, server=server) as supervisor:
        job = ended(local, add(local, ROME))
        report = local.captures.current_analysis(job.capture)
        assert report is not None
        (event, *_) = [e for e in local.jobs.events(job.id) if e.kind == "finding"]
        finding = local.findings.get(event.data["id"])
        capture = str(local.folder.capture_path(job.capture))
        arguments = {"capture": capture, "finding": dict(finding.document)}
        with supervisor.run_task("carve", arguments) as done:
            assert done.outcome.ok, done.outcome.message
            assert (done.folder / done.outcome.result["capture"]).stat().st_size > 1000
        assert not done.folder.exists()


def test_tasks_beyond_their_number_are_refused_with_a_hint(
    server: ForkServer, local: Store, tmp_path: Path
) -> None:
    settings = JobSettings(workers=1, tasks=1, task_wait_s=0.1, poll_s=0.05, min_free_bytes=0)
    with Supervisor(local, settings, server=server) as supervisor:
        asked = threading.Event()
        arguments = {"capture": str(bomb(tmp_path)), "name": "bomb"}
        thread = threading.Thread(
            target=lambda: supervisor.run_task("analyze", arguments, cancelled=asked.is_set).close()
        )
        thread.start()
        until(lambda: supervisor.status().tasks == 1, "the first runs")
        with pytest.raises(LimitError, match="cannot analyze now: 1 such tasks are running"):
            supervisor.run_task("analyze", arguments)
        asked.set()
        thread.join()
        assert supervisor.status().tasks == 0


def test_it_says_how_workers_are_confined(server: ForkServer, local: Store) -> None:
    with Supervisor(local, QUICK, server=server) as supervisor:
        until(lambda: bool(supervisor.confinement()), "a worker was tried")
        assert supervisor.confinement()["limits"] == "on"


def test_limits_of_the_core_follow_the_size_of_the_file() -> None:
    assert core_limits(QUICK, 1000)["decompressed_bytes"] == 4 * GIB
    assert core_limits(QUICK, 1 * GIB)["decompressed_bytes"] == 200 * GIB
    assert core_limits(QUICK, 64 * GIB)["decompressed_bytes"] == 256 * GIB
    own = JobSettings(core_limits={"decompressed_bytes": 7, "flows": 10})
    assert core_limits(own, 1 * GIB) == {"decompressed_bytes": 7, "flows": 10}
