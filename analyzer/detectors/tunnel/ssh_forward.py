"""Finds a remote forward in the sizes and times of an SSH connection's packets.

A client that wants `-R` sends a global request right after login, and the server answers it with a
message of one byte. Nothing else a server sends at that point is as small, whatever the cipher.
When the forward is used, the *server* opens a channel, and the client confirms it at local speed.

The message sizes come from RFC 4254 sections 4 and 7 and from OpenSSH's source (`ssh.c`,
`clientloop.c`, `serverloop.c`); the times from the round trips the capture itself shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.detectors.tunnel.ssh_connection import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.detectors.tunnel.ssh_connection import Connection, Token

# Payload bytes, the message number included (RFC 4252 to 4254).
REQUEST_ANSWER = 1
ANSWER_WITH_PORT = 5
OPEN_CONFIRMATION = 17
SESSION_OPEN = 24
FORWARD_LEAST = 27
"""`tcpip-forward` with an empty bind address; as long as OpenSSH's keepalive request."""
FORWARD_MOST = FORWARD_LEAST + 63
NO_MORE_SESSIONS = 34
COMPRESSED_ANSWER_MOST = 11
"""A compressed answer is no longer than this, a compressed channel confirmation (14) is."""
COMPRESSED_FIRST_ANSWER_MOST = 14
COMPRESSED_FORWARD_MOST = 43
"""A compressed forward of a short address is no longer; a compressed channel opening to an
address (51) is. After so short a request even the longer answer of Dropbear's server tells."""
FORWARDED_OPEN_LEAST = 51
FORWARDED_OPEN_MOST = 120
OPEN_FAILURE_LEAST = 30
OPEN_FAILURE_MOST = 47

LOGIN_TOKENS = 2
"""Encrypted tokens each side has sent before login can have succeeded."""
MERGED_ANSWERS_MOST = 8
ANSWER_AFTER_RTT = 0.75
ANSWER_WITHIN_RTT = 2.5
ANSWER_WITHIN_NS = 300 * NS_PER_MS
FLIGHT_RTT = 0.6
FLIGHT_LEAST_NS = 3 * NS_PER_MS
KEEPALIVE_AFTER_NS = 900 * NS_PER_MS
"""A request as long as a keepalive counts as a forward only this soon after login."""
LOCAL_NS = 22 * NS_PER_MS
"""How late a client on the inside confirms a channel: the slowest of 61 seen took 12 ms."""
LOCAL_RTT = 2
LOCAL_EXTRA_NS = 18 * NS_PER_MS
REKEY_BYTES = 500
"""A KEXINIT is longer than this; NEWKEYS has the length of an answer."""
REKEY_TOKENS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A remote forward that was asked for.

    Attributes:
        asked: The client's token that holds the request.
        answer: The server's token that answers it.
        login: The server's token that ends the login.
        forwards: How many forwards were asked for.
        bind_length: Least and most bytes of the address asked for; None where compression hides it.
        late: Asked for in the middle of the session.
        refused_likely: The server explained itself before it answered, as it does on refusal.
        compressed: Found by the weaker rule for compressed connections.
    """

    asked: Token
    answer: Token
    login: Token
    forwards: int
    bind_length: tuple[int, int] | None
    late: bool = False
    refused_likely: bool = False
    compressed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A channel the server opened through the forward.

    Attributes:
        opened: The server's token.
        answer: The client's token.
        accepted: The client confirmed; otherwise nothing listened inside.
    """

    opened: Token
    answer: Token
    accepted: bool

    @property
    def took_ns(self) -> int:
        """How long the client took to answer."""
        return self.answer.ts_ns - self.opened.ts_ns


def find_request(connection: Connection) -> Request | None:
    """The first remote forward asked for, if there is one."""
    login = find_login(connection)
    if login is None:
        return None
    after = connection.tokens[login + 1 :]
    success = connection.tokens[login]
    return _early(connection, success, after) or _late(connection, success, after)


