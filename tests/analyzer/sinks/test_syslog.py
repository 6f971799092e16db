"""Syslog, received by a real rsyslogd over TLS and TCP, and by sockets that misbehave."""

import itertools
import json
import shutil
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from analyzer.errors import ConfigError
from analyzer.sinks import Dead, Delivered, Message, Retry, open_sender, syslog
from analyzer.sinks.syslog import SyslogConfig, line_of
from tests.analyzer.sinks.authority import Authority
from tests.analyzer.sinks.maven import free_port, is_listening, running
from tests.analyzer.sinks.receivers import HERE, message, raw_server

RSYSLOGD = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin:/sbin")
MODULES = [Path("/usr/lib/rsyslog"), *Path("/usr/lib").glob("*/rsyslog")]
OPENSSL_DRIVER = any((folder / "lmnsd_ossl.so").exists() for folder in MODULES)
CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off"
  defaultNetstreamDriverCAFile="{ca}"
  defaultNetstreamDriverCertFile="{cert}" defaultNetstreamDriverKeyFile="{key}")
template(name="whole" type="list" option.jsonf="on") {{
  property(outname="priority" name="pri" format="jsonf")
  property(outname="version" name="protocol-version" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="text" name="msg" format="jsonf")
}}
"""
INPUT = """
ruleset(name="{name}") {{ action(type="omfile" file="{file}" template="whole") }}
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="{name}" {more})
"""
TLS_MORE = 'streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon"'


@dataclass(frozen=True, kw_only=True)
class Rsyslog:
    """Ports of a running rsyslogd and the files it writes what comes in there."""

    tcp_port: int
    tls_port: int
    tcp_file: Path
    tls_file: Path


@pytest.fixture(scope="module")
def rsyslog(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rsyslog]:
    """An rsyslogd of Debian's that writes every part of a message as JSON."""
    if RSYSLOGD is None or not OPENSSL_DRIVER:
        pytest.skip("rsyslogd is not installed: apt-get install rsyslog rsyslog-openssl")
    folder = tmp_path_factory.mktemp("rsyslog")
    found = Rsyslog(
        tcp_port=free_port(),
        tls_port=free_port(),
        tcp_file=folder / "tcp.ndjson",
        tls_file=folder / "tls.ndjson",
    )
    text = CONFIGURATION.format(
        folder=folder, ca=authority.ca_file, cert=authority.cert_file, key=authority.key_file
    )
    text += 'module(load="imtcp")\n'
    text += INPUT.format(name="tcp", file=found.tcp_file, port=found.tcp_port, more="")
    text += INPUT.format(name="tls", file=found.tls_file, port=found.tls_port, more=TLS_MORE)
    configuration = folder / "rsyslog.conf"
    configuration.write_text(text)
    command = [RSYSLOGD, "-n", "-f", str(configuration), "-i", str(folder / "pid")]

    def ready() -> bool:
        return is_listening(found.tcp_port) and is_listening(found.tls_port)

    with running(command, folder / "log", ready):
        yield found


