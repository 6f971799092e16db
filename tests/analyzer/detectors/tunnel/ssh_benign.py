"""What people do with SSH besides forwards from outside, as dialogues after login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.analyzer.detectors.tunnel import ssh_sessions as ssh
from tests.analyzer.detectors.tunnel.ssh_uses import Use, greet

if TYPE_CHECKING:
    from tests.analyzer.detectors.tunnel.ssh_sessions import Session


def open_session(s: Session, *requests: bytes) -> None:
    """OpenSSH: a session channel and no-more-sessions in one segment, then what to run."""
    s.client([ssh.SESSION, ssh.NO_MORE_SESSIONS])
    s.server(ssh.CONFIRMATION)
    s.client(list(requests))
    answers = [ssh.CHANNEL_SUCCESS for request in requests if request != ssh.ENV]
    s.server([answers[0], ssh.WINDOW_ADJUST, *answers[1:]])


def nothing(s: Session) -> None:
    """`-N`, `-N -L` and `-N -D` until used."""
    greet(s)
    s.client(ssh.NO_MORE_SESSIONS)


def nothing_greeted_late(s: Session) -> None:
    s.client(ssh.NO_MORE_SESSIONS)
    s.server(ssh.HOSTKEYS, ssh.KEY_OPTIONS, ssh.KEY_OPTIONS, after_ms=6)


def shell(s: Session) -> None:
    greet(s)
    open_session(s, ssh.PTY, ssh.ENV, ssh.SHELL)
    for length in (1, 1, 1, 3, 1, 40):
        s.client(ssh.data(length), after_ms=s.chance.uniform(20, 400))
        s.server(ssh.data(length + s.chance.randrange(60)))


def shell_with_chaff(s: Session) -> None:
    greet(s)
    open_session(s, ssh.PTY, ssh.SHELL)
    for _ in range(60):
        s.client(ssh.PING, after_ms=20)
        s.server(ssh.PONG)


def shell_kept_alive(s: Session) -> None:
    shell(s)
    for _ in range(5):
        s.client(ssh.KEEPALIVE, after_ms=s.chance.choice((1000, 15_000, 60_000)))
        s.server(ssh.FAILURE)
        s.client(ssh.data(30), after_ms=5)
        s.server(ssh.data(30))


def logs_sent_and_kept_alive(s: Session) -> None:
    """Short lines up, nothing down, and keepalives written together with them."""
    greet(s)
    open_session(s, ssh.command("cat >> log"))
    for index in range(60):
        line = ssh.data(s.chance.randrange(20, 60))
        if index % 7 == 0:
            s.client([ssh.KEEPALIVE, line], after_ms=1000)
            s.server(ssh.FAILURE)
        else:
            s.client(line, after_ms=200)


def asked_by_server(s: Session) -> None:
    """ClientAliveInterval: the server asks on the channel, the client answers."""
    shell(s)
    for _ in range(6):
        s.server(ssh.SERVER_KEEPALIVE, after_ms=1000)
        s.client(ssh.FAILURE)


def nothing_asked_by_server(s: Session) -> None:
    nothing(s)
    for name in ("keepalive@openssh.com", "keepalive@sish", "keepalive-rssh@golang.org"):
        s.server(ssh.global_request(name), after_ms=1000)
        s.client(ssh.FAILURE)


def nothing_kept_alive(s: Session) -> None:
    nothing(s)
    for _ in range(6):
        s.client(ssh.KEEPALIVE, after_ms=1000)
        s.server(ssh.FAILURE)


def own_keepalive(s: Session) -> None:
    """A program with a keepalive of its own, of a forward's length."""
    s.client_banner = "SSH-2.0-Go"
    greet(s)
    s.client(ssh.DIRECT, after_ms=500)
    s.server(ssh.CONFIRMATION)
    for _ in range(5):
        s.client(ssh.global_request("keepalive-of-an-application@example.com"), after_ms=30_000)
        s.server(ssh.FAILURE)


