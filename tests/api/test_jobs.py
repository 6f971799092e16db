"""Jobs are listed, followed, cancelled and tried again."""

from __future__ import annotations

import json
import struct
import threading
from typing import TYPE_CHECKING, Any

import pytest

from analyzer.confinement import WorkerLimits
from analyzer.jobs import JobSettings, Supervisor
from analyzer.store import Store
from analyzer.store.records import SERVICE, Job, JobState, Scope
from api import reception
from api.main import create_app
from api.routes import jobs as routes
from api.settings import ServiceSettings
from tests.asgi import ApiClient
from tests.bombs import gzip_bomb
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fastapi import FastAPI
PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
REPORT: dict[str, Any] = {
    "findings": [],
    "quality": {},
    "coverage": [],
    "funnel": [],
    "tool_version": "0.1.0",
    "ruleset_version": "abc",
}
FINDING = {"id": "f-1", "detector": "mining.stratum", "severity": "high", "title": "it mines"}


def send(client: ApiClient, number: int = 0) -> str:
    """Sends a capture; gives the id of its job."""
    headers = {"Content-Type": "application/vnd.tcpdump.pcap"}
    answer = client.post("/v1/captures", content=PCAP + bytes([number]), headers=headers)
    return str(answer.json()["job"]["id"])


def claimed(store: Store) -> Job:
    [job] = store.jobs.claim(limit=1)
    return job


