"""Entity tags: who changes something names the version it starts from."""

from __future__ import annotations

import pytest
from fastapi import Request

from api.errors import Problem
from api.etag import etag_of, is_unchanged, parse_if_match


def request(name: str, value: str | None) -> Request:
    headers = [] if value is None else [(name.encode(), value.encode("latin-1"))]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers})


@pytest.mark.parametrize("version", [1, 7, 123_456_789])
def test_a_tag_is_read_back_as_its_version(version: int) -> None:
    assert parse_if_match(request("if-match", etag_of(version))) == version


def test_a_star_takes_any_version() -> None:
    assert parse_if_match(request("if-match", "*")) is None


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_change_without_a_version_is_refused(value: str | None) -> None:
    with pytest.raises(Problem) as refused:
        parse_if_match(request("if-match", value))
    assert refused.value.status_code == 428


@pytest.mark.parametrize(
    "value", ['"', '""', "x", '"x"', '"1', '"-1"', '"9' + "9" * 40 + '"', '"²"']
)
def test_a_tag_that_names_no_version_is_stale(value: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_if_match(request("if-match", value))
    assert refused.value.status_code == 412


def test_what_has_not_changed_need_not_be_sent_again() -> None:
    tag = etag_of(3)
    for value in (tag, f"W/{tag}", f"{etag_of(1)}, {tag}", "*"):
        assert is_unchanged(request("if-none-match", value), tag)
    for value in (etag_of(2), "", tag.strip('"'), ", " * 100 + tag):
        assert not is_unchanged(request("if-none-match", value), tag)
