from typing import Any

import pytest

from analyzer import ruleset
from analyzer.detectors.evidence import confidence_of
from analyzer.detectors.mining.pool_contact import PoolContact
from analyzer.model import Category, Finding, Severity
from analyzer.ruleset import RuleSet
from tests.builders import context, flow, observations, row
from tests.builders_rules import folder
from tests.conftest import CheckFinding

HOST = "10.0.0.1"
POOL_IP = "198.51.100.20"
MINING_NAME = "rvn.pool.example"
PAGE_NAME = "www.pool.example"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    """The pool `Example`: miners on 6060 below pool.example, pages on www, a network of 2026."""
    return ruleset.load(folder(tmp_path_factory.mktemp("rules")))


def asked(name: str, flow_id: int = 0, address: str = POOL_IP) -> list[dict[str, Any]]:
    common: dict[str, Any] = {"flow_id": flow_id, "name": name, "rtype": "A"}
    return [
        row("dns", frame=1, kind="query", up=True, **common),
        row("dns", frame=2, kind="answer", data=address, **common),
    ]


def judge(rules: RuleSet, flows: list[dict[str, Any]], **tables: Any) -> list[Finding]:
    dns = flow(f"{HOST}:4000", "203.0.113.53:53", transport="udp")
    seen = observations([dns, *flows], **tables)
    return list(PoolContact().run(seen, context(rules)))


def test_a_lookup_alone_is_low_and_claims_no_more(
    rules: RuleSet, check_finding: CheckFinding
) -> None:
    (found,) = judge(rules, [], dns=asked(MINING_NAME))

    assert (found.category, found.severity) == (Category.POLICY, Severity.LOW)
    assert found.title == f"{HOST} looked up {MINING_NAME} of the pool Example"
    assert found.frames == (1, 2)
    assert found.attributes["lookups"] == 1
    assert found.attributes["connections"] == 0
    assert any("outside this capture" in text for text in found.not_visible)
    check_finding(found.to_dict())


def test_a_connection_is_medium_and_one_finding_with_its_lookup(rules: RuleSet) -> None:
    flows = [
        flow(f"{HOST}:{5000 + number}", f"{POOL_IP}:6060", flow_id=number) for number in (1, 2)
    ]

    (found,) = judge(rules, flows, dns=asked(MINING_NAME))

    assert (found.severity, found.flows, found.flow.dst_port) == (Severity.MEDIUM, 3, 6060)
    assert found.attributes["pool"]["operator"] == "Example"
    assert found.attributes["coin"] == "RVN"
    assert (found.attributes["role"], found.attributes["connections"]) == ("mining", 2)
    assert "in contact with the pool Example" in found.title
    assert found.confidence == confidence_of(found.evidence)


def test_the_word_mining_stays_out_of_what_is_claimed(rules: RuleSet) -> None:
    flows = [flow(f"{HOST}:5000", f"{POOL_IP}:6060", flow_id=1)]

    titles = [found.title for found in judge(rules, flows, dns=asked(MINING_NAME))]
    titles += [found.title for found in judge(rules, [], dns=asked(MINING_NAME))]

    assert len(titles) == 2
    assert not any("mining" in title or "mines" in title for title in titles)


@pytest.mark.parametrize(("port", "severity"), [(6060, Severity.MEDIUM), (9999, Severity.LOW)])
def test_an_attempt_is_worth_more_on_a_port_of_the_pool(
    rules: RuleSet, port: int, severity: Severity
) -> None:
    values: dict[str, Any] = {"history": "Sr", "up_payload": 0, "down_payload": 0}
    flows = [flow(f"{HOST}:5000", f"{POOL_IP}:{port}", flow_id=1, **values)]

    (found,) = judge(rules, flows, dns=asked(MINING_NAME))

    assert found.severity is severity
    assert "tried to reach" in found.title
    assert (found.attributes["attempts"], found.attributes["connections"]) == (1, 0)


def test_reading_a_pools_pages_is_no_more_than_information(rules: RuleSet) -> None:
    flows = [flow(f"{HOST}:5000", f"{POOL_IP}:443", flow_id=1)]
    hello = row("tls", flow_id=1, frame=7, hello="client", up=True, sni=PAGE_NAME)

    (visit,) = judge(rules, flows, dns=asked(PAGE_NAME), tls=[hello])
    (lookup,) = judge(rules, [], dns=asked(PAGE_NAME))

    assert (visit.severity, lookup.severity) == (Severity.INFO, Severity.INFO)
    assert "web page" in visit.title
    assert "web page" in lookup.title


def test_a_host_for_miners_on_a_port_of_the_web_is_low(rules: RuleSet) -> None:
    flows = [flow(f"{HOST}:5000", f"{POOL_IP}:443", flow_id=1)]

    (found,) = judge(rules, flows, dns=asked(MINING_NAME))

    assert found.severity is Severity.LOW


def test_an_old_address_says_less_than_a_fresh_one(rules: RuleSet) -> None:
    fresh = [flow(f"{HOST}:5000", "192.0.2.7:6060", flow_id=1)]
    old = [flow(f"{HOST}:5000", "192.0.2.7:6060", flow_id=1, start_s=400 * 86_400.0)]

    (now,), (later,) = judge(rules, fresh), judge(rules, old)

    assert now.attributes["pool"]["name_source"] == "address"
    assert later.confidence < now.confidence - 0.2


def test_mining_on_the_same_connection_is_mentioned(rules: RuleSet) -> None:
    flows = [flow(f"{HOST}:5000", f"{POOL_IP}:6060", flow_id=1)]

    (found,) = judge(
        rules, flows, dns=asked(MINING_NAME), mining=[row("mining", flow_id=1, frame=9)]
    )

    assert found.attributes["speaks_mining"] is True
    assert found.category is Category.POLICY


def test_a_name_on_a_shared_address_weighs_less(rules: RuleSet) -> None:
    flows = [flow(f"{HOST}:5000", f"{POOL_IP}:6060", flow_id=1)]
    alone = judge(rules, flows, dns=asked(MINING_NAME))[0]
    other = row("dns", flow_id=0, frame=3, kind="answer", name="b.example", rtype="A", data=POOL_IP)

    shared = judge(rules, flows, dns=[*asked(MINING_NAME), other])[0]

    assert shared.confidence < alone.confidence


def test_hosts_and_operators_are_kept_apart(rules: RuleSet) -> None:
    flows = [
        flow(f"{HOST}:5000", f"{POOL_IP}:6060", flow_id=1),
        flow("10.0.0.2:5000", f"{POOL_IP}:6060", flow_id=2),
    ]

    found = judge(rules, flows, dns=asked(MINING_NAME))

    assert sorted(item.attributes["host"] for item in found) == [HOST, "10.0.0.2"]
    assert len({item.id for item in found}) == 2


def test_other_names_and_addresses_are_silent(rules: RuleSet) -> None:
    flows = [flow(f"{HOST}:5000", "203.0.113.9:6060", flow_id=1)]

    assert judge(rules, flows, dns=asked("xpool.example", address="203.0.113.9")) == []
