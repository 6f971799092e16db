"""Resumable uploads, spoken as tus 1.0.0 has it: cuts, kills, damage and two at once included."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from analyzer.client import Client
from analyzer.store.records import Scope
from api import tus
from api.main import create_app
from tests.api.bodies import HANGS_UP, PCAP, SHA256, ask, ask_in_loop, key
from tests.asgi import ApiClient
from tests.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI

    from analyzer.store import Store
    from api.settings import ServiceSettings

SAMPLE = Path(__file__).resolve().parents[2] / "pcaps" / "rome-incident.pcapng"
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = TUS | {"Content-Type": "application/offset+octet-stream"}


def b64(data: bytes | str) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def begin(client: ApiClient, length: int = len(PCAP), name: str = "night.pcap") -> str:
    headers = TUS | {"Upload-Length": str(length), "Upload-Metadata": f"filename {b64(name)}"}
    answer = client.post("/v1/uploads", headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def patch(client: ApiClient, url: str, offset: int, data: bytes, **more: str) -> httpx.Response:
    headers = PIECE | {"Upload-Offset": str(offset)}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    return client.patch(url, headers=headers, content=data)


def offset(client: ApiClient, url: str) -> int:
    return int(client.head(url, headers=TUS).headers["Upload-Offset"])


# The protocol


def test_the_service_says_what_it_speaks(admin: ApiClient) -> None:
    answer = admin.options("/v1/uploads")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Max-Size"] == str(64 * 2**30)
    assert answer.headers["Tus-Checksum-Algorithm"].split(",")[0] == "sha1"
    extensions = set(answer.headers["Tus-Extension"].split(","))
    assert extensions >= {"creation", "checksum", "expiration", "termination"}


def test_a_capture_in_pieces_becomes_a_capture_with_a_job(admin: ApiClient, store: Store) -> None:
    url = begin(admin)
    assert offset(admin, url) == 0
    for start in range(0, len(PCAP), 100):
        answer = patch(admin, url, start, PCAP[start : start + 100])
        assert answer.status_code == 204
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert int(answer.headers["Upload-Offset"]) == min(start + 100, len(PCAP))
        assert answer.headers["Upload-Expires"].endswith("GMT")
    assert answer.headers["Outgate-Capture"] == SHA256
    assert store.jobs.get(answer.headers["Outgate-Job"]).capture == SHA256
    assert store.captures.get(SHA256).name == "night.pcap"
    assert list(store.folder.uploads.iterdir()) == []

    known = admin.head(url, headers=TUS).headers
    assert known["Outgate-Job"] == answer.headers["Outgate-Job"]
    assert known["Upload-Length"] == known["Upload-Offset"] == str(len(PCAP))
    assert known["Upload-Metadata"] == f"filename {b64('night.pcap')}"
    assert known["Cache-Control"] == "no-store"
    empty = patch(admin, url, len(PCAP), b"")
    assert empty.headers["Outgate-Job"] == answer.headers["Outgate-Job"]


def test_the_first_piece_may_come_with_the_beginning(admin: ApiClient) -> None:
    headers = PIECE | {"Upload-Length": str(len(PCAP))}
    answer = admin.post("/v1/uploads", headers=headers, content=PCAP[:100])
    assert answer.status_code == 201
    assert answer.headers["Upload-Offset"] == "100"
    done = patch(admin, answer.headers["Location"], 100, PCAP[100:])
    assert done.headers["Outgate-Capture"] == SHA256


def test_the_same_bytes_again_lead_to_the_same_job(admin: ApiClient) -> None:
    first, second = (patch(admin, begin(admin), 0, PCAP) for _ in range(2))
    assert first.headers["Outgate-Job"] == second.headers["Outgate-Job"]


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0.1"])
def test_another_version_is_refused_with_the_one_that_is_spoken(
    admin: ApiClient, version: str | None
) -> None:
    url = begin(admin)
    headers = PIECE | {"Upload-Offset": "0", "Upload-Length": "5"}
    del headers["Tus-Resumable"]
    headers |= {"Tus-Resumable": version} if version else {}
    for method, where in [
        ("POST", "/v1/uploads"),
        ("PATCH", url),
        ("DELETE", url),
        ("HEAD", url),
    ]:
        answer = admin.request(method, where, headers=headers)
        assert answer.status_code == 412
        assert answer.headers["Tus-Version"] == "1.0.0"


@pytest.mark.parametrize("wrong", [1, 100, 10**12])
def test_a_piece_that_begins_elsewhere_is_a_conflict(admin: ApiClient, wrong: int) -> None:
    url = begin(admin)
    answer = patch(admin, url, wrong, PCAP)
    assert answer.status_code == 409
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert offset(admin, url) == 0


def test_a_piece_of_another_media_type_is_refused(admin: ApiClient) -> None:
    url = begin(admin)
    answer = patch(admin, url, 0, PCAP, Content_Type="application/octet-stream")
    assert answer.status_code == 415
    assert "offset+octet-stream" in answer.json()["hint"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Length": "1e9"}, 400),
        ({"Upload-Length": "9" * 30}, 400),
        ({"Upload-Length": "٣"}, 400),
        ({"Upload-Defer-Length": "1"}, 400),
        ({"Upload-Length": "0"}, 415),
        ({"Upload-Length": str(10**15)}, 413),
        ({"Upload-Length": "5", "Upload-Metadata": "filename not-base64!"}, 400),
        ({"Upload-Length": "5", "Upload-Metadata": "a YQ==,a YQ=="}, 400),
        ({"Upload-Length": "5", "Upload-Metadata": ", ,"}, 400),
        ({"Upload-Length": "5", "Upload-Metadata": ",".join(f"k{n} YQ==" for n in range(99))}, 400),
        ({"Upload-Length": "5", "Upload-Metadata": f"filename {b64('../../etc/passwd')}"}, 422),
        ({"Upload-Length": "5", "Upload-Metadata": f"filename {b64('a.exe')}"}, 422),
    ],
)
def test_a_bad_beginning_is_a_clear_problem_and_opens_nothing(
    app: FastAPI, admin: ApiClient, store: Store, headers: dict[str, str], status: int
) -> None:
    sent = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    answer = ask(app, "POST", "/v1/uploads", key(admin) | TUS | sent, [])
    assert answer.status == status, answer.body
    assert answer.json()["detail"].startswith("cannot ")
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert store.uploads.list() == []
    assert list(store.folder.uploads.iterdir()) == []


def test_a_metadata_key_may_stand_without_a_value(admin: ApiClient) -> None:
    headers = TUS | {"Upload-Length": "5", "Upload-Metadata": "is_confidential,filename YS5wY2Fw"}
    url = admin.post("/v1/uploads", headers=headers).headers["Location"]
    shown = admin.head(url, headers=TUS).headers["Upload-Metadata"]
    assert shown == "is_confidential,filename YS5wY2Fw"


def test_more_bytes_than_were_announced_are_refused(
    app: FastAPI, admin: ApiClient, store: Store
) -> None:
    url = begin(admin, 100)
    assert patch(admin, url, 0, PCAP).status_code == 413
    headers = key(admin) | PIECE | {"Upload-Offset": "0"}
    assert ask(app, "PATCH", url, headers, [PCAP[:90], PCAP[90:]]).status == 413
    assert offset(admin, url) <= 90


# Checksums


@pytest.mark.parametrize("algorithm", tus.ALGORITHMS)
def test_a_piece_with_the_right_checksum_is_kept(admin: ApiClient, algorithm: str) -> None:
    url = begin(admin)
    digest = hashlib.new(algorithm, PCAP[:300]).digest()
    answer = patch(admin, url, 0, PCAP[:300], Upload_Checksum=f"{algorithm} {b64(digest)}")
    assert answer.status_code == 204
    assert patch(admin, url, 300, PCAP[300:]).headers["Outgate-Capture"] == SHA256


def test_a_damaged_piece_is_thrown_away_and_can_be_sent_again(admin: ApiClient) -> None:
    url = begin(admin)
    patch(admin, url, 0, PCAP[:100])
    digest = b64(hashlib.sha1(PCAP[100:]).digest())
    damaged = patch(admin, url, 100, b"x" + PCAP[101:], Upload_Checksum=f"sha1 {digest}")
    assert damaged.status_code == 460
    assert damaged.json()["code"] == "checksum-mismatch"
    assert offset(admin, url) == 100
    again = patch(admin, url, 100, PCAP[100:], Upload_Checksum=f"sha1 {digest}")
    assert again.headers["Outgate-Capture"] == SHA256


@pytest.mark.parametrize("text", ["crc7 YQ==", "sha1", "sha1 !!", "sha1 YQ==", ""])
def test_a_checksum_nobody_can_check_is_refused(admin: ApiClient, text: str) -> None:
    url = begin(admin)
    assert patch(admin, url, 0, PCAP, Upload_Checksum=text).status_code == 400
    assert offset(admin, url) == 0


def test_a_piece_with_a_checksum_that_breaks_off_is_not_kept(
    app: FastAPI, admin: ApiClient
) -> None:
    url = begin(admin)
    digest = b64(hashlib.sha1(PCAP).digest())
    headers = key(admin) | PIECE | {"Upload-Offset": "0", "Upload-Checksum": f"sha1 {digest}"}
    ask(app, "PATCH", url, headers, [PCAP[:100], HANGS_UP])
    assert offset(admin, url) == 0
    assert patch(admin, url, 0, PCAP).headers["Outgate-Capture"] == SHA256


# Cuts, kills, and two at once


def test_what_arrived_before_a_cut_need_not_be_sent_again(app: FastAPI, admin: ApiClient) -> None:
    url = begin(admin)
    headers = key(admin) | PIECE | {"Upload-Offset": "0"}
    ask(app, "PATCH", url, headers, [PCAP[:100], PCAP[100:150], HANGS_UP])
    assert offset(admin, url) == 150
    assert patch(admin, url, 150, PCAP[150:]).headers["Outgate-Capture"] == SHA256


def test_another_service_on_the_same_folder_goes_on(
    app: FastAPI, admin: ApiClient, settings: ServiceSettings, store: Store
) -> None:
    url = begin(admin)
    patch(admin, url, 0, PCAP[:100])
    with store.folder.uploads.joinpath(f"{url.rpartition('/')[2]}.part").open("ab") as file:
        file.write(b"killed before this was noted")
    restarted = create_app(settings, store)
    app.state.outgate.reception.close()  # the first one is dead and holds no lock any more
    with ApiClient(restarted, key(admin)) as client:
        assert offset(client, url) == 100
        assert patch(client, url, 100, PCAP[100:]).headers["Outgate-Capture"] == SHA256


def test_an_end_that_a_kill_prevented_is_made_up_for_by_asking(
    admin: ApiClient, store: Store
) -> None:
    url = begin(admin)
    upload_id = url.rpartition("/")[2]
    store.uploads.part_path(upload_id).write_bytes(PCAP)
    store.uploads.advance(upload_id, offset=len(PCAP), from_offset=0)

    answer = admin.head(url, headers=TUS)
    assert answer.headers["Outgate-Capture"] == SHA256
    assert store.jobs.get(answer.headers["Outgate-Job"]).capture == SHA256


def test_bytes_that_are_gone_are_asked_for_again(admin: ApiClient, store: Store) -> None:
    url = begin(admin)
    upload_id = url.rpartition("/")[2]
    store.uploads.part_path(upload_id).write_bytes(PCAP[:30])
    store.uploads.advance(upload_id, offset=100, from_offset=0)
    assert offset(admin, url) == 30
    assert patch(admin, url, 30, PCAP[30:]).headers["Outgate-Capture"] == SHA256


def test_of_two_pieces_at_once_one_wins(app: FastAPI, admin: ApiClient, store: Store) -> None:
    url = begin(admin)
    headers = key(admin) | PIECE | {"Upload-Offset": "0"}
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def both() -> tuple[int, int, int]:
        async def wait() -> None:
            entered.set()
            await go_on.wait()

        def hold(number: int) -> Any:
            return wait() if number == 1 else None

        first = asyncio.create_task(
            ask_in_loop(app, "PATCH", url, headers, [PCAP[:100], PCAP[100:]], before_each=hold)
        )
        await entered.wait()
        second = await ask_in_loop(app, "PATCH", url, headers, [PCAP])
        given_up = await ask_in_loop(app, "DELETE", url, key(admin) | TUS, [])
        go_on.set()
        return (await first).status, second.status, given_up.status

    assert asyncio.run(both()) == (204, 423, 423)
    assert len(store.captures.list()) == 1


def test_a_kill_in_the_middle_of_a_piece_costs_only_what_was_not_safe(tmp_path: Path) -> None:
    data = SAMPLE.read_bytes()
    service = Service(tmp_path / "data").start()

    def until_the_kill() -> Iterator[bytes]:
        yield data[200_000:300_000]
        service.kill()
        yield data[300_000:]

    try:
        with Client(service.url, service.key) as client:
            where = client.begin_upload(SAMPLE, name="rome.pcapng")
        with httpx.Client(base_url=service.url, headers=service.headers() | PIECE) as plain:
            plain.patch(where, headers={"Upload-Offset": "0"}, content=data[:200_000])
            with pytest.raises(httpx.TransportError):
                plain.patch(where, headers={"Upload-Offset": "200000"}, content=until_the_kill())
        service.start()
        with Client(service.url, service.key) as client:
            assert client._offset(where) >= 200_000
            job = client.upload_resumable(SAMPLE, url=where)
            assert job["capture"] == hashlib.sha256(data).hexdigest()
            assert client.wait(job["id"])["state"] == "succeeded"
        assert list((tmp_path / "data" / "uploads").iterdir()) == []
    finally:
        service.stop()


# What is refused, what ends


def test_what_turns_out_to_be_no_capture_is_removed(admin: ApiClient, store: Store) -> None:
    url = begin(admin, 100_000)
    answer = patch(admin, url, 0, b"MZ" + bytes(9998))
    assert answer.status_code == 415
    assert "Windows program" in answer.json()["detail"]
    assert admin.head(url, headers=TUS).status_code == 404
    assert list(store.folder.uploads.iterdir()) == []


def test_a_full_disk_stops_an_upload_which_goes_on_when_there_is_room(
    admin: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = begin(admin)
    patch(admin, url, 0, PCAP[:100])

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("analyzer.intake.parts.os.write", full)
        answer = patch(admin, url, 100, PCAP[100:])
    assert answer.status_code == 507
    assert offset(admin, url) == 100
    assert patch(admin, url, 100, PCAP[100:]).headers["Outgate-Capture"] == SHA256


def test_an_upload_is_its_creator_s(
    admin: ApiClient, client_with: Callable[..., ApiClient]
) -> None:
    url = begin(admin)
    other = client_with(Scope.CAPTURES_WRITE)
    assert other.head(url, headers=TUS).status_code == 404
    assert patch(other, url, 0, PCAP).status_code == 404
    assert other.delete(url, headers=TUS).status_code == 404
    assert offset(admin, url) == 0


def test_an_upload_can_be_given_up(admin: ApiClient, store: Store) -> None:
    url = begin(admin)
    patch(admin, url, 0, PCAP[:100])
    assert admin.delete(url, headers=TUS).status_code == 204
    assert admin.head(url, headers=TUS).status_code == 404
    assert patch(admin, url, 100, PCAP[100:]).status_code == 404
    assert list(store.folder.uploads.iterdir()) == []


def test_an_upload_whose_time_is_over_is_gone(
    admin: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tus, "KEPT_NS", 0)
    url = begin(admin)
    answer = patch(admin, url, 0, PCAP)
    assert answer.status_code == 410
    assert answer.json()["code"] == "gone"


def test_where_only_post_gets_through_the_method_is_a_header(admin: ApiClient) -> None:
    url = begin(admin)
    headers = PIECE | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    answer = admin.post(url, headers=headers, content=PCAP)
    assert answer.status_code == 204
    assert answer.headers["Outgate-Capture"] == SHA256
    headers = TUS | {"X-HTTP-Method-Override": "DELETE"}
    assert admin.post(url, headers=headers).status_code == 204
    assert admin.post(url, headers=TUS).status_code == 405
