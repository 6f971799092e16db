"""HTTP/1.1 requests of sinks: bounded in time and size, without redirects, proxies or cookies."""

from __future__ import annotations

import http.client
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from analyzer.sinks.base import SendError, one_line, trouble
from analyzer.sinks.network import Deadline
from analyzer.sinks.wire import Wire, open_wire

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from types import TracebackType

    from analyzer.sinks.network import Guard
    from analyzer.sinks.options import Options

MAX_ANSWER_BYTES = 8 << 20
"""Longest body that is read of an answer that matters; a bulk answer is some 300 bytes an item."""

MAX_ASIDE_BYTES = 4096
"""What is read of an answer of which the status says it all."""

MAX_AFTER_S = 24 * 3600.0
"""Longest rest a receiver can ask for."""

_TARGET = re.compile(r"[!-~]{1,2000}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """An http or https address, taken apart."""

    encrypted: bool
    host: str
    port: int
    target: str

    @classmethod
    def read(cls, options: Options, key: str) -> Url:
        """Takes an option that is an address.

        Raises:
            ConfigError: It is none, or one with a name and password in it.
        """
        text = options.text(key)
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise options.wrong(key, "it is not an address") from error
        if parts.scheme not in {"http", "https"} or not host:
            raise options.wrong(key, "it is not an address that begins with https://")
        if parts.username is not None or parts.password is not None:
            raise options.wrong(key, "it holds a name or a password; they have their own options")
        if parts.fragment or not _TARGET.fullmatch(text) or "\\" in text:
            raise options.wrong(key, "it holds a fragment or characters an address cannot have")
        options.check_host(key, host)
        encrypted = parts.scheme == "https"
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        return cls(
            encrypted=encrypted, host=host, port=port or (443 if encrypted else 80), target=target
        )

    def under(self, path: str) -> str:
        """The target of a path below this address."""
        return self.target.partition("?")[0].rstrip("/") + path


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; the names of header fields are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def succeeded(self) -> bool:
        """Whether the status says so."""
        return 200 <= self.status < 300

    @property
    def after_s(self) -> float | None:
        """`Retry-After` as seconds from now, where it can be read."""
        return retry_after_s(self.headers.get("retry-after", ""), datetime.now(UTC))

    def reason(self) -> str:
        """The status and the beginning of the body, for the delivery log."""
        if 300 <= self.status < 400:
            return f"answered {self.status}, a redirect, which is not followed"
        text = one_line(self.body[:200].decode("utf-8", "replace")).strip()
        return f"answered {self.status}: {text}" if text else f"answered {self.status}"


def retry_after_s(text: str, now: datetime) -> float | None:
    """Seconds that a `Retry-After` field asks for (RFC 9110 §10.2.3), bounded; None if unread."""
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), MAX_AFTER_S)
    try:
        moment = parsedate_to_datetime(text[:100])
    except (TypeError, ValueError, IndexError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), MAX_AFTER_S)


class _Connection(http.client.HTTPConnection):
    """Uses a connection that exists and never makes one: where to go was decided before."""

    def __init__(self, url: Url, wire: Wire) -> None:
        super().__init__(url.host, url.port)
        self.default_port = 443 if url.encrypted else 80  # the Host field leaves it out
        self.sock: Any = wire

    def connect(self) -> None:
        raise http.client.NotConnected


class HttpSession:
    """Requests to one address, over one connection as long as it lasts."""

    def __init__(
        self, url: Url, *, guard: Guard, tls: ssl.SSLContext | None, timeout_s: float
    ) -> None:
        self._url = url
        self._guard = guard
        self._tls = tls if url.encrypted else None
        self._timeout_s = timeout_s
        self._connection: _Connection | None = None
        self._wire: Wire | None = None

    def __enter__(self) -> HttpSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection, if there is one."""
        if self._wire is not None:
            self._wire.close()
        self._connection = self._wire = None

    def post(
        self,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        most_bytes: int = MAX_ASIDE_BYTES,
    ) -> Answer:
        """Sends one POST; no redirect is followed, and a longer answer is cut at `most_bytes`.

        Raises:
            SendError: No answer came within the time.
        """
        reused = self._connection is not None
        deadline = Deadline(self._timeout_s)
        try:
            return self._post(target, headers, body, most_bytes, deadline)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            if not reused or isinstance(error, TimeoutError):
                raise self._no_answer(error) from error
        # The receiver closed a connection that was kept open: one more try, on a new one.
        try:
            return self._post(target, headers, body, most_bytes, deadline)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            raise self._no_answer(error) from error

    def _post(
        self,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        most_bytes: int,
        deadline: Deadline,
    ) -> Answer:
        connection = self._connected(deadline)
        connection.request("POST", target, body=body, headers=dict(headers))
        with connection.getresponse() as response:
            data = _read(response, most_bytes)
            keep = len(data) <= most_bytes and not response.will_close
            fields = {name.lower(): value for name, value in response.getheaders()}
        if not keep:
            self.close()
        return Answer(status=response.status, headers=fields, body=data[:most_bytes])

    def _connected(self, deadline: Deadline) -> _Connection:
        if self._connection is None or self._wire is None:
            url = self._url
            wire = open_wire(self._guard, url.host, url.port, tls=self._tls, deadline=deadline)
            if isinstance(wire.socket, socket.socket):
                wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._wire, self._connection = wire, _Connection(url, wire)
        self._wire.deadline = deadline
        return self._connection

    def _no_answer(self, error: Exception) -> SendError:
        kind = "no HTTP answer" if isinstance(error, http.client.HTTPException) else trouble(error)
        return SendError(f"{kind} from {self._url.host} port {self._url.port}")


def _read(response: http.client.HTTPResponse, most_bytes: int) -> bytes:
    """At most one byte more than asked for, however it is framed."""
    parts, room = [], most_bytes + 1
    while room > 0:
        part = response.read(min(room, 65536))
        if not part:
            break
        parts.append(part)
        room -= len(part)
    return b"".join(parts)
