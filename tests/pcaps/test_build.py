"""The samples are the same every time, up to date, described, and on made-up addresses only."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import subprocess
import sys
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import dpkt
import pytest

from pcaps.build import Target, build_sample, differing, outputs
from pcaps.recipes import catalogue

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = ROOT / "pcaps"
GOLDEN = ROOT / "tests" / "golden"
TOTAL_LIMIT_BYTES = 6_000_000
INCIDENT_LIMIT_BYTES = 2_000_000
ALLOWED = tuple(
    ip_network(text)
    for text in (
        "10.20.0.0/16",
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "2001:db8::/32",
    )
)
ETHERNET_HEADER_BYTES = {"ethernet": 14, "linux_sll2": 20, "raw_ip": 0}


def index() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads((CAPTURES / "samples.toml").read_text("utf-8"))[
        "sample"
    ]
    return entries


def content_of(name: str) -> bytes:
    data = (CAPTURES / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def frames_of(entry: dict[str, Any]) -> list[bytes]:
    source = io.BytesIO(content_of(entry["name"]))
    reader = dpkt.pcapng.Reader if entry["format"] == "pcapng" else dpkt.pcap.Reader
    return [frame for _ts, frame in reader(source)]


def ip_packets(entry: dict[str, Any]) -> list[bytes]:
    """IP packets of a sample with one link type."""
    (link_type,) = entry["link_types"]
    start = ETHERNET_HEADER_BYTES[link_type]
    start += 8 if "qinq" in entry["name"] else 0
    return [frame[start:] for frame in frames_of(entry)]


def internet_sum(data: bytes) -> int:
    """The one's complement sum of RFC 1071: all ones where the checksum is right."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def run_build(out: Path, hash_seed: str) -> dict[str, bytes]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, str(CAPTURES / "build.py"), "--out", str(out)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    return {
        str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()
    }


def test_two_builds_give_the_same_bytes(tmp_path: Path) -> None:
    first = run_build(tmp_path / "first", "1")
    second = run_build(tmp_path / "second", "2")

    assert len(first) > 90
    assert first == second


def test_what_is_in_the_tree_is_what_the_recipes_give() -> None:
    samples = [build_sample(recipe) for recipe in catalogue.recipes()]

    stale = differing(outputs(samples, Target(captures=CAPTURES, golden=GOLDEN)))

    assert stale == [], "run python pcaps/build.py"


def test_a_changed_sample_is_noticed(tmp_path: Path) -> None:
    target = Target(captures=tmp_path, golden=tmp_path / "golden")
    files = outputs([build_sample(catalogue.recipes()[-1])], target)
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    victim = next(path for path in files if path.suffix == ".pcap")

    victim.write_bytes(victim.read_bytes()[:-1] + b"\x00\x01")

    assert differing(files) == [victim]


def test_every_capture_is_in_the_index_and_nothing_else_is() -> None:
    on_disk = {
        str(path.relative_to(CAPTURES))
        for path in CAPTURES.rglob("*.pcap*")
        if "recipes" not in path.parts
    }

    assert on_disk == {entry["name"] for entry in index()}


def test_the_index_tells_the_truth_about_each_file() -> None:
    for entry in index():
        data = (CAPTURES / entry["name"]).read_bytes()

        assert entry["sha256"] == hashlib.sha256(data).hexdigest(), entry["name"]
        assert entry["bytes"] == len(data), entry["name"]


def test_dpkt_reads_as_many_frames_as_the_index_says() -> None:
    counts = {
        entry["name"]: (len(frames_of(entry)), entry["frames"])
        for entry in index()
        if len(entry["link_types"]) == 1
    }

    assert {name for name, (read, said) in counts.items() if read != said} == set()


def test_every_sample_is_described_and_has_a_golden_case() -> None:
    readme = (CAPTURES / "README.md").read_text("utf-8")

    for entry in index():
        case = tomllib.loads((GOLDEN / entry["golden"] / "case.toml").read_text("utf-8"))
        assert len(entry["shows"]) > 10, entry["name"]
        assert f"`{entry['name']}`" in readme
        assert case["capture"] == entry["name"]
        assert len(case["expect"]) == len(entry["expect"]) > 0


def test_every_expectation_has_a_match_and_an_amount() -> None:
    for entry in index():
        case = tomllib.loads((GOLDEN / entry["golden"] / "case.toml").read_text("utf-8"))
        for expect in case["expect"]:
            assert expect["match"], entry["name"]
            assert {"count", "min", "max"} & set(expect), entry["name"]


def test_only_made_up_addresses_appear() -> None:
    for entry in index():
        if len(entry["link_types"]) > 1:
            continue
        for packet in ip_packets(entry):
            width, start = (16, 8) if packet[0] >> 4 == 6 else (4, 12)
            for offset in (start, start + width):
                address = ip_address(packet[offset : offset + width])
                assert any(address in network for network in ALLOWED), (entry["name"], address)


@pytest.mark.parametrize("name", ["dialects/stratum_v1", "variants/ipv6", "variants/sll2"])
def test_tcp_checksums_are_right(name: str) -> None:
    entry = next(item for item in index() if item["name"] == f"synthetic/{name}.pcap")

    for packet in ip_packets(entry):
        start, addresses = (40, packet[8:40]) if packet[0] >> 4 == 6 else (20, packet[12:20])
        protocol = packet[6] if start == 40 else packet[9]
        if protocol != dpkt.ip.IP_PROTO_TCP:
            continue
        segment = packet[start:]
        assert internet_sum(addresses + struct.pack("!HH", 6, len(segment)) + segment) == 0xFFFF


def test_the_samples_stay_small() -> None:
    sizes = {entry["name"]: entry["bytes"] for entry in index()}

    assert sum(sizes.values()) < TOTAL_LIMIT_BYTES
    assert sizes["rome-incident.pcapng"] < INCIDENT_LIMIT_BYTES
