"""Rule A on every first flight, under every suite and from every distance."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.detectors.tunnel.ssh_connection import Connection, Suite, Token, find_login
from analyzer.detectors.tunnel.ssh_forward import find_early
from analyzer.detectors.tunnel.ssh_late import find_late
from tests.analyzer.detectors.tunnel import ssh_benign, ssh_uses
from tests.analyzer.detectors.tunnel import ssh_sessions as ssh
from tests.analyzer.detectors.tunnel.ssh_benign import BENIGN
from tests.analyzer.detectors.tunnel.ssh_sessions import CIPHERS, Session
from tests.analyzer.detectors.tunnel.ssh_uses import REVERSE, Use

if TYPE_CHECKING:
    from analyzer.detectors.tunnel.ssh_messages import Request

LONGEST_S = 2.0
"""A tenth of it on an old machine; squared, it would be a minute."""
RTTS_MS = (1.0, 5.0, 20.0, 70.0, 160.0, 300.0)
CLIENT_RTTS_MS = (0.1, 1.0, 5.0)
NARROW = [name for name, made in CIPHERS.items() if made.block == 8 and made.framing != "mac"]


def request_of(connection: Connection) -> Request | None:
    return find_early(connection) or find_late(connection)


def play(use: Use, *, password: bool = False, **how: Any) -> Request | None:
    session = Session(**how)
    session.login(password=password)
    use(session)
    return request_of(session.connection())


def from_everywhere(use: Use, **how: Any) -> list[bool]:
    """Whether a request is found, over all distances of both sides."""
    places = [(far, near) for far in RTTS_MS for near in CLIENT_RTTS_MS]
    return [
        play(use, rtt_ms=far, client_rtt_ms=near, seed=seed, password=seed % 3 == 2, **how)
        is not None
        for seed, (far, near) in enumerate(places)
    ]


def is_hidden(name: str, cipher: str) -> bool:
    """A forward and no-more-sessions in one segment: as long as a session and that."""
    return name == "reverse_request_merged" and cipher in ("ctr+sha2-256", "ctr+sha1")


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("name", REVERSE)
def test_a_forward_is_found(name: str, cipher: str) -> None:
    found = from_everywhere(REVERSE[name], cipher=CIPHERS[cipher])

    assert set(found) == {not is_hidden(name, cipher)}


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("name", BENIGN)
def test_everything_else_is_silent(name: str, cipher: str) -> None:
    assert not any(from_everywhere(BENIGN[name], cipher=CIPHERS[cipher]))


VARIANTS: dict[str, dict[str, Any]] = {
    "a server with ignores": {"ignores": ("server",)},
    "ignores from both": {"ignores": ("client", "server")},
    "a Dropbear server": {"server_least_body": 16},
    "a Dropbear client": {"client_least_body": 16},
    "no round trip": {"tcp_rtt": False},
    "a client that pads more": {"extra_block": True},
    "compression": {"compressed": True},
    "a capture near the server": {"client_rtt_ms": 120.0, "rtt_ms": 0.4},
}


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", BENIGN)
def test_everything_else_is_silent_with(name: str, variant: str, cipher: str) -> None:
    seeds = (0, 1, 2, 5)

    found = [
        play(BENIGN[name], cipher=CIPHERS[cipher], seed=seed, **VARIANTS[variant]) for seed in seeds
    ]

    assert found == [None] * len(seeds)


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "compression"])
@pytest.mark.parametrize("name", ["reverse", "reverse_with_shell", "reverse_any", "reverse_twice"])
def test_a_forward_is_found_with(name: str, variant: str, cipher: str) -> None:
    assert play(REVERSE[name], cipher=CIPHERS[cipher], **VARIANTS[variant])


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize(
    "name",
    [
        "reverse",
        "reverse_any",
        "reverse_unix",
        "reverse_with_shell",
        "reverse_twice",
        "reverse_refused",
        "reverse_port_0",
    ],
)
def test_a_compressed_forward_is_found(name: str, cipher: str) -> None:
    request = play(REVERSE[name], cipher=CIPHERS[cipher], compressed=True)

    assert request is not None
    assert request.compressed
    assert request.bind_length is None


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_forward_of_asyncssh_is_found(cipher: str) -> None:
    for ignores in (("client",), ("client", "server")):
        assert play(ssh_uses.reverse_async, cipher=CIPHERS[cipher], ignores=ignores)


def test_the_login_a_relay_joined_to_the_greeting_does_not_hide_a_forward() -> None:
    for joined in (ssh_uses.reverse, ssh_uses.reverse_with_shell, ssh_uses.reverse_request_merged):
        session = Session(rtt_ms=40)
        session.login()
        session.events[-1].sizes.append(session.cipher.wire(603))
        joined(session)

        assert request_of(session.connection()), joined.__name__


def test_a_password_after_a_long_refusal_is_no_forward() -> None:
    """A signature, a text of the server's, then a password: the success answers that."""
    session = Session()
    session.server(ssh.of_length(7, 320), after_ms=0)
    session.client(ssh.of_length(7, 42), ssh.of_length(5, 17))
    session.server(ssh.of_length(6, 17))
    session.client(ssh.of_length(50, 285))
    session.server([ssh.of_length(53, 300), ssh.of_length(51, 31)])
    session.client(ssh.of_length(50, 60), after_ms=1500)
    session.server(b"\x34")
    ssh_benign.shell(session)

    assert request_of(session.connection()) is None


