"""Syslog: RFC 5424 messages over TLS (RFC 5425) or TCP, each behind its length (RFC 6587 §3.4.1).

Syslog has no receipts. A batch counts as delivered when the receiver, told that nothing more comes,
closes its side in good order, or when its system has confirmed every byte; a message lost between
there and the receiver's disk stays unnoticed. Whoever needs more than that takes another sink.
"""

from __future__ import annotations

import fcntl
import re
import socket
import ssl
import struct
import termios
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analyzer.sinks.base import Dead, Delivered, Retry, SendError, trouble
from analyzer.sinks.network import Deadline
from analyzer.sinks.options import Options
from analyzer.sinks.wire import TlsOptions, open_wire
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.sinks.base import Message, Outcome
    from analyzer.sinks.surroundings import Surroundings
    from analyzer.sinks.wire import Wire

TLS_PORT = 6514
TIMEOUT_S = 10
CLOSE_WAIT_S = 2.0
"""How long a receiver may take to close its side; many never do."""
MAX_BATCH = 200
MAX_BYTES = 8192
"""What every receiver should take (RFC 5425 §4.3.1); many silently cut what is longer."""
LOCAL0 = 16
DOCUMENTATION_ENTERPRISE = 32473
"""Private enterprise number of examples (RFC 5612); an organisation sets its own."""

_SEVERITIES = {"critical": 2, "high": 3, "medium": 4, "low": 5, "info": 6}
"""RFC 5424 §6.2.1: critical, error, warning, notice, informational."""
_NOT_PRINTUSASCII = re.compile(r"[^!-~]")
_CONTROLS = dict.fromkeys((*range(9), *range(10, 32), 127), 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyslogConfig:
    """A receiver and what its messages say of their origin.

    Attributes:
        transport: `tls` or `tcp`.
        enterprise: Private enterprise number in the name of the structured data.
        max_bytes: Longest message; one that is longer becomes a dead letter, never a cut one.
    """

    host: str
    port: int
    transport: str
    facility: int
    app_name: str
    enterprise: int
    max_bytes: int
    timeout_s: int
    tls: TlsOptions

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> SyslogConfig:
        """The configuration from a mapping.

        Raises:
            ConfigError: A key is missing, unknown or has a value that cannot be used.
        """
        options = Options("syslog", values)
        config = cls(
            host=options.host("host"),
            port=options.number("port", TLS_PORT, 1, 65535),
            transport=options.choice("transport", "tls", ("tls", "tcp")),
            facility=options.number("facility", LOCAL0, 0, 23),
            app_name=options.text("app_name", "outgate", max_chars=48),
            enterprise=options.number("enterprise", DOCUMENTATION_ENTERPRISE, 1, 2**31 - 1),
            max_bytes=options.number("max_bytes", MAX_BYTES, 480, 1 << 20),
            timeout_s=options.number("timeout_s", TIMEOUT_S, 1, 60),
            tls=TlsOptions.read(options),
        )
        options.done()
        return config


class SyslogSender:
    """Sends a batch over one connection of its own."""

    max_batch = MAX_BATCH

    def __init__(self, config: SyslogConfig, surroundings: Surroundings) -> None:
        encrypted = config.transport == "tls"
        surroundings.guard.check_literal(config.host, encrypted=encrypted)
        self._config = config
        self._surroundings = surroundings
        self._tls = config.tls.context() if encrypted else None

    def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """All messages that are short enough arrive together, or none counts."""
        lines = [line_of(message, self._config, self._surroundings) for message in messages]
        fitting = [line for line in lines if len(line) <= self._config.max_bytes]
        sent: Outcome = Delivered()
        if fitting:
            try:
                self._send(fitting)
            except SendError as error:
                sent = Retry(error.reason)
        return [
            sent if len(line) <= self._config.max_bytes else self._too_long(line) for line in lines
        ]

    def close(self) -> None:
        """Nothing stays open between batches."""

    def _too_long(self, line: bytes) -> Dead:
        return Dead(
            f"the message has {len(line)} bytes, more than max_bytes ({self._config.max_bytes}); "
            "raise it here and at the receiver, or send a shorter format such as cef"
        )

    def _send(self, lines: Sequence[bytes]) -> None:
        config = self._config
        deadline = Deadline(config.timeout_s)
        wire = open_wire(
            self._surroundings.guard, config.host, config.port, tls=self._tls, deadline=deadline
        )
        try:
            wire.sendall(b"".join(b"%d %b" % (len(line), line) for line in lines))
            finish(wire)
        except (OSError, ssl.SSLError) as error:
            raise SendError(
                f"the connection to {config.host} port {config.port} broke: {trouble(error)}"
            ) from error
        finally:
            wire.close()


def finish(wire: Wire) -> None:
    """Says that nothing more comes and waits until the receiver has it all.

    Raises:
        OSError: It ended the connection in disorder.
        TimeoutError: Its system has not even confirmed the bytes.
    """
    sock = wire.socket
    end = time.monotonic() + CLOSE_WAIT_S
    try:
        if isinstance(sock, ssl.SSLSocket):
            sock.settimeout(CLOSE_WAIT_S)
            sock.unwrap()  # sends close_notify and waits for the receiver's
            return
        sock.shutdown(socket.SHUT_WR)
        while (left := end - time.monotonic()) > 0:
            sock.settimeout(left)
            if not sock.recv(4096):  # what a receiver says has no meaning here
                return
    except TimeoutError:
        pass
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return  # closed without close_notify, as many do: its end was reached all the same
    except OSError as error:
        if error.errno != 0:  # OpenSSL's other way to tell of that end
            raise
        return
    while _unconfirmed_bytes(sock):
        wire.deadline.left_s()
        time.sleep(0.01)


def _unconfirmed_bytes(sock: socket.socket) -> int:
    """Bytes that the other system has not confirmed yet (SIOCOUTQ)."""
    found: int = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]
    return found


def line_of(message: Message, config: SyslogConfig, surroundings: Surroundings) -> bytes:
    """One message by RFC 5424 §6, without its length."""
    finding = message.finding
    severity = _SEVERITIES.get(str(finding.get("severity")), 6)
    header = " ".join(
        (
            f"<{config.facility * 8 + severity}>1",
            rfc3339(message.at_ns, 1000),  # six decimals are the most it allows
            _name(surroundings.host_name, 255),
            _name(config.app_name, 48),
            "-",
            _name(message.kind, 32),
        )
    )
    data = {
        "messageId": message.id,
        "findingId": message.finding_id,
        "version": finding.get("version", ""),
        "detector": finding.get("detector", ""),
        "severity": finding.get("severity", ""),
        "communityId": _community_id(finding),
    }
    pairs = "".join(f' {key}="{_value(text)}"' for key, text in data.items() if text != "")
    text = message.body.decode("utf-8", "replace").translate(_CONTROLS)
    line = f"{header} [outgate@{config.enterprise}{pairs}] {text}"
    return line.encode("utf-8", "replace")


def _community_id(finding: Mapping[str, Any]) -> object:
    flow = finding.get("flow")
    return flow.get("community_id", "") if isinstance(flow, dict) else ""


def _name(text: str, most_chars: int) -> str:
    """A header field: printable ASCII without spaces, `-` when nothing is left (§6.2)."""
    return _NOT_PRINTUSASCII.sub("_", text)[:most_chars] or "-"


def _value(value: object) -> str:
    """A value of structured data, bounded, with the three characters escaped (§6.3.3)."""
    text = str(value)[:300].translate(_CONTROLS)
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
