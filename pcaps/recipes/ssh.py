"""SSH connections: readable until NEWKEYS, then packets of exactly the sizes RFC 4253 gives.

`p` is the payload of an SSH packet, message number included; `Suite.wire` turns it into what the
TCP payload shows.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pcaps.recipes.chance import Chance
    from pcaps.recipes.talk import Talk

MSG_KEXINIT, MSG_NEWKEYS, MSG_KEX_REQUEST, MSG_KEX_REPLY = 20, 21, 30, 31
MIN_PADDING_BYTES = 4
PLAIN_BLOCK_BYTES = 8
KEX_NAME = "mlkem768x25519-sha256"
KEX_NAMES = (
    KEX_NAME,
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
)
HOST_KEYS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")
KEX_REQUEST_BYTES = 1216
KEX_REPLY_BYTES = 1120
OPENSSH_CLIENT = "SSH-2.0-OpenSSH_10.0p2 Debian-7"
OPENSSH_SERVER = "SSH-2.0-OpenSSH_9.9"

# Payload sizes of the messages used here.
SERVICE = 17
EXT_INFO_CLIENT = 42
EXT_INFO_SERVER = 320
EXT_INFO_LATE = 231
AUTH_NONE = 33
AUTH_FAILURE = 24
AUTH_PROBE = 111
AUTH_PROBE_OK = 71
AUTH_SIGNED = 280
AUTH_SUCCESS = 1
HOST_KEYS_NOTICE = 603
DEBUG = 120
FORWARD_REQUEST = 36
NO_MORE_SESSIONS = 34
REQUEST_ANSWER = 1
OPEN_SESSION = 24
OPEN_FORWARDED = 66
OPEN_AGENT = 39
OPEN_X11 = 37
OPEN_DIRECT = 66
OPEN_CONFIRMED = 17
CHANNEL_ANSWER = 5
KEEPALIVE_ON_CHANNEL = 31
NESTED_KEY = 45
KEY = 10
SHELL_REQUESTS = (187, 32, 32, 15)
SHELL_ANSWERS = (9, 5, 5)
SHORT_EXEC = 27
GIT_EXEC = (42, 67)
CHANNEL_DATA_OVERHEAD = 9


Carrier = Callable[[bool, bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A cipher with its integrity check."""

    cipher: str
    mac: str
    block: int
    tag: int
    length_outside: bool
    length_readable: bool

    def wire(self, payload_bytes: int) -> int:
        """Bytes on the wire for a payload: RFC 4253 section 6, OpenSSH's variants of it."""
        inside = payload_bytes + 1 + MIN_PADDING_BYTES
        if not self.length_outside:
            inside += 4
        padded = -(-inside // self.block) * self.block
        return padded + self.tag + (4 if self.length_outside else 0)


CHACHA20 = Suite(
    cipher="chacha20-poly1305@openssh.com",
    mac="hmac-sha2-256-etm@openssh.com",
    block=8,
    tag=16,
    length_outside=True,
    length_readable=False,
)
AES_GCM = Suite(
    cipher="aes256-gcm@openssh.com",
    mac="hmac-sha2-256-etm@openssh.com",
    block=16,
    tag=16,
    length_outside=True,
    length_readable=True,
)
CTR_ETM = Suite(
    cipher="aes256-ctr",
    mac="hmac-sha2-256-etm@openssh.com",
    block=16,
    tag=32,
    length_outside=True,
    length_readable=True,
)
CTR_MAC = Suite(
    cipher="aes256-ctr",
    mac="hmac-sha2-256",
    block=16,
    tag=32,
    length_outside=False,
    length_readable=False,
)


def clear_packet(payload: bytes) -> bytes:
    """A packet before NEWKEYS, padding zero for the sake of sameness."""
    padding = PLAIN_BLOCK_BYTES - (len(payload) + 5) % PLAIN_BLOCK_BYTES
    if padding < MIN_PADDING_BYTES:
        padding += PLAIN_BLOCK_BYTES
    return struct.pack("!IB", len(payload) + padding + 1, padding) + payload + b"\0" * padding


def _string(value: bytes) -> bytes:
    return struct.pack("!I", len(value)) + value


def kexinit(chance: Chance, suite: Suite, *, client: bool) -> bytes:
    """SSH_MSG_KEXINIT; the client offers only `suite`, the server others behind it."""
    extra = ("ext-info-c", "kex-strict-c-v00@openssh.com")
    if not client:
        extra = ("ext-info-s", "kex-strict-s-v00@openssh.com")
    ciphers = [suite.cipher]
    macs = [suite.mac]
    if not client:
        ciphers += [name for name in ("aes128-ctr", "aes192-ctr") if name not in ciphers]
        macs += [name for name in ("hmac-sha2-512", "hmac-sha1") if name not in macs]
    lists: list[Sequence[str]] = [(*KEX_NAMES, *extra), HOST_KEYS, ciphers, ciphers, macs, macs]
    lists += [("none", "zlib@openssh.com")] * 2 + [(), ()]
    body = b"".join(_string(",".join(names).encode()) for names in lists)
    return clear_packet(bytes([MSG_KEXINIT]) + chance.bytes(16) + body + bytes(5))


class Session:
    """One SSH connection over a `Talk`; sizes are payloads `p`, one call is one write.

    A `carrier` wraps what each write puts on the wire (`True` is upward), such as WebSocket frames.
    """

    def __init__(
        self,
        talk: Talk,
        suite: Suite,
        *,
        reversed_roles: bool = False,
        carrier: Carrier | None = None,
    ) -> None:
        self.talk = talk
        self._carrier = carrier
        self.suite = suite
        self._chance = talk.chance
        self._reversed = reversed_roles

    def client(self, *payloads: int, after_s: float | None = None) -> None:
        """The SSH client writes packets in one go."""
        self._speak(not self._reversed, payloads, after_s)

    def server(self, *payloads: int, after_s: float | None = None) -> None:
        """The SSH server writes packets in one go."""
        self._speak(self._reversed, payloads, after_s)

    def _speak(self, upward: bool, payloads: tuple[int, ...], after_s: float | None) -> None:
        sealed = b"".join(self.sealed(payload) for payload in payloads)
        self._raw(upward, sealed, after_s)

    def _raw(self, upward: bool, octets: bytes, after_s: float | None = None) -> None:
        carried = self._carrier(upward, octets) if self._carrier else octets
        (self.talk.up if upward else self.talk.down)(carried, after_s)

    def sealed(self, payload_bytes: int) -> bytes:
        """An encrypted packet, its length in clear where the suite leaves it so."""
        size = self.suite.wire(payload_bytes)
        if not self.suite.length_readable:
            return self._chance.bytes(size)
        inside = size - 4 - self.suite.tag
        return struct.pack("!I", inside) + self._chance.bytes(size - 4)

    def open(
        self, client_banner: str = OPENSSH_CLIENT, server_banner: str = OPENSSH_SERVER
    ) -> None:
        """Banners, key exchange, NEWKEYS, and the client's EXT_INFO."""
        chance, client = self._chance, not self._reversed
        self._raw(client, f"{client_banner}\r\n".encode())
        self._raw(not client, f"{server_banner}\r\n".encode())
        self._raw(client, kexinit(chance, self.suite, client=True))
        self._raw(not client, kexinit(chance, self.suite, client=False), 0.004)
        request = bytes([MSG_KEX_REQUEST]) + _string(chance.bytes(KEX_REQUEST_BYTES))
        self._raw(client, clear_packet(request), 0.018)
        self._raw(not client, self._kex_reply() + self.sealed(EXT_INFO_SERVER))
        new_keys = clear_packet(bytes([MSG_NEWKEYS]))
        self._raw(client, new_keys + self.sealed(EXT_INFO_CLIENT), 0.002)

    def _kex_reply(self) -> bytes:
        key = _string(b"ssh-ed25519") + _string(self._chance.bytes(32))
        signature = _string(b"ssh-ed25519") + _string(self._chance.bytes(64))
        reply = _string(key) + _string(self._chance.bytes(KEX_REPLY_BYTES)) + _string(signature)
        return clear_packet(bytes([MSG_KEX_REPLY]) + reply) + clear_packet(bytes([MSG_NEWKEYS]))

    def login(self) -> None:
        """Public-key login up to USERAUTH_SUCCESS and what OpenSSH's server adds to it."""
        self.client(SERVICE, after_s=0.044)
        self.server(SERVICE)
        self.client(AUTH_NONE)
        self.server(EXT_INFO_LATE, AUTH_FAILURE)
        self.client(AUTH_PROBE)
        self.server(AUTH_PROBE_OK)
        self.client(AUTH_SIGNED)
        self.server(AUTH_SUCCESS)
        self.server(HOST_KEYS_NOTICE, DEBUG, after_s=0.00003)

    def forward(self, *, requested: bool = True, session: bool = False) -> None:
        """The client's first flight after login and the server's answers, as `-N -R` gives them."""
        if requested:
            self.client(FORWARD_REQUEST, after_s=0.0004)
        if session:
            self.client(OPEN_SESSION, NO_MORE_SESSIONS, after_s=0.0001)
        else:
            self.client(NO_MORE_SESSIONS, after_s=0.0001)
        self.server(DEBUG, after_s=0.007)
        if requested:
            self.server(REQUEST_ANSWER, after_s=0.0335)
        if session:
            self.server(OPEN_CONFIRMED, after_s=0.00002 if requested else 0.034)
            self.client(*SHELL_REQUESTS, after_s=0.0006)
            self.server(*SHELL_ANSWERS)
            self.server(CHANNEL_DATA_OVERHEAD + 60, after_s=0.02)

    def keepalive(self, *, by_server: bool, channel: bool = False) -> None:
        """One keepalive and its answer."""
        if by_server:
            self.server(KEEPALIVE_ON_CHANNEL if channel else 27, after_s=0.0)
            self.client(CHANNEL_ANSWER if channel else REQUEST_ANSWER)
        else:
            self.client(27, after_s=0.0)
            self.server(REQUEST_ANSWER)

    def use_tunnel(self, *, keys: int) -> None:
        """The outside opens a channel inward and types into the SSH session nested in it."""
        self.server(OPEN_FORWARDED, after_s=0.0)
        self.client(OPEN_CONFIRMED, after_s=0.0004)
        nested = CHANNEL_DATA_OVERHEAD
        self.client(nested + 42, after_s=0.025)
        self.server(nested + 33, after_s=0.01)
        self.client(nested + 1140, after_s=0.004)
        self.server(nested + 1570, after_s=0.0185)
        self.server(nested + 1224, after_s=0.14)
        self.client(nested + 1580, after_s=0.05)
        for up_bytes, down_bytes in ((60, 44), (64, 60), (52, 140), (100, 308), (28, 112)):
            self.server(nested + down_bytes, after_s=self.talk.rtt_s[1] * 1.1)
            self.client(nested + up_bytes, after_s=0.0011)
        for _ in range(keys):
            self.server(NESTED_KEY, after_s=self._chance.between(0.08, 0.35))
            self.client(NESTED_KEY, after_s=self._chance.between(0.0003, 0.0009))
        self.client(nested + 84, after_s=0.004)

    def type_keys(self, keys: int) -> None:
        """A person types into a shell of the outside server."""
        for _ in range(keys):
            self.client(KEY, after_s=self._chance.between(0.09, 0.4))
            self.server(KEY)
