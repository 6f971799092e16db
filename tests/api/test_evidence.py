"""The frames behind a finding over HTTP: shown, cut out, audited; no worker is believed."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analyzer.confinement import Failure, Outcome
from analyzer.errors import LimitError
from analyzer.frames import read_frames
from analyzer.jobs import FinishedTask, Supervisor
from analyzer.store.records import SERVICE, Scope
from analyzer.worker import CARVED_FILE, FRAMES_FILE
from api.main import create_app
from tests.asgi import ApiClient
from tests.stored import analyse, document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import httpx
    from fastapi import FastAPI

    from analyzer.store import Store
    from api.settings import ServiceSettings
    from tests.api.conftest import MakeClient

ROME = Path(__file__).parents[2] / "pcaps" / "rome-incident.pcapng"
FRAMES = [3, 5, 900]
FINDING = document(1)["id"]
HERE = f"/v1/findings/{FINDING}/evidence"


def evidence_of(frames: list[int]) -> list[dict[str, Any]]:
    one = document()["evidence"][0]
    return [{**one, "packets": frames}]


def keep(store: Store, **changes: Any) -> str:
    """A finding on the sample capture; gives the capture's hash."""
    given = {"evidence": evidence_of(FRAMES), **changes}
    return analyse(store, [document(1, **given)], ROME.read_bytes()).capture


@dataclass
class StandIn:
    """Stands for a supervisor whose workers leave what the test wants."""

    folder: Path
    leave: Callable[[Path], None]
    outcome: Outcome = field(default_factory=Outcome)
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    alive: bool = True

    def run_task(self, task: str, arguments: Mapping[str, Any]) -> FinishedTask:
        self.asked.append((task, arguments))
        place = self.folder / f"task-{len(self.asked)}"
        place.mkdir()
        self.leave(place)
        return FinishedTask(outcome=self.outcome, folder=place)


def leave_nothing(_place: Path) -> None:
    pass


@pytest.fixture
def stand_in(app: FastAPI, tmp_path: Path) -> StandIn:
    """What the application takes for its supervisor."""
    made = StandIn(tmp_path, leave_nothing)
    app.state.outgate.supervisor = made
    return made


@pytest.fixture
def working(settings: ServiceSettings, store: Store) -> Iterator[ApiClient]:
    """A client of a service with real workers."""
    supervisor = Supervisor(store)
    supervisor.start()
    _, text = store.keys.create("test", [Scope.ADMIN], by=SERVICE)
    headers = {"Authorization": f"Bearer {text}"}
    client = ApiClient(create_app(settings, store, supervisor), headers)
    client.timeout = 120
    try:
        yield client
    finally:
        client.close()
        supervisor.stop()