def session_kept_alive_at_once(s: Session) -> None:
    """A keepalive right behind the confirmation, as long as the opening of the session."""
    s.client_banner = "SSH-2.0-Go"
    s.client(ssh.SESSION)
    s.server(ssh.CONFIRMATION)
    s.client(ssh.KEEPALIVE)
    s.server(ssh.FAILURE)


def local_forward_with_heartbeat(s: Session) -> None:
    """Apache MINA's heartbeat is as long as a request for a short address."""
    s.client_banner = "SSH-2.0-APACHE-SSHD-2.12.0"
    greet(s)
    s.client(ssh.DIRECT, after_ms=200)
    s.server(ssh.CONFIRMATION)
    for _ in range(2):
        s.client(ssh.global_request("keepalive@sshd.apache.org"), after_ms=30_000)
        s.server(ssh.FAILURE)


def run_command(s: Session) -> None:
    greet(s)
    open_session(s, ssh.command("ls"))
    s.server(ssh.data(400), [ssh.CLOSING, ssh.CLOSING, ssh.CLOSING], after_ms=5)
    s.client([ssh.CLOSING, ssh.CLOSING])


def file_server(s: Session) -> None:
    """sftp and scp: requests of 27 to 90 bytes answered one by one."""
    greet(s)
    open_session(s, ssh.channel_request("subsystem", ssh.text("sftp")))
    for length in (9, 17, 40, 29, 50, 60, 21, 28):
        s.client(ssh.data(length))
        s.server(ssh.data(s.chance.choice((1, 2, 24, 60, 300))))


def git(s: Session) -> None:
    greet(s)
    open_session(s, ssh.command("git-upload-pack '/srv/git/some/longer/path/project.git'"))
    s.server(ssh.data(1000))
    s.client([ssh.data(4)])
    s.server([ssh.data(4), ssh.CLOSING])


def upload(s: Session) -> None:
    greet(s)
    open_session(s, ssh.command("rsync --server -vlogDtpr . /data"))
    for _ in range(30):
        s.client(ssh.data(1400), after_ms=1)
    for _ in range(5):
        s.server(ssh.WINDOW_ADJUST)
        s.client(ssh.data(50), ssh.data(700))


def upload_rekeyed(s: Session) -> None:
    """A key exchange in the middle: NEWKEYS is as long as an answer."""
    upload(s)
    for _ in range(2):
        s.client(ssh.data(50), ssh.of_length(20, 1500))
        s.server(ssh.of_length(20, 1026))
        s.client(ssh.of_length(30, 1221))
        s.server(ssh.of_length(31, 1267), b"\x15")
        s.client(b"\x15", ssh.data(50))
        s.server(ssh.WINDOW_ADJUST)


def agent(s: Session) -> None:
    greet(s)
    open_session(s, ssh.channel_request("auth-agent-req@openssh.com"), ssh.PTY, ssh.SHELL)
    for _ in range(3):
        s.server(ssh.AGENT_OPEN, after_ms=1500)
        s.client(ssh.CONFIRMATION)
        s.server(ssh.data(5))
        s.client(ssh.data(300))


def x11(s: Session) -> None:
    greet(s)
    s.client([ssh.SESSION, ssh.NO_MORE_SESSIONS])
    s.server(ssh.CONFIRMATION)
    s.client(ssh.channel_request("x11-req", ssh.text(bytes(60))), [ssh.PTY, ssh.SHELL])
    s.server([ssh.CHANNEL_SUCCESS, ssh.WINDOW_ADJUST, ssh.CHANNEL_SUCCESS])
    s.server(ssh.X11_OPEN, after_ms=900)
    s.client(ssh.CONFIRMATION)


def local_forward(s: Session) -> None:
    nothing(s)
    for _ in range(4):
        s.client(ssh.DIRECT, after_ms=s.chance.uniform(1, 3000))
        s.server(ssh.CONFIRMATION)
        s.client(ssh.data(80))
        s.server(ssh.data(2), ssh.WINDOW_ADJUST)


