from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analyzer import ruleset
from analyzer.detectors.mining.identity import (
    MERGE_NS,
    PoolHost,
    coin_of,
    is_payout,
    pool_host,
    possible_coins,
    wallet_of,
)
from tests.analyzer.detectors.mining.mining_rows import said, talk_of
from tests.builders import flow, observations, row
from tests.builders_rules import folder
from tests.builders_wallets import bitcoin_p2pkh, ethereum, monero_address, zcash_t1

if TYPE_CHECKING:
    from analyzer.ruleset import RuleSet

MINER, POOL = "10.0.0.1:4000", "198.51.100.20:6060"
NOWHERE = PoolHost(ip="198.51.100.20", port=1, name="", name_source="", operator="", rule="")


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    """The pool `Example` below pool.example: RVN on 6060, ETC on 1000 to 1099."""
    return ruleset.load(folder(tmp_path_factory.mktemp("rules")))


@pytest.fixture(scope="module")
def shipped() -> RuleSet:
    return ruleset.load()


def pool_named(name: str, port: int) -> PoolHost:
    return PoolHost(
        ip="198.51.100.20", port=port, name=name, name_source="dns", operator="", rule=""
    )


def login(wallet: str, dialects: str = "cryptonote", **values: Any) -> dict[str, Any]:
    return said(">", "login", wallet=wallet, dialects=dialects, **values)


def test_a_wallet_whose_checksum_holds_goes_first() -> None:
    talk = talk_of(login("account"), login(monero_address(1), at_s=3))

    wallet = wallet_of(talk)

    assert wallet is not None
    assert (wallet.address, wallet.checksum) == (monero_address(1), "valid")
    assert (wallet.coins, wallet.frame) == (("XMR",), 4)
    assert wallet_of(talk_of(said(">", "submit"))) is None


def test_names_come_from_dns_then_from_the_miner(rules: RuleSet) -> None:
    answer = {"kind": "answer", "rtype": "A", "data": "198.51.100.20", "name": "a.example"}
    talk = talk_of(said(">", "subscribe", host="told.example"))
    bare = observations([flow(MINER, POOL)])
    resolved = observations([flow(MINER, POOL)], dns=[row("dns", flow_id=9, **answer)])

    told = pool_host(talk, bare.flow(0), bare, rules)
    seen = pool_host(talk, resolved.flow(0), resolved, rules)

    assert (told.name, told.name_source) == ("told.example", "client")
    assert (seen.name, seen.name_source) == ("a.example", "dns")


@pytest.mark.parametrize(
    ("tables", "source"),
    [
        ({"tls": [row("tls", hello="client", up=True, sni="rvn.pool.example")]}, "sni"),
        ({"http": [row("http", kind="request", up=True, host="rvn.pool.example")]}, "host"),
    ],
)
def test_a_name_on_the_list_goes_before_others(
    rules: RuleSet, tables: dict[str, Any], source: str
) -> None:
    answer = {"kind": "answer", "rtype": "A", "data": "198.51.100.20", "name": "a.example"}
    seen = observations([flow(MINER, POOL)], dns=[row("dns", at_s=5, **answer)], **tables)

    pool = pool_host(talk_of(said(">", "subscribe")), seen.flow(0), seen, rules)

    assert (pool.name, pool.name_source) == ("rvn.pool.example", source)
    assert pool.operator == "Example"


def test_an_address_on_the_list_names_the_operator(rules: RuleSet) -> None:
    seen = observations([flow(MINER, "192.0.2.7:6060")])

    pool = pool_host(talk_of(said(">", "subscribe")), seen.flow(0), seen, rules)

    assert (pool.name, pool.operator, pool.rule) == ("", "Example", "192.0.2.0/24")


