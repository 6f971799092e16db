from __future__ import annotations

import io
import json

import pytest

from analyzer import formats
from analyzer.report import FOREIGN_FORMATS, OWN_FORMATS, TextOptions, writer_for
from tests.analyzer.report.samples import mining_report, quiet_report


def written(name: str, *, inside: tuple[str, ...] = ("10.0.0.0/8",)) -> str:
    stream = io.StringIO()
    writer = writer_for(name, stream, TextOptions(), inside)
    writer.add(mining_report(flows=2))
    writer.fail("captures/broken.pcap", "no capture")
    writer.add(quiet_report())
    writer.close()
    return stream.getvalue()


def test_every_format_of_others_can_be_chosen() -> None:
    assert {*FOREIGN_FORMATS, "native"} == set(formats.FORMATS)
    assert not set(FOREIGN_FORMATS) & set(OWN_FORMATS)


@pytest.mark.parametrize("name", [name for name in FOREIGN_FORMATS if formats.FORMATS[name].line])
def test_a_line_format_has_a_line_for_each_finding(name: str) -> None:
    lines = written(name).splitlines()
    assert len(lines) == 2
    assert all("outgate" in line for line in lines)


def test_all_captures_share_one_bundle_and_one_array() -> None:
    bundle = json.loads(written("stix"))
    assert sum(item["type"] == "grouping" for item in bundle["objects"]) == 2
    assert len(json.loads(written("misp"))) == 2


def test_the_networks_that_count_as_inside_are_the_command_s() -> None:
    outbound = json.loads(written("ecs").splitlines()[0])
    internal = json.loads(written("ecs", inside=("0.0.0.0/0",)).splitlines()[0])
    assert outbound["network"]["direction"] == "outbound"
    assert internal["network"]["direction"] == "internal"
