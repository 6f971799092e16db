"""All formats together: golden files, published schemas, hostile text, what chooses among them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.errors import UsageError
from analyzer.escape import escape
from analyzer.formats import FORMATS, by_media_type, render, render_many
from tests.analyzer.formats.checks import CHECKS
from tests.analyzer.formats.parsers import parse_cef, parse_leef
from tests.analyzer.formats.samples import (
    HERE,
    NAMES,
    finding,
    golden_path,
    hostile,
    with_attributes,
)

LINES = [name for name, one in FORMATS.items() if one.line]
NASTY = [
    "a|b\\c=d\\=e\\|f", "\r\n", "\n src=1.2.3.4 dst=5.6.7.8", "\u2028\u2029\x85\x0b\x0c",
    "\x00\x1b[2J",
    "\u202egnp.exe", "\ud800", "\udfff\ud800", "' OR [x] OR '", "\\'", "\t^x09|", "<script>",
    " leading and trailing ", "\U0001f4a9" * 40, "x" * 5000, "\x00" * 3000, "\\" * 1100, "=" * 1100,
]  # fmt: skip
WIRE_TEXT = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(), max_size=60),
    st.text("\\|=\r\n\t '\"", max_size=20),
)


def shown_in_a_line(text: str, kept: str = "") -> str:
    """Wire text as the line formats promise it; `kept` are characters that a format can say."""
    whole = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return "".join(char if char in kept else escape(char) for char in whole)


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("name", NAMES)
def test_a_finding_is_written_as_the_golden_file_has_it(name: str, format_name: str) -> None:
    golden = golden_path(name, format_name).read_bytes()
    assert render(finding(name), format_name) + b"\n" == golden


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("name", NAMES)
def test_a_finding_is_valid_by_the_published_schema(name: str, format_name: str) -> None:
    CHECKS[format_name](render(finding(name), format_name))


@pytest.mark.parametrize("format_name", [name for name in FORMATS if name != "stix"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=WIRE_TEXT)
def test_no_text_from_the_wire_makes_a_format_invalid(format_name: str, text: str) -> None:
    CHECKS[format_name](render(hostile(text), format_name))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=WIRE_TEXT)
def test_no_text_from_the_wire_makes_a_bundle_invalid(text: str) -> None:
    CHECKS["stix"](render(hostile(text), "stix"))


@pytest.mark.parametrize("text", NASTY)
def test_each_known_trick_leaves_every_format_valid(text: str) -> None:
    for format_name, check in CHECKS.items():
        check(render(hostile(text), format_name))


@pytest.mark.parametrize("format_name", LINES)
@settings(max_examples=60, deadline=None)
@given(text=WIRE_TEXT)
def test_a_finding_is_one_line_whatever_it_holds(format_name: str, text: str) -> None:
    content = render(hostile(text), format_name)
    assert len(content.decode("utf-8").splitlines()) == 1
    many = b"".join(render_many([hostile(text), hostile("x")], format_name))
    assert len(many.decode("utf-8").splitlines()) == 2
    assert many.endswith(b"\n")


@given(text=st.text(st.characters(), min_size=1, max_size=60))
def test_a_reader_of_cef_gets_the_text_back_with_its_line_ends(text: str) -> None:
    content = render(with_attributes(finding("mining"), agent=text), "cef").decode("utf-8")
    assert parse_cef(content).values["outgateAgent"] == shown_in_a_line(text, "\r\n")


@given(text=st.text(st.characters(), min_size=1, max_size=60))
def test_a_reader_of_leef_gets_the_text_back_as_it_is_shown(text: str) -> None:
    content = render(with_attributes(finding("mining"), agent=text), "leef").decode("utf-8")
    assert parse_leef(content).values["agent"] == shown_in_a_line(text)


def strings(item: Any) -> list[str]:
    """Every text inside a JSON value."""
    if isinstance(item, dict):
        return [text for member in item.values() for text in strings(member)]
    if isinstance(item, list):
        return [text for member in item for text in strings(member)]
    return [item] if isinstance(item, str) else []


@pytest.mark.parametrize(
    ("format_name", "before"),
    [("ecs", ""), ("ocsf", ""), ("stix", ""), ("eve", "agent:"), ("asim", ""), ("native", "")],
)
@settings(max_examples=40, deadline=None)
@given(text=st.text(min_size=1, max_size=60))
def test_a_reader_of_json_gets_the_exact_text_back(
    format_name: str, before: str, text: str
) -> None:
    content = render(with_attributes(finding("mining"), agent=text), format_name)
    assert before + text in strings(json.loads(content))


@pytest.mark.parametrize("format_name", [name for name in FORMATS if name != "native"])
def test_a_long_text_is_cut_and_says_how_long_it_was(format_name: str) -> None:
    document = with_attributes(finding("mining"), agent="y" * 10_000)
    content = render(document, format_name)
    text = (
        content.decode()
        if format_name in {"cef", "leef"}
        else "\n".join(strings(json.loads(content)))
    )
    assert "y… (10000 characters)" in text
    assert "y" * 1100 not in text


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_same_finding_gives_the_same_bytes(format_name: str) -> None:
    document = finding("mining")
    shuffled = dict(reversed(document.items())) if format_name != "native" else document
    assert render(document, format_name) == render(shuffled, format_name)


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_finding_straight_from_an_analysis_lacks_what_the_service_adds(format_name: str) -> None:
    added = ["sequence", "version", "current", "status", "verdict", "assignee", "tags"]
    added += ["created_at", "updated_at", "suppressed_by", "tool_version", "ruleset_version"]
    added += ["analysis_id", "capture_id"]
    document = {name: value for name, value in finding("mining").items() if name not in added}
    CHECKS[format_name](render(document, format_name))


@pytest.mark.parametrize("format_name", FORMATS)
def test_what_the_contract_lets_be_absent_may_be_absent(format_name: str) -> None:
    document = finding("relay")
    needed = ["id", "detector", "category", "title", "severity", "confidence", "first_seen"]
    needed += ["last_seen", "flow", "evidence", "attack"]
    least = {name: document[name] for name in needed}
    least["flow"] = {**least["flow"], "src_port": None, "dst_port": None, "community_id": None}
    least["flow"]["transport"] = "other"
    least["attack"] = []
    content = render(least, format_name)
    if format_name != "eve":  # Suricata has no name for other protocols, so `proto` is absent
        CHECKS[format_name](content)
    assert b"null" not in content or format_name == "native"


def test_an_unknown_format_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="cannot write findings as xml") as caught:
        render(finding("mining"), "xml")
    assert "ecs" in caught.value.hint
    with pytest.raises(UsageError):
        render_many([], "xml")


def test_several_misp_events_are_one_array() -> None:
    content = b"".join(render_many([finding(name) for name in NAMES], "misp"))
    events = json.loads(content)
    assert [event["Event"]["uuid"] for event in events] == [
        json.loads(render(finding(name), "misp"))["Event"]["uuid"] for name in NAMES
    ]
    assert b"".join(render_many([], "misp")) == b"[]"


def test_several_findings_share_one_bundle_without_duplicates() -> None:
    content = b"".join(render_many([finding(name) for name in (*NAMES, *NAMES)], "stix"))
    CHECKS["stix"](content)
    objects = json.loads(content)["objects"]
    assert sum(item["type"] == "identity" for item in objects) == 1
    assert sum(item["type"] == "grouping" for item in objects) == 3
    assert json.loads(b"".join(render_many([], "stix")))["objects"] == []


def test_of_two_versions_of_a_finding_the_later_one_is_in_the_bundle() -> None:
    old, new = finding("ssh_reverse"), finding("ssh_reverse")
    old["updated_at"], old["version"], old["status"] = "2026-03-02T11:00:00Z", 2, "new"
    for order in ([old, new], [new, old]):
        objects = json.loads(b"".join(render_many(order, "stix")))["objects"]
        notes = [item for item in objects if item["type"] == "note"]
        assert len(notes) == 1
        assert "status: acknowledged" in notes[0]["content"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "native"),
        ("*/*", "native"),
        ("application/json", "native"),
        ("application/*", "native"),
        ("application/x-ndjson", "native"),
        ("application/vnd.outgate.ecs+json", "ecs"),
        ("application/vnd.outgate.ocsf+json", "ocsf"),
        ("application/stix+json", "stix"),
        ("application/stix+json;version=2.1", "stix"),
        ('application/stix+json; version="2.1"', "stix"),
        ("application/stix+json;version=2.0", None),
        ("APPLICATION/VND.OUTGATE.EVE+JSON", "eve"),
        ("text/vnd.outgate.leef", "leef"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "native"),
        ("*/*;q=0.1, text/vnd.outgate.cef;q=0.9", "cef"),
        ("application/json;q=0, application/vnd.outgate.misp+json;q=0.2", "misp"),
        ("application/json;q=nan", None),
        ("*/*, application/stix+json", "stix"),
        ("text/html", None),
        (",;=,", None),
        ("application/json" + ",x/y" * 10_000, "native"),
    ],
)
def test_an_accept_header_chooses_a_format(accept: str, expected: str | None) -> None:
    assert by_media_type(accept) == expected


@given(st.text(max_size=100))
def test_no_accept_header_is_an_error(accept: str) -> None:
    assert by_media_type(accept) in {None, *FORMATS}


def test_every_format_has_its_own_media_type() -> None:
    assert len({one.media_type for one in FORMATS.values()}) == len(FORMATS)
    assert all(one.name == name for name, one in FORMATS.items())


def test_the_documentation_has_every_format_with_its_media_type() -> None:
    page = (HERE.parents[2] / "docs" / "formats.md").read_text("utf-8")
    for one in FORMATS.values():
        assert f"| `{one.name}` |" in page
        assert f"`{one.media_type}`" in page
