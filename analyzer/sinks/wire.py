"""A checked TCP connection with one deadline for everything that is done on it, and its TLS.

A receiver that sends one byte a second would keep a socket with a timeout busy for ever; here every
wait is cut to what the deadline leaves.
"""

from __future__ import annotations

import io
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analyzer.errors import ConfigError
from analyzer.sinks.base import SendError, trouble
from analyzer.sinks.options import Secret

if TYPE_CHECKING:
    import socket

    from analyzer.sinks.network import Deadline, Guard
    from analyzer.sinks.options import Options

_BUFFER_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """How a receiver is recognised, and how it recognises the service.

    Attributes:
        ca_pem: Certificates to trust instead of the system's, or "".
        client_cert_pem: The service's own certificate, or "".
        client_key_pem: Its key.
    """

    ca_pem: str
    client_cert_pem: str
    client_key_pem: Secret

    @classmethod
    def read(cls, options: Options) -> TlsOptions:
        """Takes the three options that every kind with TLS has."""
        return cls(
            ca_pem=options.pem("ca_pem"),
            client_cert_pem=options.pem("client_cert_pem"),
            client_key_pem=Secret(options.pem("client_key_pem")),
        )

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or later, the name and chain verified; there is no way to switch that off.

        Raises:
            ConfigError: A certificate or key cannot be read, or they do not belong together.
        """
        try:
            context = ssl.create_default_context(cadata=self.ca_pem or None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.client_cert_pem:
                _load_client(context, self.client_cert_pem, self.client_key_pem)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(
                f"cannot use the certificates of a sink: {trouble(error)}",
                hint="ca_pem, client_cert_pem and client_key_pem hold PEM, the key unencrypted",
            ) from error
        return context


def _load_client(context: ssl.SSLContext, cert_pem: str, key: Secret) -> None:
    """OpenSSL takes these from a file only: one that nobody else can read, for a moment."""
    with tempfile.NamedTemporaryFile("w", prefix="outgate-", suffix=".pem") as file:
        Path(file.name).chmod(0o600)
        file.write(f"{cert_pem}\n{key.reveal()}\n")
        file.flush()
        os.fsync(file.fileno())
        # A key with a passphrase would ask for it on the terminal.
        context.load_cert_chain(file.name, password=lambda: "")


class Wire:
    """A connection; every method raises `OSError` or `TimeoutError` when it cannot go on."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.socket = sock
        self.deadline = deadline

    def sendall(self, data: bytes) -> None:
        """Sends all of it."""
        rest = memoryview(data)
        while rest:
            self.socket.settimeout(self.deadline.left_s())
            rest = rest[self.socket.send(rest[:_BUFFER_BYTES]) :]

    def receive(self, most_bytes: int = _BUFFER_BYTES) -> bytes:
        """What has come in, b"" at the end."""
        self.socket.settimeout(self.deadline.left_s())
        return self.socket.recv(most_bytes)

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - http.client asks for "rb"
        """What `http.client` reads from."""
        return io.BufferedReader(_Reader(self), _BUFFER_BYTES)

    def close(self) -> None:
        """Ends the connection."""
        self.socket.close()


class _Reader(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        data = self._wire.receive(len(view))
        view[: len(data)] = data
        return len(data)


def open_wire(
    guard: Guard, host: str, port: int, *, tls: ssl.SSLContext | None, deadline: Deadline
) -> Wire:
    """A connection to a checked address, with TLS verified by name where there is a context.

    Raises:
        SendError: It cannot be had.
    """
    sock = guard.connect(host, port, encrypted=tls is not None, deadline=deadline)
    if tls is None:
        return Wire(sock, deadline)
    try:
        sock.settimeout(deadline.left_s())
        return Wire(tls.wrap_socket(sock, server_hostname=host), deadline)
    except (OSError, ValueError) as error:
        sock.close()
        raise SendError(f"cannot agree on TLS with {host} port {port}: {_tls(error)}") from error


def _tls(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message.lower()})"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it does not speak TLS").lower().replace("_", " ")
    return trouble(error)
