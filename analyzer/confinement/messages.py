"""What a worker says to the service: one JSON object a line, bounded in size, number and words.

A worker has read hostile bytes and is taken for hostile itself: nothing it says is unpickled,
evaluated, or kept beyond these bounds; whatever is not a message is passed over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analyzer.escape import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_MESSAGE_BYTES = 16 * 1024
MAX_MESSAGES = 100_000
"""Of one worker; ten a second for almost three hours."""

MAX_TEXT_CHARS = 2000
MAX_COUNT = 1 << 62
KINDS = frozenset({"confined", "progress", "result", "error"})


def encode(kind: str, data: Mapping[str, Any]) -> bytes:
    """One message as a line.

    Raises:
        ValueError: It is longer than the reader takes.
    """
    line = json.dumps({"kind": kind, "data": data}, ensure_ascii=True).encode() + b"\n"
    if len(line) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {len(line)} bytes; at most {MAX_MESSAGE_BYTES} are read")
    return line


@dataclass(slots=True)
class MessageReader:
    """Cuts what comes through the pipe into messages and drops the rest.

    Attributes:
        ignored: Lines that were no message, or one too many.
    """

    ignored: int = 0
    _taken: int = 0
    _rest: bytes = b""
    _skipping: bool = False

    def feed(self, data: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
        """The messages that are whole by now: their kind and their data."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self._skipping:  # the end of a line that was too long
                self._skipping = False
                continue
            message = _parse(line)
            if message is None or self._taken >= MAX_MESSAGES:
                self.ignored += 1
                continue
            self._taken += 1
            yield message
        if len(self._rest) > MAX_MESSAGE_BYTES:
            self._rest, self._skipping = b"", True
            self.ignored += 1


def text(data: Mapping[str, Any], key: str, most: int = MAX_TEXT_CHARS) -> str:
    """A text of a message, escaped and cut; "" if it is none."""
    value = data.get(key)
    return escape(value[:most]) if isinstance(value, str) else ""


def count(data: Mapping[str, Any], key: str) -> int:
    """A number of a message that counts something; 0 if it is none."""
    value = data.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return min(max(value, 0), MAX_COUNT)


@dataclass(slots=True)
class Tail:
    """The last bytes of a stream."""

    most: int
    _kept: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> None:
        """Keeps the end of what came so far."""
        self._kept += data
        del self._kept[: -self.most]

    @property
    def text(self) -> str:
        """It as text."""
        return self._kept.decode(errors="replace")


def _parse(line: bytes) -> tuple[str, dict[str, Any]] | None:
    if len(line) > MAX_MESSAGE_BYTES:
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    kind, data = found.get("kind"), found.get("data")
    if not isinstance(kind, str) or kind not in KINDS or not isinstance(data, dict):
        return None
    return kind, data
