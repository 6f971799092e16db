"""The rules that ship: complete, honest about their sources, quick to load."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import signatures
from analyzer import ruleset
from analyzer.ruleset import HttpFacts, Rule, RuleSet

ROOT = Path(signatures.__file__).parent
LOAD_BUDGET_MS = 30
"""Processor time, on a machine that may be busy with other tests: the best of several counts."""


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return ruleset.load()


@pytest.mark.parametrize(
    ("host", "port", "pool", "coin"),
    [
        ("rvn.2miners.com", 6060, "2miners", "RVN"),
        ("eu-xna.2miners.com", 6060, "2miners", "XNA"),
        ("solo-etc.2miners.com", 1010, "2miners", "ETC"),
        ("de.pearl.herominers.com", 1200, "herominers", "PRL"),
        ("us2.ravencoin.herominers.com", 1140, "herominers", "RVN"),
        ("pool.woolypooly.com", 3106, "woolypooly", "ALPH"),
        ("kawpow.auto.nicehash.com", 9200, "nicehash", ""),
        ("kp-us.unmineable.com", 3333, "unmineable", "RVN"),
        ("autolykos-asia.unmineable.com", 4444, "unmineable", "ERG"),
        ("prl-eu.kryptex.network", 8048, "kryptex", "PRL"),
        ("rvn.kryptex.network", 7031, "kryptex", "RVN"),
        ("xmr-us-east1.nanopool.org", 10343, "nanopool", "XMR"),
        ("gulf.moneroocean.stream", 10128, "moneroocean", ""),
        ("pool.supportxmr.com", 3333, "supportxmr", "XMR"),
        ("pool.hashvault.pro", 443, "hashvault", ""),
        ("pool.zephyr.hashvault.pro", 3333, "hashvault", "ZEPH"),
        ("mine.c3pool.com", 33333, "c3pool", "XMR"),
        ("pearl-eu1.luckypool.io", 3360, "luckypool", "PRL"),
        ("us.prl.suprnova.cc", 3374, "suprnova", "PRL"),
        ("pearlhash.xyz", 9000, "pearlhash", "PRL"),
        ("us2.alphapool.tech", 5566, "alphapool", "PRL"),
        ("blackpearlpool.xyz", 5566, "blackpearlpool", "PRL"),
        ("xmr.f2pool.com", 13531, "f2pool", "XMR"),
        ("eu.pearl.k1pool.com", 3360, "k1pool", "PRL"),
        ("pearl-eu.baikalmine.com", 2010, "baikalmine", "PRL"),
        ("stratum-eu.rplant.xyz", 17056, "rplant", "PRL"),
        ("us-west.mining4people.com", 3333, "mining4people", "PRL"),
        ("eu.ravenminer.com", 3737, "ravenminer", "RVN"),
        ("kawpow.mining-dutch.nl", 9986, "mining-dutch", "PRL"),
        ("usw.vipor.net", 5100, "vipor", "XEL"),
        ("ru.acc-pool.pw", 16061, "acc-pool", "KAS"),
        ("mining.viabtc.io", 3010, "viabtc", "ETC"),
        ("eu1.hellominer.com", 5500, "hellominer", "ETC"),
        ("kawpow.eu.mine.zpool.ca", 56433, "zpool", ""),
        ("donate.ssl.xmrig.com", 443, "xmrig-donate", "XMR"),
        ("eu1-zcash.flypool.org", 3333, "flypool", "ZEC"),
        ("us1.bitminter.com", 3333, "bitminter", "BTC"),
    ],
)
def test_the_hosts_of_every_operator_are_known(
    rules: RuleSet, host: str, port: int, pool: str, coin: str
) -> None:
    found = rules.match_name(host)

    assert found is not None
    assert (found.pool.id, found.web) == (pool, False)
    assert rules.coin_of(found.pool, host, port) == coin


@pytest.mark.parametrize(
    "host",
    ["2miners.com", "www.2miners.com", "api.nanopool.org", "pearl.luckypool.io", "www.f2pool.com"],
)
def test_a_visit_to_a_pools_pages_is_no_contact_of_a_miner(rules: RuleSet, host: str) -> None:
    found = rules.match_name(host)

    assert found is not None
    assert found.role(443) == "web"


def test_a_dashboard_on_a_mining_host_is_told_apart_by_its_port(rules: RuleSet) -> None:
    found = rules.match_name("rvn.2miners.com")

    assert found is not None
    assert (found.role(443), found.role(6060)) == ("web", "mining")


@pytest.mark.parametrize(
    "host", ["example.com", "www.nicehash.com", "github.com", "pool.ntp.org", "miners.example"]
)
def test_other_hosts_belong_to_no_pool(rules: RuleSet, host: str) -> None:
    assert rules.match_name(host) is None


def test_the_address_of_a_pearl_pool_is_known(rules: RuleSet) -> None:
    found = rules.match_address("84.32.220.219")

    assert found is not None
    assert found.pool.id == "pearlhash"


@pytest.mark.parametrize(
    ("name", "relay", "strength"),
    [
        ("connect.ngrok-agent.com", "ngrok", "clear"),
        ("abc.ngrok-free.app", "ngrok", "weak"),
        ("h2.cftunnel.com", "cloudflared", "clear"),
        ("_v2-origintunneld._tcp.argotunnel.com", "cloudflared", "clear"),
        ("some-words.trycloudflare.com", "cloudflared", "weak"),
        ("use.rel.tunnels.api.visualstudio.com", "devtunnels", "clear"),
        ("a.gs.thc.org", "gsocket", "clear"),
        ("ssh.tmate.io", "tmate", "clear"),
        ("a.pinggy.io", "pinggy", "clear"),
        ("serveo.net", "serveo", "weak"),
        ("controlplane.tailscale.com", "tailscale", "clear"),
    ],
)
def test_the_names_of_tunnel_services_are_known(
    rules: RuleSet, name: str, relay: str, strength: str
) -> None:
    found = rules.match_relay_name(name)

    assert found is not None
    assert (found.relay.id, found.strength) == (relay, strength)


@pytest.mark.parametrize(
    ("request_facts", "relay"),
    [
        (HttpFacts(target="/", ws_protocol="chisel-v3", upgrade="websocket"), "chisel"),
        (
            HttpFacts(target="/v1/events", ws_protocol="v1, authorization.bearer.eyJ0"),
            "wstunnel",
        ),
        (HttpFacts(target="/~!frp", upgrade="websocket"), "frp"),
        (HttpFacts(target="/derp", upgrade="DERP"), "tailscale"),
        (HttpFacts(target="/x", ws_protocol="tunnel-relay-host-v2-dev"), "devtunnels"),
    ],
)
def test_the_requests_of_tunnel_tools_are_known(
    rules: RuleSet, request_facts: HttpFacts, relay: str
) -> None:
    found = rules.match_http(request_facts)

    assert found
    assert {(match.relay.id, match.strength) for match in found} >= {(relay, "clear")}


@pytest.mark.parametrize(
    "request_facts",
    [
        HttpFacts(target="/", user_agent="curl/8.5.0"),
        HttpFacts(target="/ws", user_agent="Mozilla/5.0", upgrade="websocket"),
        HttpFacts(target="/socket.io/", ws_protocol="graphql-ws", upgrade="websocket"),
    ],
)
def test_ordinary_requests_are_no_tunnel(rules: RuleSet, request_facts: HttpFacts) -> None:
    assert rules.match_http(request_facts) == ()


@pytest.mark.parametrize(
    ("side", "banner", "relay"),
    [
        ("server", "SSH-2.0-sish", "sish"),
        ("client", "SSH-chisel-v3-client", "chisel"),
        ("client", "SSH-v2.6.1-linux_amd64", "reverse-ssh"),
        ("server", "SSH-2.0-uptermd-0.14.3", "upterm"),
        ("client", "SSH-2.0-OpenSSH_9.7", ""),
        ("server", "SSH-2.0-Go", ""),
    ],
)
def test_the_banners_of_tunnel_tools_are_known(
    rules: RuleSet, side: str, banner: str, relay: str
) -> None:
    found = rules.match_ssh(**{f"{side}_banner": banner})

    assert [match.relay.id for match in found] == ([relay] if relay else [])


def test_the_datagrams_of_vpns_are_known(rules: RuleSet) -> None:
    disco = rules.match_udp(bytes.fromhex("5453f09f92ac") + bytes(32), "up")
    wireguard = rules.match_udp(bytes.fromhex("01000000") + bytes(60), "up", 148)

    assert [match.relay.id for match in disco] == ["tailscale"]
    assert [match.relay.id for match in wireguard] == ["wireguard"]
    assert rules.match_udp(bytes.fromhex("01000000") + bytes(60), "up", 147) == ()


def test_every_pattern_passes_its_own_tests() -> None:
    assert ruleset.run_tests(ruleset.load(nursery=True)) == []


def test_agent_patterns_are_never_more_than_weak(rules: RuleSet) -> None:
    agents = [payload for payload in rules.payloads if payload.id.startswith("agent.")]

    assert len(agents) >= 10
    assert {payload.strength for payload in agents} == {"weak"}


def test_every_clear_pattern_is_long_enough_not_to_hit_by_chance(rules: RuleSet) -> None:
    assert (
        min(len(payload.pattern) for payload in rules.payloads if payload.strength == "clear") >= 7
    )


def test_every_dialect_has_a_coin(rules: RuleSet) -> None:
    spoken = {dialect for coin in rules.coins for dialect in coin.dialects}

    assert spoken == set(ruleset.DIALECTS)


def test_the_schema_file_is_fresh() -> None:
    assert (ROOT / "rule.schema.json").read_text() == ruleset.schema_text()


def test_every_rule_file_is_named_in_no_second_folder() -> None:
    folders = {file.parent.name for file in ROOT.rglob("*.toml")}

    assert folders == {"pools", "relays", "coins", "payload", "nursery"}


def test_every_rule_can_be_explained(rules: RuleSet) -> None:
    every: list[Rule] = [*rules.pools, *rules.relays, *rules.coins, *rules.payloads]

    assert all(f"source: {rule.source}" in ruleset.explain(rules, rule.id) for rule in every)


def test_loading_stays_within_its_budget() -> None:
    ruleset.load()
    times_ms = []
    for _ in range(5):
        before = time.process_time()
        ruleset.load()
        times_ms.append((time.process_time() - before) * 1000)

    assert min(times_ms) < LOAD_BUDGET_MS
