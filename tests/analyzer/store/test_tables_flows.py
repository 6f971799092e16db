"""Flows of several captures: filters, order, pages, names, streams, and files that are broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from analyzer.errors import NotFoundError, UsageError
from analyzer.store import Store
from analyzer.store.tables import FlowQuery, selection_of
from analyzer.store.tables.columns import COLUMNS
from tests.builders import at_ns
from tests.stored import document
from tests.tables import FIRST, SECOND, Row, Two, flow_rows, two_captures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from analyzer.store.records import Analysis


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Two captures; tests of this module only read them."""
    with Store.open(tmp_path_factory.mktemp("two") / "data") as store:
        yield two_captures(store)


def ids(store: Store, analysis: Analysis, text: str) -> set[int]:
    """Numbers of the flows of one capture that a filter admits."""
    found = flow_rows(store, text)
    return {one["flow_id"] for one in found if one["capture"] == analysis.capture}


def test_a_page_has_the_flows_of_all_captures_in_order_of_time(two: Two) -> None:
    found = flow_rows(two.store)
    assert len(found) == len(FIRST) + len(SECOND)
    assert [one["start"].value for one in found] == sorted(one["start"].value for one in found)
    assert {one["capture"] for one in found} == {
        analysis.capture for analysis in (two.first, two.second)
    }


def test_values_are_those_of_the_table(two: Two) -> None:
    found = flow_rows(two.store, "dport:443 app:tls vlan:0", columns=tuple(COLUMNS))[0]
    for name in ("src_ip", "dst_ip", "up_bytes", "history", "community_id", "encrypted"):
        assert found[name] == FIRST[0][name]
    assert found["start"].value == FIRST[0]["start"]
    assert found["bytes"] == FIRST[0]["up_bytes"] + FIRST[0]["down_bytes"]
    assert found["duration_ns"] == 10 * 10**9
    assert found["transport"] == "tcp"


def test_ports_are_absent_where_the_transport_has_none(two: Two) -> None:
    found = flow_rows(two.store, "transport:icmp")[0]
    assert found["src_port"] is None
    assert found["dst_port"] is None


@pytest.mark.parametrize(
    ("text", "judge"),
    [
        ("", lambda one: True),
        ("src:10.20.0.7", lambda one: one["src_ip"] == "10.20.0.7"),
        ("src:10.20.0.8/31", lambda one: one["src_ip"] in {"10.20.0.8", "10.20.0.9"}),
        ("host:198.51.100.0/24", lambda one: one["dst_ip"].startswith("198.51.100.")),
        ("host:2001:db8::/32", lambda one: ":" in one["src_ip"]),
        ("host:2001:DB8:0::7", lambda one: ":" in one["src_ip"]),
        ("-host:2001:db8::/32", lambda one: ":" not in one["src_ip"]),
        ("port:443,22", lambda one: one["dst_port"] in {443, 22}),
        ("dport:1..100", lambda one: 1 <= one["dst_port"] <= 100),
        ("bytes:>10k", lambda one: one["up_bytes"] + one["down_bytes"] > 10_000),
        ("up_bytes:900", lambda one: one["up_bytes"] == 900),
        ("app:TLS", lambda one: one["app"] == "tls"),
        ("app:*s*", lambda one: "s" in one["app"]),
        ("app:d*s", lambda one: one["app"] == "dns"),
        ('app:""', lambda one: one["app"] == ""),
        ('app:"*"', lambda one: False),
        ("proto:udp", lambda one: one["proto"] == 17),
        ("-proto:tcp", lambda one: one["proto"] != 6),
        ("encrypted:yes", lambda one: one["encrypted"]),
        ("duration:<1s", lambda one: one["end"] - one["start"] < 10**9),
        ("start:>=2026-01-01T00:00:20Z", lambda one: one["start"] >= at_ns(20)),
        ("since:2026-01-01T00:00:12Z", lambda one: one["end"] >= at_ns(12)),
        ("until:2026-01-01T00:00:05Z", lambda one: one["start"] < at_ns(5)),
        (
            "src:10.20.0.7 -app:tls",
            lambda one: one["src_ip"] == "10.20.0.7" and one["app"] != "tls",
        ),
        ("icmp_type:8", lambda one: one["icmp_type"] == 8),
    ],
)
def test_a_filter_admits_what_it_says(two: Two, text: str, judge: Callable[[Row], bool]) -> None:
    for analysis, kept in zip((two.first, two.second), (FIRST, SECOND), strict=True):
        assert ids(two.store, analysis, text) == {one["flow_id"] for one in kept if judge(one)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sni:files.example.com", {0}),
        ("sni:*.EXAMPLE.com", {0}),
        ("sni:never.example.com", {0}),  # sent by the responder: it names nobody
        ("http_host:web.example", {3}),
        ("dns:pool.example.org", {1, 2}),  # the look-up and what it led to
        ("name:*example*", {0, 1, 2, 3}),
        ("host:pool.example.org", {1, 2}),
        ("-name:*example*", {4, 5}),
        ('"files.ex"', {0}),
        ('"198.51.100.77"', {1}),
        ('"POOL.example"', {1, 2}),
    ],
)
def test_names_are_found_where_the_capture_shows_them(
    two: Two, text: str, expected: set[int]
) -> None:
    expected = set() if "never" in text else expected
    assert ids(two.store, two.first, text) == expected


