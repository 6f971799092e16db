"""Flows added up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analyzer.errors import UsageError
from analyzer.store import Store
from analyzer.store.tables import AggregateQuery, selection_of
from tests.tables import FIRST, SECOND, Row, Two, two_captures

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Two captures; tests of this module only read them."""
    with Store.open(tmp_path_factory.mktemp("two") / "data") as store:
        yield two_captures(store)


# --- sums ---


def sums(store: Store, text: str = "", **query: Any) -> list[Row]:
    answer = store.tables.aggregate(AggregateQuery(selection=selection_of(text), **query))
    return list(answer.rows.to_pylist())


def test_sums_are_those_of_the_rows(two: Two) -> None:
    every = FIRST + SECOND
    found = sums(two.store, group_by=("dst_ip",), aggregates=("count", "sum(up_bytes)", "max(end)"))
    for one in found:
        own = [kept for kept in every if kept["dst_ip"] == one["dst_ip"]]
        assert one["count"] == len(own)
        assert one["sum(up_bytes)"] == sum(kept["up_bytes"] for kept in own)
        assert one["max(end)"].value == max(kept["end"] for kept in own)
    assert len(found) == len({kept["dst_ip"] for kept in every})
    assert [one["count"] for one in found] == sorted((o["count"] for o in found), reverse=True)


def test_groups_beyond_the_limit_are_counted(two: Two) -> None:
    answer = two.store.tables.aggregate(AggregateQuery(group_by=("app",), limit=2))
    assert answer.rows.num_rows == 2
    assert answer.total_groups == len({one["app"] for one in FIRST + SECOND})
    assert answer.total_flows == len(FIRST) + len(SECOND)


def test_without_groups_there_is_one_sum(two: Two) -> None:
    assert sums(two.store, aggregates=("count", "count_distinct(src_ip)")) == [
        {"count": len(FIRST) + len(SECOND), "count_distinct(src_ip)": 5}
    ]
    assert sums(two.store, "app:none", aggregates=("count", "sum(bytes)")) == [
        {"count": 0, "sum(bytes)": 0}
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"group_by": ("flow_id",)},
        {"group_by": ("src_ip", "dst_ip", "app", "vlan", "proto")},
        {"group_by": ("nothing",)},
        {"group_by": ("sni",)},
        {"aggregates": ("sum(src_ip)",)},
        {"aggregates": ("sum(app)",)},
        {"aggregates": ("median(bytes)",)},
        {"aggregates": ("sum(bytes)) FROM x --",)},
        {"aggregates": ("count_distinct(start)",)},
        {"aggregates": tuple(f"sum({n})" for n in range(9))},
        {"sort": "bytes"},
        {"limit": 0},
        {"limit": 10_001},
    ],
)
def test_a_sum_that_makes_no_sense_is_refused(two: Two, query: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        two.store.tables.aggregate(AggregateQuery(**query))
