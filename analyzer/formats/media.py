"""Which of several media types an Accept header prefers (RFC 9110 section 12.5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ACCEPT_CHARS = 4000
MAX_RANGES = 64


def acceptable(accept: str, offered: Mapping[str, str]) -> str | None:
    """What the header likes best of what is offered, by media type.

    Among equals the one it names goes before one that it merely allows, then the first offered.

    An empty header accepts everything. A range that names parameters matches only a type that has
    them; `q` is none of them. A more specific range decides over a wider one.
    """
    ranges = [_range(part) for part in accept[:MAX_ACCEPT_CHARS].split(",")[:MAX_RANGES]]
    wanted = [entry for entry in ranges if entry[0]] if accept.strip() else [_range("*/*")]
    best, best_liking = None, (0.0, 0)
    for media_type, name in offered.items():
        liking = _liking(media_type, wanted)
        if liking > best_liking and liking[0] > 0:
            best, best_liking = name, liking
    return best


def _range(part: str) -> tuple[str, tuple[str, ...], float]:
    media_type, *parameters = (text.strip().lower() for text in part.split(";"))
    quality = 1.0
    kept = []
    for parameter in parameters:
        name, _, value = (text.strip() for text in parameter.partition("="))
        if name == "q":
            quality = _number(value)
        elif name:
            plain = value.strip('"')
            kept.append(f"{name}={plain}")
    return media_type, tuple(sorted(kept)), quality


def _number(text: str) -> float:
    """A quality from 0 to 1; what is no number is 0, so that nothing is sent unasked."""
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _liking(media_type: str, wanted: list[tuple[str, tuple[str, ...], float]]) -> tuple[float, int]:
    """The quality that the most specific range gives it, and how specific that is."""
    kind, parameters, _ = _range(media_type)
    family = kind.partition("/")[0]
    best = (0, 0.0)
    for pattern, demanded, quality in wanted:
        if pattern == kind and set(demanded) <= set(parameters):
            rank = 3 + len(demanded)
        elif pattern == f"{family}/*":
            rank = 2
        elif pattern == "*/*":
            rank = 1
        else:
            continue
        best = max(best, (rank, quality))
    return best[1], best[0]
