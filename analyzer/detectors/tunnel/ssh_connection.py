"""One SSH connection as the rules see it: sizes per cipher, tokens by side, round-trip times.

Packet arithmetic from RFC 4253 section 6, RFC 5647 and OpenSSH's PROTOCOL files.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.observations import Flow

NS_PER_MS = 1_000_000
MIN_PADDING_BYTES = 4
LENGTH_FIELD_BYTES = 4
PADDING_LENGTH_BYTES = 1
RFC_MIN_BODY_BYTES = 16
"""RFC 4253 asks for packets of 16 bytes or more; Dropbear keeps to it where others do not."""

SUCCESS_BYTES = 1
IGNORE_BYTES = 5
"""An empty SSH_MSG_IGNORE; as long as an answer to a channel request."""

DEFAULT_RTT_NS = 50 * NS_PER_MS
"""Taken for a round trip that the capture does not show."""
NEAR_SHARE = 0.3
NEAR_MOST_NS = 10 * NS_PER_MS
"""What a client takes to answer from the other side of a building, not of a continent."""

LOGIN_TOKENS = 2
"""Encrypted tokens each side has sent before login can have succeeded."""
LOGIN_WITHIN_TOKENS = 100
"""Six attempts with keys and passwords, banners and debug messages take half of that."""
PROOF_LEAST_BYTES = 30
"""The shortest authentication request has 31 bytes and a user's name."""
PROOF_WITHIN = 4
"""Answers to keyboard-interactive prompts may be short; the request before them is not."""
SIGNATURE_LEAST_BYTES = 180
GREETING_LEAST_BYTES = 140
"""OpenSSH's server names its host keys at once; 140 bytes and more."""
FIRST_TURN = 4

NOISE_OPENING = 8
NOISE_PAIRS = 2
"""AsyncSSH begins with it after the service request; no other answers in login are as short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """How one side's packets are framed.

    Attributes:
        block: Padding block in bytes.
        tag: Authentication tag in bytes.
        framing: `aead` and `etm` leave the length field out of the padding, `mac` does not.
        min_body: Least bytes between length field and tag.
    """

    block: int
    tag: int
    framing: str
    min_body: int = 0

    def wire(self, payload: int) -> int:
        """Bytes on the wire of a message of `payload` bytes, its number included."""
        padded = max(_ceil(payload + self._head, self.block), self._least)
        return padded + self._outside

    def payloads(self, size: int) -> range:
        """Message lengths that a packet of `size` bytes may hold; empty if none has that size."""
        padded = size - self._outside
        if padded < self._least or padded % self.block:
            return range(0)
        shortest = 1 if padded == self._least else padded - self.block - self._head + 1
        return range(max(1, shortest), padded - self._head + 1)

    def sizes(self, least: int, most: int) -> frozenset[int]:
        """Wire sizes of messages of `least` to `most` bytes."""
        return frozenset(self.wire(payload) for payload in range(least, most + 1))

    @property
    def _head(self) -> int:
        """What is padded together with the payload, the least padding itself included."""
        inside = LENGTH_FIELD_BYTES if self.framing == "mac" else 0
        return inside + PADDING_LENGTH_BYTES + MIN_PADDING_BYTES

    @property
    def _outside(self) -> int:
        """What is sent besides the padded part."""
        return self.tag + (0 if self.framing == "mac" else LENGTH_FIELD_BYTES)

    @property
    def _least(self) -> int:
        """Fewest bytes of the padded part."""
        least = RFC_MIN_BODY_BYTES if self.framing == "mac" else max(self.min_body, self.block)
        return _ceil(max(least, self._head + 1), self.block)


def _ceil(value: int, step: int) -> int:
    return -(-value // step) * step


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One SSH packet, or a segment standing for one."""

    ts_ns: int
    frame: int
    from_client: bool
    size: int
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What the rules are given.

    Attributes:
        tokens: In order of their place in the connection.
        client: Framing of what the SSH client sends.
        server: Framing of what the SSH server sends.
        compressed: Either side may compress after login.
        login: Where the login ends; None if that was not seen.
        lossy: Bytes of the connection were not captured, so an answer may be to something unseen.
        client_is_openssh: By its banner; OpenSSH's first messages after login are well known.
        server_rtt_ns: From the capture point to the SSH server and back.
        client_rtt_ns: From the capture point to the SSH client and back; 0 if not known.
    """

    tokens: Sequence[Token]
    client: Suite
    server: Suite
    compressed: bool
    client_is_openssh: bool
    login: Login | None
    lossy: bool
    server_rtt_ns: int
    client_rtt_ns: int

    @property
    def round_trip_ns(self) -> int:
        """From one end to the other and back: the least between an answer and what it causes."""
        return self.server_rtt_ns + self.client_rtt_ns

    @property
    def tells_answers_apart(self) -> bool:
        """An answer of one byte is shorter on the wire than every other message after login."""
        return self.server.wire(1) < self.server.wire(IGNORE_BYTES)

    @property
    def is_near_client(self) -> bool:
        """The capture point is so near the client that "at local speed" means something."""
        near = self.client_rtt_ns <= NEAR_SHARE * self.server_rtt_ns
        return near and self.client_rtt_ns <= NEAR_MOST_NS


def connection_of(
    flow: Flow, ssh: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Connection | None:
    """The connection of one row of the `ssh` table; None if its framing is not known."""
    client_is_up = ssh["roles"] != "reversed"
    client_side, server_side = ("up", "down") if client_is_up else ("down", "up")
    client, server = _suite(ssh, client_side), _suite(ssh, server_side)
    if client is None or server is None:
        return None
    heard = tuple(
        Token(
            ts_ns=row["ts_ns"],
            frame=row["frame"],
            from_client=row["up"] == client_is_up,
            size=row["size"],
            exact=row["exact"],
        )
        for row in sorted(rows, key=lambda row: row["index"])
    )
    tokens = without_noise(without_noise(heard, client, True), server, False)
    login = find_login(tokens, client, server)
    turns = tokens[: LOGIN_WITHIN_TOKENS if login is None else login.index + 1]
    up_rtt, down_rtt = flow.rtt_up_ns, flow.rtt_down_ns
    server_rtt, client_rtt = (down_rtt, up_rtt) if client_is_up else (up_rtt, down_rtt)
    return Connection(
        tokens=tokens,
        client=client,
        server=server,
        compressed="zlib" in ssh["comp_up"] or "zlib" in ssh["comp_down"],
        client_is_openssh="openssh" in ssh[f"{client_side}_banner"].lower(),
        login=login,
        lossy=bool(ssh["missing_up"] or ssh["missing_down"]),
        server_rtt_ns=_nearest(server_rtt, quickest_answer_ns(turns, by_client=False))
        or DEFAULT_RTT_NS,
        client_rtt_ns=_nearest(client_rtt, quickest_answer_ns(turns, by_client=True)),
    )


def without_noise(tokens: Sequence[Token], suite: Suite, from_client: bool) -> tuple[Token, ...]:
    """The tokens without the empty SSH_MSG_IGNORE that AsyncSSH sends before each message.

    A side is taken for one that does so by what it sends, not by what its banner says.
    """
    size = suite.wire(IGNORE_BYTES)
    noise: set[int] = set()
    opening: list[bool] = []
    for place, token in enumerate(tokens):
        if token.from_client != from_client:
            continue
        following = tokens[place + 1] if place + 1 < len(tokens) else None
        leads = following is not None and following.from_client == from_client
        if token.size == size and leads and place - 1 not in noise:
            noise.add(place)
        opening.append(place in noise)
        if len(opening) == NOISE_OPENING and not _are_pairs(opening):
            return tuple(tokens)
    if not _are_pairs(opening):
        return tuple(tokens)
    return tuple(token for place, token in enumerate(tokens) if place not in noise)


def _are_pairs(opening: Sequence[bool]) -> bool:
    """Whether noise and message alternate from the first noise on, twice at least."""
    pairs = list(opening[opening.index(True) :][: 2 * NOISE_PAIRS]) if any(opening) else []
    return pairs == [True, False] * NOISE_PAIRS


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where the login ends.

    Attributes:
        index: Of the server's token that ends it.
        merged: That token holds what the server says next as well, as relays make it.
    """

    index: int
    merged: bool = False


