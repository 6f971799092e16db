"""Servers for sinks to send to: HTTP that records and answers as told, and bare sockets."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from analyzer.sinks import Guard, Message, Surroundings
from tests.analyzer.sinks.authority import Authority

LOOPBACK = ("127.0.0.0/8", "::1/128")
HERE = Surroundings(guard=Guard.of(LOOPBACK), host_name="sensor.example.com")
"""What senders of tests may use: this machine alone."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a receiver got; the names of header fields are lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What it answers."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Receiver:
    """An HTTP server that keeps every request."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.requests: list[Request] = []
        self.answer = answer
        self.port = 0
        self.encrypted = False
        self.arrived = threading.Condition()

    @property
    def url(self) -> str:
        return f"{'https://localhost' if self.encrypted else 'http://127.0.0.1'}:{self.port}"

    def wait_for(self, count: int, timeout_s: float = 20.0) -> list[Request]:
        """The requests, once there are so many."""
        with self.arrived:
            enough = self.arrived.wait_for(lambda: len(self.requests) >= count, timeout_s)
            assert enough, f"{len(self.requests)} requests came, not {count}"
            return list(self.requests)

    def take(self, request: Request) -> Reply:
        reply = self.answer(request)
        with self.arrived:
            self.requests.append(request)
            self.arrived.notify_all()
        return reply


@contextmanager
def receiver(
    answer: Callable[[Request], Reply] = lambda _: Reply(),
    authority: Authority | None = None,
    *,
    client_certificates: bool = False,
) -> Iterator[Receiver]:
    """A running receiver; with an authority it speaks TLS as `localhost`."""
    state = Receiver(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            reply = state.take(
                Request(
                    path=self.path,
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(length),
                    connection=self.client_address[1],
                )
            )
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *arguments: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    if authority:
        context = authority.server_context(client_certificates=client_certificates)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        state.encrypted = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def raw_server(
    serve: Callable[[socket.socket], None], context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """A TCP server whose connections are handed to a function; gives its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0.05)
    ending = threading.Event()

    def handle(taken: socket.socket) -> None:
        with taken, suppress(OSError):
            serve(context.wrap_socket(taken, server_side=True) if context else taken)

    def accept() -> None:
        while not ending.is_set():
            try:
                taken, _ = listening.accept()
            except TimeoutError:
                continue
            taken.settimeout(10)
            threading.Thread(target=handle, args=(taken,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        ending.set()
        thread.join()
        listening.close()


@contextmanager
def hanging() -> Iterator[tuple[int, threading.Event]]:
    """The port of a receiver that never answers, and what lets its connections go."""
    release = threading.Event()

    def hang(taken: socket.socket) -> None:
        release.wait(30)

    with raw_server(hang) as port:
        try:
            yield port, release
        finally:
            release.set()


def message(number: int = 1, *, version: int = 1, **fields: Any) -> Message:
    """A message about a small finding."""
    finding = {
        "id": f"f-{number:016x}",
        "version": version,
        "detector": "mining.stratum",
        "severity": "high",
        "title": f"finding {number}",
        "flow": {"community_id": "1:tju/G0bUIYw1Sz7tLn9lcYXcQeU="},
        **fields,
    }
    return Message(
        id=f"{finding['id']}-v{version}",
        finding=finding,
        body=json.dumps(finding).encode(),
        at_ns=1_772_442_421_014_000_000 + number,
    )
