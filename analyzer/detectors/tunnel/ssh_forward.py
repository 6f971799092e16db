"""Finds a remote forward asked for right after login, by the sizes and times of packets alone.

A client that wants `-R` sends a global request before it opens any channel, and the server answers
it with a message of one byte. Nothing else a server sends at that point is as small, whatever the
cipher.

The order of messages is that of OpenSSH's source (`ssh.c`, `clientloop.c`, `serverloop.c`), Go's
x/crypto, Dropbear, AsyncSSH, paramiko and PuTTY; the times are the round trips of the capture.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from analyzer.detectors.tunnel.ssh_connection import NS_PER_MS
from analyzer.detectors.tunnel.ssh_messages import (
    ANSWER_AFTER_RTT,
    ANSWER_WITH_PORT,
    KEEPALIVE,
    KEEPALIVE_AFTER_NS,
    NO_MORE_SESSIONS,
    OPEN_CONFIRMATION,
    REQUEST_ANSWER,
    SESSION_OPEN,
    SMALL_MOST,
    Request,
    answer_within_ns,
    ends_key_exchange,
    forward_lengths,
    is_in_time,
    is_key_exchange,
    keepalive_sizes,
    lengths_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analyzer.detectors.tunnel.ssh_connection import Connection, Suite, Token

MERGED_ANSWERS_MOST = 8
FLIGHT_RTT = 0.6
FLIGHT_LEAST_NS = 3 * NS_PER_MS
BUNDLE_LEAST = 180
"""Requests for a terminal with its environment, and proofs of host keys, are no shorter."""
REFUSAL_TEXT = len("Server has disabled port forwarding.")

# zlib shortens what repeats: a second request more than the first, a short answer hardly.
COMPRESSED_ANSWER_MOST = 11
COMPRESSED_FIRST_ANSWER_MOST = 14
"""Dropbear flushes more and compresses less. Only told apart behind a short request."""
COMPRESSED_FORWARD_MOST = 47
"""A compressed forward of a short address is no longer; a compressed channel opening to an
address (51) is."""
COMPRESSED_SESSION = range(20, 28)
COMPRESSED_NO_MORE = (30, 39)
COMPRESSED_AGAIN = (4, 20)
"""A second forward is little more than a reference to the first."""
COMPRESSED_CONFIRMATION = (8, 14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """What the client sends after login before it can have heard an answer.

    Attributes:
        tokens: In order.
        last: Index of the last one among the connection's tokens.
        asked: Those that may ask for a forward.
        opens_session: A forward and a session are asked for at once.
    """

    tokens: Sequence[Token]
    last: int
    asked: Sequence[Token]
    opens_session: bool


def find_early(connection: Connection) -> Request | None:
    """A forward asked for in the client's first flight after login and answered in time."""
    flight = first_flight(connection)
    if connection.login is None or flight is None or not flight.asked:
        return None
    if connection.login.merged and not _ends_as_openssh(connection, flight.tokens):
        return None
    explained = False
    for index, token, is_first in _replies(connection, flight):
        asked = _answered(connection, flight.asked, token)
        sizes = _answer_sizes(connection, flight, token, is_first)
        if asked is not None and token.size in sizes:
            return Request(
                asked=asked,
                answer=token,
                answered_at=index,
                login=connection.tokens[connection.login.index],
                forwards=_count(connection, flight),
                lengths=lengths_of(connection, [asked]),
                refused_likely=explained,
                compressed=connection.compressed,
            )
        explained = _is_refusal_text(connection, token)
    return None


def first_flight(connection: Connection) -> Flight | None:
    """The client's first flight after login; None if there is none."""
    if connection.login is None:
        return None
    sent: list[Token] = []
    last = connection.login.index
    for index, token in enumerate(connection.tokens[last + 1 :], last + 1):
        since = token.ts_ns - sent[0].ts_ns if sent else 0
        if not token.from_client:
            may_answer = since >= ANSWER_AFTER_RTT * connection.server_rtt_ns
            if sent and (may_answer or token.size == connection.server.wire(OPEN_CONFIRMATION)):
                break
        elif since > _together_ns(connection):
            break
        else:
            sent.append(token)
            last = index
    if not sent:
        return None
    asked, opens_session = _asked(connection, sent)
    return Flight(tokens=sent, last=last, asked=asked, opens_session=opens_session)


