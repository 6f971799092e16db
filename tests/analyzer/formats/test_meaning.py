"""What a finding's facts become in each format: times, severities, states, ends, indicators."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stix2 import parse

from analyzer.detectors import BUILTIN
from analyzer.formats import attack, eve, render, stix
from analyzer.model import Category, Severity
from tests.analyzer.formats.checks import ocsf_schema
from tests.analyzer.formats.parsers import parse_cef, parse_leef
from tests.analyzer.formats.samples import NAMES, finding, with_attributes

FIRST_MS, LAST_MS = 1_772_442_421_014, 1_772_443_661_821
CREATED_MS = 1_772_445_600_123


def written(document: dict[str, Any], format_name: str) -> Any:
    """The finding in a JSON format, read back."""
    return json.loads(render(document, format_name))


def cef(document: dict[str, Any]) -> dict[str, str]:
    """The values of its CEF line."""
    return parse_cef(render(document, "cef").decode()).values


def stix_objects(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Objects of one type in its bundle."""
    found: list[dict[str, Any]] = written(document, "stix")["objects"]
    return [item for item in found if item["type"] == kind]


def test_times_are_exact_in_the_unit_of_each_format() -> None:
    document = finding("mining")
    event = written(document, "ecs")["event"]
    assert event["start"] == "2026-03-02T09:07:01.014000000Z"
    assert event["duration"] == 1_240_807_921_000
    assert event["created"] == "2026-03-02T10:00:00.123456789Z"
    ocsf = written(document, "ocsf")
    assert (ocsf["time"], ocsf["start_time"], ocsf["end_time"]) == (CREATED_MS, FIRST_MS, LAST_MS)
    assert ocsf["duration"] == 1_240_807
    assert written(document, "eve")["timestamp"] == "2026-03-02T09:07:01.014000+0000"
    assert written(document, "asim")["EventStartTime"] == "2026-03-02T09:07:01.0140000Z"
    assert cef(document)["start"] == str(FIRST_MS)
    assert cef(document)["rt"] == str(CREATED_MS)
    leef = parse_leef(render(document, "leef").decode()).values
    assert leef["devTime"] == "2026-03-02T09:07:01.014Z"
    assert stix_objects(document, "observed-data")[0]["last_observed"].endswith(":41.821921Z")


def test_the_last_nanosecond_of_a_day_is_not_rounded_into_the_next() -> None:
    document = finding("relay")
    assert written(document, "ocsf")["start_time"] == 1_772_495_999_999
    assert written(document, "ecs")["event"]["duration"] == 2
    assert written(document, "eve")["timestamp"] == "2026-03-02T23:59:59.999999+0000"
    assert written(document, "asim")["EventStartTime"] == "2026-03-02T23:59:59.9999999Z"
    assert written(document, "misp")["Event"]["date"] == "2026-03-02"


def test_a_finding_never_ends_before_it_begins() -> None:
    document = finding("mining") | {"last_seen": "2020-01-01T00:00:00Z"}
    assert written(document, "ecs")["event"]["duration"] == 0
    assert stix_objects(document, "network-traffic")[0]["end"] == "2026-03-02T09:07:01.014Z"


def test_a_duration_of_months_stays_within_what_a_column_holds() -> None:
    document = finding("mining") | {"first_seen": "2025-01-01T00:00:00Z"}
    assert written(document, "asim")["NetworkDuration"] == 2**31 - 1
    assert written(document, "ocsf")["duration"] > 2**31


def test_a_whole_number_beyond_what_a_float_holds_stays_exact() -> None:
    document = finding("relay")
    assert written(document, "ecs")["source"]["bytes"] == 9_007_199_254_740_993
    assert written(document, "asim")["SrcBytes"] == 9_007_199_254_740_993
    assert cef(document)["out"] == "9007199254740993"


@pytest.mark.parametrize(
    ("severity", "places"),
    [
        ("info", (0, 1, 3, 1, "Informational", "4")),
        ("low", (1, 2, 3, 3, "Low", "3")),
        ("medium", (2, 3, 2, 6, "Medium", "2")),
        ("high", (3, 4, 1, 8, "High", "1")),
        ("critical", (4, 5, 1, 10, "High", "1")),
    ],
)
def test_a_severity_keeps_its_place(severity: str, places: tuple[Any, ...]) -> None:
    document = finding("mining") | {"severity": severity}
    of_ten = int(parse_cef(render(document, "cef").decode()).header[-1])
    assert places == (
        written(document, "ecs")["event"]["severity"],
        written(document, "ocsf")["severity_id"],
        written(document, "eve")["alert"]["severity"],
        of_ten,
        written(document, "asim")["EventSeverity"],
        written(document, "misp")["Event"]["threat_level_id"],
    )
    assert parse_leef(render(document, "leef").decode()).values["sev"] == str(of_ten)