def problem(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


# --- with real workers ---


def test_frames_are_shown_cut_out_and_described(store: Store, working: ApiClient) -> None:
    sha256 = keep(store)

    about = working.get(HERE).json()
    assert (about["available"], about["frames"], about["reason"]) == (True, FRAMES, "")
    assert about["capture"]["sha256"] == sha256

    shown = working.get(about["links"]["frames"], params={"limit": 2}).json()
    real = {frame.number: frame for frame in read_frames(str(ROME), FRAMES)}
    assert [frame["number"] for frame in shown["data"]] == [3, 5]
    for frame in shown["data"]:
        assert frame["hex"] == real[frame["number"]].data.hex()
        assert frame["captured_bytes"] == len(real[frame["number"]].data)
    if shutil.which("tshark"):
        assert [layer["name"] for layer in shown["data"][0]["layers"]][:2] == ["ETH", "IP"]
        assert shown["not_decoded"] == ""
    else:
        assert "tshark" in shown["not_decoded"]
    assert shown["page"] == {"next_after": 5, "has_more": True}

    cut = working.get(about["links"]["capture"])
    digest = hashlib.sha256(cut.content)
    assert cut.headers["Outgate-SHA256"] == digest.hexdigest()
    encoded = base64.b64encode(digest.digest()).decode()
    assert cut.headers["Repr-Digest"] == f"sha-256=:{encoded}:"
    assert cut.headers["Content-Length"] == str(len(cut.content))
    assert cut.headers["Content-Disposition"] == f'attachment; filename="{FINDING}.pcapng"'
    path = store.folder.root / "cut.pcapng"
    path.write_bytes(cut.content)
    again = read_frames(str(path), [1, 2, 3])
    assert [frame.data for frame in again] == [real[number].data for number in FRAMES]

    manifest = working.get(about["links"]["manifest"]).json()
    assert manifest["output"]["sha256"] == digest.hexdigest()
    assert manifest["output"]["name"] == f"{FINDING}.pcapng"
    assert manifest["source"]["sha256"] == sha256
    assert manifest["frames"] == FRAMES
    assert str(store.folder.root) not in json.dumps(manifest)
    assert list(store.folder.work.iterdir()) == []


def test_a_capture_that_cannot_be_read_any_more_is_a_problem(
    store: Store, working: ApiClient
) -> None:
    sha256 = keep(store, evidence=evidence_of([1_000_000]))
    absent = working.get(f"{HERE}/frames").json()
    assert (absent["data"], absent["missing"]) == ([], [1_000_000])

    path = store.folder.capture_path(sha256)
    path.chmod(0o600)
    path.write_bytes(b"no capture at all")
    answer = working.get(f"{HERE}/frames")
    assert problem(answer) == (422, "capture-unreadable")
    assert str(path) not in answer.text
    changed = working.get(f"{HERE}/capture")
    assert problem(changed) == (409, "conflict")
    assert "SHA-256" in changed.json()["detail"]


# --- why there is none ---


@pytest.mark.parametrize("what", ["frames", "capture", "manifest"])
def test_a_finding_without_frames_says_why(
    store: Store, stand_in: StandIn, admin: ApiClient, what: str
) -> None:
    keep(store, evidence=evidence_of([]), evidence_available=False)

    about = admin.get(HERE).json()

    assert (about["available"], about["links"]) == (False, {})
    assert "names no packet" in about["reason"]
    assert problem(admin.get(f"{HERE}/{what}")) == (409, "conflict")
    assert stand_in.asked == []


def test_a_deleted_capture_has_no_evidence_and_says_so(
    store: Store, stand_in: StandIn, admin: ApiClient
) -> None:
    sha256 = keep(store)
    store.captures.delete(sha256, reason="its time was over", by=SERVICE)

    about = admin.get(HERE).json()

    assert (about["available"], about["capture"]["deleted"]) == (False, True)
    assert "its time was over" in about["reason"]
    assert problem(admin.get(f"{HERE}/frames")) == (410, "gone")


def test_a_missing_file_is_said(store: Store, stand_in: StandIn, admin: ApiClient) -> None:
    store.folder.capture_path(keep(store)).unlink()

    assert "missing" in admin.get(HERE).json()["reason"]
    assert problem(admin.get(f"{HERE}/capture")) == (410, "gone")


def test_a_capture_deleted_while_a_worker_reads_it_is_gone(
    store: Store, stand_in: StandIn, admin: ApiClient
) -> None:
    def delete(_place: Path) -> None:
        store.captures.delete(store.findings.get(FINDING).capture, reason="old", by=SERVICE)

    keep(store)
    stand_in.leave, stand_in.outcome = delete, Outcome(failure=Failure.CAPTURE_UNREADABLE)
    assert problem(admin.get(f"{HERE}/frames")) == (410, "gone")


def test_unknown_findings_are_not_found(stand_in: StandIn, admin: ApiClient) -> None:
    for path in ("", "/frames", "/capture", "/manifest"):
        assert problem(admin.get(f"/v1/findings/f-none/evidence{path}")) == (404, "not-found")


def test_no_workers_no_turn_and_no_time_are_said_as_such(
    store: Store, app: FastAPI, admin: ApiClient, tmp_path: Path
) -> None:
    keep(store)
    assert problem(admin.get(f"{HERE}/frames")) == (503, "unavailable")

    def refuse(_place: Path) -> None:
        raise LimitError("cannot carve now: 2 such tasks are running")

    app.state.outgate.supervisor = StandIn(tmp_path, refuse)
    busy = admin.get(f"{HERE}/frames")
    assert problem(busy) == (503, "unavailable")
    assert busy.headers["Retry-After"]

    turns = app.state.outgate.evidence_turns
    taken = [turns.acquire(blocking=False) for _ in range(100)].count(True)
    assert problem(admin.get(f"{HERE}/frames")) == (503, "unavailable")
    turns.release()
    assert taken < 20


# --- workers that are not believed ---


def text(content: str, name: str = FRAMES_FILE) -> Callable[[Path], None]:
    def leave(place: Path) -> None:
        (place / name).write_text(content)

    return leave


def link(target: str, name: str) -> Callable[[Path], None]:
    return lambda place: (place / name).symlink_to(target)


def frame(**changes: Any) -> str:
    shown = {
        "number": 3,
        "time": "2026-01-01T00:00:00Z",
        "original_bytes": 1,
        "captured_bytes": 1,
        "link_type": 1,
        "hex": "00",
        "layers": [],
        **changes,
    }
    return json.dumps({"frames": [shown], "not_decoded": ""})


@pytest.mark.parametrize(
    "leave",
    [
        leave_nothing,
        text(""),
        text("[]"),
        text("[" * 100_000),
        text(frame(number=4)),
        text(frame(hex="zz")),
        text(frame(hex="00" * 5000)),
        text(frame(extra=1)),
        text(frame(layers=[{"name": "x", "lines": ["y" * 301]}])),
        text(frame(original_bytes=-1)),
        link("/etc/passwd", FRAMES_FILE),
        lambda place: (place / FRAMES_FILE).mkdir(),
    ],
)
def test_frames_of_a_hostile_worker_are_refused(
    store: Store, stand_in: StandIn, admin: ApiClient, leave: Callable[[Path], None]
) -> None:
    keep(store)
    stand_in.leave = leave

    answer = admin.get(f"{HERE}/frames")

    assert problem(answer) == (422, "capture-unreadable")
    assert "root:" not in answer.text
    assert not list(stand_in.folder.glob("task-*"))


@pytest.mark.parametrize(
    "manifest",
    ["", "{}", '{"output": []}', '{"output": {"sha256": "00"}}', "[" * 100_000],
)
def test_a_cut_out_file_that_is_not_its_manifests_is_refused(
    store: Store, stand_in: StandIn, admin: ApiClient, manifest: str
) -> None:
    keep(store)

    def leave(place: Path) -> None:
        (place / CARVED_FILE).write_bytes(b"frames")
        (place / f"{CARVED_FILE}.json").write_text(manifest)

    stand_in.leave = leave
    for what in ("capture", "manifest"):
        assert problem(admin.get(f"{HERE}/{what}")) == (422, "capture-unreadable")


def test_a_cut_out_file_that_is_a_link_is_refused(
    store: Store, stand_in: StandIn, admin: ApiClient
) -> None:
    keep(store)
    secret = store.folder.secret()

    def leave(place: Path) -> None:
        (place / CARVED_FILE).symlink_to(store.folder.root / "secret")
        digest = hashlib.sha256(secret).hexdigest()
        (place / f"{CARVED_FILE}.json").write_text(json.dumps({"output": {"sha256": digest}}))

    stand_in.leave = leave
    answer = admin.get(f"{HERE}/capture")

    assert problem(answer) == (422, "capture-unreadable")
    assert secret not in answer.content


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(failure=Failure.REFUSED, message="it is another file"), (409, "conflict")),
        (Outcome(failure=Failure.TIME_LIMIT, message="too long"), (422, "capture-unreadable")),
        (Outcome(failure=Failure.OUT_OF_MEMORY, message="too big"), (422, "capture-unreadable")),
        (Outcome(failure=Failure.KILLED, message="x", transient=True), (503, "unavailable")),
        (Outcome(failure=Failure.CANCELLED, message="stopped"), (503, "unavailable")),
    ],
)
def test_each_way_to_fail_has_its_problem(
    store: Store,
    stand_in: StandIn,
    admin: ApiClient,
    outcome: Outcome,
    expected: tuple[int, str],
) -> None:
    keep(store)
    stand_in.outcome = outcome

    answer = admin.get(f"{HERE}/frames")

    assert problem(answer) == expected
    assert outcome.message in answer.json()["detail"]


