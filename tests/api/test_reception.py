"""Places for what arrives and for who watches: bounded, and no caller has them all."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from api import reception
from api.errors import Problem
from api.reception import Reception

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Place = Callable[[str], AbstractContextManager[None]]


def arriving(places: Reception) -> Place:
    return places.arriving


def watching(places: Reception) -> Place:
    return places.watching


@pytest.mark.parametrize(
    ("place_of", "of_all", "of_each"),
    [
        (arriving, "MAX_ARRIVING", "MAX_ARRIVING_EACH"),
        (watching, "MAX_STREAMS", "MAX_STREAMS_EACH"),
    ],
)
def test_one_caller_leaves_places_to_others(
    place_of: Callable[[Reception], Place],
    of_all: str,
    of_each: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reception, of_all, 4)
    monkeypatch.setattr(reception, of_each, 2)
    place = place_of(Reception())
    with ExitStack() as held:
        held.enter_context(place("key:a"))
        with place("key:a"):
            refused = refusal(place, "key:a")
            assert "2 " in refused.detail
            assert "of one caller" in refused.detail
            assert refused.headers == {"Retry-After": "5"}
        held.enter_context(place("key:a"))
        for _ in range(2):
            held.enter_context(place("key:b"))
        assert "4 " in refusal(place, "key:c").detail
    with place("key:c"), place("key:a"):
        pass


def test_half_of_the_places_for_uploads_are_always_others() -> None:
    assert reception.MAX_ARRIVING_EACH * 2 <= reception.MAX_ARRIVING


def refusal(place: Place, caller: str) -> Problem:
    """What somebody is told for whom there is no place."""
    with pytest.raises(Problem) as refused, place(caller):
        pass
    assert refused.value.status_code == 503
    return refused.value
