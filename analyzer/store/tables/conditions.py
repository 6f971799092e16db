"""Turns the words of a filter into SQL conditions on flows, with every value bound."""

from __future__ import annotations

import ipaddress
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from analyzer.store.tables import values
from analyzer.store.tables.columns import COLUMNS, Kind
from analyzer.store.tables.filters import FilterError
from analyzer.store.tables.names import CANONICAL, NAME_TABLES, ROW, named_in, reached_by
from analyzer.store.tables.networks import in_network, is_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from analyzer.store.tables.engine import Binder
    from analyzer.store.tables.filters import Term, Value

ALIASES = {
    "src": "src_ip",
    "dst": "dst_ip",
    "sport": "src_port",
    "dport": "dst_port",
    "duration": "duration_ns",
    "rtt_up": "rtt_up_ns",
    "rtt_down": "rtt_down_ns",
    "dns": "dns_name",
}
"""Short words for columns."""

EITHER_END = {"host": ("src_ip", "dst_ip"), "port": ("src_port", "dst_port")}
"""Words for both ends."""

NAMES = ("name", *NAME_TABLES)
BOUNDS = ("since", "until")
SEARCHED = ("src_ip", "dst_ip", "app", "community_id")
"""Columns that free text is looked for in, besides names."""

FIELDS = tuple(sorted({*COLUMNS, *ALIASES, *EITHER_END, *BOUNDS}))


def condition(terms: Iterable[Term], binder: Binder) -> str:
    """SQL that is true for the rows of `flows` that all words admit.

    Raises:
        FilterError: A word names no field, or a value makes no sense for it.
    """
    parts = [_term(term, binder) for term in terms]
    return " AND ".join(parts) if parts else "true"


def name_tables(terms: Iterable[Term]) -> tuple[str, ...]:
    """The tables besides flows that the words look into."""
    terms = tuple(terms)
    fields = {ALIASES.get(term.field, term.field) for term in terms}
    if any(_is_host_name(value) for term in terms if term.field == "host" for value in term.values):
        fields.add("name")
    wanted = set(NAME_TABLES) if fields & {"", "name"} else fields & set(NAME_TABLES)
    return tuple(sorted(NAME_TABLES[field] for field in wanted))


def _term(term: Term, binder: Binder) -> str:
    field = ALIASES.get(term.field, term.field)
    compare = _comparison(field, term)
    either = " OR ".join(compare(value, binder) for value in term.values)
    return f"NOT coalesce({either}, false)" if term.is_negated else f"({either})"


def _comparison(field: str, term: Term) -> Callable[[Value, Binder], str]:
    if field == "":
        return _free_text
    if field in EITHER_END:
        return lambda value, binder: _either_end(field, value, binder)
    if field in BOUNDS:
        return lambda value, binder: _bound_of_time(field, value, binder)
    if field in NAMES:
        return lambda value, binder: _named(field, value, binder)
    if field in COLUMNS and field != "capture":
        return lambda value, binder: _column(field, value, binder)
    raise unknown_field(term)


def unknown_field(term: Term) -> FilterError:
    """The refusal of a word whose field there is not."""
    near = get_close_matches(term.field, FIELDS, n=3)
    hint = f"did you mean {', '.join(near)}" if near else f"fields are {', '.join(FIELDS)}"
    if ":" in term.values[0].text or len(term.field) <= 4:
        hint += "; an IPv6 address is written host:2001:db8::1"
    return FilterError(term.position, f"flows have no field {term.field!r}", hint=hint)


def _column(name: str, value: Value, binder: Binder) -> str:
    column = COLUMNS[name]
    if column.kind is Kind.ADDRESS:
        return _at_address(column.sql, value, binder)
    if column.kind in {Kind.TEXT, Kind.WORD}:
        return matching(f"lower({column.sql})", value, binder)
    if column.kind is Kind.FLAG:
        if value.operator != "=":
            raise FilterError(value.position, f"{name} is true or false and takes no operator")
        return f"{column.sql} = {binder.bind(values.flag(value.text, value))}"
    reader = {Kind.TIME: values.moment, Kind.DURATION: values.duration}.get(
        column.kind, values.protocol if name == "proto" else values.count
    )
    return _between(column.sql, values.limits_of(value, reader), binder)