def _together_ns(connection: Connection) -> int:
    """How far apart messages may be that were sent without waiting for an answer."""
    return max(FLIGHT_LEAST_NS, int(FLIGHT_RTT * connection.round_trip_ns))


def _asked(connection: Connection, sent: Sequence[Token]) -> tuple[Sequence[Token], bool]:
    """The tokens that may ask for a forward, and whether a session is asked for besides."""
    if connection.compressed:
        return (sent[:1] if _asks_compressed(connection, sent) else ()), False
    suite = connection.client
    is_late = sent[0].ts_ns - _login_ns(connection) > KEEPALIVE_AFTER_NS
    unsure = keepalive_sizes(connection) if is_late else frozenset()
    asked = [
        token for token in sent if forward_lengths(connection, token) and token.size not in unsure
    ]
    session, no_more = suite.wire(SESSION_OPEN), suite.wire(NO_MORE_SESSIONS)
    opens_session = any(token.size in (session, session + no_more) for token in sent)
    surplus = asked
    if not any(token.size == session + no_more for token in sent):
        surplus = _without_last(asked, no_more)
        # Where segments stand for packets, a session is in one with what ends the flight.
        surplus = _without_last(surplus, session) if sent[0].exact else surplus
    return (surplus or asked), bool(surplus) and opens_session


def _login_ns(connection: Connection) -> int:
    return connection.tokens[connection.login.index].ts_ns if connection.login else 0


def _ends_as_openssh(connection: Connection, sent: Sequence[Token]) -> bool:
    """Whether the flight ends with no-more-sessions, alone or in one segment with a forward.

    Where the end of the login was inferred, a password and the success that follows it look like a
    forward and its answer; nobody sends no-more-sessions in the middle of a login.
    """
    suite = connection.client
    no_more = suite.wire(NO_MORE_SESSIONS)
    if len(sent) > 1:
        return sent[-1].size in (no_more, no_more + suite.wire(SESSION_OPEN))
    return not suite.payloads(sent[0].size) and bool(forward_lengths(connection, sent[0]))


def _without_last(tokens: Sequence[Token], size: int) -> list[Token]:
    """The tokens without the last one of that size: forwards are asked for before the rest."""
    for index in range(len(tokens) - 1, -1, -1):
        if tokens[index].size == size:
            return [*tokens[:index], *tokens[index + 1 :]]
    return list(tokens)


def _session(suite: Suite) -> int:
    return suite.wire(SESSION_OPEN)


def _asks_compressed(connection: Connection, sent: Sequence[Token]) -> bool:
    """Whether the first message of a compressed connection asks for a forward.

    OpenSSH ends its first flight with no-more-sessions, in one segment with any channel opening;
    only a forward is sent in a segment of its own before it. Other clients send nothing else.
    """
    suite = connection.client
    first = sent[0]
    if not forward_lengths(connection, first):
        return False
    sessions = {suite.wire(length) for length in COMPRESSED_SESSION}
    if not connection.client_is_openssh:
        is_short = suite.payloads(first.size).stop - 1 <= COMPRESSED_FORWARD_MOST
        return is_short and first.size not in sessions
    segments = [list(group) for _, group in groupby(sent, key=lambda token: token.frame)]
    if len(segments) == 1 or len(segments[0]) > 1:
        return False
    endings = suite.sizes(*COMPRESSED_NO_MORE)
    merged = {session + ending for session in sessions for ending in endings}
    again = suite.sizes(*COMPRESSED_AGAIN)
    return segments[1][0].size in endings | sessions | merged | again