@pytest.mark.parametrize(
    ("confidence", "percent", "identifier"),
    [(1.0, 100, 3), (0.999999, 99, 3), (0.9, 90, 3), (0.29, 29, 1), (0.5, 50, 2), (0.0, 0, 1)],
)
def test_a_confidence_is_whole_percent_and_only_certainty_is_a_hundred(
    confidence: float, percent: int, identifier: int
) -> None:
    document = finding("mining") | {"confidence": confidence}
    ocsf = written(document, "ocsf")
    assert (ocsf["confidence_score"], ocsf["confidence_id"]) == (percent, identifier)
    assert written(document, "asim")["ThreatConfidence"] == percent
    assert cef(document)["cn1"] == str(percent)
    assert stix_objects(document, "note")[0]["confidence"] == percent


def test_the_risk_grows_with_severity_and_with_confidence() -> None:
    def risk(severity: str, confidence: float) -> float:
        document = finding("mining") | {"severity": severity, "confidence": confidence}
        return float(written(document, "ecs")["event"]["risk_score"])

    by_severity = [risk(str(severity), 1.0) for severity in Severity]
    assert by_severity == sorted(set(by_severity))
    assert risk("high", 0.4) < risk("high", 0.8) <= 100


@pytest.mark.parametrize(
    ("change", "activity", "status"),
    [
        ({}, 1, 1),
        ({"version": 2}, 2, 1),
        ({"version": 2, "status": "acknowledged"}, 2, 2),
        ({"version": 2, "status": "in_case"}, 2, 2),
        ({"version": 3, "status": "resolved"}, 3, 4),
        ({"version": 2, "suppressed_by": "s-1"}, 2, 3),
        ({"version": 2, "current": False}, 3, 5),
    ],
)
def test_the_state_of_a_finding_is_that_of_an_ocsf_finding(
    change: dict[str, Any], activity: int, status: int
) -> None:
    ocsf = written(finding("mining") | change, "ocsf")
    assert (ocsf["activity_id"], ocsf["status_id"]) == (activity, status)
    assert ocsf["type_uid"] == 200_400 + activity
    assert written(finding("mining") | change, "asim")["ThreatIsActive"] is (activity < 3)


@pytest.mark.parametrize("version", ["1.5.0", "1.7.0", "1.8.0"])
@pytest.mark.parametrize("name", NAMES)
def test_other_versions_of_ocsf_take_the_same_document(name: str, version: str) -> None:
    ocsf_schema(version).validate(written(finding(name), "ocsf"))


def test_a_later_version_has_the_time_of_its_change() -> None:
    document = finding("ssh_reverse")
    ocsf = written(document, "ocsf")
    assert ocsf["time"] == ocsf["metadata"]["modified_time"] == 1_772_525_730_250
    note = stix_objects(document, "note")[0]
    assert note["created"] == "2026-03-02T10:00:00.500Z"
    assert note["modified"] == "2026-03-03T08:15:30.250Z"


def test_only_a_likely_and_bad_finding_is_an_alert() -> None:
    for severity, confidence, expected in (
        ("medium", 0.5, True),
        ("medium", 0.49, False),
        ("low", 1.0, False),
    ):
        document = finding("mining") | {"severity": severity, "confidence": confidence}
        assert written(document, "ocsf")["is_alert"] is expected
        assert written(document, "ecs")["outgate"]["finding"]["is_alarm"] is expected


def test_what_people_said_is_told() -> None:
    ocsf = written(finding("ssh_reverse"), "ocsf")
    assert ocsf["assignee"] == {"name": "ana@example.com"}
    assert ocsf["verdict_id"] == ocsf["evidences"][0]["verdict_id"] == 2
    assert written(finding("relay"), "ocsf")["verdict_id"] == 1
    assert written(finding("ssh_reverse"), "ecs")["tags"] == ["case-7", "approved?"]


