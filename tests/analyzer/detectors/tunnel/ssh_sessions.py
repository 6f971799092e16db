"""SSH connections played message by message, as a gateway between the two sides sees them.

Messages are real (RFC 4252 to 4254), so that their lengths and what zlib makes of them are. Bytes
on the wire follow from RFC 4253 section 6, written down here once more, apart from the code under
test. Times are round trips with jitter plus what each side takes to think.
"""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pyarrow as pa

from analyzer.detectors.tunnel.ssh_connection import Connection, connection_of
from analyzer.observations import Flow, Observations
from tests.builders import EPOCH_NS, flow, observations, row

MS = 1_000_000
JITTER = 0.03
FULL_SEGMENT = 1448
NO_THINKING_MS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Cipher:
    """A cipher and MAC: padding block, tag, whether the length field counts and can be read."""

    block: int
    tag: int
    framing: str
    exact: bool

    def wire(self, payload: int, least_body: int = 0) -> int:
        """Bytes of one packet on the wire."""
        length = 4 if self.framing == "mac" else 0
        padded = payload + 1 + length
        padding = 4
        while (padded + padding) % self.block or padded + padding < max(least_body, length and 16):
            padding += 1
        return padded + padding + self.tag + (4 - length)


CHACHA = Cipher(block=8, tag=16, framing="aead", exact=False)
CIPHERS = {
    "chacha20": CHACHA,
    "aes-gcm": Cipher(block=16, tag=16, framing="aead", exact=True),
    "sha2-256-etm": Cipher(block=16, tag=32, framing="etm", exact=True),
    "umac-64-etm": Cipher(block=16, tag=8, framing="etm", exact=True),
    "umac-128-etm": Cipher(block=16, tag=16, framing="etm", exact=True),
    "sha1-etm": Cipher(block=16, tag=20, framing="etm", exact=True),
    "sha2-512-etm": Cipher(block=16, tag=64, framing="etm", exact=True),
    "ctr+sha2-256": Cipher(block=16, tag=32, framing="mac", exact=False),
    "ctr+sha1": Cipher(block=16, tag=20, framing="mac", exact=False),
    "3des+sha1": Cipher(block=8, tag=20, framing="mac", exact=False),
    "3des+sha1-etm": Cipher(block=8, tag=20, framing="etm", exact=True),
}


def text(value: str | bytes) -> bytes:
    """A string as SSH writes it (RFC 4251 section 5)."""
    raw = value.encode() if isinstance(value, str) else value
    return number(len(raw)) + raw


def number(value: int) -> bytes:
    """A uint32 as SSH writes it."""
    return struct.pack(">I", value)


def global_request(name: str, rest: bytes = b"", *, reply: bool = True) -> bytes:
    """SSH_MSG_GLOBAL_REQUEST."""
    return b"\x50" + text(name) + bytes([reply]) + rest


def tcpip_forward(address: str = "localhost", port: int = 2222) -> bytes:
    """The request of `-R`."""
    return global_request("tcpip-forward", text(address) + number(port))


def streamlocal_forward(path: str = "/run/user/1000/agent.sock") -> bytes:
    """The request of `-R path:...`."""
    return global_request("streamlocal-forward@openssh.com", text(path))


def channel_open(kind: str, rest: bytes = b"") -> bytes:
    """SSH_MSG_CHANNEL_OPEN with OpenSSH's window."""
    return b"\x5a" + text(kind) + number(0) + number(2_097_152) + number(32_768) + rest


def address_pair(one: str, other: str) -> bytes:
    """Two addresses with ports, as channel openings carry them."""
    return text(one) + number(8080) + text(other) + number(41_234)


def channel_request(kind: str, rest: bytes = b"", *, reply: bool = True) -> bytes:
    """SSH_MSG_CHANNEL_REQUEST."""
    return b"\x62" + number(0) + text(kind) + bytes([reply]) + rest


def data(length: int) -> bytes:
    """SSH_MSG_CHANNEL_DATA of bytes that do not compress."""
    return b"\x5e" + number(0) + text(random.Random(length).randbytes(length))


def debug(said: str) -> bytes:
    """SSH_MSG_DEBUG."""
    return b"\x04\x01" + text(said) + text("")