def _replies(connection: Connection, flight: Flight) -> Iterator[tuple[int, Token, bool]]:
    """The server's tokens that may answer the flight and nothing the client says later.

    With each comes whether it is answered before any channel is and before the client speaks again.
    Where an answer is shorter than all else, one that comes after that is still an answer.
    """
    confirmed = connection.server.wire(OPEN_CONFIRMATION)
    tells = connection.tells_answers_apart and not connection.compressed
    until = flight.tokens[-1].ts_ns + answer_within_ns(connection)
    is_first = True
    start = connection.login.index + 1 if connection.login else 0
    exchanged_ns = 0
    for index, token in enumerate(connection.tokens[start:], start):
        if token.ts_ns > until:
            return
        if token.from_client:
            is_first = is_first and index <= flight.last
            if not is_first and (not tells or _may_be_answered(connection, token)):
                return
            continue
        if is_first or not ends_key_exchange(token, exchanged_ns):
            yield index, token, is_first
        exchanged_ns = token.ts_ns if is_key_exchange(connection, token) else exchanged_ns
        if token.size == confirmed and not connection.compressed:
            is_first = False
            # Go's server answers channels and requests side by side, in either order.
            beside_ns = _together_ns(connection) if flight.opens_session else 0
            until = until if tells else min(until, token.ts_ns + beside_ns)


def _may_be_answered(connection: Connection, token: Token) -> bool:
    """Whether a one-byte answer may be to this: it is neither a keystroke nor a bundle."""
    suite = connection.client
    return suite.wire(SMALL_MOST) < token.size < suite.wire(BUNDLE_LEAST)


def _answered(connection: Connection, asked: Sequence[Token], answer: Token) -> Token | None:
    """The latest request that `answer` came in time for."""
    fitting = [token for token in asked if is_in_time(connection, token, answer)]
    no_more = connection.client.wire(NO_MORE_SESSIONS)
    surer = [token for token in fitting if token.size != no_more]
    ranked = surer or fitting
    return ranked[-1] if ranked else None


def _answer_sizes(
    connection: Connection, flight: Flight, answer: Token, is_first: bool
) -> frozenset[int]:
    """What the answer to the flight's requests may be as long as."""
    suite = connection.server
    if connection.compressed:
        is_short = flight.asked[0].size <= connection.client.wire(COMPRESSED_FORWARD_MOST)
        most = COMPRESSED_FIRST_ANSWER_MOST if is_short else COMPRESSED_ANSWER_MOST
        answers = suite.sizes(REQUEST_ANSWER, most)
        if answer.exact:
            return answers
        confirmations = suite.sizes(*COMPRESSED_CONFIRMATION)
        return answers | {one + other for one in answers for other in confirmations}
    one, confirmed = suite.wire(REQUEST_ANSWER), suite.wire(OPEN_CONFIRMATION)
    sizes = {one}
    if connection.lossy:
        return frozenset(sizes)
    if is_first and _is_unmistakable(connection, flight.tokens[0]):
        sizes.add(suite.wire(ANSWER_WITH_PORT))
    if is_first and not answer.exact:
        for count in range(1, min(len(flight.asked), MERGED_ANSWERS_MOST) + 1):
            sizes |= {count * one, count * one + confirmed}
    return frozenset(sizes)


def _is_unmistakable(connection: Connection, first: Token) -> bool:
    """Whether a client's first message is a forward and has no usual message's length."""
    suite = connection.client
    usual = {_session(suite), suite.wire(NO_MORE_SESSIONS), suite.wire(KEEPALIVE)}
    return bool(forward_lengths(connection, first)) and first.size not in usual


def _count(connection: Connection, flight: Flight) -> int:
    """How many forwards were asked for: OpenSSH ends its requests with one no-more-sessions."""
    no_more = connection.client.wire(NO_MORE_SESSIONS)
    ends_so = flight.asked[-1].size == no_more and flight.asked[-1] is flight.tokens[-1]
    return len(flight.asked) - (ends_so and len(flight.asked) > 1)


def _is_refusal_text(connection: Connection, token: Token) -> bool:
    """OpenSSH sends "Server has disabled port forwarding." as a debug message before refusing."""
    message = 1 + 1 + 4 + REFUSAL_TEXT + 4
    return token.size == connection.server.wire(message)