def test_the_reasons_and_their_weights_are_told_everywhere() -> None:
    wanted = "+3.00 the pool accepts 49 of 49 submitted shares"
    for name in ("ecs", "eve", "stix", "misp", "asim"):
        assert wanted in render(finding("mining"), name).decode()
    assert written(finding("mining"), "ocsf")["evidences"][0]["data"]["reasons"][5]["weight"] == 3.0
    assert "+7.60 the miner logs in" in cef(finding("mining"))["reason"]


def test_an_ipv6_finding_uses_the_places_for_ipv6() -> None:
    values = cef(finding("ssh_reverse"))
    assert values["c6a2"] == "fd00:20::14"
    assert values["c6a2Label"] == "Source IPv6 Address"
    assert "src" not in values
    pattern = stix_objects(finding("ssh_reverse"), "ipv6-addr")
    assert {item["value"] for item in pattern} == {"fd00:20::14", "2001:db8:66::1"}
    assert written(finding("ssh_reverse"), "ecs")["network"]["type"] == "ipv6"
    assert written(finding("ssh_reverse"), "asim")["NetworkProtocolVersion"] == "IPv6"


def test_the_fingerprints_of_ssh_have_their_places() -> None:
    document = finding("ssh_reverse")
    hassh, server = document["attributes"]["hassh"], document["attributes"]["hassh_server"]
    ssh = written(document, "eve")["ssh"]
    assert (ssh["client"]["hassh"]["hash"], ssh["server"]["hassh"]["hash"]) == (hassh, server)
    assert ssh["client"]["software_version"] == "OpenSSH_10.0p2"
    assert {hassh, server} <= set(written(document, "ecs")["related"]["hash"])
    kinds = {
        item["type"]: item["value"] for item in written(document, "misp")["Event"]["Attribute"]
    }
    assert (kinds["hassh-md5"], kinds["hasshserver-md5"]) == (hassh, server)


def test_the_private_networks_decide_the_direction_unless_told_otherwise() -> None:
    assert written(finding("mining"), "ecs")["network"]["direction"] == "outbound"
    assert written(finding("relay"), "ecs")["network"]["direction"] == "external"
    told = render(finding("relay"), "ecs", inside=["192.0.2.0/24"])
    assert json.loads(told)["network"]["direction"] == "inbound"


def places_of_names(document: dict[str, Any]) -> list[str | None]:
    """The pool's name as the formats give it to the source and to the destination."""
    ecs, asim, values = written(document, "ecs"), written(document, "asim"), cef(document)
    evidence = written(document, "ocsf")["evidences"][0]
    found = [
        (ecs["source"].get("domain"), ecs["destination"].get("domain")),
        (asim.get("SrcHostname"), asim.get("DstHostname")),
        (values.get("shost"), values.get("dhost")),
        (evidence["src_endpoint"].get("hostname"), evidence["dst_endpoint"].get("hostname")),
    ]
    assert len(set(found)) == 1
    return list(found[0])


def test_a_name_is_told_of_the_end_that_bears_it() -> None:
    document = finding("mining")
    assert places_of_names(document) == [None, "xmr.2miners.com"]
    flow = document["flow"]
    flow["src_ip"], flow["dst_ip"] = flow["dst_ip"], flow["src_ip"]
    assert places_of_names(document) == ["xmr.2miners.com", None]
    assert written(document, "asim")["ThreatField"] == "SrcIpAddr"
    document["attributes"]["pool"]["ip"] = ""
    assert places_of_names(document) == [None, None]
    assert "ThreatIpAddr" not in written(document, "asim")
    assert places_of_names(finding("relay")) == [None, "vpn.example.net"]


def test_findings_about_one_conversation_share_the_flow_id_of_eve() -> None:
    document = finding("mining")
    other = document | {"detector": "mining.pool_contact", "id": "f-2"}
    assert written(document, "eve")["flow_id"] == written(other, "eve")["flow_id"]
    assert written(document, "eve")["flow_id"] != written(finding("relay"), "eve")["flow_id"]


def test_every_detector_has_a_signature_id_of_its_own() -> None:
    numbers = {eve.signature_id(detector.meta.id) for detector in BUILTIN}
    assert len(numbers) == len(BUILTIN)


def test_every_category_has_a_class_of_suricata_and_a_threat_of_sentinel() -> None:
    for category in Category:
        document = finding("mining") | {"category": str(category)}
        assert written(document, "eve")["alert"]["category"] != "Misc activity"
        assert written(document, "asim")["ThreatCategory"] != "Unknown"


