"""Webhooks by Standard Webhooks: one POST for one finding, signed with a shared secret.

Source: the Standard Webhooks specification: fields webhook-id, webhook-timestamp and
webhook-signature; `v1,` and the base64 HMAC-SHA256 over `id.timestamp.body`; secrets of 24 to 64
bytes in base64 behind `whsec_`; one signature for each secret while one replaces another; 410 ends
deliveries.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analyzer.sinks.base import Delivered, Disable, Retry, SendError, as_json, compact
from analyzer.sinks.http import Answer, HttpSession, Url
from analyzer.sinks.options import Options, Secret
from analyzer.sinks.wire import TlsOptions
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analyzer.sinks.base import Message, Outcome
    from analyzer.sinks.surroundings import Surroundings

SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with
SECRET_MIN_BYTES = 24
SECRET_MAX_BYTES = 64
MAX_SECRETS = 2
TIMEOUT_S = 10
MAX_BATCH = 20

_RESERVED = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "te",  # codespell:ignore te
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }
)
"""Fields the service writes, or that would change how a request is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookConfig:
    """Where a webhook goes and how it is signed.

    Attributes:
        secrets: Each signs every message: one, or the new and the old while receivers change over.
        headers: Sent with every request, such as an Authorization field.
    """

    url: Url
    secrets: tuple[Secret, ...]
    headers: tuple[tuple[str, Secret], ...]
    timeout_s: int
    tls: TlsOptions

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> WebhookConfig:
        """The configuration from a mapping.

        Raises:
            ConfigError: A key is missing, unknown or has a value that cannot be used.
        """
        options = Options("webhook", values)
        config = cls(
            url=Url.read(options, "url"),
            secrets=tuple(_secret(options, text) for text in options.texts("secrets", MAX_SECRETS)),
            headers=options.headers("headers", _RESERVED),
            timeout_s=options.number("timeout_s", TIMEOUT_S, 1, 60),
            tls=TlsOptions.read(options),
        )
        options.done()
        return config


class WebhookSender:
    """Sends each finding in a request of its own, over one connection for a batch."""

    max_batch = MAX_BATCH

    def __init__(self, config: WebhookConfig, surroundings: Surroundings) -> None:
        surroundings.guard.check_literal(config.url.host, encrypted=config.url.encrypted)
        self._config = config
        self._surroundings = surroundings
        self._tls = config.tls.context() if config.url.encrypted else None

    def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """One request for each message; once the receiver is out of reach the rest waits too."""
        outcomes: list[Outcome] = []
        session = HttpSession(
            self._config.url,
            guard=self._surroundings.guard,
            tls=self._tls,
            timeout_s=self._config.timeout_s,
        )
        with session:
            for message in messages:
                outcome = self._send(session, message)
                outcomes.append(outcome)
                if isinstance(outcome, Disable) or _stops(outcome):
                    break
        rest = outcomes[-1] if outcomes else Delivered()
        return [*outcomes, *([rest] * (len(messages) - len(outcomes)))]

    def close(self) -> None:
        """Nothing stays open between batches."""

    def _send(self, session: HttpSession, message: Message) -> Outcome:
        event = {
            "type": message.kind,
            "timestamp": rfc3339(message.at_ns),
            "data": as_json(message.body),
        }
        body = compact(event)
        headers = {
            **{name: value.reveal() for name, value in self._config.headers},
            "Content-Type": "application/json",
            "User-Agent": self._surroundings.user_agent,
            **signed(message.id, int(time.time()), body, self._config.secrets),
        }
        try:
            answer = session.post(self._config.url.target, headers, body)
        except SendError as error:
            return _Unreachable(error.reason)
        return outcome_of(answer)


class _Unreachable(Retry):
    """No answer at all: the next message would wait just as long for nothing."""


def _stops(outcome: Outcome) -> bool:
    return isinstance(outcome, _Unreachable) or (
        isinstance(outcome, Retry) and outcome.after_s is not None
    )


def outcome_of(answer: Answer) -> Outcome:
    """What a receiver's answer means: 2xx is receipt, 410 the end, all else another attempt."""
    if answer.succeeded:
        return Delivered()
    if answer.status == 410:
        return Disable("the receiver answered 410, it wants no findings any more")
    return Retry(answer.reason(), answer.after_s if answer.status in {429, 503} else None)


def signed(id_: str, at_s: int, body: bytes, secrets: Sequence[Secret]) -> dict[str, str]:
    """The three header fields of a message; one signature for each secret."""
    content = f"{id_}.{at_s}.".encode() + body
    signatures = [
        base64.b64encode(hmac.new(_key(secret), content, hashlib.sha256).digest()).decode()
        for secret in secrets
    ]
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _key(secret: Secret) -> bytes:
    return base64.b64decode(secret.reveal().removeprefix(SECRET_PREFIX), validate=True)


def _secret(options: Options, text: str) -> Secret:
    problem = (
        f"one is not {SECRET_PREFIX} and {SECRET_MIN_BYTES} to {SECRET_MAX_BYTES} base64 bytes"
    )
    hint = "make one with: echo whsec_$(openssl rand -base64 32)"
    try:
        size = len(_key(Secret(text)))
    except (binascii.Error, ValueError) as error:
        raise options.wrong("secrets", problem, hint=hint) from error
    if not text.startswith(SECRET_PREFIX) or not SECRET_MIN_BYTES <= size <= SECRET_MAX_BYTES:
        raise options.wrong("secrets", problem, hint=hint)
    return Secret(text)
