"""Hosts, pools, wallets and the timeline, of made tables and of a whole sample."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analyzer.errors import NotFoundError, UsageError
from analyzer.store import Store
from analyzer.store.records import SERVICE
from analyzer.store.tables import FlowQuery, HostQuery, MiningQuery, TimelineQuery, selection_of
from analyzer.store.tables.pools import masked, wallet_id
from analyzer.store.tables.timeline import MAX_BUCKETS
from tests.builders import at_ns, flow, observations, row
from tests.stored import WALLET, document
from tests.tables import FIRST, SECOND, Two, found_in, keep_tables, observed, two_captures

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE = Path(__file__).resolve().parents[3] / "pcaps" / "rome-incident.pcapng"
MINER = "10.20.0.14"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Two captures; tests of this module only read them."""
    with Store.open(tmp_path_factory.mktemp("two") / "data") as store:
        yield two_captures(store)


@pytest.fixture(scope="module")
def rome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The sample, analysed: its tables and its findings."""
    seen = observed(SAMPLE)
    with Store.open(tmp_path_factory.mktemp("rome") / "data") as store:
        keep_tables(store, seen, found_in(seen), b"rome")
        yield store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with Store.open(tmp_path / "data") as opened:
        yield opened


# --- hosts ---


def test_a_host_adds_up_what_it_sent_and_received(two: Two) -> None:
    hosts = {host.address: host for host in two.store.tables.hosts(HostQuery()).hosts}
    every = FIRST + SECOND
    assert set(hosts) == {one[end] for one in every for end in ("src_ip", "dst_ip")}
    for address, host in hosts.items():
        out = [one for one in every if one["src_ip"] == address]
        back = [one for one in every if one["dst_ip"] == address]
        assert host.flows == len(out) + len(back)
        assert host.opened == len(out)
        assert host.bytes_out == sum(o["up_bytes"] for o in out) + sum(
            o["down_bytes"] for o in back
        )
        assert host.bytes_in == sum(o["down_bytes"] for o in out) + sum(o["up_bytes"] for o in back)
        assert host.peers == len({o["dst_ip"] for o in out} | {o["src_ip"] for o in back})
        assert host.first_ns == min(one["start"] for one in out + back)
        assert host.last_ns == max(one["end"] for one in out + back)


def test_hosts_are_inside_where_the_networks_say_so(two: Two) -> None:
    inside = two.store.tables.hosts(HostQuery(is_inside=True))
    outside = two.store.tables.hosts(HostQuery(is_inside=False))
    assert {host.address for host in inside.hosts} == {
        "10.20.0.7", "10.20.0.8", "10.20.0.9", "10.30.0.1",
    }  # fmt: skip
    assert not any(host.is_inside for host in outside.hosts)
    own = HostQuery(is_inside=True, inside=("2001:db8::/48", "192.0.2.53"))
    assert {host.address for host in two.store.tables.hosts(own).hosts} == {
        "2001:db8::7", "192.0.2.53",
    }  # fmt: skip


@pytest.mark.parametrize("sort", ["-bytes", "flows", "-peers", "-captures", "first_seen"])
def test_pages_of_hosts_hold_each_once(two: Two, sort: str) -> None:
    whole = two.store.tables.hosts(HostQuery(sort=sort))
    found: list[str] = []
    after = ""
    while True:
        page = two.store.tables.hosts(HostQuery(sort=sort, limit=2, after=after))
        found += [host.address for host in page.hosts]
        assert page.total == len(whole.hosts)
        after = page.next
        if not after:
            break
    assert found == [host.address for host in whole.hosts]


def test_a_host_has_the_names_that_lead_to_it(two: Two) -> None:
    hosts = {host.address: host.names for host in two.store.tables.hosts(HostQuery()).hosts}
    assert hosts["198.51.100.5"] == (("files.example.com", "sni"),)
    assert hosts["203.0.113.9"] == (("web.example", "host"),)
    assert hosts["198.51.100.77"] == (("pool.example.org", "dns"),)
    assert hosts["10.20.0.7"] == ()


def test_findings_count_by_severity_unless_they_are_suppressed(store: Store) -> None:
    flows = [flow("192.0.2.10:40000", "198.51.100.20:3333", flow_id=1)]
    keep_tables(store, observations(flows), [document(1), document(2, severity="low")])

    def counted() -> dict[str, int]:
        found = store.tables.hosts(HostQuery(has_findings=True)).hosts
        return dict(found[0].findings) if found else {}

    assert counted() == {"critical": 0, "high": 1, "medium": 0, "low": 1, "info": 0}
    for number, left in ((1, 1), (2, None)):
        store.suppressions.add(
            kind="suppress", scope={"finding": document(number)["id"]}, reason="known",
            expires_ns=0, by=SERVICE,
        )  # fmt: skip
        found = counted()
        assert found == ({} if left is None else {**dict.fromkeys(found, 0), "low": 1})


@pytest.mark.parametrize(
    "query",
    [{"sort": "address; --"}, {"limit": 0}, {"limit": 1001}, {"inside": ()}, {"after": "x"}],
)
def test_hosts_refuse_what_makes_no_sense(two: Two, query: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        two.store.tables.hosts(HostQuery(**query))


def test_one_host_is_shown_with_all_it_did(rome: Store) -> None:
    detail = rome.tables.host(MINER, HostQuery())
    assert sum(part.flows for part in detail.peers) == detail.host.flows
    assert sum(part.bytes_out for part in detail.ports) == detail.host.bytes_out
    assert [part.flows for part in detail.captures] == [detail.host.flows]
    assert any(part.label == "2222/tcp mining" and part.is_opened for part in detail.ports)
    assert detail.total_findings == sum(detail.host.findings.values())
    assert {finding.src_ip for finding in detail.findings} == {MINER}


def test_an_address_nobody_used_is_not_found(rome: Store) -> None:
    with pytest.raises(NotFoundError):
        rome.tables.host("192.0.2.200", HostQuery())
    with pytest.raises(UsageError):
        rome.tables.host("not an address", HostQuery())


# --- pools and wallets ---


def test_the_sample_has_one_pool_with_its_shares_counted_once(rome: Store) -> None:
    page = rome.tables.pools(MiningQuery())
    assert [one.key for one in page.rows] == ["xmr.2miners.com"]
    pool = page.rows[0]
    # Two findings stand on the same flow.
    assert pool.counts["finding_ids"] == 2
    assert (pool.shares.submitted, pool.shares.accepted, pool.shares.rejected) == (49, 49, 0)
    assert pool.miners == (MINER,)
    assert pool.addresses == ("198.51.100.77:2222",)
    assert pool.coins == ("XMR",)
    assert pool.operators == ("2Miners",)


def test_the_sample_has_one_wallet(rome: Store) -> None:
    page = rome.tables.wallets(MiningQuery())
    assert len(page.rows) == page.total == 1
    wallet = page.rows[0]
    assert wallet.pools == ("xmr.2miners.com",)
    assert wallet.shares.accepted == 49
    assert len(wallet.key) == 95


def test_shares_come_from_the_finding_where_the_table_is_gone(rome: Store, store: Store) -> None:
    attributes = {"shares_submitted": 7, "shares_accepted": 6, "shares_rejected": 1}
    kept = keep_tables(
        store,
        observations([flow("192.0.2.10:1", "198.51.100.20:3333", flow_id=1)], mining=mined(1)),
        [document(1, attributes=attributes)],
    )
    assert store.tables.pools(MiningQuery()).rows[0].shares.submitted == 1

    (store.folder.tables_path(kept.id) / "mining.parquet").write_bytes(b"PAR1")
    page = store.tables.pools(MiningQuery())

    assert page.rows[0].shares.submitted == 7
    assert [gap.table for gap in page.gaps] == ["mining"]


def mined(flow_id: int, wallet: str = WALLET) -> list[dict[str, Any]]:
    common: dict[str, Any] = {"flow_id": flow_id, "shape": "valid", "dialects": "cryptonote"}
    login: dict[str, Any] = {
        "kind": "login",
        "role": "miner",
        "up": True,
        "method": "login",
        "wallet": wallet,
    }
    share: dict[str, Any] = {
        "kind": "submit",
        "role": "miner",
        "up": True,
        "method": "submit",
        "worker": "rig1",
    }
    answer = {"kind": "result", "role": "pool", "method": "submit", "outcome": "rejected"}
    return [
        row("mining", **common, frame=number, **one)
        for number, one in enumerate((login, share, answer))
    ]


def test_a_wallet_is_seen_again_in_other_captures(store: Store) -> None:
    for number, content in ((1, b"one"), (2, b"two"), (3, b"three")):
        pool = {"name": f"pool{number % 2}.example.com", "ip": "198.51.100.20", "port": 3333}
        keep_tables(
            store,
            observations([flow("192.0.2.10:1", "198.51.100.20:3333")], mining=mined(number)),
            [document(number, attributes={"pool": pool, "miner": f"10.0.0.{number}"})],
            content,
        )

    wallet = store.tables.wallets(MiningQuery()).rows[0]
    pools = store.tables.pools(MiningQuery(sort="-captures"))

    assert wallet.key == WALLET
    assert wallet.counts["captures"] == 3
    assert wallet.miners == ("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert wallet.workers == ("rig1",)
    assert (wallet.shares.submitted, wallet.shares.rejected) == (3, 3)
    assert [(one.key, one.counts["captures"]) for one in pools.rows] == [
        ("pool1.example.com", 2),
        ("pool0.example.com", 1),
    ]


def test_pools_are_chosen_by_what_is_known_of_them(store: Store) -> None:
    for number, coin in ((1, "XMR"), (2, "ETC")):
        attributes = {"coin": coin, "wallet": f"{coin}-wallet", "miner": f"10.0.0.{number}"}
        attributes["pool"] = {"name": f"{coin}.example.com"}  # type: ignore[assignment]
        keep_tables(
            store, observations(FIRST), [document(number, attributes=attributes)], coin.encode()
        )

    def chosen(**query: Any) -> list[str]:
        return [one.key for one in store.tables.pools(MiningQuery(**query)).rows]

    assert sorted(chosen()) == ["etc.example.com", "xmr.example.com"]
    assert (
        chosen(coin="xmr") == chosen(pool="xmr*") == chosen(wallet="XMR-*") == ["xmr.example.com"]
    )
    assert chosen(miner="10.0.0.2") == ["etc.example.com"]
    assert chosen(until="2020-01-01") == chosen(pool="nothing") == []
    first = store.tables.pools(MiningQuery(limit=1))
    assert [first.rows[0].key, *chosen(limit=1, after=first.next)] == chosen()


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "x"}, {"limit": 0}, {"miner": "host"}, {"since": "soon"}, {"after": "x"},
        {"pool": "*" * 20},
    ],
)  # fmt: skip
def test_pools_refuse_what_makes_no_sense(rome: Store, query: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        rome.tables.pools(MiningQuery(**query))


def test_attributes_of_any_shape_are_no_failure(store: Store) -> None:
    for number, pool in enumerate((None, 7, "name", ["x"], {"name": 5, "port": "x", "ip": {}})):
        attributes = {"pool": pool, "wallets": {"a": 1}, "miner": ["x"], "shares_submitted": "x"}
        keep_tables(
            store,
            observations(FIRST),
            [document(number, attributes=attributes, flow_ids=["x", None, -1, 2**40])],
            bytes([number]),
        )
    assert len(store.tables.wallets(MiningQuery()).rows) == 1
    store.tables.pools(MiningQuery())


def test_a_masked_wallet_shows_its_ends_and_keeps_its_name() -> None:
    assert masked(WALLET) == f"{WALLET[:6]}…{WALLET[-6:]}"
    assert masked("worker@example.com") == "wo…"
    assert masked("") == ""
    assert wallet_id(WALLET) == wallet_id(WALLET) != wallet_id(WALLET + "x")
    assert len(wallet_id("\ud800")) == 18


# --- timeline ---


def test_bytes_are_spread_evenly_over_the_time_a_flow_lasts(store: Store) -> None:
    flows = [
        flow("10.0.0.1:1", "192.0.2.1:1", flow_id=0, start_s=5, lasting_s=20, up_bytes=2000),
        flow("10.0.0.1:2", "192.0.2.1:1", flow_id=1, start_s=12, lasting_s=0, up_bytes=7),
    ]
    keep_tables(store, observations(flows))

    line = store.tables.timeline(TimelineQuery(bucket="10s"))

    assert [part.start_ns for part in line.slices] == [at_ns(0), at_ns(10), at_ns(20)]
    assert [part.up_bytes for part in line.slices] == [500, 1007, 500]
    assert [part.flows for part in line.slices] == [1, 1, 0]
    assert [part.active for part in line.slices] == [1, 2, 1]


def test_nothing_is_lost_when_the_time_is_cut(rome: Store) -> None:
    whole = rome.tables.flows(FlowQuery(columns=("up_bytes", "down_bytes"), limit=1000))
    rows = [one for batch in whole.rows for one in batch.to_pylist()]
    for bucket in ("", "1s", "7s", "1h", "1d"):
        line = rome.tables.timeline(TimelineQuery(bucket=bucket))
        assert abs(sum(p.up_bytes for p in line.slices) - sum(r["up_bytes"] for r in rows)) <= len(
            line.slices
        )
        assert sum(part.flows for part in line.slices) == line.total_flows == len(rows)
        assert sum(sum(part.findings.values()) for part in line.slices) == line.total_findings == 3
        starts = [part.start_ns for part in line.slices]
        assert starts == list(range(starts[0], starts[-1] + 1, line.bucket_ns))


def test_bounds_cut_flows_that_go_beyond_them(store: Store) -> None:
    long = flow("10.0.0.1:1", "192.0.2.1:1", start_s=0, lasting_s=100, up_bytes=1000)
    keep_tables(store, observations([long]))
    query = TimelineQuery(since="2026-01-01T00:00:20Z", until="2026-01-01T00:00:40Z", bucket="10s")

    line = store.tables.timeline(query)

    assert [part.up_bytes for part in line.slices] == [100, 100]
    assert [part.flows for part in line.slices] == [0, 0]
    assert [part.active for part in line.slices] == [1, 1]


def test_a_timeline_of_one_host_or_finding_counts_only_theirs(rome: Store) -> None:
    other = rome.tables.timeline(TimelineQuery(host="10.20.0.15"))
    network = rome.tables.timeline(TimelineQuery(host="10.20.0.14/31"))
    assert other.total_findings == 0
    assert network.total_findings == 3
    assert 0 < other.total_flows < network.total_flows
    finding = rome.tables.host(MINER, HostQuery()).findings[0].id
    line = rome.tables.timeline(TimelineQuery(selection=selection_of(finding=finding)))
    assert (line.total_findings, line.total_flows) == (1, 1)


@pytest.mark.parametrize("ends", [(0, 2**63 - 2), (-(2**63) + 2, 2**63 - 2), (5, 5), (9, 3)])
def test_any_time_has_a_timeline_of_bounded_length(store: Store, ends: tuple[int, int]) -> None:
    keep_tables(store, observations([FIRST[0] | {"start": ends[0], "end": ends[1]}]))
    line = store.tables.timeline(TimelineQuery())
    assert 1 <= len(line.slices) <= MAX_BUCKETS
    assert sum(part.flows for part in line.slices) == 1


def test_without_anything_there_are_no_slices(store: Store) -> None:
    assert store.tables.timeline(TimelineQuery()).slices == ()
    assert store.tables.hosts(HostQuery()).hosts == ()
    assert store.tables.pools(MiningQuery()).rows == ()
    assert store.tables.flows(FlowQuery()).total == 0


@pytest.mark.parametrize(
    "query",
    [
        {"bucket": "1ms"}, {"bucket": "0s"}, {"bucket": "5"}, {"since": "x"},
        {"since": "2027", "until": "2026-01-01"}, {"host": "name"},
        {"since": "2026-03-03", "until": "2026-03-02"},
    ],
)  # fmt: skip
def test_a_timeline_refuses_what_makes_no_sense(rome: Store, query: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        rome.tables.timeline(replace(TimelineQuery(), **query))
