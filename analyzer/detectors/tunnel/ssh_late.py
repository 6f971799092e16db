"""Finds a remote forward asked for in the middle of a session (`ssh -O forward`, `~C`).

Only where padding leaves a one-byte answer shorter than every other message: then nothing but the
answer to a global request and the end of a key exchange has its size.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from analyzer.detectors.tunnel.ssh_messages import (
    FORWARD_LEAST,
    FORWARD_MOST,
    REQUEST_ANSWER,
    SERVICE_REQUEST,
    SMALL_MOST,
    Request,
    ends_key_exchange,
    is_in_time,
    is_key_exchange,
    keepalive_sizes,
    lengths_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analyzer.detectors.tunnel.ssh_connection import Connection, Token

TOGETHER_MOST = 3
"""Forwards asked for in one go; more messages at a time are data."""
REPEATED_MOST = 2
"""Requests of one size that are answered more often are some program's own keepalive."""


def find_late(connection: Connection) -> Request | None:
    """The first request that an answer in the middle of the session gives away."""
    login = connection.login
    if login is None or login.merged:
        return None
    if connection.compressed or not connection.tells_answers_apart:
        return None
    if not _pads_no_more_than_needed(connection, login.index):
        return None
    found = list(_candidates(connection, login.index + 1))
    repeated = Counter(request.asked.size for request in found)
    return next((one for one in found if repeated[one.asked.size] <= REPEATED_MOST), None)


def _pads_no_more_than_needed(connection: Connection, login: int) -> bool:
    """Whether the client's service request, the same in every login, is as long as it should be.

    Java's libraries pad by a block more, and their keepalives get as long as a forward.
    """
    size = connection.client.wire(SERVICE_REQUEST)
    return any(token.from_client and token.size == size for token in connection.tokens[:login])


def _candidates(connection: Connection, start: int) -> Iterable[Request]:
    suite = connection.client
    one, small = connection.server.wire(REQUEST_ANSWER), suite.wire(SMALL_MOST)
    forwards = suite.sizes(FORWARD_LEAST, FORWARD_MOST) - keepalive_sizes(connection)
    recent: deque[Token] = deque(maxlen=TOGETHER_MOST + 1)
    exchanged_ns = 0
    for index, token in enumerate(connection.tokens[start:], start):
        if token.from_client:
            if token.size > small:
                recent.append(token)
            continue
        if is_key_exchange(connection, token):
            exchanged_ns = token.ts_ns
        if token.size != one or ends_key_exchange(token, exchanged_ns):
            continue
        asked = [client for client in recent if is_in_time(connection, client, token)]
        # Data beside them may hide a keepalive that the answer is to.
        if 0 < len(asked) <= TOGETHER_MOST and all(client.size in forwards for client in asked):
            yield Request(
                asked=asked[0],
                answer=token,
                answered_at=index,
                login=connection.tokens[start - 1],
                forwards=len(asked),
                lengths=lengths_of(connection, asked[:1]),
                late=True,
            )
            recent.clear()
