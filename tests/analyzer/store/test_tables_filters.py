"""The filter language: what it reads, and at which character it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.errors import UsageError
from analyzer.store.tables import values
from analyzer.store.tables.conditions import condition
from analyzer.store.tables.engine import Binder
from analyzer.store.tables.filters import (
    MAX_QUERY_CHARS,
    MAX_TERMS,
    MAX_VALUE_CHARS,
    MAX_VALUES,
    FilterError,
    Value,
    parse_filter,
)
from analyzer.store.tables.selection import selection_of

MAX_INTEGER = values.MAX_INTEGER


def test_words_are_fields_with_values() -> None:
    first, second, third = parse_filter('src:10.20.0.7 -dport:3333,4444 "free text"')

    assert (first.field, first.values[0].text) == ("src", "10.20.0.7")
    assert second.is_negated
    assert [value.text for value in second.values] == ["3333", "4444"]
    assert (third.field, third.values[0].text, third.values[0].is_quoted) == ("", "free text", True)


def test_an_address_of_version_6_is_one_value() -> None:
    assert parse_filter("host:2001:db8::1")[0].values[0].text == "2001:db8::1"


def test_operators_stand_before_the_value() -> None:
    found = parse_filter("bytes:>=10,<5")[0].values
    assert [(value.operator, value.text) for value in found] == [(">=", "10"), ("<", "5")]


def test_a_quoted_value_keeps_commas_spaces_quotes_and_backslashes() -> None:
    assert parse_filter(r'app:"a, \"b\" \\c"')[0].values[0].text == r'a, "b" \c'


@pytest.mark.parametrize("text", ["", "   ", "\t\n"])
def test_an_empty_filter_has_no_words(text: str) -> None:
    assert parse_filter(text) == ()


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ('src:1.2.3.4 app:"x', 17),
        ("app:", 5),
        ("app:tls,", 9),
        ("app:tls,,ssh", 9),
        ('app:a"b', 6),
        ('"a"b', 4),
        (r'"a\b"', 4),
        ("-", 2),
        ("bytes:>", 8),
        (f"{'a' * 40}:x", 1),
        (f"app:{'x' * (MAX_VALUE_CHARS + 1)}", 5),
        (f"x {'y' * MAX_QUERY_CHARS}", MAX_QUERY_CHARS + 1),
        ("a " * (MAX_TERMS + 1), 2 * MAX_TERMS + 1),
        (f"port:{','.join('1' for _ in range(MAX_VALUES + 1))}", 5 + 2 * MAX_VALUES + 1),
    ],
)
def test_a_broken_filter_is_refused_at_its_character(text: str, position: int) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert caught.value.position == position
    assert f"at character {position}:" in caught.value.message


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("port:443 bytez:>1", 10, "no field 'bytez'"),
        ("2001:db8::1", 1, "no field '2001'"),
        ("src:1.2.3.4/99", 5, "no address"),
        ("src:10.20.0.*", 5, "no address"),
        ("src:>10.0.0.1", 5, "takes no operator"),
        ("bytes:nan", 7, "no whole number"),
        ("bytes:inf", 7, "no whole number"),
        ("bytes:1e300", 7, "no whole number"),
        ("bytes:99999999999999999999", 7, "no whole number"),
        ("bytes:9999999999999999999", 7, "larger than"),
        ("bytes:10..5", 7, "ends before it begins"),
        ("bytes:>1..5", 7, "takes no operator"),
        ("bytes:-5", 7, "no whole number"),
        ("bytes:٣", 7, "no whole number"),
        ("duration:10", 10, "no duration"),
        ("start:yesterday", 7, "no time"),
        ("start:2026-13-01", 7, "no time"),
        ("start:9999-01-01", 7, "outside the years"),
        ("encrypted:perhaps", 11, "neither true nor false"),
        ("encrypted:>true", 11, "takes no operator"),
        ("app:>tls", 5, "cannot be compared"),
        ("app:*a*b*c*d*e*f*g*h*i", 5, "wildcards"),
        ("since:>2026-01-01", 7, "takes no operator"),
        ('app:"\ud800"', 5, "no text"),
        ("prefix_up:x", 1, "no field"),
        ("place:1", 1, "no field"),
    ],
)
def test_a_word_that_makes_no_sense_is_refused(text: str, position: int, words: str) -> None:
    with pytest.raises(FilterError, match=words) as caught:
        condition(parse_filter(text), Binder())
    assert caught.value.position == position


def test_a_misspelled_field_is_answered_with_those_near_it() -> None:
    with pytest.raises(FilterError) as caught:
        condition(parse_filter("up_byte:1"), Binder())
    assert "up_bytes" in caught.value.hint


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    position = 1
    try:
        condition(parse_filter(text), Binder())
    except FilterError as error:
        position = error.position
    assert 1 <= position <= len(text) + 1


@given(st.text(min_size=1, max_size=60))
def test_no_value_becomes_sql(text: str) -> None:
    binder = Binder()
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    try:
        sql = condition(parse_filter(f'app:"{quoted}"'), binder)
    except FilterError:
        return  # a half surrogate or NUL
    assert sql == "(lower(app) = $p0)"
    assert binder.values == {"p0": text.lower()}


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("5", (5, 5)),
        ("10k", (10_000, 10_000)),
        ("2M..3M", (2_000_000, 3_000_000)),
        (">5", (6, MAX_INTEGER)),
        (">=5", (5, MAX_INTEGER)),
        ("<5", (-MAX_INTEGER, 4)),
        ("<=5", (-MAX_INTEGER, 5)),
        ("5..", (5, MAX_INTEGER)),
        ("..5", (-MAX_INTEGER, 5)),
        (str(MAX_INTEGER), (MAX_INTEGER, MAX_INTEGER)),
        (f">{MAX_INTEGER}", (MAX_INTEGER, MAX_INTEGER)),
    ],
)
def test_numbers_become_bounds(text: str, limits: tuple[int, int]) -> None:
    value = parse_filter(f"bytes:{text}")[0].values[0]
    assert values.limits_of(value, values.count) == limits


@pytest.mark.parametrize(
    ("text", "first", "length"),
    [
        ("1970-01-02", 86_400, 86_400),
        ("1970-01-01T00:01", 60, 60),
        ("1970-01-01T00:00:01Z", 1, 1),
        ("1970-01-01T01:00:01+01:00", 1, 1),
    ],
)
def test_a_time_stands_for_all_it_leaves_open(text: str, first: int, length: int) -> None:
    found = values.moment(text, Value(text=text))
    assert found == (first * 10**9, (first + length) * 10**9 - 1)


def test_fractions_of_a_second_are_kept_to_the_nanosecond() -> None:
    text = "1970-01-01T00:00:00.000000001Z"
    assert values.moment(text, Value(text=text)) == (1, 1)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*.example.com", "A.Example.com", True),
        ("*.example.com", "example.com", False),
        ("a*b*c", "a-b-c", True),
        ("a*b*c", "acb", False),
        ("ab*ba", "aba", False),
        ("*", "", True),
    ],
)
def test_wildcards_stand_for_any_text(pattern: str, text: str, fits: bool) -> None:
    assert values.fits(text, Value(text=pattern)) is fits


def test_a_field_given_by_itself_is_named_in_its_refusal() -> None:
    with pytest.raises(UsageError, match="cannot read port at character 4: a space stands in it"):
        selection_of(fields={"port": "443 app:tls"})