def test_a_pool_that_opened_the_connection_is_the_initiator(rules: RuleSet) -> None:
    seen = observations([flow(POOL, MINER)])

    pool = pool_host(talk_of(said(">", "subscribe", up=False)), seen.flow(0), seen, rules)

    assert (pool.ip, pool.port) == ("198.51.100.20", 6060)


def test_behind_a_proxy_the_pool_is_whom_it_is_asked_for(rules: RuleSet) -> None:
    asked = {"kind": "request", "method": "CONNECT", "target": "rvn.pool.example:6060"}
    seen = observations([flow(MINER, "10.0.0.9:3128")], http=[row("http", up=True, **asked)])

    pool = pool_host(talk_of(said(">", "subscribe")), seen.flow(0), seen, rules)

    assert (pool.name, pool.port, pool.proxy) == ("rvn.pool.example", 6060, "10.0.0.9:3128")
    assert (pool.name_source, pool.operator) == ("connect", "Example")


def test_the_coin_is_what_the_surest_sign_names(shipped: RuleSet) -> None:
    checked = talk_of(login(monero_address(1), coin_hint="ZEPH"))
    hinted = talk_of(login("account", coin_hint="ZEPH"))
    spoken = talk_of(login("account", dialects="grin"))
    hashed = talk_of(login("account"), said("<", "job", dialects="cryptonote", algo="rx/0"))
    by_port = pool_named("rvn.2miners.com", 6060)

    found = [
        coin_of(talk, wallet_of(talk), pool, shipped)
        for talk, pool in (
            (checked, NOWHERE),
            (hinted, NOWHERE),
            (talk_of(said(">", "submit", dialects="kawpow")), by_port),
            (spoken, NOWHERE),
            (hashed, NOWHERE),
        )
    ]

    assert [(coin.id, coin.inferred_from) for coin in found if coin] == [
        ("XMR", "the wallet's checksum"),
        ("ZEPH", "the form of the messages"),
        ("RVN", "the pool's name and port"),
        ("GRIN", "the dialect"),
        ("XMR", "the job's algorithm, most likely"),
    ]
    assert coin_of(talk_of(login("account")), None, NOWHERE, shipped) is None


def test_a_wallet_of_a_coin_that_does_not_speak_the_dialect_is_where_pay_goes(
    shipped: RuleSet,
) -> None:
    talk = talk_of(login(bitcoin_p2pkh(1), dialects="ethereumstratum_v1"))
    wrapped = talk_of(login(f"ETC:{ethereum(1)}"))

    for paid in (talk, wrapped):
        wallet = wallet_of(paid)
        assert wallet is not None
        assert is_payout(paid, wallet, shipped)
        assert coin_of(paid, wallet, NOWHERE, shipped) is None
    own = talk_of(login(bitcoin_p2pkh(1), dialects="stratum_v1"))
    wallet = wallet_of(own)
    assert wallet is not None
    assert not is_payout(own, wallet, shipped)


def test_ethereum_is_not_mined_after_its_merge(shipped: RuleSet) -> None:
    talk = talk_of(login(ethereum(1), dialects="eth_proxy", coin_hint="ETH"))
    wallet = wallet_of(talk)

    before = coin_of(talk, wallet, NOWHERE, shipped, MERGE_NS - 1)
    after = coin_of(talk, wallet, NOWHERE, shipped, MERGE_NS + 1)

    assert before is not None
    assert before.id == "ETH"
    assert after is None
    candidates = possible_coins(talk, wallet, NOWHERE, shipped, MERGE_NS + 1)
    assert "ETC" in candidates
    assert "ETH" not in candidates


def test_coins_of_the_wallet_and_the_pool_narrow_each_other(shipped: RuleSet) -> None:
    talk = talk_of(login(zcash_t1(1), dialects="equihash"))
    wallet = wallet_of(talk)

    assert possible_coins(talk, wallet, NOWHERE, shipped) == ("ZEC", "FLUX")
    assert possible_coins(talk_of(login("account")), None, NOWHERE, shipped) == ()