SUCCESS = b"\x51"
FAILURE = b"\x52"
SUCCESS_WITH_PORT = b"\x51" + number(40_001)
NO_MORE_SESSIONS = global_request("no-more-sessions@openssh.com", reply=False)
KEEPALIVE = global_request("keepalive@openssh.com")
SESSION = channel_open("session")
CONFIRMATION = b"\x5b" + number(0) * 2 + number(2_097_152) + number(32_768)
REFUSED = b"\x5c" + number(0) + number(2) + text("Connection refused") + text("")
FORWARDED = channel_open("forwarded-tcpip", address_pair("localhost", "127.0.0.1"))
DIRECT = channel_open("direct-tcpip", address_pair("10.1.2.3", "127.0.0.1"))
TUN = channel_open("tun@openssh.com", number(1) + number(0x7FFFFFFF))
AGENT_OPEN = channel_open("auth-agent@openssh.com")
X11_OPEN = channel_open("x11", text("127.0.0.1") + number(41_000))
CHANNEL_SUCCESS = b"\x63" + number(0)
WINDOW_ADJUST = b"\x5d" + number(0) + number(65_536)
CLOSING = b"\x60" + number(0)
IGNORE = b"\x02" + text("")
PING = b"\xc0" + text("PING!")
PONG = b"\xc1" + text("PING!")
PTY = channel_request("pty-req", text("xterm-256color") + number(0) * 4 + text(bytes(250)))
ENV = channel_request("env", text("LANG") + text("en_US.UTF-8"), reply=False)
SHELL = channel_request("shell")
HOSTKEYS = global_request(
    "hostkeys-00@openssh.com", text(random.Random(7).randbytes(550)), reply=False
)
HOSTKEYS_PROVE = global_request(
    "hostkeys-prove-00@openssh.com", text(random.Random(8).randbytes(560))
)
KEY_OPTIONS = debug("/home/user/.ssh/authorized_keys:1: key options: agent-forwarding pty user-rc")
DISABLED = debug("Server has disabled port forwarding.")
SERVER_KEEPALIVE = channel_request("keepalive@openssh.com")
WINADJ = channel_request("winadj@putty.projects.tartarus.org")


def command(line: str) -> bytes:
    """The request to run a command."""
    return channel_request("exec", text(line))


def of_length(kind: int, length: int) -> bytes:
    """A message of that many bytes whose content does not matter."""
    return bytes([kind]) + random.Random(length).randbytes(length - 1)


@dataclass(slots=True, kw_only=True)
class Event:
    """One write of one side at the moment it passes the gateway."""

    ts_ns: int
    from_client: bool
    sizes: list[int]


