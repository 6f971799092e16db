"""The process itself: how it starts, what it refuses on the wire, how it stops."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import CliRunner
    from fastapi import FastAPI

    from analyzer.store import Store

from analyzer.cli import outgate
from analyzer.store.records import Scope
from api import server
from api.main import create_app
from api.settings import ServiceSettings, check
from tests.api.serving import START_S, in_thread
from tests.asgi import ApiClient

OUTGATE = str(Path(sys.executable).parent / "outgate")
LISTENING = re.compile(r"listening on (https?)://[^\"]*?:(\d+)\"")
HEADERS_BYTES = 200 * 1024 * 1024
RSS_MARGIN_KB = 30_000


@dataclass(frozen=True, slots=True)
class Running:
    """A service in a process of its own.

    Attributes:
        key: What it printed on standard output.
        log: The file its standard error goes to.
    """

    process: subprocess.Popen[str]
    url: str
    key: str
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(sign)
        return self.process.wait(START_S)

    def get(self, path: str, key: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.get(self.url + path, headers=headers)


@contextmanager
def serving(folder: Path, *options: str, **variables: str) -> Iterator[Running]:
    """The service on a free port, until the context ends."""
    log, out = folder.with_suffix(".log"), folder.with_suffix(".out")
    command = [OUTGATE, "serve", "--port", "0", "--data", str(folder), *options]
    with log.open("w") as stderr, out.open("w") as stdout:
        process = subprocess.Popen(
            command, stdout=stdout, stderr=stderr, text=True, env=os.environ | variables
        )
    try:
        deadline = time.monotonic() + START_S
        while not (found := LISTENING.search(log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        url = f"{found.group(1)}://127.0.0.1:{found.group(2)}"
        yield Running(process, url, out.read_text().strip(), log)
    finally:
        process.kill()
        process.wait()


Refused: TypeAlias = "Callable[..., str]"


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Starts a service that must not start, in this process; gives what it says."""
    monkeypatch.setattr("api.logs.configure", lambda: None)

    def start(**variables: str) -> str:
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(f"OUTGATE_{name}", value)
            assert server.main() == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("error: cannot ")
        return shown.err

    return start


