from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.detectors.tunnel.ssh_connection import (
    DEFAULT_RTT_NS,
    Suite,
    connection_of,
    find_login,
)
from tests.analyzer.detectors.tunnel import ssh_sessions as ssh
from tests.analyzer.detectors.tunnel.ssh_benign import nothing, shell
from tests.analyzer.detectors.tunnel.ssh_sessions import CIPHERS, MS, Session
from tests.analyzer.detectors.tunnel.ssh_uses import reverse

# Bytes of each message on the wire, from captures of OpenSSH (knowledge of the suites' authors:
# RFC 4253 section 6, PROTOCOL.chacha20poly1305): message, payload, then one column for each suite.
COLUMNS = (
    "chacha20",
    "aes-gcm",
    "umac-128-etm",
    "umac-64-etm",
    "sha1-etm",
    "sha2-256-etm",
    "sha2-512-etm",
    "ctr+sha2-256",
)
SIZES = {
    "service request": (17, 44, 52, 52, 44, 56, 68, 100, 64),
    "login succeeded": (1, 28, 36, 36, 28, 40, 52, 84, 48),
    "forward, any address": (27, 52, 52, 52, 44, 56, 68, 100, 80),
    "forward, 0.0.0.0": (34, 60, 68, 68, 60, 72, 84, 116, 80),
    "forward, localhost": (36, 68, 68, 68, 60, 72, 84, 116, 80),
    "no more sessions": (34, 60, 68, 68, 60, 72, 84, 116, 80),
    "keepalive": (27, 52, 52, 52, 44, 56, 68, 100, 80),
    "keepalive on a channel": (31, 60, 68, 68, 60, 72, 84, 116, 80),
    "request answered": (1, 28, 36, 36, 28, 40, 52, 84, 48),
    "request answered with a port": (5, 36, 36, 36, 28, 40, 52, 84, 48),
    "session opened": (24, 52, 52, 52, 44, 56, 68, 100, 80),
    "forwarded from 127.0.0.1": (66, 92, 100, 100, 92, 104, 116, 148, 112),
    "forwarded from ::1": (60, 92, 100, 100, 92, 104, 116, 148, 112),
    "confirmation": (17, 44, 52, 52, 44, 56, 68, 100, 64),
    "connection refused": (35, 60, 68, 68, 60, 72, 84, 116, 80),
    "agent opened": (39, 68, 68, 68, 60, 72, 84, 116, 80),
    "x11 opened": (37, 68, 68, 68, 60, 72, 84, 116, 80),
    "a byte of data": (10, 36, 36, 36, 28, 40, 52, 84, 64),
    "window": (9, 36, 36, 36, 28, 40, 52, 84, 64),
    "channel request answered": (5, 36, 36, 36, 28, 40, 52, 84, 48),
    "nested keystroke": (45, 76, 84, 84, 76, 88, 100, 132, 96),
}


def suite(name: str, min_body: int = 0) -> Suite:
    cipher = CIPHERS[name]
    return Suite(block=cipher.block, tag=cipher.tag, framing=cipher.framing, min_body=min_body)


@pytest.mark.parametrize("message", SIZES)
def test_sizes_are_those_of_the_wire(message: str) -> None:
    payload, *sizes = SIZES[message]

    assert [suite(name).wire(payload) for name in COLUMNS] == sizes


def test_dropbear_sends_no_body_under_16_bytes() -> None:
    assert suite("chacha20", min_body=16).wire(1) == 36
    assert suite("chacha20", min_body=16).wire(12) == suite("chacha20").wire(12)
    assert list(suite("chacha20", min_body=16).payloads(36)) == list(range(1, 12))


def test_eight_byte_blocks_with_a_plain_mac_pad_to_16_at_least() -> None:
    assert suite("3des+sha1").wire(1) == 16 + 20
    assert suite("3des+sha1").wire(8) == 24 + 20


@given(st.sampled_from(sorted(CIPHERS)), st.sampled_from((0, 16)), st.integers(1, 40_000))
def test_a_payload_is_among_those_its_size_may_hold(name: str, min_body: int, payload: int) -> None:
    made = suite(name, min_body)
    size = made.wire(payload)

    assert size == CIPHERS[name].wire(payload, min_body)
    assert payload in made.payloads(size)
    assert {made.wire(length) for length in made.payloads(size)} == {size}


