"""A receiver of webhooks that remembers what it got, and fails now and then if told to."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Recorder:
    """Listens on a free port of loopback.

    Attributes:
        got: How often each finding version was taken, as (id, version).
        failing: Share of requests that are answered 503 or not at all.
    """

    def __init__(self, seed: int) -> None:
        self.got: Counter[tuple[str, int]] = Counter()
        self.ids: dict[str, tuple[str, int]] = {}
        self.refused = 0
        self.failing = 0.0
        self.arrived = threading.Event()
        self._chance = random.Random(seed)
        self._guard = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler, self)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/findings"

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, message_id: str, body: bytes) -> bool:
        """Remembers a message, or refuses it."""
        finding = json.loads(body)["data"]
        key = (str(finding["id"]), int(finding["version"]))
        self.arrived.set()
        with self._guard:
            if self._chance.random() < self.failing:
                self.refused += 1
                return False
            self.got[key] += 1
            assert self.ids.setdefault(message_id, key) == key, "one message id, two messages"
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: Any, recorder: Recorder) -> None:
        super().__init__(address, handler)
        self.recorder = recorder

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A service that was killed in the middle of a request is what this is about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) < int(self.headers["Content-Length"]):
            return
        taken = self.server.recorder.take(self.headers["webhook-id"], body)
        self.send_response(204 if taken else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Nothing on standard error."""
