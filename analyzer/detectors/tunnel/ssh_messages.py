"""What the messages of a remote forward look like from outside: their lengths, and the request.

Lengths are of payloads, the message number included (RFC 4252 to 4254, OpenSSH's PROTOCOL file).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.detectors.tunnel.ssh_connection import NS_PER_MS, SUCCESS_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analyzer.detectors.tunnel.ssh_connection import Connection, Token

SERVICE_REQUEST = 17
"""For `ssh-userauth`, the first message that is encrypted in every login."""
REQUEST_ANSWER = SUCCESS_BYTES
ANSWER_WITH_PORT = 5
SMALL_MOST = 11
"""Window adjustments, keystrokes of a byte or two, and what hides them are no longer."""
OPEN_CONFIRMATION = 17
SESSION_OPEN = 24
FORWARD_LEAST = 27
"""`tcpip-forward` with an empty bind address; as long as OpenSSH's keepalive request."""
FORWARD_MOST = FORWARD_LEAST + 63
UNIX_FORWARD_LEAST = 41
"""`streamlocal-forward@openssh.com` with an empty path."""
KEEPALIVE = FORWARD_LEAST
KEEPALIVE_LEAST = 20
KEEPALIVE_MOST = 35
"""Keepalives of other programs: `keepalive@sshd.apache.org` has 31 bytes, and JSch pads more."""
KEEPALIVE_AFTER_NS = 900 * NS_PER_MS
"""A request as long as a keepalive counts as a forward only this soon after login."""
NO_MORE_SESSIONS = 34

ANSWER_AFTER_RTT = 0.75
ANSWER_WITHIN_RTT = 2.5
ANSWER_WITHIN_NS = 300 * NS_PER_MS

KEX_REPLY_LEAST = 140
"""The shortest reply of a key exchange: a host key, a share and a signature of 32 bytes each, with
their names. NEWKEYS, which has the length of an answer, comes right behind it."""
KEX_REPLY_WITHIN_NS = 50 * NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A remote forward that was asked for.

    Attributes:
        asked: The client's token that holds the request.
        answer: The server's token that answers it.
        answered_at: Index of the answer among the connection's tokens.
        login: The server's token that ends the login.
        forwards: How many forwards were asked for.
        lengths: Least and most bytes of the requests; None where compression hides them.
        late: Asked for in the middle of the session.
        refused_likely: The server explained itself before it answered, as it does on refusal.
        compressed: Found by the weaker rule for compressed connections.
    """

    asked: Token
    answer: Token
    answered_at: int
    login: Token
    forwards: int
    lengths: tuple[int, int] | None
    late: bool = False
    refused_likely: bool = False
    compressed: bool = False

    @property
    def is_delayed(self) -> bool:
        """Whether the request is the client's first message, but came too late to be sure."""
        return not self.late and self.asked.ts_ns - self.login.ts_ns > KEEPALIVE_AFTER_NS

    @property
    def bind_length(self) -> tuple[int, int] | None:
        """Least and most bytes of the address asked for; None where compression hides it."""
        if self.lengths is None:
            return None
        least, most = self.lengths
        return max(0, least - FORWARD_LEAST), most - FORWARD_LEAST


def forward_lengths(connection: Connection, token: Token) -> range:
    """How long a request for a forward in this token may be; empty if it cannot hold one.

    Where segments stand for packets, what the client sends with it may be in the same one.
    """
    suite = connection.client
    if token.exact:
        return _of_forward(suite.payloads(token.size))
    no_more, session = suite.wire(NO_MORE_SESSIONS), suite.wire(SESSION_OPEN)
    if token.size == session + no_more:
        return range(0)
    for extra in (0, no_more, no_more + session):
        lengths = _of_forward(suite.payloads(token.size - extra))
        if lengths:
            return lengths
    return range(0)


def _of_forward(lengths: range) -> range:
    return range(max(lengths.start, FORWARD_LEAST), min(lengths.stop, FORWARD_MOST + 1))


def lengths_of(connection: Connection, requests: Iterable[Token]) -> tuple[int, int] | None:
    """Least and most bytes of several requests; None where compression hides them."""
    if connection.compressed:
        return None
    ranges = [forward_lengths(connection, token) for token in requests]
    if not all(ranges) or not ranges:
        return None
    return min(one.start for one in ranges), max(one.stop - 1 for one in ranges)


def answer_within_ns(connection: Connection) -> int:
    """How long a server that far away may take to answer."""
    return int(ANSWER_WITHIN_RTT * connection.server_rtt_ns) + ANSWER_WITHIN_NS


def is_in_time(connection: Connection, asked: Token, answer: Token) -> bool:
    """Whether a server that far away may have answered just then."""
    took = answer.ts_ns - asked.ts_ns
    least = ANSWER_AFTER_RTT * connection.server_rtt_ns
    return least <= took <= answer_within_ns(connection)


def is_key_exchange(connection: Connection, token: Token) -> bool:
    """Whether the server's token is as long as a reply in a key exchange, or longer."""
    return token.size >= connection.server.wire(KEX_REPLY_LEAST)


def ends_key_exchange(token: Token, replied_ns: int) -> bool:
    """Whether a token as long as an answer may be NEWKEYS, by the time of the last reply."""
    return token.ts_ns - replied_ns <= KEX_REPLY_WITHIN_NS


def keepalive_sizes(connection: Connection) -> frozenset[int]:
    """How long keepalives of the client are.

    Under padding to 16 bytes those of OpenSSH only: what others send is as long as most forwards.
    """
    suite = connection.client
    if connection.tells_answers_apart:
        return suite.sizes(KEEPALIVE_LEAST, KEEPALIVE_MOST)
    return frozenset({suite.wire(KEEPALIVE)})
