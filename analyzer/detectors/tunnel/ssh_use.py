"""Finds channels that the outside opens through a remote forward.

The server's CHANNEL_OPEN names the address the client asked to bind, so its length follows from the
request's. The client answers it at local speed: a confirmation, or a failure with its reason if
nothing listens inside (RFC 4254 sections 5.1 and 7.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.detectors.tunnel.ssh_connection import NS_PER_MS
from analyzer.detectors.tunnel.ssh_messages import OPEN_CONFIRMATION, SMALL_MOST

if TYPE_CHECKING:
    from analyzer.detectors.tunnel.ssh_connection import Connection, Token
    from analyzer.detectors.tunnel.ssh_messages import Request

OPENING_LEAST = 51
OPENING_MOST = 120
UNIX_OPENING_EXTRA = 17
"""`forwarded-streamlocal@openssh.com` with the path, against the request for it."""
OPENING_EXTRA_MOST = 60
"""`forwarded-tcpip` with the address bound and the longest IPv6 address as its origin."""
OPENINGS_DIFFER_MOST = 16
"""Openings of one forward differ by the length of the origin's address."""
FAILURE_LEAST = 28
FAILURE_MOST = 47
"""17 and a reason, from "open failed" to "Network is unreachable" and the like."""

LOCAL_NS = 22 * NS_PER_MS
"""How late a client on the inside answers an opening: the slowest of 61 seen took 12 ms."""
LOCAL_RTT = 2
LOCAL_EXTRA_NS = 18 * NS_PER_MS
UNPROMPTED_RTT = 0.75
UNPROMPTED_AFTER_NS = 1000 * NS_PER_MS


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


def find_uses(connection: Connection, request: Request) -> list[Use]:
    """Channels opened by the server after the request, in order.

    Refusals count only until a channel is open: from then on there is data of their sizes.
    """
    openings = _opening_sizes(connection, request)
    confirmed = connection.client.wire(OPEN_CONFIRMATION)
    failed = connection.client.sizes(FAILURE_LEAST, FAILURE_MOST) - {confirmed}
    small = min(connection.client.wire(SMALL_MOST), confirmed - 1)
    local_ns = max(LOCAL_NS, LOCAL_RTT * connection.client_rtt_ns + LOCAL_EXTRA_NS)
    accepted: list[Use] = []
    refused: list[Use] = []
    opened: Token | None = None
    is_unprompted = False
    spoken_ns = request.asked.ts_ns
    for token in connection.tokens[request.answered_at + 1 :]:
        if not token.from_client:
            if token.size in openings and _is_alike(token, accepted):
                opened = token
                is_unprompted = _is_unprompted(connection, token.ts_ns - spoken_ns)
            continue
        if token.size > small:
            spoken_ns = token.ts_ns
        if opened is None or token.ts_ns - opened.ts_ns > local_ns:
            continue
        if token.size == confirmed:
            accepted.append(Use(opened=opened, answer=token, accepted=True))
            opened = None
        elif token.size in failed and is_unprompted and not accepted:
            refused.append(Use(opened=opened, answer=token, accepted=False))
            opened = None
    return [*refused, *accepted]


def _opening_sizes(connection: Connection, request: Request) -> frozenset[int]:
    if request.lengths is None:
        return connection.server.sizes(OPENING_LEAST, OPENING_MOST)
    least, most = request.lengths
    return connection.server.sizes(least + UNIX_OPENING_EXTRA, most + OPENING_EXTRA_MOST)


def _is_alike(opening: Token, accepted: list[Use]) -> bool:
    return not accepted or abs(opening.size - accepted[0].opened.size) <= OPENINGS_DIFFER_MOST


def _is_unprompted(connection: Connection, silence_ns: int) -> bool:
    """Whether the server speaks too early or too late for an answer to the client."""
    early = silence_ns < UNPROMPTED_RTT * connection.server_rtt_ns
    return early or silence_ns > UNPROMPTED_AFTER_NS
