"""How a native finding is read and its words are bounded, and the table of techniques."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest

from analyzer.detectors import BUILTIN
from analyzer.formats import attack, render
from analyzer.formats.facts import facts_of, is_host_name
from analyzer.formats.wording import bounded, cut, filled, json_line, shown
from analyzer.settings import PRIVATE_NETWORKS
from tests.analyzer.formats.samples import finding, with_attributes


def written(document: dict[str, Any], format_name: str) -> Any:
    """The finding in a JSON format, read back."""
    return json.loads(render(document, format_name))


@pytest.mark.parametrize("detector", BUILTIN, ids=lambda detector: str(detector.meta.id))
def test_every_technique_that_a_detector_names_is_in_the_table(detector: Any) -> None:
    for name in detector.meta.attack:
        assert attack.technique(name).tactics


def test_the_table_of_techniques_is_sound() -> None:
    table = attack.techniques()
    assert len({one.stix_id for one in table.values()}) == len(table)
    for name, one in table.items():
        assert re.fullmatch(r"T\d{4}(\.\d{3})?", name)
        assert one.parent_id in table
        assert uuid.UUID(one.stix_id.removeprefix("attack-pattern--")).version == 4
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one.created)
    assert attack.technique("T1496.001").url == "https://attack.mitre.org/techniques/T1496/001"


def test_a_technique_that_the_table_does_not_hold_keeps_its_id() -> None:
    document = finding("mining") | {"attack": ["T9999.123"]}
    objects = written(document, "stix")["objects"]
    unknown = next(item for item in objects if item["type"] == "attack-pattern")
    assert unknown["external_references"][0]["external_id"] == "T9999.123"
    assert uuid.UUID(unknown["id"].removeprefix("attack-pattern--")).version == 5
    assert written(document, "ecs")["threat"]["technique"]["id"] == ["T9999"]


def test_attributes_of_another_kind_than_expected_do_no_harm() -> None:
    strange: list[Any] = [None, 5, -1, 2.5, True, [], {}, [1, None], {"ip": 5, "name": []}, "text"]
    names = ["pool", "wallet", "agent", "sni", "bytes_out", "hashrate_per_second", "names", "coin"]
    for value in strange:
        document = with_attributes(finding("mining"), **dict.fromkeys(names, value))
        facts = facts_of(document, PRIVATE_NETWORKS)
        assert all(isinstance(text, str) for text in facts.wallets)
        for format_name in ("ecs", "ocsf", "stix", "eve", "asim", "misp"):
            written(document, format_name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pool.example.com", True),
        ("_stratum._tcp.example.com", True),
        ("xn--80ak6aa92e.com", True),
        ("localhost", False),
        ("10.0.0.1", False),
        ("a b.example", False),
        ("-a.example", False),
        ("example.com.", False),
        ("a..example", False),
        ("a" * 64 + ".example", False),
        ("a." * 130 + "example", False),
        ("exa\nmple.com", False),
        ("", False),
    ],
)
def test_a_host_name_is_told_from_other_text(text: str, expected: bool) -> None:
    assert is_host_name(text) is expected


def test_a_cut_text_is_never_longer_than_its_limit() -> None:
    for limit in range(1, 60):
        assert len(cut("z" * 100, limit)) <= limit
        assert len(shown("\x00" * 100, max(limit, 20))) <= max(limit, 20)
    assert cut("short", 5) == "short"
    assert cut("z" * 100, 30) == "z" * 12 + "… (100 characters)"


def test_deep_and_wide_values_are_bounded() -> None:
    deep: Any = "x"
    for _ in range(50):
        deep = [deep]
    content = json_line({"deep": bounded(deep), "wide": bounded(["x"] * 1000)})
    assert content.count(b"[") < 20
    assert len(json.loads(content)["wide"]) == 64


def test_what_says_nothing_is_left_out_and_zero_and_false_say_something() -> None:
    assert filled({"a": 0, "b": False, "c": "", "d": [], "e": {"f": None}, "g": [""]}) == {
        "a": 0,
        "b": False,
    }
