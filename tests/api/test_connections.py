"""Connections: whoever sends too slowly does not keep one."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import httpx

from api import routing, server
from tests.api.serving import START_S, in_thread

if TYPE_CHECKING:
    import pytest
    from fastapi import FastAPI

    from api.settings import ServiceSettings
    from tests.asgi import ApiClient


def test_a_connection_that_sends_no_request_in_time_is_closed(
    app: FastAPI, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADER_TIMEOUT_S", 0.2)
    with in_thread(app, settings) as port:
        with socket.create_connection(("127.0.0.1", port), START_S) as idle:
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
            assert idle.recv(100) == b""
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


def test_a_connection_that_sends_its_next_request_too_slowly_is_closed(
    app: FastAPI, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADER_TIMEOUT_S", 0.5)
    with (
        in_thread(app, settings) as port,
        socket.create_connection(("127.0.0.1", port), START_S) as kept,
    ):
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in kept.recv(4096)
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
        assert trickled_until_closed(kept)


def test_a_body_that_was_refused_cannot_keep_its_connection(
    app: FastAPI, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADER_TIMEOUT_S", 0.5)
    head = b"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
    with (
        in_thread(app, settings) as port,
        socket.create_connection(("127.0.0.1", port), START_S) as kept,
    ):
        kept.sendall(head)
        assert b"401 Unauthorized" in kept.recv(4096)
        assert trickled_until_closed(kept)


def test_a_body_that_trickles_is_given_up(
    app: FastAPI, admin: ApiClient, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "BODY_TIMEOUT_S", 0.5)
    head = (
        "POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: {admin.headers['Authorization']}\r\nContent-Length: 100000\r\n\r\n"
    )
    with (
        in_thread(app, settings) as port,
        socket.create_connection(("127.0.0.1", port), START_S) as slow,
    ):
        slow.sendall(head.encode())
        answer = trickled_until_answered(slow)
        assert answer.startswith(b"HTTP/1.1 408 "), answer
        assert b'"code":"body-too-slow"' in answer
        assert trickled_until_closed(slow)


def test_a_connection_that_is_used_in_time_stays(
    app: FastAPI, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADER_TIMEOUT_S", 0.3)
    with (
        in_thread(app, settings) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        used = set()
        for _ in range(5):
            answer = client.get("/healthz")
            used.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
            time.sleep(0.15)
        assert len(used) == 1


def test_a_body_of_two_lengths_is_refused_and_nothing_behind_it_is_read(
    app: FastAPI, settings: ServiceSettings
) -> None:
    """What one program takes for the body is the next request to another."""
    body = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % len(body)
    with (
        in_thread(app, settings) as port,
        socket.create_connection(("127.0.0.1", port), START_S) as connection,
    ):
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + body)
        answers = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answers.startswith(b"HTTP/1.1 400 ")
    assert b"200 OK" not in answers


def trickled_until_answered(connection: socket.socket) -> bytes:
    """Sends a byte now and then until the other side has answered in JSON; what came by then."""
    connection.settimeout(0.05)
    deadline = time.monotonic() + START_S / 3
    answer = b""
    while time.monotonic() < deadline and not answer.endswith(b"}"):
        if not answer:
            connection.sendall(b" ")
        try:
            answer += connection.recv(65_536)
        except TimeoutError:
            continue
    return answer


def trickled_until_closed(connection: socket.socket) -> bool:
    """Sends a byte now and then until the other side hangs up; False when it does not."""
    connection.settimeout(0.05)
    deadline = time.monotonic() + START_S / 3
    while time.monotonic() < deadline:
        try:
            connection.sendall(b"x")
            if not connection.recv(4096):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False
