"""HTTP requests of sinks, against servers that misbehave."""

import itertools
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from analyzer.errors import ConfigError
from analyzer.sinks.base import SendError
from analyzer.sinks.http import MAX_AFTER_S, MAX_ASIDE_BYTES, HttpSession, Url, retry_after_s
from analyzer.sinks.options import Options
from analyzer.sinks.wire import TlsOptions
from tests.analyzer.sinks.authority import Authority
from tests.analyzer.sinks.receivers import HERE, Reply, raw_server, receiver

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def url(text: str) -> Url:
    return Url.read(Options("webhook", {"url": text}), "url")


def session(text: str, *, timeout_s: float = 5.0, ca_pem: str = "") -> HttpSession:
    tls = TlsOptions.read(Options("webhook", {"ca_pem": ca_pem})).context()
    return HttpSession(url(text), guard=HERE.guard, tls=tls, timeout_s=timeout_s)


def reason_of(client: HttpSession, body: bytes = b"{}") -> str:
    """Why a request fails."""
    with pytest.raises(SendError) as caught:
        client.post("/", {}, body)
    return caught.value.reason


@pytest.mark.parametrize(
    "text",
    [
        "ftp://example.com/",
        "https://",
        "https:///path",
        "https://ana:secret@example.com/",
        "https://example.com/#part",
        "https://example.com/a b",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com\\@10.0.0.1/",
        "https://[::1",
        "https://ex\u0430mple.com/",
        "https://-x/",
    ],
)
def test_an_address_that_could_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="option url"):
        url(text)


def test_an_address_is_taken_apart() -> None:
    assert url("https://example.com") == Url(
        encrypted=True, host="example.com", port=443, target="/"
    )
    assert url("http://[2001:db8::1]:8080/a/?b=c").host == "2001:db8::1"
    assert url("http://[2001:db8::1]:8080/a/?b=c").under("/x") == "/a/x"


def test_requests_share_a_connection_while_it_lasts() -> None:
    with receiver() as server, session(server.url) as client:
        for _ in range(3):
            assert client.post("/", {}, b"{}").status == 200
        assert len({request.connection for request in server.requests}) == 1


def test_a_connection_the_receiver_closed_is_opened_again() -> None:
    def once(taken: socket.socket) -> None:
        taken.recv(65536)
        taken.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with raw_server(once) as port, session(f"http://127.0.0.1:{port}") as client:
        assert client.post("/", {}, b"{}").status == 204
        assert client.post("/", {}, b"{}").status == 204


def test_redirects_are_not_followed() -> None:
    def redirect(_: object) -> Reply:
        return Reply(status=302, headers={"Location": "http://127.0.0.1:1/"})

    with receiver(redirect) as server, session(server.url) as client:
        answer = client.post("/", {}, b"{}")

    assert answer.status == 302
    assert answer.reason() == "answered 302, a redirect, which is not followed"
    assert len(server.requests) == 1


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    with receiver() as server, session(server.url) as client:
        assert client.post("/", {}, b"{}").status == 200


def test_an_endless_answer_is_cut() -> None:
    def endless(taken: socket.socket) -> None:
        taken.recv(65536)
        taken.sendall(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        with suppress(OSError):
            for _ in range(10_000):
                taken.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    with raw_server(endless) as port, session(f"http://127.0.0.1:{port}") as client:
        answer = client.post("/", {}, b"{}")

    assert len(answer.body) == MAX_ASIDE_BYTES
    assert len(answer.reason()) < 300


@pytest.mark.parametrize(
    "drip", [b"H", b"HTTP/1.1 200 OK\r\nA: ", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_an_answer_that_drips_ends_at_the_deadline(drip: bytes) -> None:
    def slow(taken: socket.socket) -> None:
        taken.recv(65536)
        with suppress(OSError):
            taken.sendall(drip)
            for _ in itertools.repeat(None, 200):
                taken.sendall(drip[-1:] if drip == b"H" else drip)
                time.sleep(0.02)

    started = time.monotonic()
    with raw_server(slow) as port, session(f"http://127.0.0.1:{port}", timeout_s=0.4) as client:
        assert reason_of(client).startswith(("no answer in time", "no HTTP answer"))
    assert time.monotonic() - started < 3


def test_a_receiver_that_reads_nothing_ends_at_the_deadline() -> None:
    def deaf(taken: socket.socket) -> None:
        time.sleep(1)

    with raw_server(deaf) as port, session(f"http://127.0.0.1:{port}", timeout_s=0.3) as client:
        assert "no answer in time" in reason_of(client, b"x" * (64 << 20))


@pytest.mark.parametrize("said", [b"", b"220 mail.example.com ESMTP\r\n", b"\x00" * 100])
def test_what_is_no_http_is_an_outcome(said: bytes) -> None:
    def other(taken: socket.socket) -> None:
        taken.sendall(said)
        taken.shutdown(socket.SHUT_WR)
        while taken.recv(65536):  # hanging up on unread bytes would reset the connection
            pass

    with raw_server(other) as port, session(f"http://127.0.0.1:{port}") as client:
        assert "no HTTP answer" in reason_of(client)


def test_nobody_listening_is_an_outcome() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with session(f"http://127.0.0.1:{port}") as client:
        assert reason_of(client).endswith("connection refused")


def test_tls_is_verified_by_name_and_by_authority(authority: Authority) -> None:
    with receiver(authority=authority) as server:
        with session(server.url, ca_pem=authority.ca_pem) as client:
            assert client.post("/", {}, b"{}").status == 200
        with session(server.url) as client:
            assert "certificate is not trusted" in reason_of(client)
        other_name = server.url.replace("localhost", "127.0.0.1")
        with session(other_name, ca_pem=authority.ca_pem) as client:
            assert "certificate is not trusted" in reason_of(client)


def test_plain_http_where_tls_is_spoken_is_an_outcome(authority: Authority) -> None:
    with receiver() as server:
        encrypted = server.url.replace("http:", "https:")
        with session(encrypted, ca_pem=authority.ca_pem) as client:
            assert "cannot agree on TLS" in reason_of(client)


def test_retry_after_is_read_in_both_forms_and_bounded() -> None:
    assert retry_after_s("120", NOW) == 120
    assert retry_after_s("9" * 400, NOW) == MAX_AFTER_S
    assert retry_after_s("Mon, 02 Mar 2026 09:01:00 GMT", NOW) == 60
    assert retry_after_s("Mon, 02 Mar 2020 09:01:00 GMT", NOW) == 0
    assert retry_after_s("Fri, 31 Dec 9999 23:59:59 GMT", NOW) == MAX_AFTER_S
    for nonsense in ("", "soon", "-5", "\u0664", "1e9", "Mon, 99 Foo 2026"):
        assert retry_after_s(nonsense, NOW) is None
