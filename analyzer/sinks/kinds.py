"""The kinds of sinks there are, and what may be shown of a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from analyzer.errors import ConfigError
from analyzer.sinks.elastic import ElasticConfig, ElasticSender
from analyzer.sinks.file import FileConfig, FileSender
from analyzer.sinks.kafka import KafkaConfig, KafkaSender
from analyzer.sinks.options import HIDDEN, is_hidden
from analyzer.sinks.splunk import SplunkConfig, SplunkSender
from analyzer.sinks.syslog import SyslogConfig, SyslogSender
from analyzer.sinks.webhook import WebhookConfig, WebhookSender

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from analyzer.sinks.base import Sender
    from analyzer.sinks.surroundings import Surroundings

MAX_SHOWN_CHARS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the service knows of one kind of sink.

    Attributes:
        open: Checks a configuration and makes a sender of it; connects to nothing yet.
        format: The format its messages usually have.
        shown: Options that may be seen; all others are secrets.
        destination: Options that say where it goes.
    """

    open: Callable[[Mapping[str, Any], Surroundings], Sender]
    format: str
    shown: frozenset[str]
    destination: tuple[str, ...]


_TLS = "ca_pem client_cert_pem timeout_s"

KINDS: Mapping[str, Kind] = {
    "webhook": Kind(
        open=lambda values, around: WebhookSender(WebhookConfig.read(values), around),
        format="native",
        shown=frozenset(f"url {_TLS}".split()),
        destination=("url",),
    ),
    "syslog": Kind(
        open=lambda values, around: SyslogSender(SyslogConfig.read(values), around),
        format="cef",
        shown=frozenset(
            f"host port transport facility app_name enterprise max_bytes {_TLS}".split()
        ),
        destination=("host", "port", "transport"),
    ),
    "splunk": Kind(
        open=lambda values, around: SplunkSender(SplunkConfig.read(values), around),
        format="native",
        shown=frozenset(f"url index source sourcetype ack ack_wait_s {_TLS}".split()),
        destination=("url",),
    ),
    "elastic": Kind(
        open=lambda values, around: ElasticSender(ElasticConfig.read(values), around),
        format="ecs",
        shown=frozenset(f"url index user {_TLS}".split()),
        destination=("url",),
    ),
    "kafka": Kind(
        open=lambda values, around: KafkaSender(KafkaConfig.read(values), around),
        format="native",
        shown=frozenset(f"bootstrap topic security mechanism user compression {_TLS}".split()),
        destination=("bootstrap", "security"),
    ),
    "file": Kind(
        open=lambda values, around: FileSender(FileConfig.read(values), around),
        format="native",
        shown=frozenset({"path"}),
        destination=("path",),
    ),
}


def kind_of(name: str) -> Kind:
    """The kind with a name.

    Raises:
        ConfigError: There is none.
    """
    found = KINDS.get(name)
    if found is None:
        raise ConfigError(
            f"cannot make a sink of the kind {name[:100]}", hint=f"there are {', '.join(KINDS)}"
        )
    return found


def open_sender(kind: str, config: Mapping[str, Any], surroundings: Surroundings) -> Sender:
    """A sender for a configuration, which is checked by that.

    Raises:
        ConfigError: The configuration cannot be used; the message names the option.
        ToolMissingError: The kind needs a library that is not installed.
    """
    return kind_of(kind).open(config, surroundings)


def redacted(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as it may be shown: every value not known to be harmless is hidden."""
    known = KINDS.get(kind)
    shown = known.shown if known else frozenset()
    return {key: _shown(key, value, shown) for key, value in config.items()}


def completed(kind: str, given: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """A new configuration, with the stored secret wherever the given one is hidden.

    Raises:
        ConfigError: The destination differs: a secret is never sent elsewhere than where whoever
            gave it wanted it to go.
    """
    shown = redacted(kind, stored)
    result = {key: _filled(key, value, stored.get(key), shown) for key, value in given.items()}
    if any(_is_hidden(key, value) for key, value in given.items()):
        for key in kind_of(kind).destination:
            if result.get(key) != stored.get(key):
                raise ConfigError(
                    f"cannot keep the secrets of the {kind} sink: option {key} is another one",
                    hint="give the secrets anew together with a new destination",
                )
    return result


def _filled(key: str, value: object, was: object, shown: Mapping[str, Any]) -> object:
    """The value with what was stored in place of what is hidden."""
    if was is None or not _is_hidden(key, value):
        return value
    if isinstance(value, dict) and isinstance(was, dict):
        return {
            name: was.get(name, HIDDEN) if text == HIDDEN else text for name, text in value.items()
        }
    if isinstance(value, list) and isinstance(was, list):
        kept = iter(was)  # the first hidden one stands for the first stored one, and so on
        return [next(kept, HIDDEN) if text == HIDDEN else text for text in value]
    return was if value == shown[key] else value


def _is_hidden(key: str, value: object) -> bool:
    return is_hidden(value) or (key == "url" and isinstance(value, str) and HIDDEN in value)


def _shown(key: str, value: object, shown: frozenset[str]) -> object:
    if key == "url" and isinstance(value, str):
        return _url(value[:MAX_SHOWN_CHARS])
    if key in shown or value in ("", None):
        return value
    if isinstance(value, dict):
        return dict.fromkeys(value, HIDDEN)
    return [HIDDEN] * len(value) if isinstance(value, list) else HIDDEN


def _url(text: str) -> str:
    """An address without its query, where receivers like to put a token."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return HIDDEN
    if parts.username is not None or parts.password is not None:
        return HIDDEN
    return parts._replace(query=HIDDEN, fragment="").geturl() if parts.query else text