def exchange(port: int, sent: bytes) -> bytes:
    """What comes back for bytes on a connection of their own."""
    with socket.create_connection(("127.0.0.1", port), START_S) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    return answer


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service as a user starts it, on an empty folder."""
    with serving(tmp_path_factory.mktemp("server") / "data", OUTGATE_PROT="1") as running:
        yield running


def test_the_first_start_prints_one_key_which_may_do_everything(service: Running) -> None:
    assert re.fullmatch(r"og_[0-9a-f]{12}_\S{43}", service.key)
    assert service.get("/v1/session", service.key).json()["scopes"] == ["admin"]
    assert service.get("/v1/session").status_code == 401
    assert service.key not in service.log.read_text()


def test_a_variable_that_is_no_setting_is_reported(service: Running) -> None:
    assert "OUTGATE_PROT is no setting" in service.log.read_text()


def test_a_folder_and_an_address_serve_one_service(service: Running, refused: Refused) -> None:
    folder = str(service.log.with_suffix(""))
    assert "another outgate service has it open" in refused(DATA=folder, PORT="0")
    said = refused(DATA=folder, PORT=str(service.port))
    assert f"cannot listen on 127.0.0.1 port {service.port}" in said


def test_a_service_that_is_told_to_stop_ends_well_and_starts_again_without_a_key(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data"
    with serving(folder) as first:
        assert first.stop() == 0
        assert '"stopped"' in first.log.read_text()
    with serving(folder) as second:
        assert second.key == ""
        assert second.get("/v1/session", first.key).status_code == 200
        assert second.stop(signal.SIGINT) in {0, 130}


def test_the_log_of_requests_is_json_without_queries_and_keys(service: Running) -> None:
    service.get("/v1/audit?subject=secret-query", service.key)
    deadline = time.monotonic() + START_S
    while '"/v1/audit"' not in (text := service.log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    request = next(line for line in lines if line.get("path") == "/v1/audit")
    assert (request["event"], request["status"]) == ("request", 200)
    assert request["caller"].startswith("key:")
    assert request["time"].endswith("Z")
    assert "secret-query" not in text
    assert service.key.rpartition("_")[2] not in text


def test_a_header_without_end_is_refused_early_and_costs_no_memory(service: Running) -> None:
    service.get("/healthz")
    before_kb = resident_kb(service.process.pid)
    sent, answer = pour(service.port, HEADERS_BYTES)
    assert sent < HEADERS_BYTES
    assert answer.startswith(b"HTTP/1.1 431 ") or not answer
    assert resident_kb(service.process.pid) < before_kb + RSS_MARGIN_KB
    many = b"".join(b"X-%d: a\r\n" % number for number in range(2000))
    answer = exchange(service.port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + many + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")
    for nonsense in (
        b"\x16\x03\x01\x00\xa5\r\n\r\n",
        b"GET\r\n\r\n",
        b"A" * 1000 + b"\r\n\r\n",
    ):
        answer = exchange(service.port, nonsense)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "bad-request"
    assert service.get("/healthz").status_code == 200


def pour(port: int, most: int) -> tuple[int, bytes]:
    """Sends one header line until the other side has had enough."""
    sent, chunk = 0, b"a" * 65_536
    with socket.create_connection(("127.0.0.1", port), START_S) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        try:
            while sent < most:
                connection.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
        try:
            return sent, connection.recv(4096)
        except OSError:
            return sent, b""


def resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def test_tls_is_served_with_the_operators_certificate(
    tmp_path: Path, app: FastAPI, settings: ServiceSettings, refused: Refused
) -> None:
    certificate, key = make_certificate(tmp_path)
    changed = settings.model_copy(update={"tls_cert": certificate, "tls_key": key})
    context = ssl.create_default_context(cafile=str(certificate))
    with in_thread(app, changed) as port:
        response = httpx.get(f"https://127.0.0.1:{port}/healthz", verify=context)
        assert response.status_code == 200
        assert response.headers["strict-transport-security"]
    assert "only one of" in refused(TLS_CERT=str(certificate))
    folder = tmp_path / "new"
    said = refused(PORT="0", DATA=str(folder), TLS_CERT=str(key), TLS_KEY=str(key))
    assert "for TLS" in said
    assert not folder.exists()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)

    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = folder / "cert.pem", folder / "key.pem"
    certificate_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_path, key_path


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "outgate.example"])
def test_without_authentication_only_this_machine_may_ask(host: str, refused: Refused) -> None:
    assert f"cannot listen on {host} without authentication" in refused(AUTH="false", HOST=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "[::1]", "localhost"])
def test_this_machine_may_ask_without_authentication_if_its_operator_says_so(host: str) -> None:
    check(ServiceSettings(host=host, auth=False))


def test_without_authentication_whoever_asks_may_do_everything(
    settings: ServiceSettings, store: Store
) -> None:
    with ApiClient(create_app(settings.model_copy(update={"auth": False}), store)) as client:
        who = client.get("/v1/session").json()
    assert (who["kind"], len(who["scopes"])) == ("local", len(Scope))


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PORT": "x"}, "cannot use OUTGATE_PORT"),
        ({"WORKERS": "0"}, "cannot use OUTGATE_WORKERS"),
        ({"MAX_UPLOAD": "-1"}, "cannot use OUTGATE_MAX_UPLOAD"),
        ({"TLS_CERT": "/nowhere", "TLS_KEY": "/nowhere"}, "cannot read /nowhere"),
        ({"HOST": "nowhere.invalid"}, "cannot listen on nowhere.invalid"),
        ({"PORT": "0", "DATABASE": "mysql://x"}, "cannot use"),
        ({"PORT": "0", "DATA": "/proc/nowhere"}, "cannot "),
    ],
    ids=lambda value: str(value)[:30],
)
def test_settings_that_make_no_sense_are_refused(
    tmp_path: Path, refused: Refused, variables: dict[str, str], said: str
) -> None:
    assert said in refused(**{"DATA": str(tmp_path / "data"), **variables})


def test_every_option_is_handed_over_as_its_variable(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(
        "analyzer.cli.serve.os.execve",
        lambda _program, arguments, environ: started.append((arguments, environ)),
    )
    options = "--host ::1 --port 1 --data d --database u --no-auth --tls-cert c --tls-key k"
    more = "--allowed-host a --allowed-host b --max-upload 2 --workers 3 --watch w --rate 4"
    result = runner.invoke(outgate, ["serve", *options.split(), *more.split()])
    assert result.exit_code == 0, result.output
    arguments, environ = started[0]
    assert arguments[-2:] == ["-m", "api.server"]
    given = {name.removeprefix("OUTGATE_"): environ[name] for name in environ}
    wanted = {"HOST": "::1", "PORT": "1", "DATA": "d", "DATABASE": "u", "AUTH": "false"}
    wanted |= {"TLS_CERT": "c", "TLS_KEY": "k", "ALLOWED_HOSTS": "a,b", "WATCH": "w"}
    wanted |= {"MAX_UPLOAD": str(2 * 1024 * 1024), "WORKERS": "3", "RATE_PER_MINUTE": "4"}
    assert wanted.items() <= given.items()
    known = {name.upper() for name in ServiceSettings.model_fields}
    assert wanted.keys() <= known
