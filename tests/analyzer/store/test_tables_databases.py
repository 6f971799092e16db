"""What the tables ask of the database, on each kind of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.store.records import SERVICE
from analyzer.store.tables import FlowQuery, HostQuery, MiningQuery, TimelineQuery, selection_of
from tests.stored import document
from tests.tables import FIRST, SECOND, two_captures

if TYPE_CHECKING:
    from analyzer.store import Store


def test_all_questions_are_answered(store: Store) -> None:
    two = two_captures(store)
    ends = {one[end] for one in FIRST + SECOND for end in ("src_ip", "dst_ip")}

    assert store.tables.flows(FlowQuery()).total == len(FIRST) + len(SECOND)
    finding = selection_of(finding=document(1)["id"])
    assert store.tables.flows(FlowQuery(selection=finding)).total == 1
    assert store.tables.hosts(HostQuery()).total == len(ends)
    assert store.tables.timeline(TimelineQuery()).total_findings == 1
    assert [one.captures for one in store.tables.pools(MiningQuery()).rows] == [
        (two.first.capture,)
    ]

    store.suppressions.add(
        kind="allow", scope={"category": "mining"}, reason="ours", expires_ns=0, by=SERVICE
    )
    assert store.tables.wallets(MiningQuery()).rows == ()
    assert store.tables.timeline(TimelineQuery()).total_findings == 0

    (store.folder.tables_path(two.first.id) / "flows.parquet").unlink()
    page = store.tables.flows(FlowQuery())
    assert page.total == len(SECOND)
    assert [gap.reason for gap in page.gaps] == ["the file of 6 flows is missing"]
