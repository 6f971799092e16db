"""What every sink has in common: messages in, one outcome for each message out.

A sender never judges a finding and never looks anything up in one: where it connects to comes from
the sink's configuration alone. It may be handed the same message twice (delivery is at least once),
always with the same id, so that the receiver can tell.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REASON_MAX_CHARS = 500
"""Longest reason kept with a delivery; receivers choose part of its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One version of one finding on its way to one sink.

    Attributes:
        id: The same at every attempt and at every sink: finding id and version, `…-v3`.
        finding: The finding in the form `native`, whatever form the body has.
        body: The finding as this sink wants it, UTF-8, without a final newline.
        at_ns: When the finding took this version, nanoseconds since 1970-01-01 UTC.
        test: Whether it only tries the sink out and tells of nothing that happened.
    """

    id: str
    finding: Mapping[str, Any]
    body: bytes
    at_ns: int
    test: bool = False

    @property
    def finding_id(self) -> str:
        """Id of the finding, the same for all its versions."""
        return str(self.finding.get("id", ""))

    @property
    def kind(self) -> str:
        """What the message tells: `finding.created`, `finding.updated` or `finding.test`."""
        if self.test:
            return "finding.test"
        return "finding.created" if self.finding.get("version") == 1 else "finding.updated"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """It did not arrive, and may later.

    Attributes:
        reason: What stood in the way.
        after_s: How long the receiver asks to be left alone; None if it said nothing.
    """

    reason: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """The receiver will never take this message, and may well take others."""

    reason: str


@dataclass(frozen=True, slots=True)
class Disable:
    """The receiver wants no message any more; this one stays undelivered."""

    reason: str


Outcome: TypeAlias = Delivered | Retry | Dead | Disable


class Sender(Protocol):
    """One kind of sink, opened with one configuration. Used by one thread at a time."""

    max_batch: int
    """How many messages it takes at once."""

    def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Sends the messages in their order and says what became of each, in the same order.

        Trouble on the way is an outcome, never an exception, and takes a bounded time.
        """
        ...

    def close(self) -> None:
        """Lets go of connections; the sender is not used after that."""
        ...


class SendError(Exception):
    """Nothing arrived, for a reason that fits on one line and holds no secret."""

    def __init__(self, reason: str) -> None:
        self.reason = one_line(reason)
        super().__init__(self.reason)


def one_line(text: str) -> str:
    """Text from a receiver or the system, bounded and without control characters."""
    bounded = text[:REASON_MAX_CHARS]
    return "".join(char if char.isprintable() else "?" for char in bounded)


def as_json(body: bytes) -> object:
    """The body as a JSON value, or as text where its format is not JSON (CEF, LEEF)."""
    if body[:1] == b"{":
        try:
            return json.loads(body)
        except ValueError:
            pass
    return body.decode("utf-8", "replace")


def compact(value: object) -> bytes:
    """JSON on one line, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def trouble(error: Exception) -> str:
    """What an exception of the system says, for people."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