def lines_of(path: Path, marker: str, count: int) -> list[Any]:
    """What rsyslogd wrote of messages with a marker in them, once there are so many."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        text = path.read_text(errors="replace") if path.exists() else ""
        found = [line for line in text.split("\n") if marker in line]
        if len(found) >= count and text.endswith("\n"):
            return [json.loads(line) for line in found]
        time.sleep(0.02)
    raise AssertionError(f"{count} lines with {marker} did not come")


def sender(port: int, **config: Any) -> Any:
    return open_sender("syslog", {"host": "localhost", "port": port, **config}, HERE)


def with_body(body: bytes, **fields: Any) -> Message:
    return replace(message(**fields), body=body)


def test_rsyslog_reads_every_part_over_tls(rsyslog: Rsyslog, authority: Authority) -> None:
    cef = with_body(b"CEF:0|Outgate|outgate|0.1.0|mining.stratum|a \\| b|9|msg=x\\=y \xc3\xa9")

    out = sender(rsyslog.tls_port, ca_pem=authority.ca_pem)
    assert out.deliver([cef]) == [Delivered()]

    (line,) = lines_of(rsyslog.tls_file, "CEF:0", 1)
    assert line == {
        "priority": str(16 * 8 + 3),
        "version": "1",
        "time": "2026-03-02T09:07:01.014000Z",
        "host": "sensor.example.com",
        "app": "outgate",
        "msgid": "finding.created",
        "data": '[outgate@32473 messageId="f-0000000000000001-v1" findingId="f-0000000000000001"'
        ' version="1" detector="mining.stratum" severity="high"'
        ' communityId="1:tju/G0bUIYw1Sz7tLn9lcYXcQeU="]',
        "text": cef.body.decode(),
    }


def test_rsyslog_gets_many_messages_whole_and_in_order(rsyslog: Rsyslog) -> None:
    batch = [message(number, title=f"burst {'x' * (number * 37 % 5000)}") for number in range(200)]

    assert sender(rsyslog.tcp_port, transport="tcp").deliver(batch) == [Delivered()] * 200

    found = [json.loads(line["text"]) for line in lines_of(rsyslog.tcp_file, "burst", 200)]
    assert found == [json.loads(each.body) for each in batch]


def test_hostile_text_breaks_out_of_nothing(rsyslog: Rsyslog) -> None:
    evil = 'x" y]z\\ [other@1 a="b"] \n<14>1 - forged \x00\x1b[31m'
    one = with_body(
        b"CEF:0|a\n<14>1 2026 forged - - - -\r\n\x00\x1b[31m", id=evil, detector=evil, severity=evil
    )

    assert sender(rsyslog.tcp_port, transport="tcp").deliver([one]) == [Delivered()]

    (line,) = lines_of(rsyslog.tcp_file, "other@1", 1)
    assert line["text"] == "CEF:0|a <14>1 2026 forged - - - -    [31m"
    escaped = 'x\\" y\\]z\\\\ [other@1 a=\\"b\\"\\]  <14>1 - forged   [31m'
    assert f'findingId="{escaped}"' in line["data"]
    assert line["data"].startswith("[outgate@32473 messageId=")
    assert line["data"].endswith('cYXcQeU="]')
    assert line["priority"] == str(16 * 8 + 6), "a severity nobody knows is informational"


def test_a_certificate_of_another_authority_is_refused(rsyslog: Rsyslog) -> None:
    (outcome,) = sender(rsyslog.tls_port).deliver([message()])

    assert isinstance(outcome, Retry)
    assert "certificate is not trusted" in outcome.reason


def test_tls_where_none_is_spoken_delivers_nothing(rsyslog: Rsyslog, authority: Authority) -> None:
    (outcome,) = sender(rsyslog.tcp_port, ca_pem=authority.ca_pem, timeout_s=2).deliver([message()])

    assert isinstance(outcome, Retry)


def test_a_message_that_is_too_long_is_dead_and_its_neighbours_arrive(rsyslog: Rsyslog) -> None:
    titles = ["neighbour 1", "x" * 9000, "neighbour 3"]
    batch = [message(number, title=title) for number, title in enumerate(titles)]

    outcomes = sender(rsyslog.tcp_port, transport="tcp").deliver(batch)

    assert [type(outcome) for outcome in outcomes] == [Delivered, Dead, Delivered]
    assert isinstance(outcomes[1], Dead)
    assert "more than max_bytes (8192)" in outcomes[1].reason
    lines = lines_of(rsyslog.tcp_file, "neighbour", 2)
    assert [json.loads(line["text"])["title"] for line in lines] == ["neighbour 1", "neighbour 3"]


def test_each_message_stands_behind_its_length() -> None:
    received = bytearray()

    def keep(taken: socket.socket) -> None:
        while part := taken.recv(65536):
            received.extend(part)

    with raw_server(keep) as port:
        assert sender(port, transport="tcp").deliver([message(1), message(2)]) == [Delivered()] * 2

    rest, count = bytes(received), 0
    while rest:
        length, _, rest = rest.partition(b" ")
        line, rest = rest[: int(length)], rest[int(length) :]
        assert line.startswith(b"<131>1 2026-03-02T09:07:01.014000Z sensor.example.com outgate - ")
        count += 1
    assert count == 2


def test_a_receiver_that_resets_the_connection_gets_everything_again() -> None:
    def reset(taken: socket.socket) -> None:
        taken.recv(10)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with raw_server(reset) as port:
        outcomes = sender(port, transport="tcp").deliver([message(1), message(2)])

    assert all(isinstance(outcome, Retry) for outcome in outcomes)


def test_a_receiver_that_never_closes_still_gets_its_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(syslog, "CLOSE_WAIT_S", 0.1)

    def silent(taken: socket.socket) -> None:
        while taken.recv(65536):
            pass
        time.sleep(0.5)

    with raw_server(silent) as port:
        assert sender(port, transport="tcp").deliver([message()]) == [Delivered()]


def test_a_receiver_that_reads_nothing_delivers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "CLOSE_WAIT_S", 0.1)

    def deaf(taken: socket.socket) -> None:
        time.sleep(2)

    with raw_server(deaf) as port:
        out = sender(port, transport="tcp", timeout_s=1, max_bytes=1 << 20)
        outcomes = out.deliver([message(number, title="x" * 500_000) for number in range(30)])

    assert all(isinstance(outcome, Retry) for outcome in outcomes)


def test_nobody_listening_is_an_outcome() -> None:
    (outcome,) = sender(free_port(), transport="tcp").deliver([message()])

    assert isinstance(outcome, Retry)
    assert outcome.reason.endswith("connection refused")


@pytest.mark.parametrize(
    ("severity", "priority"),
    [("critical", 130), ("high", 131), ("medium", 132), ("low", 133), ("info", 134)],
)
def test_severities_become_those_of_syslog(severity: str, priority: int) -> None:
    config = SyslogConfig.read({"host": "example.com"})

    assert line_of(message(severity=severity), config, HERE).startswith(b"<%d>1 " % priority)


def test_a_header_field_is_always_printable_and_never_empty() -> None:
    config = SyslogConfig.read({"host": "example.com", "app_name": "out gate é"})
    for host, shown in itertools.product(["", "a b\nc", "x" * 400], [b" out_gate__ "]):
        line = line_of(message(), config, replace(HERE, host_name=host))
        assert len(line.split(b" ")[2]) <= 255
        assert shown in line
        assert line.split(b"[", 1)[0].isascii()


@pytest.mark.parametrize(
    ("key", "config"),
    [
        ("host", {"host": "a b"}),
        ("host", {"host": "http://example.com"}),
        ("host", {}),
        ("port", {"host": "a", "port": 0}),
        ("port", {"host": "a", "port": "514"}),
        ("transport", {"host": "a", "transport": "udp"}),
        ("facility", {"host": "a", "facility": 24}),
        ("ca_pem", {"host": "a", "ca_pem": "/etc/ssl/certs"}),
    ],
)
def test_an_option_that_cannot_be_used_is_named(key: str, config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"option {key} of the syslog sink"):
        open_sender("syslog", config, HERE)


def test_plain_tcp_needs_a_network_the_operator_allowed() -> None:
    with pytest.raises(ConfigError, match="without TLS"):
        open_sender("syslog", {"host": "8.8.8.8", "port": 514, "transport": "tcp"}, HERE)
