"""Text from the wire inside other formats: bounded, one line where a line is asked for.

Values (wallets, names, software) stay exact up to a bound, so that they can be searched for.
Sentences are made safe to show. What is cut ends with a mark that says how long it was.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from analyzer.escape import JSON_MARKUP, escape

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_VALUE_CHARS = 1000
"""Of one value; Elastic's keywords and most columns elsewhere end at 1024, some with a prefix."""
MAX_SENTENCE_CHARS = 2000
MAX_LISTED = 64
MAX_DEPTH = 6
MAX_MEMBERS = 128

_HALF_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def cut(text: str, limit: int) -> str:
    """The text in at most `limit` characters; what is cut ends with its length before the cut."""
    if len(text) <= limit:
        return text
    mark = f"… ({len(text)} characters)"
    return text[: max(0, limit - len(mark))] + mark if limit > len(mark) else text[:limit]


def value(text: str, limit: int = MAX_VALUE_CHARS) -> str:
    """Wire text as a value: exact, but bounded, and without halves of surrogates."""
    return _HALF_SURROGATE.sub(_REPLACEMENT, cut(text, limit))


def shown(text: str, limit: int = MAX_SENTENCE_CHARS) -> str:
    """Wire text as one line that shows as itself, in at most `limit` characters."""
    safe = escape(text[: limit + 1])
    if len(text) <= limit and len(safe) <= limit:
        return safe
    mark = f"… ({len(text)} characters)"
    return safe[: max(0, limit - len(mark))] + mark


def bounded(item: object, depth: int = MAX_DEPTH) -> object:
    """A JSON value with bounded depth, members, lists and texts."""
    if isinstance(item, str):
        return value(item)
    if item is None or isinstance(item, (bool, int, float)):
        return item
    if depth <= 0:
        return "…"
    if isinstance(item, (list, tuple)):
        return [bounded(member, depth - 1) for member in item[:MAX_LISTED]]
    if isinstance(item, dict):
        pairs = list(item.items())[:MAX_MEMBERS]
        return {value(str(name), 200): bounded(member, depth - 1) for name, member in pairs}
    return value(str(item))


def filled(item: object) -> object:
    """The same without members and elements that say nothing: None, "", [] and {}."""
    if isinstance(item, dict):
        pairs = ((name, filled(member)) for name, member in item.items())
        return {name: member for name, member in pairs if not _is_empty(member)}
    if isinstance(item, (list, tuple)):
        return [member for member in map(filled, item) if not _is_empty(member)]
    return item


def json_line(item: Mapping[str, object]) -> bytes:
    """One line of ASCII JSON (RFC 8259) without its line feed; what UTF-8 cannot say is replaced.

    Raises:
        ValueError: A number is not finite, which JSON cannot say.
    """
    text = _dumps(item)
    if "\\ud" in text:
        text = _dumps(_whole(item))
    return text.translate(JSON_MARKUP).encode("ascii")


def _dumps(item: object) -> str:
    return json.dumps(item, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _whole(item: object) -> object:
    if isinstance(item, str):
        return _HALF_SURROGATE.sub(_REPLACEMENT, item)
    if isinstance(item, dict):
        return {_whole(name): _whole(member) for name, member in item.items()}
    if isinstance(item, (list, tuple)):
        return [_whole(member) for member in item]
    return item


def _is_empty(item: object) -> bool:
    return item is None or (isinstance(item, (str, list, dict, tuple)) and not item)
