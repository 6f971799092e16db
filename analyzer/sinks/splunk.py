"""Splunk through its HTTP Event Collector: events one after the other in one request.

Source: Splunk's documentation of HEC: `POST /services/collector/event` with
`Authorization: Splunk TOKEN`, JSON objects without a separator, answers `{"text", "code"}`; with
indexer acknowledgement a channel id goes along, the answer has an `ackId`, and
`POST /services/collector/ack` says when the events are on disk.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from analyzer.sinks.base import Dead, Delivered, Retry, SendError, as_json, compact, one_line
from analyzer.sinks.http import Answer, HttpSession, Url
from analyzer.sinks.options import Options, Secret
from analyzer.sinks.wire import TlsOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.sinks.base import Message, Outcome
    from analyzer.sinks.surroundings import Surroundings

TIMEOUT_S = 15
MAX_BATCH = 100
MAX_REQUEST_BYTES = 1_000_000
"""Splunk's own limit of a request (max_content_length) is far above, a proxy's is not always."""
ACK_POLL_S = 0.5
EVENT_PATH = "/services/collector/event"
ACK_PATH = "/services/collector/ack"

_BAD_EVENT_CODES = frozenset({5, 6, 12, 13, 15})
"""No data, invalid format, event missing, event blank, bad indexed fields: the event's own fault.

All other codes (token, index, channel, busy) are about the sink and may be put right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplunkConfig:
    """A collector and what its events are labelled with.

    Attributes:
        index: Where events go, or "" for the token's own index.
        ack: Whether to wait until the indexer has the events on disk.
        ack_wait_s: How long to wait for that before the events are sent again.
    """

    url: Url
    token: Secret
    index: str
    source: str
    sourcetype: str
    ack: bool
    ack_wait_s: int
    timeout_s: int
    tls: TlsOptions

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> SplunkConfig:
        """The configuration from a mapping.

        Raises:
            ConfigError: A key is missing, unknown or has a value that cannot be used.
        """
        options = Options("splunk", values)
        config = cls(
            url=Url.read(options, "url"),
            token=Secret(options.text("token", max_chars=200)),
            index=options.text("index", "", max_chars=100),
            source=options.text("source", "outgate", max_chars=100),
            sourcetype=options.text("sourcetype", "outgate:finding", max_chars=100),
            ack=options.flag("ack", default=False),
            ack_wait_s=options.number("ack_wait_s", 30, 1, 300),
            timeout_s=options.number("timeout_s", TIMEOUT_S, 1, 60),
            tls=TlsOptions.read(options),
        )
        options.done()
        return config


class SplunkSender:
    """Sends a batch in one request, or several when it is large."""

    max_batch = MAX_BATCH

    def __init__(self, config: SplunkConfig, surroundings: Surroundings) -> None:
        surroundings.guard.check_literal(config.url.host, encrypted=config.url.encrypted)
        self._config = config
        self._surroundings = surroundings
        self._tls = config.tls.context() if config.url.encrypted else None
        self._channel = str(uuid4())

    def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """What Splunk says of each; a bad event is told from those around it."""
        session = HttpSession(
            self._config.url,
            guard=self._surroundings.guard,
            tls=self._tls,
            timeout_s=self._config.timeout_s,
        )
        outcomes: list[Outcome] = []
        with session:
            for events in _requests([self._event(message) for message in messages]):
                outcomes += self._send(session, events)
        return outcomes

    def close(self) -> None:
        """Nothing stays open between batches."""

    def _event(self, message: Message) -> bytes:
        event = {
            "time": message.at_ns / 1e9,
            "host": self._surroundings.host_name,
            "source": self._config.source,
            "sourcetype": self._config.sourcetype,
            "event": as_json(message.body),
            "fields": {"outgate_message_id": message.id, "outgate_kind": message.kind},
        }
        if self._config.index:
            event["index"] = self._config.index
        return compact(event)

    def _send(self, session: HttpSession, events: Sequence[bytes]) -> list[Outcome]:
        try:
            target = self._config.url.under(EVENT_PATH)
            answer = session.post(target, self._headers(), b"".join(events))
            if answer.succeeded and self._config.ack:
                return self._acknowledged(session, answer, len(events))
        except SendError as error:
            return [Retry(error.reason)] * len(events)
        if len(events) > 1 and _asks_for_less(answer):
            middle = len(events) // 2
            return self._send(session, events[:middle]) + self._send(session, events[middle:])
        return outcomes_of(answer, len(events))

    def _headers(self) -> dict[str, str]:
        headers = {
            "Authorization": f"Splunk {self._config.token.reveal()}",
            "Content-Type": "application/json",
            "User-Agent": self._surroundings.user_agent,
        }
        if self._config.ack:
            headers["X-Splunk-Request-Channel"] = self._channel
        return headers

    def _acknowledged(self, session: HttpSession, answer: Answer, count: int) -> list[Outcome]:
        ack_id = _object(answer.body).get("ackId")
        if isinstance(ack_id, bool) or not isinstance(ack_id, int):
            return [Retry("the token does not acknowledge: switch that on, or option ack off")] * (
                count
            )
        deadline = time.monotonic() + self._config.ack_wait_s
        while time.monotonic() < deadline:
            asked = session.post(
                f"{self._config.url.under(ACK_PATH)}?channel={self._channel}",
                self._headers(),
                compact({"acks": [ack_id]}),
            )
            acks = _object(asked.body).get("acks")
            if asked.succeeded and isinstance(acks, dict) and acks.get(str(ack_id)) is True:
                return [Delivered()] * count
            time.sleep(ACK_POLL_S)
        return [Retry(f"not acknowledged within {self._config.ack_wait_s} s")] * count


def outcomes_of(answer: Answer, count: int) -> list[Outcome]:
    """What an answer means for each of the events of a request."""
    said = _object(answer.body)
    code = said.get("code")
    if answer.succeeded and code == 0:
        return [Delivered()] * count
    text = one_line(str(said.get("text", "")))[:200]
    reason = f"answered {answer.status}, code {code}: {text}" if said else answer.reason()
    if answer.status == 400 and code in _BAD_EVENT_CODES:
        bad = said.get("invalid-event-number", 0 if count == 1 else None)
        if isinstance(bad, int) and 0 <= bad < count:
            around: Outcome = Retry("another event of the same request was refused", 0.0)
            return [Dead(reason) if place == bad else around for place in range(count)]
    if answer.status == 413 and count == 1:
        return [Dead(reason)]
    return [Retry(reason, answer.after_s)] * count


def _asks_for_less(answer: Answer) -> bool:
    """Whether the request was too long, or holds a bad event and does not say which."""
    if answer.status == 413:
        return True
    said = _object(answer.body)
    bad_event = answer.status == 400 and said.get("code") in _BAD_EVENT_CODES
    return bad_event and not isinstance(said.get("invalid-event-number"), int)


def _requests(events: Sequence[bytes]) -> list[list[bytes]]:
    """The events in groups no larger than a request may be; one alone may be larger."""
    groups: list[list[bytes]] = []
    room = 0
    for event in events:
        if not groups or len(event) > room:
            groups.append([])
            room = MAX_REQUEST_BYTES
        groups[-1].append(event)
        room -= len(event)
    return groups


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