def local_forward_of_putty(s: Session) -> None:
    """Without no-more-sessions, the first message of all is the channel."""
    s.client_banner = "SSH-2.0-PuTTY_Release_0.78"
    greet(s)
    s.client(ssh.DIRECT, after_ms=700)
    s.server(ssh.CONFIRMATION, ssh.WINDOW_ADJUST, ssh.data(2))
    s.client(ssh.WINADJ)
    s.server(ssh.CHANNEL_SUCCESS)


def local_forward_used_at_once(s: Session) -> None:
    greet(s)
    s.client(ssh.NO_MORE_SESSIONS)
    s.client(ssh.DIRECT, after_ms=1)
    s.server(ssh.CONFIRMATION, ssh.WINDOW_ADJUST)


def jump(s: Session) -> None:
    """`-W` and `-J`, with another SSH inside."""
    greet(s)
    s.client([ssh.DIRECT, ssh.NO_MORE_SESSIONS])
    s.server(ssh.CONFIRMATION)
    for length in (21, 1500, 48, 44, 60, 76):
        s.client(ssh.data(length))
        s.server(ssh.data(length))


def tun(s: Session) -> None:
    greet(s)
    s.client([ssh.TUN, ssh.NO_MORE_SESSIONS])
    s.server(ssh.CONFIRMATION)
    s.client(ssh.data(88))
    s.server(ssh.data(88), ssh.WINDOW_ADJUST)


def shared(s: Session) -> None:
    """ControlMaster: silence, then sessions without no-more-sessions."""
    greet(s)
    for _ in range(3):
        s.client(ssh.SESSION, after_ms=900)
        s.server(ssh.CONFIRMATION)
        s.client([ssh.command("uptime")])
        s.server([ssh.CHANNEL_SUCCESS, ssh.WINDOW_ADJUST], ssh.data(62))
        s.client(ssh.CLOSING)


def shell_of_others(s: Session) -> None:
    """Dropbear, paramiko, Go and node: a session alone, then its requests one by one."""
    s.client_banner = "SSH-2.0-paramiko_3.4"
    greet(s)
    s.client(ssh.SESSION)
    s.server(ssh.CONFIRMATION)
    for request in (ssh.PTY, ssh.SHELL):
        s.client(request)
        s.server(ssh.CHANNEL_SUCCESS)
    s.server(ssh.data(30), after_ms=3)
    s.client(ssh.WINDOW_ADJUST)


def shell_with_window_first(s: Session) -> None:
    """Servers that widen the window as soon as the channel is there."""
    s.client([ssh.SESSION, ssh.NO_MORE_SESSIONS])
    s.server(ssh.CONFIRMATION, ssh.WINDOW_ADJUST)
    s.client([ssh.PTY, ssh.SHELL])
    s.server([ssh.CHANNEL_SUCCESS, ssh.CHANNEL_SUCCESS])


def host_keys_proved(s: Session) -> None:
    greet(s)
    s.client([ssh.SESSION, ssh.NO_MORE_SESSIONS], ssh.HOSTKEYS_PROVE)
    s.server(ssh.CONFIRMATION, ssh.of_length(81, 600))
    s.client([ssh.PTY, ssh.SHELL])
    s.server([ssh.CHANNEL_SUCCESS, ssh.CHANNEL_SUCCESS])


def windows_of_putty(s: Session) -> None:
    shell_of_others(s)
    for _ in range(4):
        s.client(ssh.WINADJ, ssh.data(40), after_ms=300)
        s.server(ssh.CHANNEL_SUCCESS, ssh.data(3))


BENIGN: dict[str, Use] = {
    use.__name__: use
    for use in (
        nothing,
        nothing_greeted_late,
        shell,
        shell_with_chaff,
        shell_kept_alive,
        logs_sent_and_kept_alive,
        asked_by_server,
        nothing_asked_by_server,
        nothing_kept_alive,
        own_keepalive,
        local_forward_with_heartbeat,
        session_kept_alive_at_once,
        run_command,
        file_server,
        git,
        upload,
        upload_rekeyed,
        agent,
        x11,
        local_forward,
        local_forward_of_putty,
        local_forward_used_at_once,
        jump,
        tun,
        shared,
        shell_of_others,
        shell_with_window_first,
        host_keys_proved,
        windows_of_putty,
    )
}