def find_login(tokens: Sequence[Token], client: Suite, server: Suite) -> Login | None:
    """The end of the login: the server's first message of one byte.

    What it answers is a proof of who the client is, and never as short as a keystroke; this keeps
    a one-byte message in the middle of a session from being taken for the end of the login.
    """
    shortest = server.wire(SUCCESS_BYTES)
    proof, signature = client.wire(PROOF_LEAST_BYTES), client.wire(SIGNATURE_LEAST_BYTES)
    greeting = shortest + server.wire(GREETING_LEAST_BYTES)
    said: list[int] = []
    heard = 0
    merged: Login | None = None
    for index, token in enumerate(tokens[:LOGIN_WITHIN_TOKENS]):
        if token.from_client:
            said.append(token.size)
            merged = None if token.size >= signature else merged
            continue
        heard += 1
        if min(heard, len(said)) < LOGIN_TOKENS:
            continue
        if token.size == shortest and any(size >= proof for size in said[-PROOF_WITHIN:]):
            return merged or Login(index=index)
        if not token.exact and token.size >= greeting and said[-1] >= signature:
            merged = merged or Login(index=index, merged=True)
    return None


def quickest_answer_ns(tokens: Sequence[Token], *, by_client: bool) -> int:
    """The shortest time one side took to answer the other during login; 0 if it never did.

    Before login the two take turns, so no answer is there before a round trip is over. The first
    tokens are not looked at: key exchange and login overlap there.
    """
    waits = [
        answer.ts_ns - asked.ts_ns
        for asked, answer in pairwise(tokens[FIRST_TURN:])
        if answer.from_client == by_client and asked.from_client != by_client
    ]
    return max(0, min(waits, default=0))


def _nearest(measured_ns: int, turn_ns: int) -> int:
    """A round trip from what TCP shows and from the quickest turn; either may be 0, not known.

    A late acknowledgement makes the first too long. The second holds what the side took to think,
    half of it at most for all that is known.
    """
    if not measured_ns:
        return turn_ns // 2
    return min(measured_ns, turn_ns) if turn_ns else measured_ns


def _suite(ssh: Mapping[str, Any], side: str) -> Suite | None:
    if not ssh[f"framing_{side}"] or not ssh[f"block_{side}"]:
        return None
    is_dropbear = "dropbear" in ssh[f"{side}_banner"].lower()
    return Suite(
        block=ssh[f"block_{side}"],
        tag=ssh[f"tag_{side}"],
        framing=ssh[f"framing_{side}"],
        min_body=RFC_MIN_BODY_BYTES if is_dropbear else 0,
    )
