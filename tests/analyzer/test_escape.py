import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.escape import FORMULA_STARTS, MARKUP, csv_cell, escape, shorten

TEXTS = st.text(st.characters(codec=None), max_size=60)
FORBIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def test_ordinary_text_in_any_script_stays_as_it_is() -> None:
    assert escape("größe 大小 размер €5 🙂") == "größe 大小 размер €5 🙂"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\nb\tc", "a\\x0d\\x0ab\\x09c"),
        ("pool\u202egpj.exe", "pool\\u202egpj.exe"),
        ("pay\u200bpal", "pay\\u200bpal"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("\u3164", "\\u3164"),
        ("<script>", "\\x3cscript\\x3e"),
    ],
)
def test_what_could_deceive_a_reader_is_spelled_out(text: str, shown: str) -> None:
    assert escape(text) == shown


@given(TEXTS)
def test_nothing_that_controls_hides_or_reorders_ever_passes(text: str) -> None:
    shown = escape(text)

    assert shown.isprintable()
    assert not {unicodedata.category(char) for char in shown} & FORBIDDEN_CATEGORIES
    assert MARKUP.isdisjoint(shown)


@given(TEXTS, st.integers(1, 40))
def test_a_shortened_text_keeps_its_bound_and_says_what_it_lost(text: str, limit: int) -> None:
    shown = shorten(text, limit)

    assert shown.isprintable()
    assert len(shown) <= limit + len(f"… ({len(text)} characters)")


@given(TEXTS)
def test_no_csv_cell_begins_a_formula(text: str) -> None:
    cell = csv_cell(text)

    assert cell.lstrip(" ")[:1] not in FORMULA_STARTS
    assert cell.isprintable()


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_a_csv_row_stays_one_row(texts: list[str]) -> None:
    stream = io.StringIO()

    csv.writer(stream, lineterminator="\n").writerow([csv_cell(text) for text in texts])

    assert len(list(csv.reader(io.StringIO(stream.getvalue())))) == 1
    assert stream.getvalue().count("\n") == 1
