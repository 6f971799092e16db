"""Elasticsearch and OpenSearch through the bulk API, by `create` alone.

A document's id is the message's id, so that a second attempt finds the first one's document and
counts as delivered. Data streams take no other action.

Source: the bulk API of both (`POST /_bulk`, `application/x-ndjson`, an action line, a document
line, a final newline; `errors` and one item with `status` for each action, in their order).
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analyzer.sinks.base import Dead, Delivered, Retry, SendError, as_json, compact, one_line
from analyzer.sinks.http import MAX_ANSWER_BYTES, HttpSession, Url
from analyzer.sinks.options import Options, Secret
from analyzer.sinks.wire import TlsOptions
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.sinks.base import Message, Outcome
    from analyzer.sinks.http import Answer
    from analyzer.sinks.surroundings import Surroundings

INDEX = "logs-outgate.finding-default"
TIMEOUT_S = 30
MAX_BATCH = 200
MAX_REQUEST_BYTES = 5_000_000
MAX_ID_BYTES = 512
"""Longest `_id` that both take."""

_TARGET = "?filter_path=errors,error,items.*.status,items.*.error.type,items.*.error.reason"
_INDEX_NAME = re.compile(r"[a-z0-9.][a-z0-9._+-]{0,254}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticConfig:
    """A cluster, an index or data stream in it, and one way to log in.

    Attributes:
        api_key: For `Authorization: ApiKey`, as Elasticsearch gives it out, or empty.
        user: For basic authentication, with `password`, or "".
    """

    url: Url
    index: str
    api_key: Secret
    user: str
    password: Secret
    timeout_s: int
    tls: TlsOptions

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> ElasticConfig:
        """The configuration from a mapping.

        Raises:
            ConfigError: A key is missing, unknown or has a value that cannot be used.
        """
        options = Options("elastic", values)
        config = cls(
            url=Url.read(options, "url"),
            index=options.text("index", INDEX, max_chars=255),
            api_key=options.secret("api_key"),
            user=options.text("user", "", max_chars=200),
            password=options.secret("password"),
            timeout_s=options.number("timeout_s", TIMEOUT_S, 1, 120),
            tls=TlsOptions.read(options),
        )
        options.done()
        if not _INDEX_NAME.fullmatch(config.index):
            raise options.wrong("index", "an index has lower-case letters, digits and . _ - +")
        if config.api_key and config.user:
            raise options.wrong("api_key", "user is given as well; choose one")
        if ":" in config.user or bool(config.user) != bool(config.password):
            raise options.wrong("user", "it holds a colon, or lacks a password to go with it")
        return config


class ElasticSender:
    """Sends a batch in one bulk request, or several when it is large."""

    max_batch = MAX_BATCH

    def __init__(self, config: ElasticConfig, surroundings: Surroundings) -> None:
        surroundings.guard.check_literal(config.url.host, encrypted=config.url.encrypted)
        self._config = config
        self._surroundings = surroundings
        self._tls = config.tls.context() if config.url.encrypted else None

    def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """One outcome for each document, from its own status."""
        session = HttpSession(
            self._config.url,
            guard=self._surroundings.guard,
            tls=self._tls,
            timeout_s=self._config.timeout_s,
        )
        outcomes: list[Outcome] = []
        with session:
            for lines in requests_of([self.lines(message) for message in messages]):
                outcomes += self._send(session, lines)
        return outcomes

    def close(self) -> None:
        """Nothing stays open between batches."""

    def lines(self, message: Message) -> bytes:
        """Action line and document line of a message."""
        document = as_json(message.body)
        if not isinstance(document, dict):
            document = {"message": document, "event": {"id": message.finding_id}}
        document.setdefault("@timestamp", rfc3339(message.at_ns))
        action = {"create": {"_index": self._config.index, "_id": message.id}}
        return compact(action) + b"\n" + compact(document) + b"\n"

    def _send(self, session: HttpSession, lines: Sequence[bytes]) -> list[Outcome]:
        target = self._config.url.under("/_bulk") + _TARGET
        try:
            answer = session.post(
                target, self._headers(), b"".join(lines), most_bytes=MAX_ANSWER_BYTES
            )
        except SendError as error:
            return [Retry(error.reason)] * len(lines)
        if answer.status == 413 and len(lines) > 1:
            middle = len(lines) // 2
            return self._send(session, lines[:middle]) + self._send(session, lines[middle:])
        return outcomes_of(answer, len(lines))

    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/x-ndjson",
            "Accept": "application/json",
            "User-Agent": self._surroundings.user_agent,
        }
        if self._config.api_key:
            headers["Authorization"] = f"ApiKey {self._config.api_key.reveal()}"
        elif self._config.user:
            pair = f"{self._config.user}:{self._config.password.reveal()}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return headers


def requests_of(lines: Sequence[bytes]) -> list[list[bytes]]:
    """The documents in groups no larger than a request should be; one alone may be larger."""
    groups: list[list[bytes]] = []
    room = 0
    for line in lines:
        if not groups or len(line) > room:
            groups.append([])
            room = MAX_REQUEST_BYTES
        groups[-1].append(line)
        room -= len(line)
    return groups


def outcomes_of(answer: Answer, count: int) -> list[Outcome]:
    """What a bulk answer means for each of its documents."""
    if answer.status == 413 and count == 1:
        return [Dead("answered 413, the document is larger than the cluster takes")]
    if not answer.succeeded:
        return [Retry(answer.reason(), answer.after_s)] * count
    try:
        said = json.loads(answer.body)
        items = said["items"]
        if not isinstance(items, list) or len(items) != count:
            raise ValueError  # noqa: TRY301 - told like any other answer that makes no sense
        return [_outcome(item["create"]) for item in items]
    except (ValueError, KeyError, TypeError, RecursionError):
        return [Retry("the answer is not that of a bulk API")] * count


def _outcome(item: Mapping[str, Any]) -> Outcome:
    status = item["status"]
    if status in {200, 201, 409}:  # 409: an earlier attempt had arrived after all
        return Delivered()
    error = item.get("error") or {}
    kind, text = str(error.get("type", ""))[:100], str(error.get("reason", ""))[:300]
    reason = one_line(f"answered {status}: {kind}: {text}")
    if status == 400:
        return Dead(reason)
    return Retry(reason)