# --- what a request tells ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "bind_length"),
    [
        (ssh_uses.reverse, (9, 16)),
        (ssh_uses.reverse_any, (0, 0)),
        (ssh_uses.reverse_all_v4, (1, 8)),
    ],
)
def test_the_length_of_the_address_is_told(use: Use, bind_length: tuple[int, int]) -> None:
    request = play(use)

    assert request is not None
    assert request.bind_length == bind_length


@pytest.mark.parametrize("cipher", CIPHERS)
def test_forwards_are_counted(cipher: str) -> None:
    counts = {
        use.__name__: getattr(play(use, cipher=CIPHERS[cipher]), "forwards", 0)
        for use in (ssh_uses.reverse, ssh_uses.reverse_twice, ssh_uses.reverse_thrice)
    }

    assert counts == {"reverse": 1, "reverse_twice": 2, "reverse_thrice": 3}


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_shell_beside_the_forward_is_not_counted(cipher: str) -> None:
    request = play(ssh_uses.reverse_with_shell, cipher=CIPHERS[cipher])

    assert request is not None
    assert request.forwards == 1


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_refusal_that_explains_itself_is_told(cipher: str) -> None:
    refused = play(ssh_uses.reverse_refused, cipher=CIPHERS[cipher])
    granted = play(ssh_uses.reverse, cipher=CIPHERS[cipher])

    assert refused is not None
    assert granted is not None
    assert (refused.refused_likely, granted.refused_likely) == (True, False)


# --- late requests ----------------------------------------------------------------------------


def forward_late(session: Session) -> None:
    """`ssh -O forward` on a shared connection."""
    ssh_benign.shared(session)
    session.client(ssh.tcpip_forward(), after_ms=4000)
    session.server(ssh.SUCCESS)
    session.client(ssh.data(1), after_ms=3000)


@pytest.mark.parametrize("cipher", NARROW)
def test_a_late_forward_is_found_where_padding_is_narrow(cipher: str) -> None:
    found = [play(forward_late, cipher=CIPHERS[cipher], rtt_ms=far, seed=1) for far in RTTS_MS]

    assert [request is not None and request.late for request in found] == [True] * len(RTTS_MS)


@pytest.mark.parametrize("cipher", sorted(set(CIPHERS) - set(NARROW)))
def test_a_late_forward_is_not_guessed_where_padding_is_wide(cipher: str) -> None:
    assert play(forward_late, cipher=CIPHERS[cipher]) is None


@pytest.mark.parametrize("interval_ms", [1000, 5000, 15_000, 60_000])
@pytest.mark.parametrize("cipher", ["chacha20", "aes-gcm", "ctr+sha2-256"])
def test_keepalives_of_either_side_are_no_forward(interval_ms: int, cipher: str) -> None:
    def kept_alive(session: Session) -> None:
        ssh_benign.nothing(session)
        for index in range(8):
            if index % 2:
                session.client(ssh.KEEPALIVE, after_ms=interval_ms)
                session.server(ssh.FAILURE)
            else:
                session.server(ssh.KEEPALIVE, after_ms=interval_ms)
                session.client(ssh.FAILURE)

    assert play(kept_alive, cipher=CIPHERS[cipher], rtt_ms=160) is None


