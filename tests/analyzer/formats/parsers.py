"""Strict readers of CEF and LEEF, written from their descriptions and not from our writer."""

from __future__ import annotations

import re
from dataclasses import dataclass

CEF_KEY = re.compile(r"[A-Za-z0-9]+")
LEEF_KEY = re.compile(r"[A-Za-z][A-Za-z0-9]*")
HEX_DELIMITER = re.compile(r"(?:0x|x)([0-9A-Fa-f]{1,4})")


@dataclass(frozen=True, kw_only=True)
class Event:
    """The fields of the header after the version, and the values by key."""

    header: tuple[str, ...]
    values: dict[str, str]


def _cef_parts(text: str, separator: str, escapes: dict[str, str]) -> list[str]:
    """Splits at separators that no backslash escapes, and undoes the escapes.

    A backslash before anything but what may be escaped is an error.
    """
    parts = [""]
    position = 0
    while position < len(text):
        char = text[position]
        if char == "\\":
            following = text[position + 1]
            parts[-1] += escapes[following]
            position += 2
            continue
        if char == separator:
            parts.append("")
        else:
            parts[-1] += char
        position += 1
    return parts


def _unescaped_at(text: str, wanted: str) -> list[int]:
    places, position = [], 0
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == wanted:
            places.append(position)
        position += 1
    return places


def parse_cef(line: str) -> Event:
    """Reads one line of CEF; anything outside the format raises."""
    assert line.startswith("CEF:0|")
    assert "\n" not in line
    assert "\r" not in line
    bars = _unescaped_at(line, "|")
    header = _cef_parts(line[: bars[6]], "|", {"\\": "\\", "|": "|"})
    assert len(header) == 7
    assert 0 <= int(header[6]) <= 10
    return Event(header=tuple(header[1:]), values=_cef_extension(line[bars[6] + 1 :]))


def _cef_extension(text: str) -> dict[str, str]:
    """The word before an unescaped `=` is a key; what follows up to the next key is its value."""
    equals = _unescaped_at(text, "=")
    starts = []
    for place in equals:
        begin = text.rfind(" ", 0, place) + 1
        assert CEF_KEY.fullmatch(text[begin:place]), text[begin:place]
        starts.append(begin)
    assert starts[0] == 0
    values: dict[str, str] = {}
    ends = [*(begin - 1 for begin in starts[1:]), len(text)]
    escapes = {"\\": "\\", "=": "=", "n": "\n", "r": "\r"}
    for begin, place, end in zip(starts, equals, ends, strict=True):
        key = text[begin:place]
        assert key not in values, key
        values[key] = "".join(_cef_parts(text[place + 1 : end], "", escapes))
    return values


def parse_leef(line: str) -> Event:
    """Reads one line of LEEF 2.0; anything outside the format raises."""
    assert "\n" not in line
    assert "\r" not in line
    *header, attributes = line.split("|", 6)
    assert header[0] == "LEEF:2.0"
    named = HEX_DELIMITER.fullmatch(header[5])
    delimiter = chr(int(named[1], 16)) if named else header[5]
    assert len(delimiter) == 1
    values: dict[str, str] = {}
    for pair in attributes.split(delimiter):
        key, equals, value = pair.partition("=")
        assert equals
        assert LEEF_KEY.fullmatch(key), key
        assert key not in values, key
        values[key] = value
    return Event(header=tuple(header[1:5]), values=values)