def find_login(connection: Connection) -> int | None:
    """Index of the token that ends the login: the first of the server's as short as one byte."""
    shortest = connection.server.wire(REQUEST_ANSWER)
    seen = [0, 0]
    for index, token in enumerate(connection.tokens):
        seen[token.from_client] += 1
        enough = min(seen) >= LOGIN_TOKENS
        if not token.from_client and token.size == shortest and enough:
            return index
    return None


def find_uses(connection: Connection, request: Request) -> list[Use]:
    """Channels opened by the server after the request, in order."""
    openings = connection.server.sizes(FORWARDED_OPEN_LEAST, FORWARDED_OPEN_MOST)
    confirmed = connection.client.wire(OPEN_CONFIRMATION)
    failed = connection.client.sizes(OPEN_FAILURE_LEAST, OPEN_FAILURE_MOST)
    local = LOCAL_RTT * connection.client_rtt_ns + LOCAL_EXTRA_NS
    uses: list[Use] = []
    opened: Token | None = None
    for token in connection.tokens:
        if token.ts_ns < request.answer.ts_ns:
            continue
        if not token.from_client:
            if token.size in openings:
                opened = token
            continue
        if opened is None or token.ts_ns - opened.ts_ns > max(LOCAL_NS, local):
            continue
        if token.size == confirmed or token.size in failed:
            uses.append(Use(opened=opened, answer=token, accepted=token.size == confirmed))
            opened = None
    return uses


def _early(connection: Connection, login: Token, after: Sequence[Token]) -> Request | None:
    """A request in the client's first flight after login, answered before any channel is."""
    flight = _first_flight(connection, after)
    if not flight:
        return None
    asked = [token for token in flight if _bind_length(connection, token) is not None]
    if flight[0].ts_ns - login.ts_ns > KEEPALIVE_AFTER_NS:
        keepalive = connection.client.wire(FORWARD_LEAST)
        asked = [token for token in asked if token.size != keepalive]
    if not asked:
        return None
    answers = _answer_sizes(connection, flight[0], len(asked))
    confirmed = connection.server.wire(OPEN_CONFIRMATION)
    until = _second_flight_ns(flight, after)
    explained = False
    for token in after:
        if token.ts_ns > until:
            break
        if token.from_client:
            continue
        request = _answered(connection, asked, token)
        if token.size in answers and request is not None:
            return Request(
                asked=request,
                answer=token,
                login=login,
                forwards=_forwards(connection, asked),
                bind_length=None if connection.compressed else _bind_length(connection, request),
                refused_likely=explained,
                compressed=connection.compressed,
            )
        if token.size == confirmed and not connection.compressed:
            # Go's server answers channels and requests side by side, in either order.
            until = min(until, token.ts_ns + _together_ns(connection))
        explained = _is_refusal_text(connection, token)
    return None


def _first_flight(connection: Connection, after: Sequence[Token]) -> list[Token]:
    sent = [token for token in after if token.from_client]
    if not sent:
        return []
    within = _together_ns(connection)
    return [token for token in sent if token.ts_ns - sent[0].ts_ns <= within]


def _forwards(connection: Connection, asked: Sequence[Token]) -> int:
    """How many forwards were asked for: OpenSSH ends its requests with one no-more-sessions."""
    no_more = connection.client.wire(NO_MORE_SESSIONS)
    ends_so = len(asked) > 1 and asked[-1].size == no_more
    return len(asked) - ends_so


def _together_ns(connection: Connection) -> int:
    """How far apart messages may be that were sent without waiting for an answer."""
    return max(FLIGHT_LEAST_NS, int(FLIGHT_RTT * connection.server_rtt_ns))


def _second_flight_ns(flight: Sequence[Token], after: Sequence[Token]) -> int:
    """When the client speaks again after its first flight; far in the future if it does not."""
    later = (token for token in after if token.from_client and token.ts_ns > flight[-1].ts_ns)
    return min((token.ts_ns for token in later), default=2**63)


def _bind_length(connection: Connection, token: Token) -> tuple[int, int] | None:
    """How long an address the token may ask for; None if it cannot be a forward.

    Where segments stand for packets, what the client sends with it may be in the same one.
    """
    suite = connection.client
    no_more, session = suite.wire(NO_MORE_SESSIONS), suite.wire(SESSION_OPEN)
    merged = not token.exact and token.size != session + no_more
    for extra in (0, no_more, no_more + session) if merged else (0,):
        fitting = [
            payload - FORWARD_LEAST
            for payload in range(FORWARD_LEAST, FORWARD_MOST + 1)
            if suite.wire(payload) == token.size - extra
        ]
        if fitting:
            return fitting[0], fitting[-1]
    return None