# --- anything benign, anything at all ---------------------------------------------------------

MESSAGES_UP = (
    ssh.KEEPALIVE,
    ssh.WINADJ,
    ssh.WINDOW_ADJUST,
    ssh.PING,
    ssh.DIRECT,
    ssh.CLOSING,
    ssh.IGNORE,
)
MESSAGES_DOWN = (
    ssh.CHANNEL_SUCCESS,
    ssh.WINDOW_ADJUST,
    ssh.PONG,
    ssh.AGENT_OPEN,
    ssh.CLOSING,
    ssh.IGNORE,
    ssh.REFUSED,
    ssh.CONFIRMATION,
    ssh.DISABLED,
    ssh.SERVER_KEEPALIVE,
)


@st.composite
def benign_sessions(draw: st.DrawFn) -> Session:
    """A plain session, then any talk in turns that never holds a global request but keepalives.

    The client opens a session, the server confirms it; from there each side sends data of any
    length or any message that serves a session, at any time; a keepalive is answered at once.
    """
    session = Session(
        cipher=CIPHERS[draw(st.sampled_from(sorted(CIPHERS)))],
        rtt_ms=draw(st.floats(0.2, 400)),
        client_rtt_ms=draw(st.floats(0.05, 5)),
        seed=draw(st.integers(0, 10_000)),
    )
    session.login(password=draw(st.booleans()))
    if draw(st.booleans()):
        ssh_uses.greet(session)
    opening = [ssh.SESSION, ssh.NO_MORE_SESSIONS] if draw(st.booleans()) else [ssh.SESSION]
    session.client(opening)
    session.server(ssh.CONFIRMATION)
    quiet = st.none() | st.floats(0.1, 3000)
    for _ in range(draw(st.integers(0, 25))):
        up = draw(st.sampled_from(MESSAGES_UP) | st.integers(1, 1400).map(ssh.data))
        session.client(up, after_ms=draw(quiet))
        if up == ssh.KEEPALIVE:
            session.server(ssh.FAILURE)
            continue
        down = draw(st.sampled_from(MESSAGES_DOWN) | st.integers(1, 1400).map(ssh.data))
        session.server(down, after_ms=draw(quiet))
    return session


@settings(max_examples=200, deadline=None)
@given(benign_sessions())
def test_no_talk_in_a_session_is_a_forward(session: Session) -> None:
    assert request_of(session.connection()) is None


def test_the_longest_session_the_core_reports_is_judged_at_once() -> None:
    """20 000 tokens, each second one an answer; in proportion, not squared, to their number."""
    session = Session()
    session.login()
    ssh_benign.nothing(session)
    for index in range(10_000):
        session.client(ssh.KEEPALIVE if index % 3 else ssh.data(40), after_ms=20)
        session.server(ssh.FAILURE)
    connection = session.connection()
    started = time.process_time()

    request_of(connection)

    assert time.process_time() - started < LONGEST_S


tokens = st.builds(
    Token,
    ts_ns=st.integers(-(2**63), 2**63 - 1) | st.integers(0, 10**9),
    frame=st.integers(0, 100),
    from_client=st.booleans(),
    size=st.integers(0, 2**32 - 1) | st.integers(0, 200),
    exact=st.booleans(),
)
suites = st.builds(
    Suite,
    block=st.integers(1, 255),
    tag=st.integers(0, 255),
    framing=st.sampled_from(("aead", "etm", "mac")),
    min_body=st.sampled_from((0, 16)),
)


@given(st.lists(tokens, max_size=30), suites, suites, st.booleans())
def test_any_tokens_are_survived(
    given_tokens: list[Token], client: Suite, server: Suite, compressed: bool
) -> None:
    connection = Connection(
        tokens=given_tokens,
        client=client,
        server=server,
        compressed=compressed,
        login=find_login(given_tokens, client, server),
        lossy=False,
        client_is_openssh=True,
        server_rtt_ns=0,
        client_rtt_ns=0,
    )

    request_of(connection)