# --- who looks, and who knows ---


def test_only_readers_of_evidence_look_and_each_look_is_audited(
    store: Store, stand_in: StandIn, client_with: MakeClient
) -> None:
    keep(store)
    stand_in.leave = text(frame())
    reader = client_with(Scope.FINDINGS_READ, Scope.FINDINGS_TRIAGE, Scope.CAPTURES_READ)
    looker = client_with(Scope.EVIDENCE_READ)

    for path in ("", "/frames", "/capture", "/manifest"):
        assert reader.get(HERE + path).status_code == 403
    assert store.audit.page(subject=FINDING) == []
    looker.get(f"{HERE}/frames")
    looker.get(f"{HERE}/capture")
    looker.get(f"{HERE}/manifest")

    entries = store.audit.page(subject=FINDING)
    assert [entry.action for entry in entries] == [
        "evidence.frames",
        "evidence.capture",
        "evidence.manifest",
    ]
    assert entries[0].detail == {"frames": FRAMES}
    assert all(entry.actor.startswith("key:") for entry in entries)


def test_frames_are_paged_by_their_numbers(
    store: Store, stand_in: StandIn, admin: ApiClient
) -> None:
    keep(store)
    stand_in.leave = text('{"frames": [], "not_decoded": ""}')

    last = admin.get(f"{HERE}/frames", params={"after": 5}).json()
    behind = admin.get(f"{HERE}/frames", params={"after": 900}).json()

    assert (last["missing"], last["page"]) == ([900], {"next_after": 900, "has_more": False})
    assert (behind["data"], behind["page"]) == ([], {"next_after": 900, "has_more": False})
    assert [arguments["numbers"] for _, arguments in stand_in.asked] == [[900]]
    for params in ({"limit": 0}, {"limit": 65}, {"after": -1}, {"after": 2**63}):
        assert admin.get(f"{HERE}/frames", params=params).status_code == 422