def _answer_sizes(connection: Connection, first: Token, asked: int) -> frozenset[int]:
    suite = connection.server
    is_forward = _bind_length(connection, first) is not None
    only_forward = is_forward and first.size not in _session_sizes(connection)
    if connection.compressed:
        is_short = first.size <= connection.client.wire(COMPRESSED_FORWARD_MOST)
        most = COMPRESSED_FIRST_ANSWER_MOST if is_short else COMPRESSED_ANSWER_MOST
        return suite.sizes(REQUEST_ANSWER, most) if only_forward else frozenset()
    one, confirmed = suite.wire(REQUEST_ANSWER), suite.wire(OPEN_CONFIRMATION)
    sizes = {suite.wire(ANSWER_WITH_PORT)} if only_forward else set()
    for count in range(1, min(asked, MERGED_ANSWERS_MOST) + 1):
        sizes |= {count * one, count * one + confirmed}
    return frozenset(sizes)


def _session_sizes(connection: Connection) -> frozenset[int]:
    session = connection.client.wire(SESSION_OPEN)
    return frozenset({session, session + connection.client.wire(NO_MORE_SESSIONS)})


def _answered(connection: Connection, asked: Sequence[Token], answer: Token) -> Token | None:
    """The latest request that `answer` came in time for."""
    least = int(ANSWER_AFTER_RTT * connection.server_rtt_ns)
    most = int(ANSWER_WITHIN_RTT * connection.server_rtt_ns) + ANSWER_WITHIN_NS
    fitting = [token for token in asked if least <= answer.ts_ns - token.ts_ns <= most]
    no_more = connection.client.wire(NO_MORE_SESSIONS)
    surer = [token for token in fitting if token.size != no_more]
    ranked = surer or fitting
    return ranked[-1] if ranked else None


def _is_refusal_text(connection: Connection, token: Token) -> bool:
    """OpenSSH sends "Server has disabled port forwarding." as a debug message before refusing."""
    refusal = len("Server has disabled port forwarding.")
    message = 1 + 1 + 4 + refusal + 4
    return token.size in connection.server.sizes(message, message + 8)


def _late(connection: Connection, login: Token, after: Sequence[Token]) -> Request | None:
    """A request later in the session, where padding lets a one-byte answer be told apart."""
    suite = connection.server
    one = suite.wire(REQUEST_ANSWER)
    if connection.compressed or one == suite.wire(ANSWER_WITH_PORT):
        return None
    forwards = connection.client.sizes(FORWARD_LEAST + 1, FORWARD_MOST)
    keepalive = connection.client.wire(FORWARD_LEAST)
    for index, answer in enumerate(after):
        if answer.from_client or answer.size != one or _is_rekeying(after, index):
            continue
        before = [token for token in after[:index] if token.from_client]
        asked = [token for token in before if token.size in forwards and token.size != keepalive]
        request = _answered(connection, asked[-REKEY_TOKENS:], answer)
        if request is None or _answers_keepalive(connection, before, request, answer):
            continue
        bind_length = _bind_length(connection, request)
        return Request(
            asked=request,
            answer=answer,
            login=login,
            forwards=1,
            bind_length=bind_length,
            late=True,
        )
    return None


def _is_rekeying(after: Sequence[Token], index: int) -> bool:
    nearby = after[max(0, index - REKEY_TOKENS) : index]
    big = {token.from_client for token in nearby if token.size >= REKEY_BYTES}
    return len(big) == len({True, False})


def _answers_keepalive(
    connection: Connection, before: Sequence[Token], request: Token, answer: Token
) -> bool:
    """Whether a keepalive was sent at about the same time: the answer may be to that."""
    size = connection.client.wire(FORWARD_LEAST)
    keepalives = [token for token in before if token.size == size]
    return _answered(connection, keepalives, answer) is not None and request.size != size