def events_of(text: str) -> list[dict[str, Any]]:
    """The events of a stream."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] != ":")
        if "data" in fields:
            found.append({**fields, "data": json.loads(fields["data"])})
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "POLL_S", 0.01)
    monkeypatch.setattr(routes, "SLOW_POLL_S", 0.02)


# Reading


def test_a_job_says_how_far_it_is(admin: ApiClient, store: Store) -> None:
    job_id = send(admin)
    claimed(store)
    store.jobs.progress(job_id, stage="reading", bytes_done=10, bytes_total=25)
    job = admin.get(f"/v1/jobs/{job_id}").json()

    assert job["state"] == "running"
    assert job["stage"] == "reading"
    assert job["progress"] == {"bytes_done": 10, "bytes_total": 25, "findings": 0}
    assert job["error"] is None
    assert job["started_at"].endswith("Z")
    assert job["finished_at"] is None
    assert job["links"]["events"] == f"/v1/jobs/{job_id}/events"


def test_a_failed_job_says_why_in_the_words_of_a_problem(admin: ApiClient, store: Store) -> None:
    job_id = send(admin)
    attempt = claimed(store).attempt
    store.jobs.fail(job_id, attempt, code="capture-unreadable", message="cannot read x", hint="y")
    error = admin.get(f"/v1/jobs/{job_id}").json()["error"]
    assert error["type"] == "/v1/problems/capture-unreadable"
    assert (error["detail"], error["hint"]) == ("cannot read x", "y")

    store.jobs.retry(job_id, by=SERVICE)
    store.jobs.fail(job_id, claimed(store).attempt, code="out-of-memory", message="cannot go on")
    error = admin.get(f"/v1/jobs/{job_id}").json()["error"]
    assert (error["type"], error["title"]) == ("about:blank", "out of memory")


def test_a_partial_job_says_what_it_lacks(admin: ApiClient, store: Store) -> None:
    job_id = send(admin)
    warning = {"code": "truncated", "detail": "the last packet is cut off", "count": 1}
    attempt = claimed(store).attempt
    store.jobs.finish(job_id, attempt, REPORT, None, state=JobState.PARTIAL, warnings=[warning])
    job = admin.get(f"/v1/jobs/{job_id}").json()
    assert job["state"] == "partial"
    assert job["warnings"] == [warning]
    assert job["analysis"]


def test_jobs_are_listed_newest_first_page_by_page(admin: ApiClient, store: Store) -> None:
    made = [send(admin, number) for number in range(5)]
    seen, after, more = [], "", True
    while more:
        page = admin.get("/v1/jobs", params={"limit": 2, "after": after}).json()
        seen += [job["id"] for job in page["data"]]
        after, more = page["next_after"], page["has_more"]
    assert seen == made[::-1]

    claimed(store)
    running = admin.get("/v1/jobs", params={"state": "running"}).json()["data"]
    assert [job["id"] for job in running] == made[:1]
    mine = admin.get("/v1/jobs", params={"capture": running[0]["capture"]}).json()["data"]
    assert [job["id"] for job in mine] == made[:1]
    assert admin.get("/v1/jobs", params={"state": "lost"}).status_code == 422
    assert admin.get("/v1/jobs", params={"after": "j-unknown"}).status_code == 404


def test_a_job_that_is_not_there_is_a_clear_problem(admin: ApiClient) -> None:
    for method, path in [
        ("GET", "/v1/jobs/j-0"),
        ("DELETE", "/v1/jobs/j-0"),
        ("POST", "/v1/jobs/j-0/retry"),
        ("GET", "/v1/jobs/j-0/events"),
    ]:
        answer = admin.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


# Changing


def test_a_waiting_job_is_cancelled_at_once_and_can_be_tried_again(admin: ApiClient) -> None:
    job_id = send(admin)
    assert admin.delete(f"/v1/jobs/{job_id}").json()["state"] == "cancelled"
    assert admin.delete(f"/v1/jobs/{job_id}").status_code == 409

    again = admin.post(f"/v1/jobs/{job_id}/retry")
    assert again.status_code == 202
    assert again.json()["state"] == "queued"
    assert again.headers["Location"] == f"/v1/jobs/{job_id}"
    assert admin.post(f"/v1/jobs/{job_id}/retry").status_code == 409


def test_a_running_job_is_asked_to_stop(admin: ApiClient, store: Store) -> None:
    job_id = send(admin)
    claimed(store)
    job = admin.delete(f"/v1/jobs/{job_id}").json()
    assert (job["state"], job["cancel_requested"]) == ("running", True)


# Following


def test_a_stream_tells_everything_and_ends_with_the_job(admin: ApiClient, store: Store) -> None:
    job_id = send(admin)
    attempt = claimed(store).attempt
    store.jobs.progress(job_id, stage="judging", bytes_done=25, bytes_total=25)
    store.jobs.note(job_id, "finding", FINDING)
    store.jobs.finish(job_id, attempt, REPORT, None)

    answer = admin.get(f"/v1/jobs/{job_id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["cache-control"] == "no-store"
    events = events_of(answer.text)
    assert [event["event"] for event in events] == [
        "state",
        "state",
        "progress",
        "finding",
        "done",
    ]
    assert [event["id"] for event in events] == ["1", "2", "3", "4", "5"]
    assert events[-1]["data"]["state"] == "succeeded"
    assert all(event["data"]["job"] == job_id for event in events)


def test_a_stream_goes_on_where_it_was_cut(admin: ApiClient, store: Store) -> None:
    job_id = send(admin)
    store.jobs.finish(job_id, claimed(store).attempt, REPORT, None)
    url = f"/v1/jobs/{job_id}/events"

    by_header = events_of(admin.get(url, headers={"Last-Event-ID": "2"}).text)
    by_query = events_of(admin.get(url, params={"last_event_id": 2}).text)
    assert [event["id"] for event in by_header] == ["3"]
    assert by_query == by_header
    assert admin.get(url, headers={"Last-Event-ID": "3"}).status_code == 204
    assert admin.get(url, headers={"Last-Event-ID": "last"}).status_code == 422


def test_a_stream_waits_for_what_comes(admin: ApiClient, store: Store) -> None:
    job_id = send(admin)
    answers: list[str] = []
    follower = threading.Thread(
        target=lambda: answers.append(admin.get(f"/v1/jobs/{job_id}/events").text)
    )
    follower.start()
    attempt = claimed(store).attempt
    for number in range(30):
        store.jobs.note(job_id, "warning", {"code": "x", "detail": str(number)})
    store.jobs.finish(job_id, attempt, REPORT, None)
    follower.join(20)

    events = events_of(answers[0])
    assert [int(event["id"]) for event in events] == list(range(1, len(events) + 1))
    assert len(events) == 33
    assert events[-1]["event"] == "done"


def test_a_retried_job_s_stream_passes_over_its_earlier_end(admin: ApiClient, store: Store) -> None:
    job_id = send(admin)
    store.jobs.fail(job_id, claimed(store).attempt, code="x", message="y")
    store.jobs.retry(job_id, by=SERVICE)
    store.jobs.finish(job_id, claimed(store).attempt, REPORT, None)
    kinds = [event["event"] for event in events_of(admin.get(f"/v1/jobs/{job_id}/events").text)]
    assert kinds == ["state", "state", "done", "state", "state", "done"]


def test_a_quiet_stream_is_kept_alive_and_ends_with_the_service(
    app: FastAPI, admin: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "HEARTBEAT_S", 0.05)
    job_id = send(admin)
    answers: list[str] = []
    follower = threading.Thread(
        target=lambda: answers.append(admin.get(f"/v1/jobs/{job_id}/events").text)
    )
    follower.start()
    state = app.state.outgate
    until(lambda: state.reception._streams.total() == 1, "the stream runs")
    follower.join(0.3)
    state.stopping.set()
    follower.join(20)
    assert ": still here" in answers[0]
    assert state.reception._streams.total() == 0


def test_a_stream_ends_with_the_key_it_was_asked_with(
    client_with: Callable[..., ApiClient],
    admin: ApiClient,
    store: Store,
    app: FastAPI,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(routes, "RECHECK_S", 0.05)
    job_id = send(admin)
    reader = client_with(Scope.CAPTURES_READ)
    follower = threading.Thread(target=lambda: reader.get(f"/v1/jobs/{job_id}/events"))
    follower.start()
    streams = app.state.outgate.reception._streams
    until(lambda: streams.total() == 1, "the stream runs")
    follower.join(0.3)
    assert streams.total() == 1
    store.keys.revoke(reader.headers["Authorization"].split("_")[1], by=SERVICE)
    follower.join(20)
    assert streams.total() == 0


def test_streams_are_bounded(
    admin: ApiClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = send(admin)
    monkeypatch.setattr(reception, "MAX_STREAMS_EACH", 0)
    answer = admin.get(f"/v1/jobs/{job_id}/events")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "event streams" in answer.json()["detail"]


def test_who_may_not_read_findings_does_not_learn_them_from_a_stream(
    admin: ApiClient, store: Store, client_with: Callable[..., ApiClient]
) -> None:
    job_id = send(admin)
    attempt = claimed(store).attempt
    store.jobs.note(job_id, "finding", FINDING)
    store.jobs.finish(job_id, attempt, REPORT, None)

    reader = client_with(Scope.CAPTURES_READ)
    [found] = [
        event
        for event in events_of(reader.get(f"/v1/jobs/{job_id}/events").text)
        if event["event"] == "finding"
    ]
    assert set(found["data"]) == {"job", "at", "id"}
    both = client_with(Scope.CAPTURES_READ, Scope.FINDINGS_READ)
    assert "it mines" in both.get(f"/v1/jobs/{job_id}/events").text


# With real workers


def test_a_decompression_bomb_ends_in_a_clear_reason_and_harms_nothing(tmp_path: Path) -> None:
    bomb = gzip_bomb(tmp_path / "bomb.pcap.gz", 20 << 30).read_bytes()
    limits = WorkerLimits(wall_s=30, cpu_s=30)
    settings = JobSettings(
        workers=1,
        limits=limits,
        min_free_bytes=0,
        poll_s=0.05,
        core_limits={"decompressed_bytes": 64 << 20},
    )
    with (
        Store.open(tmp_path / "data", exclusive=True) as store,
        Supervisor(store, settings) as supervisor,
        ApiClient(
            create_app(ServiceSettings(data=tmp_path / "data", auth=False), store, supervisor)
        ) as client,
    ):
        answer = client.post("/v1/captures?name=bomb.pcap.gz", content=bomb)
        assert answer.status_code == 202
        job_id = answer.json()["job"]["id"]
        stream = client.get(f"/v1/jobs/{job_id}/events").text
        job = client.get(f"/v1/jobs/{job_id}").json()

        assert events_of(stream)[-1]["event"] == "done"
        assert job["state"] == "partial"
        assert any("decompresses to too much" in entry["detail"] for entry in job["warnings"])
        assert list(store.folder.uploads.iterdir()) == []
        assert list(store.folder.work.iterdir()) == []
        assert client.get("/healthz").status_code == 200
