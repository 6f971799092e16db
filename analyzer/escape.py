"""Makes text from the wire safe to show.

Names, agents and messages in a capture are chosen by whoever sent them. Printed as they are they
could move the cursor, recolour the terminal, reverse the reading order, hide behind characters of
no width, run as a formula in a spreadsheet, or as markup where the text is pasted into a ticket or
a page. Every renderer passes text through here.
"""

from __future__ import annotations

INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(
    chr(code) for code in (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
)
"""Characters Unicode calls printable that show as nothing: fillers and variation selectors."""

MARKUP = frozenset("<>")
"""What makes HTML of text."""

JSON_MARKUP = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
"""The same for finished JSON, where these stand in strings alone: its value does not change."""

FORMULA_STARTS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What makes a spreadsheet read a cell as a formula, in both widths."""

MAX_SHOWN_CHARS = 300
"""Longest wire text shown in one place of a terminal view."""


def escape(text: str) -> str:
    r"""Replaces everything that does not show as itself by `\x1b`, `\u202e` or `\U000e0001`.

    That is C0 and C1 controls (so every ANSI sequence), bidirectional and zero-width marks, line
    separators, odd spaces, unassigned and private code points, half surrogates, and angle brackets.
    """
    if text.isascii() and text.isprintable() and MARKUP.isdisjoint(text):
        return text
    return "".join(char if _is_plain(char) else _code(char) for char in text)


def shorten(text: str, limit: int = MAX_SHOWN_CHARS) -> str:
    """The escaped text, cut to `limit` characters with the number of those left out."""
    shown = escape(text[: limit + 1])
    if len(shown) <= limit and len(text) <= limit:
        return shown
    return f"{shown[:limit]}… ({len(text)} characters)"


def csv_cell(text: str) -> str:
    """The escaped text, with an apostrophe before anything a spreadsheet would calculate."""
    shown = escape(text)
    return f"'{shown}" if shown.lstrip(" ")[:1] in FORMULA_STARTS and shown.strip() else shown


def _is_plain(char: str) -> bool:
    return char.isprintable() and char not in INVISIBLE and char not in MARKUP


def _code(char: str) -> str:
    point = ord(char)
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
