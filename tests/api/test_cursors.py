"""Cursors: signed, of one store and one sort, never trusted."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.store.database import set_meta
from analyzer.store.queries import Position, Sort
from api.cursors import MAX_CURSOR_CHARS, MAX_LINK_CHARS, read_cursor, write_cursor
from api.errors import Problem
from tests.stored import analyse, document

if TYPE_CHECKING:
    from pathlib import Path

    from analyzer.store import Store
    from tests.asgi import ApiClient

LIST = "/v1/findings"


def forged(text: str) -> list[str]:
    """Cursors that look like the real one."""
    payload, _, signature = text.partition(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims[-1] = 0
    other = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return [
        f"{other}.{signature}",
        payload,
        f"{payload}.",
        f".{signature}",
        text[:-1] + ("A" if text[-1] != "A" else "B"),
        text + "A",
        f".{text}",
        text * 2,
        "0",
        "null",
        "é",
        "\u202e" + text,
        "." * 100,
    ]


@pytest.mark.parametrize(
    "position",
    [
        Position(sort=Sort.FEED),
        Position(sort=Sort.FEED, key=(0,)),
        Position(sort=Sort.FEED, key=(2**63 - 1,)),
        Position(sort=Sort.WORST, key=(4, 0.1 + 0.2, "f-é'\"\\")),
        Position(sort=Sort.LATEST, key=(-1, "f-1")),
    ],
)
def test_a_position_is_read_back_as_it_was_written(store: Store, position: Position) -> None:
    text = write_cursor(store, position)

    assert read_cursor(store, text, position.sort) == position
    assert len(text) <= MAX_CURSOR_CHARS
    assert text.isascii()
    assert write_cursor(store, position) == text


def test_a_forged_cursor_is_refused(store: Store, admin: ApiClient) -> None:
    analyse(store, [document(1)])
    cursor = admin.get(LIST).json()["page"]["next_cursor"]
    for text in forged(cursor):
        response = admin.get(LIST, params={"cursor": text})
        assert (response.status_code, response.json()["code"]) == (400, "bad-request"), text
        assert "did not write it" in response.json()["detail"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(text=st.text(min_size=1, max_size=MAX_CURSOR_CHARS))
def test_no_text_is_a_cursor_by_chance(store: Store, text: str) -> None:
    with pytest.raises(Problem) as caught:
        read_cursor(store, text, Sort.FEED)

    assert caught.value.status_code == 400


def test_a_cursor_of_another_service_is_refused(
    store: Store, admin: ApiClient, tmp_path: Path
) -> None:
    from analyzer.store import Store as Opened  # noqa: PLC0415 - the type is imported above

    with Opened.open(tmp_path / "other") as other:
        cursor = write_cursor(other, Position(sort=Sort.FEED, key=(1,)))

    assert admin.get(LIST, params={"cursor": cursor}).status_code == 400


@pytest.mark.parametrize("size", [MAX_CURSOR_CHARS + 1, 10_000, 60_000])
def test_a_huge_cursor_is_refused_without_much_ado(
    store: Store, admin: ApiClient, size: int
) -> None:
    response = admin.get(LIST, params={"cursor": "A" * size})

    assert response.status_code in {400, 422}
    assert len(response.content) < 2000


def test_a_cursor_of_ten_megabytes_is_not_even_looked_at(store: Store) -> None:
    """No request can hold one; the signature is that of the part that is read."""
    real = write_cursor(store, Position(sort=Sort.FEED))
    for text in ("A" * 10_000_000, "." * 10_000_000, real + "A" * 10_000_000):
        with pytest.raises(Problem):
            read_cursor(store, text, Sort.FEED)


def test_a_cursor_from_before_a_restore_says_how_to_go_on(store: Store, admin: ApiClient) -> None:
    cursor = admin.get(LIST).json()["page"]["next_cursor"]
    with store.database.write() as connection:
        set_meta(connection, "epoch", "restored")
    store.epoch = "restored"

    response = admin.get(LIST, params={"cursor": cursor})

    assert (response.status_code, response.json()["code"]) == (410, "gone")
    assert "since" in response.json()["hint"]


def test_a_cursor_of_another_sort_is_refused(store: Store, admin: ApiClient) -> None:
    analyse(store, [document(1)])
    cursor = admin.get(LIST, params={"sort": "worst"}).json()["page"]["next_cursor"]

    response = admin.get(LIST, params={"cursor": cursor})

    assert response.status_code == 400
    assert "sort=worst" in response.json()["detail"]
    assert admin.get(LIST, params={"cursor": cursor, "sort": "worst"}).status_code == 200


def test_the_next_page_is_linked_with_the_same_conditions(store: Store, admin: ApiClient) -> None:
    analyse(store, [document(number) for number in (1, 2, 3)])
    asked: dict[str, Any] = {"limit": 2, "category": ["mining", "tunnel"], "text": "a&b=c é"}
    first = admin.get(LIST, params={"limit": 2, "category": ["mining", "tunnel"]})

    second = admin.get(first.links["next"]["url"])

    assert [one["id"] for one in second.json()["data"]] == [document(3)["id"]]
    assert first.headers["Outgate-Next-Cursor"] == first.json()["page"]["next_cursor"]
    link = admin.get(LIST, params=asked).links["next"]["url"]
    assert "text=a%26b%3Dc+%C3%A9" in link
    assert link.count("cursor=") == admin.get(link).links["next"]["url"].count("cursor=") == 1


def test_a_link_that_would_be_too_long_is_left_out(admin: ApiClient) -> None:
    hosts = [f"2001:db8::{number:x}" for number in range(1, 101)]

    response = admin.get(LIST, params={"host": hosts, "capture": ["a" * 64] * 40})

    assert response.status_code == 200
    assert "Outgate-Next-Cursor" in response.headers
    assert "Link" not in response.headers
    assert MAX_LINK_CHARS < 8000
