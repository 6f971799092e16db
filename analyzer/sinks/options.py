"""Reads a sink's configuration from a mapping; every complaint names its key.

Secrets become `Secret`, which prints as nothing, so that no log line, traceback or answer can
show one by accident.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from analyzer.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

HIDDEN: Final = "[hidden]"
"""What stands for a secret in every answer; given back, it means "as it was"."""

TEXT_MAX_CHARS = 2000
PEM_MAX_CHARS = 100_000
MAX_PAIRS = 16
MAX_ITEMS = 16
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")


class Secret:
    """Text that nothing prints; `reveal` gives it to the one place that sends it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return HIDDEN

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def reveal(self) -> str:
        """The text itself."""
        return self._text


class Options:
    """The values of one configuration, each taken once and checked.

    Args:
        kind: The kind of sink, for messages.
        values: The configuration as it came in.
    """

    def __init__(self, kind: str, values: Mapping[str, Any]) -> None:
        self._kind = kind
        self._values = dict(values)
        self._known: list[str] = []

    def text(self, key: str, default: str | None = None, *, max_chars: int = TEXT_MAX_CHARS) -> str:
        """Printable text; without a default it has to be there and not empty."""
        value = self._take(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "it is not text")
        if len(value) > max_chars:
            raise self.wrong(key, f"it is longer than {max_chars} characters")
        if not value and default is None:
            raise self.wrong(key, "it is empty")
        if any(not char.isprintable() for char in value):
            raise self.wrong(key, "it holds control characters")
        return value

    def host(self, key: str) -> str:
        """A host name or address."""
        return self.check_host(key, self.text(key, max_chars=253))

    def check_host(self, key: str, text: str) -> str:
        """The text, if it has the form of a host name or an address."""
        if not _HOST.fullmatch(text):
            raise self.wrong(key, "it is neither a host name nor an address")
        return text

    def addresses(self, key: str, default_port: int) -> tuple[tuple[str, int], ...]:
        """Hosts and ports from a list or from text with commas: `a.example.com:9093`."""
        value = self._take(key, None)
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not 0 < len(items) <= MAX_ITEMS:
            raise self.wrong(key, f"it names no host, or more than {MAX_ITEMS}")
        return tuple(self._address(key, item, default_port) for item in items)

    def secret(self, key: str) -> Secret:
        """Text that is never shown; empty when it is not given."""
        return Secret(self.text(key, ""))

    def texts(self, key: str, most: int) -> tuple[str, ...]:
        """One to `most` texts, as a list."""
        value = self._take(key, None)
        if not isinstance(value, list | tuple) or not 0 < len(value) <= most:
            raise self.wrong(key, f"it is not a list of 1 to {most} texts")
        if any(not isinstance(text, str) or len(text) > TEXT_MAX_CHARS for text in value):
            raise self.wrong(
                key, f"it holds what is not text of at most {TEXT_MAX_CHARS} characters"
            )
        return tuple(value)

    def pem(self, key: str) -> str:
        """Certificates in PEM; empty when none are given."""
        value = self._take(key, "")
        if not isinstance(value, str) or len(value) > PEM_MAX_CHARS:
            raise self.wrong(key, f"it is not text of at most {PEM_MAX_CHARS} characters")
        if value and "-----BEGIN " not in value:
            raise self.wrong(key, "it is not in PEM", hint="it starts with -----BEGIN")
        return value

    def number(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number within bounds."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.wrong(key, f"it is not a whole number from {low} to {high}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "it is neither true nor false")
        return value

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        """One of a few words."""
        value = self._take(key, default)
        if value not in choices:
            raise self.wrong(key, f"it is none of {', '.join(choices)}")
        return str(value)

    def headers(self, key: str, reserved: frozenset[str]) -> tuple[tuple[str, Secret], ...]:
        """HTTP header fields, whose values are secrets (they often carry one)."""
        value = self._take(key, {})
        if not isinstance(value, dict) or len(value) > MAX_PAIRS:
            raise self.wrong(key, f"it is not an object of at most {MAX_PAIRS} fields")
        for name, text in value.items():
            if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
                raise self.wrong(key, "a field's name is not one that HTTP allows")
            if name.lower() in reserved:
                raise self.wrong(key, f"{name} is written by the service itself")
            if not isinstance(text, str) or not _is_field_value(text):
                raise self.wrong(key, f"the value of {name} is not printable ASCII")
        return tuple((name, Secret(text)) for name, text in value.items())

    def done(self) -> None:
        """Complains of keys nobody asked for: most are spelt wrong."""
        for key in self._values:
            raise ConfigError(
                f"cannot use option {str(key)[:100]} of the {self._kind} sink: there is none",
                hint=f"its options are {', '.join(self._known)}",
            )

    def wrong(self, key: str, problem: str, *, hint: str = "") -> ConfigError:
        """The error for a value that cannot be used; the value stays out of it."""
        return ConfigError(
            f"cannot use option {key} of the {self._kind} sink: {problem}", hint=hint
        )

    def _take(self, key: str, default: object) -> Any:  # noqa: ANN401 - its caller checks what it is
        self._known.append(key)
        value = self._values.pop(key, None)
        if value is None:
            value = default
        if value is None:
            raise self.wrong(key, "it is missing")
        if is_hidden(value):
            raise self.wrong(key, "a hidden value stands for no stored one", hint="give it anew")
        return value

    def _address(self, key: str, item: object, default_port: int) -> tuple[str, int]:
        if not isinstance(item, str) or len(item) > 300:
            raise self.wrong(key, "it is not text")
        text = item.strip()
        host, colon, port = text.rpartition(":")
        if not colon or (":" in host and not text.startswith("[")):
            host, port = text, str(default_port)
        if not port.isdigit() or not port.isascii() or not 0 < int(port[:6]) <= 65535:
            raise self.wrong(key, "a port is not a number from 1 to 65535")
        return self.check_host(key, host.removeprefix("[").removesuffix("]")), int(port)


def is_hidden(value: object) -> bool:
    """Whether a value stands for a secret, or holds one that does."""
    if isinstance(value, dict):
        return HIDDEN in value.values()
    return value == HIDDEN or (isinstance(value, list | tuple) and HIDDEN in value)


def _is_field_value(text: str) -> bool:
    return len(text) <= TEXT_MAX_CHARS and text.isascii() and text.isprintable()
