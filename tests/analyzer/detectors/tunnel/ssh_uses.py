"""Forwards from outside, as dialogues after login, by each kind of client."""

from __future__ import annotations

from collections.abc import Callable

from tests.analyzer.detectors.tunnel import ssh_sessions as ssh
from tests.analyzer.detectors.tunnel.ssh_sessions import Session

Use = Callable[[Session], None]


def greet(s: Session) -> None:
    """What OpenSSH's server says after login without being asked."""
    s.server(ssh.HOSTKEYS, ssh.KEY_OPTIONS, after_ms=0.05)


def reverse(s: Session, *requests: bytes, answer: bytes = ssh.SUCCESS) -> None:
    """OpenSSH: each request in a segment of its own, then no-more-sessions."""
    wanted = requests or (ssh.tcpip_forward(),)
    s.client(*wanted, ssh.NO_MORE_SESSIONS)
    s.server(*[answer for _ in wanted])


def reverse_after_greeting(s: Session) -> None:
    greet(s)
    reverse(s)


def reverse_any(s: Session) -> None:
    reverse(s, ssh.tcpip_forward(""))


def reverse_all_v4(s: Session) -> None:
    reverse(s, ssh.tcpip_forward("0.0.0.0"))


def reverse_port_0(s: Session) -> None:
    reverse(s, ssh.tcpip_forward(port=0), answer=ssh.SUCCESS_WITH_PORT)


def reverse_unix(s: Session) -> None:
    reverse(s, ssh.streamlocal_forward())


def reverse_twice(s: Session) -> None:
    reverse(s, ssh.tcpip_forward(port=1), ssh.tcpip_forward(port=2))


def reverse_thrice(s: Session) -> None:
    reverse(s, *(ssh.tcpip_forward(port=port) for port in (1, 2, 3)))


def reverse_refused(s: Session) -> None:
    s.client(ssh.tcpip_forward(), ssh.NO_MORE_SESSIONS)
    s.server(ssh.DISABLED, ssh.FAILURE)


def reverse_with_shell(s: Session) -> None:
    greet(s)
    s.client(ssh.tcpip_forward(), [ssh.SESSION, ssh.NO_MORE_SESSIONS])
    s.server(ssh.SUCCESS, ssh.CONFIRMATION)
    s.client([ssh.PTY, ssh.ENV, ssh.SHELL])
    s.server([ssh.CHANNEL_SUCCESS, ssh.WINDOW_ADJUST, ssh.CHANNEL_SUCCESS])


def reverse_answers_merged(s: Session) -> None:
    s.client(ssh.tcpip_forward(), [ssh.SESSION, ssh.NO_MORE_SESSIONS])
    s.server([ssh.SUCCESS, ssh.CONFIRMATION])


def reverse_request_merged(s: Session) -> None:
    """As relays do that join what comes close together."""
    s.client([ssh.tcpip_forward(), ssh.NO_MORE_SESSIONS])
    s.server(ssh.SUCCESS)


def reverse_hostkeys_proved(s: Session) -> None:
    greet(s)
    s.client(ssh.tcpip_forward(), ssh.NO_MORE_SESSIONS, ssh.HOSTKEYS_PROVE)
    s.server(ssh.SUCCESS, ssh.of_length(81, 600))


def reverse_then_kept_alive(s: Session) -> None:
    reverse_after_greeting(s)
    for _ in range(4):
        s.client(ssh.KEEPALIVE, after_ms=1000)
        s.server(ssh.SUCCESS)


def reverse_alone(s: Session) -> None:
    """paramiko, Go, node and PuTTY say nothing besides."""
    s.client_banner = "SSH-2.0-Go"
    greet(s)
    s.client(ssh.tcpip_forward())
    s.server(ssh.SUCCESS)


def reverse_async(s: Session) -> None:
    """AsyncSSH binds any address and hides each message behind an IGNORE."""
    s.client_banner = "SSH-2.0-AsyncSSH_2.14"
    greet(s)
    s.client(ssh.tcpip_forward(""))
    s.server(ssh.SUCCESS)


def reverse_go_server(s: Session) -> None:
    """Go's server answers channels and requests side by side."""
    s.client(ssh.tcpip_forward(), [ssh.SESSION, ssh.NO_MORE_SESSIONS])
    s.server(ssh.CONFIRMATION, ssh.SUCCESS)


REVERSE: dict[str, Use] = {
    use.__name__: use
    for use in (
        reverse,
        reverse_after_greeting,
        reverse_any,
        reverse_all_v4,
        reverse_port_0,
        reverse_unix,
        reverse_twice,
        reverse_thrice,
        reverse_refused,
        reverse_with_shell,
        reverse_answers_merged,
        reverse_request_merged,
        reverse_hostkeys_proved,
        reverse_then_kept_alive,
        reverse_alone,
        reverse_go_server,
    )
}
