"""The filter language of flows: `src:10.20.0.7 dport:3333 bytes:>1000 app:tls "free text"`.

Words are joined by "and". A word is `field:value`; values separated by commas are joined by "or",
a minus before the word turns it round. This module reads the text and knows no SQL. docs/query.md
describes the language; nothing is guessed, and every refusal says at which character.
"""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.errors import UsageError

MAX_QUERY_CHARS = 4_000
MAX_TERMS = 40
MAX_VALUES = 100
"""Values of one word."""
MAX_VALUE_CHARS = 256
MAX_FIELD_CHARS = 32

OPERATORS = (">=", "<=", ">", "<")
ESCAPE, QUOTE = "\\", '"'


class FilterError(UsageError):
    """A filter that cannot be read.

    Args:
        position: The character it stops making sense at, counted from 1.
        problem: What is wrong there.
        hint: What would be right.
    """

    def __init__(self, position: int, problem: str, *, hint: str = "") -> None:
        self.position = position
        self.problem = problem
        super().__init__(f"cannot read the filter at character {position}: {problem}", hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value of a word.

    Attributes:
        text: Without quotes and operator.
        operator: `=`, `>`, `>=`, `<` or `<=`.
        is_quoted: It is meant literally: no `*`, no range.
        position: Where it begins, counted from 1.
    """

    text: str
    operator: str = "="
    is_quoted: bool = False
    position: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One word: a field compared with values, any of which will do; field "" is free text."""

    field: str
    values: tuple[Value, ...]
    is_negated: bool = False
    position: int = 1


def parse_filter(text: str) -> tuple[Term, ...]:
    """The words of a filter.

    Raises:
        FilterError: It cannot be read, or is longer than a bound allows.
    """
    if len(text) > MAX_QUERY_CHARS:
        raise FilterError(MAX_QUERY_CHARS + 1, f"it is longer than {MAX_QUERY_CHARS} characters")
    return tuple(_Reader(text).terms())


def parse_values(field: str, text: str) -> Term:
    """The word of one field, from its values alone.

    Raises:
        FilterError: They cannot be read.
    """
    if len(text) > MAX_QUERY_CHARS:
        raise FilterError(MAX_QUERY_CHARS + 1, f"it is longer than {MAX_QUERY_CHARS} characters")
    return Term(field=field, values=_Reader(text).all_values())


class _Reader:
    """Reads from left to right and never goes back."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def terms(self) -> list[Term]:
        found: list[Term] = []
        while self._skip_space():
            if len(found) == MAX_TERMS:
                raise self._error(f"it has more than {MAX_TERMS} words")
            found.append(self._term())
        return found

    def all_values(self) -> tuple[Value, ...]:
        found = self._values(is_text=False)
        if self._at < len(self._text):
            raise self._error("a space stands in it", hint='quote it if it is meant: "…"')
        return found

    def _term(self) -> Term:
        position = self._at + 1
        is_negated = self._take("-")
        field = "" if self._next() == QUOTE else self._field()
        values = self._values(is_text=not field)
        return Term(field=field, values=values, is_negated=is_negated, position=position)

    def _field(self) -> str:
        """The letters before a colon; "" and nothing taken if this is a word of free text."""
        end = self._at
        while end < len(self._text) and (self._text[end].isalnum() or self._text[end] == "_"):
            end += 1
        if self._text[end : end + 1] != ":" or end == self._at:
            return ""
        if end - self._at > MAX_FIELD_CHARS:
            raise self._error(f"a field's name has at most {MAX_FIELD_CHARS} characters")
        field = self._text[self._at : end]
        self._at = end + 1
        return field.lower()

    def _values(self, *, is_text: bool) -> tuple[Value, ...]:
        found = [self._value(is_text=is_text)]
        while not is_text and self._take(","):
            if len(found) == MAX_VALUES:
                raise self._error(f"one word takes at most {MAX_VALUES} values")
            found.append(self._value(is_text=False))
        if self._at < len(self._text) and not self._text[self._at].isspace():
            raise self._error("a space belongs between two words")
        return tuple(found)

    def _value(self, *, is_text: bool) -> Value:
        position = self._at + 1
        signs = () if is_text else OPERATORS
        operator = next((sign for sign in signs if self._take(sign)), "=")
        is_quoted = self._next() == QUOTE
        text = self._quoted() if is_quoted else self._bare(is_text=is_text)
        if not text and not is_quoted:
            raise self._error("a value is missing", hint='an empty one is written ""')
        if len(text) > MAX_VALUE_CHARS:
            problem = f"a value has at most {MAX_VALUE_CHARS} characters, this one has {len(text)}"
            raise FilterError(position, problem)
        return Value(text=text, operator=operator, is_quoted=is_quoted, position=position)

    def _bare(self, *, is_text: bool) -> str:
        start = self._at
        while (char := self._next()) and not char.isspace() and (is_text or char != ","):
            if char == QUOTE:
                raise self._error("a quote stands inside a value", hint='quote all of it: "…"')
            self._at += 1
        return self._text[start : self._at]

    def _quoted(self) -> str:
        start = self._at + 1
        self._at = start
        chars: list[str] = []
        while char := self._next():
            self._at += 1
            if char == QUOTE:
                return "".join(chars)
            if char == ESCAPE:
                char = self._next()
                if char not in {QUOTE, ESCAPE}:
                    raise self._error("a backslash stands before a quote or a backslash alone")
                self._at += 1
            chars.append(char)
        raise FilterError(start, "the quote that begins here does not end")

    def _skip_space(self) -> bool:
        while self._next().isspace():
            self._at += 1
        return self._at < len(self._text)

    def _take(self, sign: str) -> bool:
        found = self._text.startswith(sign, self._at)
        self._at += len(sign) if found else 0
        return found

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _error(self, problem: str, hint: str = "") -> FilterError:
        return FilterError(self._at + 1, problem, hint=hint)
