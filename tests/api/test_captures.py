"""Captures come in as bodies and forms, and whatever is wrong with them leaves nothing behind."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from api import multipart, reception
from api.main import create_app
from api.settings import ServiceSettings
from tests.api.bodies import HANGS_UP, PCAP, SHA256, TYPE, Answer, ask, key, send

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fastapi import FastAPI

    from analyzer.store import Store
    from tests.asgi import ApiClient

OTHER = PCAP + b"more"
BOUNDARY = "boundary7"
FORM_TYPE = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def nothing_left(store: Store) -> bool:
    """Whether neither a part nor a capture nor a row is there."""
    files = [path for path in store.folder.captures.rglob("*") if path.is_file()]
    return not (files or list(store.folder.uploads.iterdir()) or store.captures.list())


def form(*parts: tuple[str, bytes], end: str = "--") -> bytes:
    """A form whose parts have these headers and contents."""
    body = b""
    for headers, content in parts:
        body += f"--{BOUNDARY}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}{end}\r\n".encode()


def file_part(name: str, content: bytes = PCAP) -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="file"; filename="{name}"', content


# A body


def test_a_capture_is_accepted_with_a_job_to_follow(admin: ApiClient, store: Store) -> None:
    answer = send(admin, query="?name=gateway.pcap&priority=5")
    body = answer.json()

    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{body['job']['id']}"
    assert int(answer.headers["Retry-After"]) > 0
    assert body["created"] is True
    assert body["capture"]["sha256"] == SHA256
    assert body["capture"]["name"] == "gateway.pcap"
    assert body["capture"]["format"] == "pcap"
    assert body["job"]["state"] == "queued"
    assert body["job"]["priority"] == 5
    assert store.captures.path(SHA256).read_bytes() == PCAP
    assert list(store.folder.uploads.iterdir()) == []


def test_the_same_bytes_again_give_the_same_capture_and_job(admin: ApiClient) -> None:
    first, second = send(admin), send(admin, query="?name=other.pcap")
    assert second.status_code == 200
    assert second.json()["created"] is False
    assert second.json()["job"]["id"] == first.json()["job"]["id"]

    again = send(admin, query="?reanalyse=true")
    assert again.status_code == 202
    assert again.json()["job"]["id"] != first.json()["job"]["id"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Filename": "gr\u00c3\u00b6\u00c3\u009fe.pcap"},  # UTF-8 read as Latin-1
        {"Content-Disposition": "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.pcap"},
    ],
)
def test_the_name_may_come_in_a_header(app: FastAPI, admin: ApiClient, headers: Any) -> None:
    answer = ask(app, "POST", "/v1/captures", key(admin) | TYPE | headers, [PCAP])
    assert answer.json()["capture"]["name"] == "größe.pcap"


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/x-pcapng", ""])
def test_other_media_types_of_captures_are_taken(admin: ApiClient, kind: str) -> None:
    assert send(admin, headers={"Content-Type": kind}).status_code == 202


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded"}, "x-www-form-urlencoded"),
        ({"Content-Encoding": "gzip"}, "Content-Encoding gzip"),
    ],
)
def test_what_the_body_is_sent_as_must_be_known(
    admin: ApiClient, store: Store, headers: dict[str, str], words: str
) -> None:
    answer = send(admin, headers=headers)
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported-media-type"
    assert words in answer.json()["detail"]
    assert nothing_left(store)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\x7fELF" + bytes(9000), "Linux program"),
        (b"MZ" + bytes(9000), "Windows program"),
        (b"PK\x03\x04" + bytes(100), "ZIP archive"),
        (b"<!doctype html>", "HTML page"),
    ],
)
def test_what_is_no_capture_is_refused_by_its_bytes(
    admin: ApiClient, store: Store, data: bytes, words: str
) -> None:
    answer = send(admin, data, "?name=innocent.pcap")
    assert answer.status_code == 415
    assert answer.json()["code"] == "not-a-capture"
    assert words in answer.json()["detail"]
    assert "pcapng" in answer.json()["hint"]
    assert nothing_left(store)


@pytest.mark.parametrize(
    "name",
    ["malware.exe", "a.pcap.bat", "x.dll", "run.sh", "..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd"],
)
def test_a_program_s_name_and_a_path_are_refused(admin: ApiClient, store: Store, name: str) -> None:
    answer = send(admin, query=f"?name={name}")
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid-request"
    assert nothing_left(store)


def test_a_name_with_nul_is_refused(admin: ApiClient, store: Store) -> None:
    assert send(admin, query="?name=a%00b").status_code == 400
    assert nothing_left(store)


def test_an_odd_name_is_shown_escaped_and_bounded(admin: ApiClient) -> None:
    answer = send(admin, query="?name=%1b%5b31m%E2%80%AE" + "a" * 10_000 + ".pcap")
    shown = answer.json()["capture"]["name"]
    assert answer.status_code == 202
    assert len(shown) <= 200
    assert shown.startswith("\\x1b[31m\\u202e")
    assert shown.endswith(".pcap")


# Bounds


@pytest.fixture
def small(tmp_path: Path, store: Store) -> FastAPI:
    """A service that takes captures of 1000 bytes."""
    settings = ServiceSettings(data=tmp_path / "data", max_upload=1000, min_free=0)
    return create_app(settings, store)


def test_an_announced_length_beyond_the_limit_is_refused_unread(
    small: FastAPI, admin: ApiClient, store: Store
) -> None:
    headers = key(admin) | TYPE | {"Content-Length": "1001", "Expect": "100-continue"}
    read: list[int] = []
    answer = ask(small, "POST", "/v1/captures", headers, [PCAP], before_each=read.append)
    assert answer.status == 413
    assert answer.json()["code"] == "body-too-large"
    assert "1000 bytes (max_upload)" in answer.json()["detail"]
    assert read == []
    assert nothing_left(store)


def test_a_length_nobody_announced_is_counted(
    small: FastAPI, admin: ApiClient, store: Store
) -> None:
    answer = ask(small, "POST", "/v1/captures", key(admin) | TYPE, [PCAP, bytes(500), bytes(500)])
    assert answer.status == 413
    assert nothing_left(store)


def test_a_form_beyond_the_limit_is_refused(small: FastAPI, admin: ApiClient, store: Store) -> None:
    body = form(file_part("a.pcap", PCAP + bytes(600)))
    answer = ask(small, "POST", "/v1/captures", key(admin) | FORM_TYPE, [body])
    assert answer.status == 413
    assert nothing_left(store)


def test_a_capture_of_just_the_limit_is_taken(small: FastAPI, admin: ApiClient) -> None:
    whole = PCAP + bytes(1000 - len(PCAP))
    assert ask(small, "POST", "/v1/captures", key(admin) | TYPE, [whole]).status == 202


def test_a_disk_at_its_reserve_takes_nothing(
    tmp_path: Path, store: Store, admin: ApiClient
) -> None:
    app = create_app(ServiceSettings(data=tmp_path / "data", min_free=2**62), store)
    for headers, body in ((TYPE, PCAP), (FORM_TYPE, form(file_part("a.pcap")))):
        answer = ask(app, "POST", "/v1/captures", key(admin) | headers, [body])
        assert answer.status == 507
        assert answer.json()["code"] == "disk-full"
    assert nothing_left(store)


def test_a_disk_that_fills_up_while_a_capture_arrives_is_said_so(
    app: FastAPI, admin: ApiClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("analyzer.intake.parts.os.fsync", full)
    answer = ask(app, "POST", "/v1/captures", key(admin) | TYPE, [PCAP])
    assert answer.status == 507
    assert "no space left" in answer.json()["detail"]
    assert nothing_left(store)


def test_a_client_who_hangs_up_leaves_nothing(app: FastAPI, admin: ApiClient, store: Store) -> None:
    ask(app, "POST", "/v1/captures", key(admin) | TYPE, [PCAP[:50], HANGS_UP])
    half = form(file_part("a.pcap"))[:200]
    ask(app, "POST", "/v1/captures", key(admin) | FORM_TYPE, [half, HANGS_UP])
    assert nothing_left(store)


def test_a_client_who_falls_silent_is_not_waited_for(
    app: FastAPI, admin: ApiClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.receiving.IDLE_S", 0.05)
    monkeypatch.setattr("api.receiving.LINGER_S", 0.05)

    def silent(number: int) -> Any:
        return asyncio.sleep(30) if number else None

    answer = ask(app, "POST", "/v1/captures", key(admin) | TYPE, [PCAP], before_each=silent)
    assert answer.status == 408
    assert answer.json()["code"] == "body-too-slow"
    assert nothing_left(store)


def test_more_bodies_than_there_are_places_for_are_told_to_wait(
    app: FastAPI, admin: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "MAX_ARRIVING", 0)
    answer = ask(app, "POST", "/v1/captures", key(admin) | TYPE, [PCAP])
    assert answer.status == 503
    assert answer.headers["retry-after"] == "5"


# A form


def test_a_form_s_file_is_a_capture_like_any_other(admin: ApiClient) -> None:
    answer = admin.post("/v1/captures", files={"file": ("gateway.pcap", PCAP)})
    assert answer.status_code == 202
    assert answer.json()["capture"]["name"] == "gateway.pcap"
    assert answer.json()["others"] == []


def test_a_form_may_hold_several_captures_and_fields(admin: ApiClient, store: Store) -> None:
    files = [("file", ("a.pcap", PCAP)), ("file", ("b.pcap", OTHER))]
    answer = admin.post("/v1/captures", files=files, data={"comment": "from the gateway"})
    assert answer.status_code == 202
    assert [entry["capture"]["name"] for entry in answer.json()["others"]] == ["b.pcap"]
    assert len(store.captures.list()) == 2
    assert list(store.folder.uploads.iterdir()) == []


def in_pieces(size: int) -> Callable[[bytes], list[bytes]]:
    return lambda body: [body[start : start + size] for start in range(0, len(body), size)]


@pytest.mark.parametrize("size", [1, 3, 64, 100_000])
def test_a_form_may_be_cut_anywhere(app: FastAPI, admin: ApiClient, size: int) -> None:
    tricky = PCAP + f"\r\n--{BOUNDARY[:-1]}\r\n--\r\n".encode()
    body = form(file_part("a.pcap", tricky))
    answer = ask(app, "POST", "/v1/captures", key(admin) | FORM_TYPE, in_pieces(size)(body))
    assert answer.status == 202
    assert answer.json()["capture"]["sha256"] == hashlib.sha256(tricky).hexdigest()


GOOD = form(file_part("a.pcap"))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed-body"),
        (b"no boundary at all", 400, "malformed-body"),
        (GOOD[:-4], 400, "malformed-body"),
        (GOOD[:300], 400, "malformed-body"),
        (GOOD.replace(b"Content-Disp", b"Content Disp"), 400, "malformed-body"),
        (GOOD.replace(b"form-data", b"attachment"), 400, "malformed-body"),
        (form((f"X: {'a' * 20_000}", b"")), 400, "malformed-body"),
        (form(("\r\n".join(f"X-{n}: a" for n in range(20)), b"")), 400, "malformed-body"),
        (form(*[("Content-Disposition: form-data; name=a", b"")] * 50), 400, "malformed-body"),
        (form(("Content-Disposition: form-data; name=a", bytes(70_000))), 413, "body-too-large"),
        (form(*[file_part("a.pcap")] * 21), 413, "limit-reached"),
        (form(("Content-Disposition: form-data; name=a", b"x")), 422, "invalid-request"),
        (form(file_part("../../etc/passwd")), 422, "invalid-request"),
        (form(file_part("malware.exe")), 422, "invalid-request"),
        (form(file_part("a\0b")), 422, "invalid-request"),
        (form(file_part("a.pcap"), file_part("b.pcap", b"#!/bin/sh\n")), 415, "not-a-capture"),
        (form(file_part("a.pcap"), file_part("", b"")), 415, "not-a-capture"),
    ],
    ids=lambda value: str(value)[:12] if not isinstance(value, bytes) else "",
)
def test_a_bad_form_is_a_clear_problem_and_leaves_nothing(
    *, app: FastAPI, admin: ApiClient, store: Store, body: bytes, status: int, code: str
) -> None:
    answer = ask(app, "POST", "/v1/captures", key(admin) | FORM_TYPE, [body])
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.json()["detail"].startswith("cannot ")
    assert nothing_left(store)


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=" + "a" * 500]
)
def test_a_form_needs_a_boundary_of_reasonable_length(
    app: FastAPI, admin: ApiClient, kind: str
) -> None:
    answer = ask(app, "POST", "/v1/captures", key(admin) | {"Content-Type": kind}, [GOOD])
    assert (answer.status, answer.json()["code"]) == (400, "malformed-body")


def test_a_form_s_bounds_leave_room_for_its_files() -> None:
    assert multipart.OVERHEAD_BYTES > multipart.MAX_FIELD_BYTES


def test_a_refused_body_is_read_on_for_a_while_so_that_the_answer_is_seen(
    app: FastAPI, admin: ApiClient
) -> None:
    read: list[int] = []
    body = [b"\x7fELF" + bytes(2**20), *[bytes(2**16)] * 10]
    answer: Answer = ask(
        app, "POST", "/v1/captures", key(admin) | TYPE, body, before_each=read.append
    )
    assert answer.status == 415
    assert len(read) > len(body)