def _between(sql: str, limits: values.Range, binder: Binder) -> str:
    low, high = limits
    if low == high:
        return f"{sql} = {binder.bind(low)}"
    parts = [f"{sql} >= {binder.bind(low)}"] if low > -values.MAX_INTEGER else []
    parts += [f"{sql} <= {binder.bind(high)}"] if high < values.MAX_INTEGER else []
    return f"({' AND '.join(parts)})" if parts else "true"


def _either_end(field: str, value: Value, binder: Binder) -> str:
    if field == "host" and _is_host_name(value):
        return _named("name", value, binder)
    left, right = (_column(name, value, binder) for name in EITHER_END[field])
    return f"({left} OR {right})"


def _is_host_name(value: Value) -> bool:
    """Whether a host is given by a name: some letter is no hexadecimal digit."""
    return value.operator == "=" and bool(re.search(r"[g-z]", value.text, re.IGNORECASE))


def _at_address(column: str, value: Value, binder: Binder) -> str:
    if value.operator != "=":
        raise FilterError(value.position, "an address takes no operator")
    found = values.address(value.text, value)
    if isinstance(found, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return is_address(column, found, binder)
    if isinstance(found, ipaddress.IPv4Network):
        return in_network(column, found, binder)
    # Reading IPv6 text is slow, so each address is read once.
    known = f"SELECT DISTINCT {column} AS known FROM flows WHERE contains({column}, ':')"
    inside = in_network("known", found, binder)
    return f"{column} IN (SELECT known FROM ({known}) WHERE {inside})"


def _bound_of_time(field: str, value: Value, binder: Binder) -> str:
    if value.operator != "=":
        raise FilterError(value.position, f"{field} takes no operator")
    first, _last = values.moment(value.text, value)
    if field == "since":
        return f"end_ns >= {binder.bind(first)}"
    return f"start_ns < {binder.bind(first)}"


def _named(field: str, value: Value, binder: Binder) -> str:
    wanted = tuple(NAME_TABLES) if field == "name" else (field,)
    return _any_name(wanted, lambda sql: matching(sql, value, binder))


def _free_text(value: Value, binder: Binder) -> str:
    wanted = binder.bind(values.literal(value))
    parts = [f"contains(lower({COLUMNS[name].sql}), {wanted})" for name in SEARCHED]
    parts.append(_any_name(tuple(NAME_TABLES), lambda sql: f"contains({sql}, {wanted})"))
    return f"({' OR '.join(parts)})"


def _any_name(fields: tuple[str, ...], pattern: Callable[[str], str]) -> str:
    """SQL that is true for flows one of whose names of these kinds fits."""
    rows = [named_in(NAME_TABLES[field], pattern(CANONICAL[field])) for field in fields]
    if "dns_name" in fields:
        # Besides the look-ups themselves, what went to an address that one of them gave.
        rows.append(reached_by(pattern("named.asked")))
    return f"{ROW} IN ({' UNION ALL '.join(rows)})"


def matching(sql: str, value: Value, binder: Binder) -> str:
    """SQL that is true where a text, in lower case, is the value, or fits its wildcards.

    Patterns become calls that take time in proportion to the text: never LIKE, whose time can
    grow with every wildcard; RE2 for the rest.
    """
    text = values.literal(value)
    if value.is_quoted or values.WILDCARD not in text:
        return f"{sql} = {binder.bind(text)}"
    head, *middle, tail = text.split(values.WILDCARD)
    inner = [part for part in middle if part]
    if not inner and not tail:
        return f"starts_with({sql}, {binder.bind(head)})"
    if not inner and not head:
        return f"ends_with({sql}, {binder.bind(tail)})"
    if len(inner) == 1 and not head and not tail:
        return f"contains({sql}, {binder.bind(inner[0])})"
    pattern = "(?s)" + ".*".join(_quoted(part) for part in (head, *inner, tail))
    return f"regexp_full_match({sql}, {binder.bind(pattern)})"


def _quoted(text: str) -> str:
    r"""Text as RE2 takes it literally: punctuation escaped, controls as \x{…}."""
    return "".join(
        char if char.isalnum() or not char.isascii() else f"\\x{{{ord(char):x}}}" for char in text
    )
