"""Ordinary uses of SSH, none of which forwards a port back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcaps.recipes import ssh
from pcaps.recipes.chance import Chance
from pcaps.recipes.model import Capture, merge
from pcaps.recipes.packets import Endpoint
from pcaps.recipes.ssh import AES_GCM, CHACHA20, CTR_ETM, Session, Suite
from pcaps.recipes.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Callable

HOST_IP = "10.20.0.33"
SERVER = Endpoint("203.0.113.40", 22)
DATA_PACKET = 1200
FULL_WRITE = 16_384


def _session(seed: str, suite: Suite, use: Callable[[Session], None]) -> Capture:
    chance = Chance(seed)
    client = Endpoint(HOST_IP, chance.integer(32768, 60999))
    talk = Talk(client, SERVER, chance=chance)
    session = Session(talk, suite)
    session.open()
    session.login()
    use(session)
    talk.close()
    return Capture(frames=merge(talk.frames()))


def _exec(session: Session, *payloads: int) -> None:
    session.client(ssh.OPEN_SESSION, ssh.NO_MORE_SESSIONS, after_s=0.0005)
    session.server(ssh.DEBUG, after_s=0.007)
    session.server(ssh.OPEN_CONFIRMED, after_s=0.034)
    session.client(*payloads, after_s=0.0006)
    session.server(9, 5)


def _end(session: Session) -> None:
    session.server(25, 5, 5)
    session.client(ssh.CHANNEL_ANSWER)


def shell() -> Capture:
    """A person in a shell on an outside host."""

    def use(session: Session) -> None:
        session.forward(requested=False, session=True)
        session.type_keys(60)
        _end(session)

    return _session("ssh_shell", CHACHA20, use)


def execute() -> Capture:
    """One short command."""

    def use(session: Session) -> None:
        _exec(session, ssh.SHORT_EXEC)
        session.server(420, after_s=0.3)
        _end(session)

    return _session("ssh_exec", CHACHA20, use)


def git_fetch_session(session: Session) -> None:
    """What a git fetch does on a logged-in connection."""
    _exec(session, *ssh.GIT_EXEC)
    session.server(1900, after_s=0.08)
    session.client(320, after_s=0.004)
    session.server(160)
    for _ in range(3):
        session.server(8200, after_s=0.01)
    session.client(ssh.KEY, after_s=0.002)
    _end(session)


def git_fetch() -> Capture:
    """A git fetch over SSH."""
    return _session("ssh_git_fetch", AES_GCM, git_fetch_session)


def copy() -> Capture:
    """A file goes out with scp (sftp beneath)."""

    def use(session: Session) -> None:
        _exec(session, ssh.SHORT_EXEC)
        session.client(18)
        session.server(190)
        for _ in range(10):
            session.client(FULL_WRITE, after_s=0.002)
            session.server(37)
        _end(session)

    return _session("ssh_scp", CTR_ETM, use)


def local_forward() -> Capture:
    """`ssh -N -L`, used: the client opens the channels, the far side confirms."""

    def use(session: Session) -> None:
        session.forward(requested=False)
        for _ in range(4):
            session.client(ssh.OPEN_DIRECT, after_s=3.0)
            session.server(ssh.OPEN_CONFIRMED)
            session.client(ssh.CHANNEL_DATA_OVERHEAD + 210)
            session.server(DATA_PACKET)
            session.client(ssh.CHANNEL_ANSWER, ssh.CHANNEL_ANSWER)
            session.server(ssh.CHANNEL_ANSWER, ssh.CHANNEL_ANSWER)

    return _session("ssh_local_forward", CHACHA20, use)


def agent_forwarding() -> Capture:
    """A shell with an agent: the far side opens channels, smaller than forwarded ports."""

    def use(session: Session) -> None:
        session.client(ssh.OPEN_SESSION, ssh.NO_MORE_SESSIONS, after_s=0.0005)
        session.server(ssh.DEBUG, after_s=0.007)
        session.server(ssh.OPEN_CONFIRMED, after_s=0.034)
        session.client(19, *ssh.SHELL_REQUESTS, after_s=0.0006)
        session.server(*ssh.SHELL_ANSWERS)
        session.type_keys(12)
        for _ in range(3):
            session.server(ssh.OPEN_AGENT, after_s=0.6)
            session.client(ssh.OPEN_CONFIRMED, after_s=0.0004)
            session.server(ssh.CHANNEL_DATA_OVERHEAD + 5)
            session.client(ssh.CHANNEL_DATA_OVERHEAD + 120)
            session.server(ssh.CHANNEL_ANSWER, ssh.CHANNEL_ANSWER)
            session.client(ssh.CHANNEL_ANSWER, ssh.CHANNEL_ANSWER)
        _end(session)

    return _session("ssh_agent_forwarding", CHACHA20, use)


def server_keepalive() -> Capture:
    """A forgotten shell that the server keeps alive."""

    def use(session: Session) -> None:
        session.forward(requested=False, session=True)
        session.type_keys(6)
        for _ in range(12):
            session.talk.wait(15.0)
            session.keepalive(by_server=True, channel=True)

    return _session("ssh_server_keepalive", CHACHA20, use)


def x11_forwarding() -> Capture:
    """A shell with X11: the far side opens channels when a window is drawn."""

    def use(session: Session) -> None:
        session.client(ssh.OPEN_SESSION, ssh.NO_MORE_SESSIONS, after_s=0.0005)
        session.server(ssh.DEBUG, after_s=0.007)
        session.server(ssh.OPEN_CONFIRMED, after_s=0.034)
        session.client(83, after_s=0.0006)
        session.client(*ssh.SHELL_REQUESTS, after_s=0.0004)
        session.server(*ssh.SHELL_ANSWERS)
        session.type_keys(8)
        session.server(ssh.OPEN_X11, after_s=0.5)
        session.client(ssh.OPEN_CONFIRMED, after_s=0.0006)
        for _ in range(8):
            session.server(DATA_PACKET, after_s=0.2)
            session.client(ssh.CHANNEL_DATA_OVERHEAD + 32)
        _end(session)

    return _session("ssh_x11_forwarding", CHACHA20, use)