@dataclass(slots=True, kw_only=True)
class Session:
    """A connection that is being played.

    Attributes:
        cipher: Of both directions.
        rtt_ms: From the gateway to the server and back.
        client_rtt_ms: From the gateway to the client and back.
        compressed: zlib begins after login in both directions.
        ignores: Sides that send an empty IGNORE before each message: `client`, `server`.
        client_least_body, server_least_body: 16 for Dropbear.
        extra_block: The client pads by one more block than needed, as JSch does.
        tcp_rtt: The capture shows how far the two sides are.
        missing: Bytes that were not captured.
    """

    cipher: Cipher = CHACHA
    rtt_ms: float = 20.0
    client_rtt_ms: float = 0.5
    compressed: bool = False
    ignores: tuple[str, ...] = ()
    client_least_body: int = 0
    server_least_body: int = 0
    extra_block: bool = False
    client_banner: str = "SSH-2.0-OpenSSH_10.0"
    server_banner: str = "SSH-2.0-OpenSSH_10.0"
    tcp_rtt: bool = True
    missing: int = 0
    seed: int = 0
    events: list[Event] = field(default_factory=list)
    last_ns: dict[bool, int] = field(default_factory=lambda: {True: EPOCH_NS, False: EPOCH_NS})
    chance: random.Random = field(init=False)
    zips: dict[bool, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def client(self, *writes: bytes | list[bytes], after_ms: float | None = None) -> None:
        """The client sends, in answer to the server or `after_ms` of quiet."""
        self._send(True, writes, after_ms)

    def server(self, *writes: bytes | list[bytes], after_ms: float | None = None) -> None:
        """The server sends, in answer to the client or `after_ms` of quiet."""
        self._send(False, writes, after_ms)

    def _send(
        self, from_client: bool, writes: tuple[bytes | list[bytes], ...], after_ms: float | None
    ) -> None:
        if after_ms is None:
            away_ms = self.client_rtt_ms if from_client else self.rtt_ms
            late_ms = away_ms * (1 + JITTER * self.chance.random()) + self.chance.uniform(0.05, 2.0)
            at_ns = self.last_ns[not from_client] + round(late_ms * MS)
        else:
            at_ns = max(self.last_ns.values()) + round(after_ms * MS)
        at_ns = max(at_ns, self.last_ns[from_client] + round(NO_THINKING_MS * MS))
        noisy = ("client" if from_client else "server") in self.ignores
        for write in writes:
            group = write if isinstance(write, list) else [write]
            for messages in [[IGNORE], group] if noisy else [group]:
                sizes = [self._size(from_client, message) for message in messages]
                self.events.append(Event(ts_ns=at_ns, from_client=from_client, sizes=sizes))
                self.last_ns[from_client] = at_ns
                at_ns += round(self.chance.uniform(0.02, 0.08) * MS)

    def _size(self, from_client: bool, message: bytes) -> int:
        length = len(message)
        if from_client in self.zips:
            stream = self.zips[from_client]
            length = len(stream.compress(message) + stream.flush(zlib.Z_PARTIAL_FLUSH))
        least = self.client_least_body if from_client else self.server_least_body
        extra = self.cipher.block if self.extra_block and from_client else 0
        return self.cipher.wire(length, least) + extra

    def login(self, *, password: bool = False) -> None:
        """From the end of the key exchange to USERAUTH_SUCCESS."""
        self.server(of_length(7, 320), after_ms=0)
        self.client(of_length(7, 42), of_length(5, 17))
        self.server(of_length(6, 17))
        self.client(of_length(50, 38))
        self.server(of_length(51, 31))
        if password:
            self.client(of_length(50, 60), after_ms=1500)
        else:
            self.client(of_length(50, 115))
            self.server(of_length(60, 70))
            self.client(of_length(50, 285))
        self.server(b"\x34")
        if self.compressed:
            self.zips = {True: zlib.compressobj(6), False: zlib.compressobj(6)}

    def connection(self) -> Connection:
        """What the rules are given of it."""
        made = connection_of(self.flow(), self.ssh_row(), self.token_rows())
        assert made is not None
        return made

    def flow(self) -> Flow:
        """The flow, with the round trips TCP would show."""
        known = self.tcp_rtt
        up, down = (round(ms * MS) if known else 0 for ms in (self.client_rtt_ms, self.rtt_ms))
        return replace(_a_flow(), rtt_up_ns=up, rtt_down_ns=down)

    def ssh_row(self) -> dict[str, Any]:
        """Its row of the `ssh` table, as far as the rules read it."""
        framing = {"block": self.cipher.block, "tag": self.cipher.tag}
        framed = {f"{name}_{side}": n for name, n in framing.items() for side in ("up", "down")}
        zlib_name = "zlib@openssh.com" if self.compressed else "none"
        return framed | {
            "framing_up": self.cipher.framing,
            "framing_down": self.cipher.framing,
            "comp_up": zlib_name,
            "comp_down": zlib_name,
            "up_banner": self._banner(self.client_banner, self.client_least_body),
            "down_banner": self._banner(self.server_banner, self.server_least_body),
            "roles": "normal",
            "missing_up": self.missing,
            "missing_down": 0,
        }

    @staticmethod
    def _banner(banner: str, least_body: int) -> str:
        return "SSH-2.0-dropbear_2022.83" if least_body else banner

    def token_rows(self) -> list[dict[str, Any]]:
        """Its rows of the `ssh_tokens` table."""
        rows: list[dict[str, Any]] = []
        for frame, event in enumerate(sorted(self.events, key=lambda event: event.ts_ns), 20):
            sizes = event.sizes if self.cipher.exact else [sum(event.sizes)]
            for size in sizes:
                rows.append(
                    {
                        "ts_ns": event.ts_ns,
                        "frame": frame,
                        "up": event.from_client,
                        "size": size,
                        "exact": self.cipher.exact,
                        "index": len(rows),
                    }
                )
        return rows

    def observed(
        self, *, to: str = "203.0.113.9:22", roles: str = "normal", **flow_values: Any
    ) -> Observations:
        """The whole capture: one flow, one row of `ssh`, the tokens."""
        up, down = round(self.client_rtt_ms * MS), round(self.rtt_ms * MS)
        given = flow("10.0.0.5:40000", to, **({"rtt_up_ns": up, "rtt_down_ns": down} | flow_values))
        tokens = [
            row("ssh_tokens", at_s=(token.pop("ts_ns") - EPOCH_NS) / 1e9, **token)
            for token in self.token_rows()
        ]
        base = observations([given], ssh_tokens=tokens)
        ssh = {"flow_id": 0, "frame": 4, "ts_ns": EPOCH_NS} | SSH_ROW | self.ssh_row()
        table = pa.Table.from_pylist([ssh | {"roles": roles}])
        tables = {"ssh": table}
        return Observations(
            capture=base.capture,
            stats=base.stats,
            source=lambda name: tables.get(name, base.arrow(name)),
        )


SSH_ROW: dict[str, Any] = {
    "client_banner": "SSH-2.0-OpenSSH_10.0",
    "server_banner": "SSH-2.0-OpenSSH_10.0",
    "kex": "mlkem768x25519-sha256",
    "host_key": "ssh-ed25519",
    "cipher_up": "chacha20-poly1305@openssh.com",
    "mac_up": "",
    "hassh": "0" * 32,
    "hassh_server": "1" * 32,
    "kexinit_frame_up": 9,
    "kexinit_frame_down": 10,
    "newkeys_frame_up": 12,
    "tokens_dropped": 0,
    "carrier": "",
}


@cache
def _a_flow() -> Flow:
    return observations([flow("10.0.0.5:40000", "203.0.113.9:22")]).flow(0)