def wanted_by_others(document: dict[str, Any], **settings: Any) -> set[str]:
    """Values of the MISP event that others are to search for."""
    event = json.loads(render(document, "misp", **settings))["Event"]
    attributes = [
        *event["Attribute"],
        *(one for item in event["Object"] for one in item["Attribute"]),
    ]
    return {attribute["value"] for attribute in attributes if attribute["to_ids"]}


def test_others_are_to_search_for_pools_and_wallets_alone() -> None:
    document = finding("mining")
    wallet = document["attributes"]["wallet"]
    assert wanted_by_others(document) == {"198.51.100.77", "xmr.2miners.com", wallet}
    assert wanted_by_others(finding("ssh_reverse")) == set()
    assert wanted_by_others(finding("relay")) == set()


@pytest.mark.parametrize("verdict", ["false_positive", "benign"])
def test_nobody_searches_for_what_was_refuted(verdict: str) -> None:
    document = finding("mining") | {"verdict": verdict}
    assert wanted_by_others(document) == set()
    for kind in ("indicator", "sighting", "relationship"):
        assert all(item["revoked"] for item in stix_objects(document, kind))
    assert "indicator" not in written(document, "ecs")["threat"]
    assert "malware" not in written(document, "ocsf")


def test_an_address_inside_is_never_searched_for() -> None:
    document = finding("mining")
    document["attributes"]["pool"] |= {"ip": "10.1.2.3", "name": "", "operator": ""}
    assert wanted_by_others(document) == {document["attributes"]["wallet"]}
    assert stix_objects(document, "indicator") == []
    own = ["10.0.0.0/8", "198.51.100.0/24"]
    assert "198.51.100.77" not in wanted_by_others(finding("mining"), inside=own)


def test_a_name_or_login_that_only_the_client_claims_is_not_searched_for() -> None:
    document = with_attributes(finding("mining"), wallet="password", wallet_checksum="")
    claimed = {"name": "www.example.com", "name_source": "client", "operator": ""}
    document["attributes"]["pool"] |= claimed
    assert wanted_by_others(document) == {"198.51.100.77"}
    assert "www.example.com" not in stix_objects(document, "indicator")[0]["pattern"]


def test_a_wallet_of_monero_has_its_own_type_and_a_strange_one_is_text() -> None:
    def types(document: dict[str, Any]) -> set[str]:
        objects = written(document, "misp")["Event"]["Object"]
        coins = [item for item in objects if item["name"] == "coin-address"]
        return {one["type"] for item in coins for one in item["Attribute"]}

    assert "xmr" in types(finding("mining"))
    assert "xmr" not in types(with_attributes(finding("mining"), wallet="4A.b'c"))


def test_an_indicator_finds_the_pool_by_address_and_port_or_by_name() -> None:
    indicator = stix_objects(finding("mining"), "indicator")[0]
    assert indicator["pattern"] == (
        "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = "
        "'198.51.100.77' AND network-traffic:dst_port = 2222] OR "
        "[domain-name:value = 'xmr.2miners.com']"
    )


def test_quotes_and_backslashes_cannot_leave_a_pattern() -> None:
    assert stix.escape_pattern("a'b\\c\\'") == "a\\'b\\\\c\\\\\\'"
    hostile = "x' OR [ipv4-addr:value = '198.51.100.1"
    pattern = f"[software:name = '{stix.escape_pattern(hostile)}']"
    indicator = {
        "type": "indicator",
        "spec_version": "2.1",
        "pattern": pattern,
        "pattern_type": "stix",
        "valid_from": "2026-03-02T09:00:00Z",
    }
    assert str(parse(indicator).pattern) == pattern


def test_a_bundle_sights_each_technique_and_the_pool() -> None:
    targets = [item["sighting_of_ref"] for item in stix_objects(finding("mining"), "sighting")]
    assert [target.partition("--")[0] for target in targets] == ["indicator", "attack-pattern"]
    targets = [item["sighting_of_ref"] for item in stix_objects(finding("ssh_reverse"), "sighting")]
    assert targets == [attack.technique(name).stix_id for name in ("T1572", "T1090", "T1021.004")]


def test_the_real_object_of_a_technique_counts_as_newer_than_ours() -> None:
    for item in stix_objects(finding("ssh_reverse"), "attack-pattern"):
        assert item["created"] == item["modified"] < "2025-10-24"