def test_a_flow_is_shown_with_the_name_of_its_responder(two: Two) -> None:
    names = [one["name"] for one in flow_rows(two.store, sort="capture,flow_id")]
    both = {
        two.first.capture: ["files.example.com", "pool.example.org", "", "web.example", "", ""],
        two.second.capture: ["", ""],
    }
    assert names == [name for capture in sorted(both) for name in both[capture]]


@pytest.mark.parametrize("sort", ["start", "-bytes", "app,-end", "-capture", "encrypted,dst_ip"])
@pytest.mark.parametrize("limit", [1, 3])
def test_pages_hold_every_flow_once_and_in_order(two: Two, sort: str, limit: int) -> None:
    whole = flow_rows(two.store, "-app:nothing", sort=sort, limit=100)
    found: list[Row] = []
    after = ""
    while True:
        selection = selection_of("-app:nothing")
        page = two.store.tables.flows(
            FlowQuery(selection=selection, sort=sort, limit=limit, after=after)
        )
        found += [one for batch in page.rows for one in batch.to_pylist()]
        assert page.total == len(whole)
        after = page.next
        if not after:
            break
    assert found == whole


@pytest.mark.parametrize("text", ["x", "AAAA", "é", "=" * 40, "a" * 5000, "bnVsbA", "W10"])
def test_a_cursor_that_is_none_is_refused(two: Two, text: str) -> None:
    with pytest.raises(UsageError, match="cursor"):
        two.store.tables.flows(FlowQuery(after=text))


def test_a_cursor_of_another_query_is_refused(two: Two) -> None:
    after = two.store.tables.flows(FlowQuery(limit=1)).next
    for other in (FlowQuery(sort="-start", after=after), FlowQuery(limit=1, after=after)):
        if other.sort == "-start":
            with pytest.raises(UsageError, match="another query"):
                two.store.tables.flows(other)
        else:
            assert two.store.tables.flows(other).total == len(FIRST) + len(SECOND)
    with pytest.raises(UsageError, match="another query"):
        flow_rows(two.store, "app:tls", after=after)


@pytest.mark.parametrize(
    "query",
    [
        {"columns": ("prefix_up",)},
        {"columns": ("flow_id; DROP TABLE flows",)},
        {"columns": tuple(f"c{n}" for n in range(100))},
        {"sort": "name"},
        {"sort": "history"},
        {"sort": "start,end,bytes,app"},
        {"sort": "start,-start"},
        {"sort": "1"},
        {"limit": 0},
        {"limit": 10_001},
    ],
)
def test_what_flows_do_not_have_is_refused(two: Two, query: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        two.store.tables.flows(FlowQuery(**query))


def test_the_flows_of_a_finding_are_its_own(two: Two) -> None:
    selection = selection_of(finding=document(1)["id"])
    page = two.store.tables.flows(FlowQuery(selection=selection))
    assert [one["flow_id"] for batch in page.rows for one in batch.to_pylist()] == [1]
    with pytest.raises(NotFoundError):
        two.store.tables.flows(FlowQuery(selection=selection_of(finding="f-none")))


def test_captures_are_chosen_by_id_prefix_and_name(two: Two) -> None:
    named = selection_of(captures=[two.second.capture])
    assert two.store.tables.flows(FlowQuery(selection=named)).total == len(SECOND)
    assert len(flow_rows(two.store, f"capture:{two.first.capture[:12]}*")) == len(FIRST)
    assert len(flow_rows(two.store, f"-capture:{two.first.capture}")) == len(SECOND)
    assert len(flow_rows(two.store, "capture:office.*")) == len(FIRST) + len(SECOND)
    with pytest.raises(NotFoundError):
        two.store.tables.flows(FlowQuery(selection=selection_of(captures=["0" * 64])))


# --- streams ---


def test_a_stream_has_the_rows_of_a_page(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.store.tables.flows.STREAM_PART_ROWS", 2)
    query = FlowQuery(sort="-bytes", limit=6, columns=tuple(COLUMNS))

    stream, page = two.store.tables.stream_flows(query), two.store.tables.flows(query)

    assert pa.Table.from_batches(stream.rows, stream.schema).equals(
        pa.Table.from_batches(page.rows, page.schema)
    )
    assert stream.next == page.next
    assert stream.total == page.total == len(FIRST) + len(SECOND)
