"""The process behind `outgate serve`: one server, one store, its workers' supervisor.

Started as `python -m api.server` with its settings in `OUTGATE_*`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import ssl
import sys
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from analyzer.errors import ConfigError, OutgateError
from api import lifecycle, logs
from api.main import create_app
from api.problems import CATALOGUE
from api.settings import ServiceSettings, load_settings, unknown_variables
from api.state import ServiceState

BACKLOG = 1024
MAX_CONNECTIONS = 1000
MAX_HEADER_EVENT_BYTES = 64 * 1024
"""A request line and its headers that are not complete by then are refused."""

HEADER_TIMEOUT_S = 20
"""How long a connection may take to send a request's headers, or the rest of a refused body."""

KEEP_ALIVE_S = 15
GRACEFUL_S = 5
"""How long answers in progress, event streams among them, may go on at the end."""

log = logging.getLogger("outgate.service")


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 whose headers must arrive in time and whose refusals are problems too."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the clock for the headers."""
        super().connection_made(transport)
        self._deadline: asyncio.TimerHandle | None = None
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Reads what came, which ends the clock of an idle connection: ours takes over."""
        super().data_received(data)
        self._watch()

    def handle_events(self) -> None:
        """Reads what came; the clock ends with each whole request."""
        super().handle_events()
        if self._answering:
            self._end_watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the clock."""
        self._end_watch()
        super().connection_lost(exc)

    @property
    def _answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _watch(self) -> None:
        """Starts the clock where it does not run; more bytes do not set it back."""
        if self._deadline is None and not self._answering:
            self._deadline = self.loop.call_later(HEADER_TIMEOUT_S, self._too_slow)

    def _end_watch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        """Answers what is no HTTP, or has headers without end, and hangs up."""
        too_large = self.conn.trailing_data[0][: MAX_HEADER_EVENT_BYTES + 1]
        code = "headers-too-large" if len(too_large) > MAX_HEADER_EVENT_BYTES else "bad-request"
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()  # an answer has begun, or the connection is at its end
            return
        kind = CATALOGUE[code]
        body = json.dumps(
            {
                "type": kind.type,
                "title": kind.title,
                "status": kind.status,
                "detail": "cannot read the request: it is no HTTP/1.1, or its headers do not end",
                "instance": "",
                "code": kind.code,
                "hint": kind.remedy,
                "request_id": "",
            }
        ).encode()
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        reason = b"Bad Request" if kind.status == 400 else b"Request Header Fields Too Large"
        answer = h11.Response(status_code=kind.status, headers=headers, reason=reason)
        for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        log.warning("a connection sent no request", extra={"status": kind.status})
        self.transport.close()

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            log.warning("a connection sent no request in time")
            self.transport.close()


class ServiceServer(uvicorn.Server):
    """The server, which tells open streams when it ends."""

    def __init__(self, config: uvicorn.Config, state: ServiceState) -> None:
        super().__init__(config)
        self._state = state

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Ends open streams, then the server."""
        self._state.stopping.set()
        super().handle_exit(sig, frame)


def main() -> int:
    """Runs the service until it is told to stop; the exit status of the command line."""
    logs.configure()
    try:
        settings = load_settings()
        for name in unknown_variables():
            log.warning("%s is no setting of the service and is ignored", name)
        with listening_socket(settings) as listener:
            return _serve(settings, listener)
    except OutgateError as error:
        for line in error.lines():
            print(line if line.startswith("hint: ") else f"error: {line}", file=sys.stderr)  # noqa: T201
        return error.exit_status
    except KeyboardInterrupt:
        return 130


def _serve(settings: ServiceSettings, listener: socket.socket) -> int:
    app = create_app(settings)
    state: ServiceState = app.state.outgate
    server = ServiceServer(configuration(app, settings), state)
    # uvicorn raises the signal again once it has shut down; what is open must still be closed.
    signal.signal(signal.SIGTERM, _leave)
    running = lifecycle.start(state)
    try:
        log.info("listening on %s", _address(settings, listener))
        server.run(sockets=[listener])
    finally:
        lifecycle.stop(running, state)
        log.info("stopped")
    return 0


def configuration(app: Any, settings: ServiceSettings) -> uvicorn.Config:  # noqa: ANN401 - ASGI
    """How uvicorn serves the application."""
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACEFUL_S,
        h11_max_incomplete_event_size=MAX_HEADER_EVENT_BYTES,
        ssl_context_factory=_tls(settings) if settings.tls_cert else None,
    )


def listening_socket(settings: ServiceSettings) -> socket.socket:
    """The socket to listen on.

    Raises:
        ConfigError: The address is not ours or is taken.
    """
    host = settings.host.strip("[]")
    try:
        found = socket.getaddrinfo(
            host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}: {error.strerror or error}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host} port {settings.port}: {error.strerror or error}",
            hint="choose another --port, or stop the program that uses it",
        ) from error
    listener.set_inheritable(False)
    return listener


def _tls(settings: ServiceSettings) -> Any:  # noqa: ANN401 - uvicorn's factory of a context
    def context(_config: uvicorn.Config, _default: Any) -> ssl.SSLContext:  # noqa: ANN401
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.load_cert_chain(str(settings.tls_cert), str(settings.tls_key))
        return made

    try:
        context(None, None)  # type: ignore[arg-type]
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"cannot use {settings.tls_cert} for TLS: {error}") from error
    return context


def _address(settings: ServiceSettings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls_cert else 'http'}://{shown}:{port}"


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