@given(st.sampled_from(sorted(CIPHERS)), st.integers(-50, 2000))
def test_a_size_no_packet_has_holds_nothing(name: str, size: int) -> None:
    made = suite(name)

    exists = size in made.sizes(1, 2100)

    assert bool(made.payloads(size)) == exists


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("password", [False, True])
def test_the_login_ends_with_the_servers_one_byte(cipher: str, password: bool) -> None:
    session = Session(cipher=CIPHERS[cipher])
    session.login(password=password)
    tokens_before = len(session.token_rows())
    shell(session)

    login = session.connection().login

    assert login is not None
    assert (login.index, login.merged) == (tokens_before - 1, False)


def test_the_end_of_a_login_that_a_relay_joined_to_the_greeting_is_found() -> None:
    session = Session()
    session.login()
    session.events[-1].sizes.append(session.cipher.wire(603))
    reverse(session)

    login = session.connection().login

    assert login is not None
    assert login.merged


def test_a_keystroke_in_the_middle_is_no_login() -> None:
    """The capture begins behind the login: the first short answer is that of a session."""
    session = Session(cipher=CIPHERS["aes-gcm"])
    for _ in range(6):
        session.client(ssh.data(1), after_ms=100)
        session.server(ssh.data(1))

    assert session.connection().login is None


def test_a_login_that_never_ends_is_none() -> None:
    session = Session()
    for _ in range(120):
        session.client(ssh.of_length(50, 60))
        session.server(ssh.of_length(51, 31))

    assert session.connection().login is None


@pytest.mark.parametrize("cipher", ["chacha20", "aes-gcm", "ctr+sha2-256"])
@pytest.mark.parametrize("side", ["client", "server"])
def test_an_empty_ignore_before_every_message_is_left_out(cipher: str, side: str) -> None:
    plain, noisy = Session(cipher=CIPHERS[cipher]), Session(cipher=CIPHERS[cipher], ignores=(side,))
    for session in (plain, noisy):
        session.login()
        reverse(session)

    sizes = [token.size for token in plain.connection().tokens]
    left = [token.size for token in noisy.connection().tokens]

    # Those of the key exchange's end are not told from messages: AsyncSSH sends none there.
    assert len(noisy.token_rows()) > len(left)
    assert left[-2:] == sizes[-2:]


def test_short_messages_behind_each_other_are_no_noise() -> None:
    session = Session(cipher=CIPHERS["aes-gcm"])
    session.login()
    shell(session)

    assert len(session.connection().tokens) == len(session.token_rows())


def test_round_trips_come_from_tcp_where_it_shows_them() -> None:
    session = Session(rtt_ms=40, client_rtt_ms=0.3)
    session.login()

    connection = session.connection()

    assert connection.server_rtt_ns == 40 * MS
    assert connection.client_rtt_ns == pytest.approx(0.3 * MS)
    assert connection.round_trip_ns == pytest.approx(40.3 * MS)


def test_round_trips_come_from_the_login_where_tcp_shows_none() -> None:
    session = Session(rtt_ms=40, tcp_rtt=False)
    session.login()

    assert 20 * MS <= session.connection().server_rtt_ns <= 25 * MS


def test_a_late_acknowledgement_does_not_make_the_server_far_away() -> None:
    session = Session(rtt_ms=40)
    session.login()
    slow = replace(session.flow(), rtt_down_ns=200 * MS)

    connection = connection_of(slow, session.ssh_row(), session.token_rows())

    assert connection is not None
    assert connection.server_rtt_ns < 45 * MS


def test_nothing_to_measure_leaves_the_round_trip_that_is_taken_for_granted() -> None:
    session = Session(tcp_rtt=False)

    assert session.connection().server_rtt_ns == DEFAULT_RTT_NS


@pytest.mark.parametrize(
    ("client_rtt_ms", "rtt_ms", "near"),
    [(0.5, 20, True), (5, 20, True), (8, 20, False), (40, 1, False), (12, 300, False)],
)
def test_local_speed_means_something_only_near_the_client(
    client_rtt_ms: float, rtt_ms: float, near: bool
) -> None:
    session = Session(client_rtt_ms=client_rtt_ms, rtt_ms=rtt_ms)

    assert session.connection().is_near_client is near


def test_a_suite_that_is_not_known_gives_no_connection() -> None:
    session = Session()
    row = session.ssh_row() | {"framing_down": "", "block_down": 0}

    assert connection_of(session.flow(), row, session.token_rows()) is None


def test_reversed_roles_turn_the_sides_around() -> None:
    session = Session()
    session.login()
    nothing(session)
    row = session.ssh_row() | {"roles": "reversed"}

    connection = connection_of(session.flow(), row, session.token_rows())

    assert connection is not None
    first = session.token_rows()[0]
    assert connection.tokens[0].from_client is not first["up"]
    assert find_login(connection.tokens, connection.client, connection.server) is None
