"""Rules and detectors over HTTP, to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer import ruleset
from analyzer.detectors import BUILTIN
from analyzer.store.records import Scope

if TYPE_CHECKING:
    from tests.api.conftest import MakeClient
    from tests.asgi import ApiClient


def test_every_rule_is_listed_once_whatever_the_page(admin: ApiClient) -> None:
    loaded = ruleset.load(nursery=True)
    kinds: tuple[tuple[ruleset.Rule, ...], ...]
    kinds = (loaded.pools, loaded.relays, loaded.coins, loaded.payloads)
    every = {rule.id for rules in kinds for rule in rules}
    found: list[str] = []
    after, more = "", True
    while more:
        body = admin.get("/v1/rules", params={"limit": 7, "after": after}).json()
        found += [rule["id"] for rule in body["data"]]
        after, more = body["page"]["next_cursor"], body["page"]["has_more"]

    assert found == sorted(every)
    assert body["page"]["ruleset_version"] == ruleset.load().version


def test_rules_are_chosen_by_kind_and_text(admin: ApiClient) -> None:
    pools = admin.get("/v1/rules", params={"kind": "pool", "limit": 1000}).json()["data"]
    assert {rule["kind"] for rule in pools} == {"pool"}
    assert len(pools) == len(ruleset.load(nursery=True).pools)

    (coin,) = admin.get("/v1/rules", params={"kind": "coin", "text": "MONERO"}).json()["data"]
    assert (coin["id"], coin["title"], coin["enabled"]) == ("XMR", "Monero", True)
    assert admin.get("/v1/rules", params={"kind": "other"}).status_code == 422


def test_rules_of_the_nursery_are_shown_as_not_used(admin: ApiClient) -> None:
    used = {rule.id for rule in ruleset.load().relays}
    relays = admin.get("/v1/rules", params={"kind": "relay", "limit": 1000}).json()["data"]

    nursery = {rule["id"] for rule in relays if rule["nursery"]}
    assert nursery == {rule["id"] for rule in relays} - used
    assert nursery
    assert all(rule["enabled"] is not rule["nursery"] for rule in relays)


def test_a_rule_is_explained_with_its_source_and_date(admin: ApiClient) -> None:
    rule = admin.get("/v1/rules/2miners").json()

    assert (rule["kind"], rule["title"], rule["confidence"]) == ("pool", "2Miners", 0.95)
    assert rule["source"]
    assert rule["checked_on"]
    assert "domains: name=2miners.com strength=clear" in rule["explanation"]


def test_a_rule_that_is_not_there_is_not_found(admin: ApiClient) -> None:
    for rule_id in ("nonsense", "é", "a b", "..%2f..", "x" * 200):
        response = admin.get(f"/v1/rules/{rule_id}")
        assert response.status_code == 404, rule_id


def test_detectors_say_what_they_need(admin: ApiClient) -> None:
    found = admin.get("/v1/detectors").json()["data"]

    assert [detector["id"] for detector in found] == [detector.meta.id for detector in BUILTIN]
    assert all(detector["needs"] and detector["title"] for detector in found)


def test_rules_are_read_only_and_for_readers_of_findings(client_with: MakeClient) -> None:
    reader, writer = client_with(Scope.FINDINGS_READ), client_with(Scope.RULES_WRITE)

    assert reader.get("/v1/rules").status_code == 200
    assert writer.get("/v1/rules").status_code == 403
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert reader.request(method, "/v1/rules/XMR").status_code == 405
