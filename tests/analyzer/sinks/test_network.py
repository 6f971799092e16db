"""What sinks may connect to."""

import socket
import threading
from typing import Any

import pytest

from analyzer.errors import ConfigError
from analyzer.sinks.base import SendError
from analyzer.sinks.network import Deadline, Guard

STRICT = Guard()
FORBIDDEN = [
    "127.0.0.1",
    "127.255.0.9",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",  # a cloud's metadata service
    "169.254.169.254",  # another's
    "168.63.129.16",  # a third, on an address that is otherwise public
    "192.0.0.192",  # a fourth
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00:ec2::254",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",  # NAT64 of 127.0.0.1
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:a00:1::",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Lets names resolve to these addresses, one list after the other; gives the names asked."""
    asked: list[str] = []
    numeric = socket.getaddrinfo

    def answer(host: str, port: int, *rest: Any, **options: Any) -> Any:
        if host.replace(".", "").isdigit() or ":" in host:
            return numeric(host, port, *rest, **options)
        asked.append(host)
        texts = answers[min(len(asked), len(answers)) - 1]
        return [
            (
                socket.AF_INET6 if ":" in text else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (text, port, 0, 0) if ":" in text else (text, port),
            )
            for text in texts
        ]

    monkeypatch.setattr("socket.getaddrinfo", answer)
    return asked


@pytest.mark.parametrize("address", FORBIDDEN)
def test_addresses_inside_are_refused(address: str) -> None:
    with pytest.raises(SendError, match="refused to connect"):
        STRICT.resolve(address, 443, encrypted=True)
    with pytest.raises(ConfigError, match="cannot send findings to") as caught:
        STRICT.check_literal(address, encrypted=True)
    assert "sink_networks" in caught.value.hint


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_reached_over_tls_alone(address: str) -> None:
    assert STRICT.resolve(address, 443, encrypted=True)
    with pytest.raises(SendError, match="without TLS"):
        STRICT.resolve(address, 80, encrypted=False)


@pytest.mark.parametrize("spelling", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0"])
def test_odd_spellings_of_loopback_are_refused(spelling: str) -> None:
    with pytest.raises(SendError):
        STRICT.resolve(spelling, 443, encrypted=True)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "ip6-localhost"])
def test_names_of_this_machine_are_refused(name: str) -> None:
    with pytest.raises(SendError):
        STRICT.resolve(name, 443, encrypted=True)


def test_one_forbidden_address_among_several_refuses_the_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolving(monkeypatch, ["1.1.1.1", "10.0.0.1", "8.8.8.8"])

    with pytest.raises(SendError, match=r"10\.0\.0\.1 is private"):
        STRICT.resolve("siem.example.com", 443, encrypted=True)


def test_what_the_operator_allows_is_reached_with_and_without_tls() -> None:
    guard = Guard.of(["10.20.0.0/16", "fd00:1::/64"])

    assert guard.resolve("10.20.3.4", 514, encrypted=False) == ["10.20.3.4"]
    assert guard.resolve("fd00:1::9", 443, encrypted=True) == ["fd00:1::9"]
    assert guard.resolve("::ffff:10.20.3.4", 514, encrypted=False)
    with pytest.raises(SendError):
        guard.resolve("10.21.0.1", 514, encrypted=True)


def test_what_is_allowed_reaches_through_no_translation() -> None:
    guard = Guard.of(["64:ff9b::/96"])
    assert guard.resolve("64:ff9b::7f00:1", 443, encrypted=True), "the operator named this prefix"
    with pytest.raises(SendError):
        Guard.of(["2001:db8::/32"]).resolve("64:ff9b::7f00:1", 443, encrypted=True)


def test_a_name_is_resolved_once_and_its_checked_address_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name server that answers differently the second time moves nothing (DNS rebinding)."""
    with socket.create_server(("127.0.0.2", 0)) as wanted:
        port = wanted.getsockname()[1]
        asked = resolving(monkeypatch, ["127.0.0.2"], ["127.0.0.1"])
        guard = Guard.of(["127.0.0.2/32"])

        with guard.connect(
            "siem.example.com", port, encrypted=True, deadline=Deadline(5)
        ) as connected:
            assert connected.getpeername() == ("127.0.0.2", port)

    assert asked == ["siem.example.com"]


def test_the_next_address_is_tried_when_one_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.3", 0)) as wanted:
        port = wanted.getsockname()[1]
        resolving(monkeypatch, ["127.0.0.2", "127.0.0.3"])
        guard = Guard.of(["127.0.0.0/8"])

        with guard.connect("a.example.com", port, encrypted=False, deadline=Deadline(5)) as sock:
            assert sock.getpeername()[0] == "127.0.0.3"


def test_a_name_that_does_not_resolve_is_an_outcome() -> None:
    with pytest.raises(SendError, match=r"cannot resolve no-such-host\.invalid"):
        STRICT.resolve("no-such-host.invalid", 443, encrypted=True)
    with pytest.raises(SendError, match="cannot resolve"):
        STRICT.resolve("a" * 64 + ".example.com", 443, encrypted=True)


def test_a_connection_nobody_answers_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        kept = [socket.socket() for _ in range(4)]
        for sock in kept:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        try:
            with pytest.raises(SendError, match="cannot connect"):
                Guard.of(["127.0.0.0/8"]).connect(
                    "127.0.0.1", port, encrypted=False, deadline=Deadline(0.3)
                )
        finally:
            for sock in kept:
                sock.close()
    assert threading.active_count() < 50
