"""Rule B: channels the outside opens, and what only looks like them."""

from __future__ import annotations

from typing import Any

import pytest

from analyzer.detectors.tunnel.ssh_forward import find_early
from analyzer.detectors.tunnel.ssh_use import Use, find_uses
from tests.analyzer.detectors.tunnel import ssh_sessions as ssh
from tests.analyzer.detectors.tunnel import ssh_uses
from tests.analyzer.detectors.tunnel.ssh_sessions import CIPHERS, Event, Session

FROM_V6 = ssh.channel_open("forwarded-tcpip", ssh.address_pair("localhost", "::1"))
UNIX = ssh.channel_open(
    "forwarded-streamlocal@openssh.com", ssh.text("/run/user/1000/agent.sock") + ssh.text("")
)


def forwarding(**how: Any) -> Session:
    session = Session(**how)
    session.login()
    ssh_uses.reverse_after_greeting(session)
    return session


def uses_of(session: Session) -> list[Use]:
    connection = session.connection()
    request = find_early(connection)
    assert request is not None
    return find_uses(connection, request)


def accepted(session: Session) -> list[bool]:
    return [use.accepted for use in uses_of(session)]


def type_through(session: Session, times: int = 12) -> None:
    """Keystrokes of an SSH inside the tunnel, each answered at local speed."""
    for _ in range(times):
        session.server(ssh.data(36), after_ms=150)
        session.client(ssh.data(36))


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("opening", [ssh.FORWARDED, FROM_V6])
def test_every_opening_is_counted_once(cipher: str, opening: bytes) -> None:
    session = forwarding(cipher=CIPHERS[cipher])
    for _ in range(3):
        session.server(opening, after_ms=1500)
        session.client(ssh.CONFIRMATION)
        session.client(ssh.data(1200))
        session.server(ssh.data(400))
        type_through(session)

    assert accepted(session) == [True] * 3


@pytest.mark.parametrize("cipher", CIPHERS)
def test_nested_keystrokes_are_neither_openings_nor_refusals(cipher: str) -> None:
    session = forwarding(cipher=CIPHERS[cipher])
    session.server(ssh.FORWARDED, after_ms=1500)
    session.client(ssh.CONFIRMATION)
    type_through(session, 40)

    assert accepted(session) == [True]


def test_a_socket_as_the_other_end_is_seen() -> None:
    session = Session()
    session.login()
    ssh_uses.reverse_unix(session)
    session.server(UNIX, after_ms=1500)
    session.client(ssh.CONFIRMATION)

    assert accepted(session) == [True]


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_port_nothing_listens_on_is_told(cipher: str) -> None:
    session = forwarding(cipher=CIPHERS[cipher])
    for _ in range(2):
        session.server(ssh.FORWARDED, after_ms=1500)
        session.client(ssh.REFUSED)

    assert accepted(session) == [False] * 2


def test_an_answer_after_a_round_trip_of_the_outside_is_none() -> None:
    session = forwarding()
    session.server(ssh.FORWARDED, after_ms=1500)
    session.client(ssh.CONFIRMATION, after_ms=45)

    assert uses_of(session) == []


@pytest.mark.parametrize("took_ms", [0.1, 3.7, 11.8, 20.0])
def test_the_slowest_answers_of_the_inside_still_count(took_ms: float) -> None:
    session = forwarding()
    session.server(ssh.FORWARDED, after_ms=1500)
    session.client(ssh.CONFIRMATION, after_ms=took_ms)

    (use,) = uses_of(session)

    assert use.took_ns == pytest.approx(took_ms * ssh.MS)


def test_a_client_far_from_the_capture_has_more_time() -> None:
    session = forwarding(client_rtt_ms=60.0, rtt_ms=2.0)
    session.server(ssh.FORWARDED, after_ms=1500)
    session.client(ssh.CONFIRMATION)

    assert accepted(session) == [True]


def test_small_messages_between_opening_and_answer_do_not_hide_it() -> None:
    session = forwarding()
    session.server(ssh.FORWARDED, after_ms=1500)
    session.client(ssh.WINDOW_ADJUST, ssh.CONFIRMATION)

    assert accepted(session) == [True]


def test_a_shell_beside_an_unused_forward_shows_no_channels() -> None:
    session = Session()
    session.login()
    ssh_uses.reverse_with_shell(session)
    for length in range(20, 60):
        session.client(ssh.data(1 + length % 4), after_ms=300)
        session.server(ssh.data(length))

    assert uses_of(session) == []


def test_what_came_before_the_answer_is_no_use() -> None:
    session = Session()
    session.login()
    session.client(ssh.tcpip_forward(), ssh.NO_MORE_SESSIONS)
    session.server(ssh.FORWARDED, after_ms=0.1)
    session.client(ssh.CONFIRMATION)
    session.server(ssh.SUCCESS, after_ms=20)

    assert uses_of(session) == []


def test_a_compressed_opening_is_seen() -> None:
    """The first one; those after it shrink to the size of other messages."""
    session = forwarding(compressed=True)
    session.server(ssh.FORWARDED, after_ms=1500)
    opened = session.events[-1]
    assert opened.sizes == [76]
    confirmed = Event(ts_ns=opened.ts_ns + ssh.MS, from_client=True, sizes=[44])
    session.events.append(confirmed)

    assert accepted(session) == [True]


def test_agent_openings_are_too_short_for_a_forward() -> None:
    session = forwarding()
    session.server(ssh.AGENT_OPEN, after_ms=1500)
    session.client(ssh.CONFIRMATION)

    assert uses_of(session) == []
