"""The Rust core as Python sees it: arguments, errors, standard input, frames."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import dpkt
import pyarrow as pa
import pytest

from tests.shared import ROOT

_core = pytest.importorskip("analyzer._core", reason="the core is not built: `make build`")

SAMPLE = ROOT / "pcaps" / "rome-incident.pcapng"
FIRST_S = 1_767_225_600
FRAMES = 20


def rows(analysis: Any, name: str) -> list[dict[str, Any]]:
    table: pa.Table = pa.RecordBatchReader.from_stream(analysis.table(name)).read_all()
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def frame(number: int) -> bytes:
    """An Ethernet frame with a datagram from a port of its own."""
    udp = dpkt.udp.UDP(sport=40_000 + number, dport=9999, data=b"payload %d" % number)
    udp.ulen = 8 + len(udp.data)
    ip = dpkt.ip.IP(src=b"\x0a\x00\x00\x01", dst=b"\xc6\x33\x64\x07", p=17, data=udp)
    ip.len = 20 + udp.ulen
    return bytes(dpkt.ethernet.Ethernet(type=0x0800, data=ip))


def capture(*, frames: int = FRAMES, first_s: int = FIRST_S) -> bytes:
    stream = io.BytesIO()
    writer = dpkt.pcap.Writer(stream, snaplen=65_535)
    for number in range(frames):
        writer.writepkt(frame(number), ts=first_s + number)
    return stream.getvalue()


def stored(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def test_every_table_of_the_contract_is_there(tmp_path: Path) -> None:
    analysis = _core.analyze([stored(tmp_path, "a.pcap", capture())])

    from analyzer.observations import TABLES  # noqa: PLC0415 - beside what it is compared with

    assert sorted(analysis.table_names) == sorted(TABLES)
    with pytest.raises(KeyError):
        analysis.table("nothing")


def test_counters_and_hash_describe_the_file_as_stored(tmp_path: Path) -> None:
    packed = gzip.compress(capture(), mtime=0)
    stats = _core.analyze([stored(tmp_path, "a.pcap.gz", packed)]).stats

    assert stats["sha256"] == hashlib.sha256(packed).hexdigest()
    assert (stats["format"], stats["compression"]) == ("pcap", "gzip")
    assert (stats["frames"], stats["flows"], stats["file_bytes"]) == (FRAMES, FRAMES, len(packed))
    assert stats["first_ns"] == FIRST_S * 10**9
    assert stats["captured_bytes"] == sum(len(frame(number)) for number in range(FRAMES))


def test_a_flow_has_its_bytes_and_ports(tmp_path: Path) -> None:
    flow = rows(_core.analyze([stored(tmp_path, "a.pcap", capture(frames=1))]), "flows")[0]

    assert (flow["src_ip"], flow["src_port"]) == ("10.0.0.1", 40_000)
    assert (flow["dst_ip"], flow["dst_port"], flow["proto"]) == ("198.51.100.7", 9999, 17)
    assert (flow["up_packets"], flow["up_bytes"], flow["up_payload"]) == (1, 37, 9)
    assert flow["prefix_up"] == b"payload 0"


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_standard_input_is_read_like_a_file(pack: Any) -> None:
    content = pack(capture())
    program = "from analyzer import _core; print(*map(_core.analyze(['-']).stats.get, NAMES))"
    program = program.replace("NAMES", "['frames', 'sha256']")

    done = subprocess.run(
        [sys.executable, "-c", program], input=content, capture_output=True, check=True, timeout=60
    )

    expected = f"{FRAMES} {hashlib.sha256(content).hexdigest()}"
    assert done.stdout.decode().strip() == expected


def test_joined_files_are_one_stream_in_the_order_of_their_times(tmp_path: Path) -> None:
    late = stored(tmp_path, "a.pcap", capture(first_s=FIRST_S + 60))
    early = stored(tmp_path, "b.pcap", capture())

    analysis = _core.analyze([late, early])

    assert [Path(item["path"]).name for item in analysis.stats["files"]] == ["b.pcap", "a.pcap"]
    assert analysis.stats["sha256"] == ""
    flows = rows(analysis, "flows")
    assert [flow["up_packets"] for flow in flows] == [2] * FRAMES
    assert (flows[0]["first_frame"], flows[0]["last_frame"]) == (1, FRAMES + 1)


def test_a_pattern_is_found_in_its_direction_only(tmp_path: Path) -> None:
    path = stored(tmp_path, "a.pcap", capture(frames=3))
    patterns = [
        ("any", b"load", "any", False),
        ("up", b"payload", "up", True),
        ("down", b"payload", "down", False),
        ("inside", b"load", "any", True),
    ]

    hits = rows(_core.analyze([path], patterns=patterns), "hits")

    assert {(hit["pattern"], hit["offset"]) for hit in hits} == {("any", 3), ("up", 0)}
    assert len(hits) == 6
    assert all(hit["up"] for hit in hits)


def test_wrong_arguments_are_value_errors(tmp_path: Path) -> None:
    path = stored(tmp_path, "a.pcap", capture())

    with pytest.raises(ValueError, match="no limit `depth`"):
        _core.analyze([path], limits={"depth": 1})
    with pytest.raises(ValueError, match="no direction `sideways`"):
        _core.analyze([path], patterns=[("x", b"x", "sideways", False)])


def test_a_limit_is_kept_and_what_it_cost_is_counted(tmp_path: Path) -> None:
    path = stored(tmp_path, "a.pcap", capture())

    stats = _core.analyze([path], limits={"flows": 5}).stats

    assert (stats["peak_flows"], stats["flows_evicted"]) == (5, FRAMES - 5)


def test_progress_is_told_and_what_it_raises_stops_the_run(tmp_path: Path) -> None:
    content = capture(frames=20_000)
    path = stored(tmp_path, "a.pcap", content)
    seen: list[tuple[int, int]] = []

    _core.analyze([path], progress=lambda done, total: seen.append((done, total)))

    assert seen[-1] == (len(content), len(content))
    assert seen == sorted(seen)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _core.analyze([path], progress=stop)


def test_a_bad_record_is_a_row_with_its_place(tmp_path: Path) -> None:
    content = bytearray(capture())
    place = 24 + 16 + len(frame(0))
    content[place + 8 : place + 12] = struct.pack("<I", 2**32 - 1)

    analysis = _core.analyze([stored(tmp_path, "a.pcap", bytes(content))])

    assert analysis.stats["frames"] == FRAMES - 1
    issues = rows(analysis, "issues")
    assert [(row["layer"], row["kind"]) for row in issues] == [
        ("capture", "bad_record"),
        ("capture", "resynchronised"),
    ]
    assert (issues[0]["frame"], issues[0]["offset"]) == (1, place)


def test_single_frames_come_as_they_were_captured(tmp_path: Path) -> None:
    path = stored(tmp_path, "a.pcap", capture())

    found = _core.read_frames(path, [3, 1, 3, 999])

    assert [item.number for item in found] == [1, 3]
    assert found[1].data == frame(2)
    assert (found[1].ts_ns, found[1].link_type) == ((FIRST_S + 2) * 10**9, 1)
    with pytest.raises(_core.CaptureError):
        _core.read_frames(str(tmp_path / "missing"), [1])


def test_the_sample_is_read_without_an_issue() -> None:
    stats = _core.analyze([str(SAMPLE)]).stats

    assert stats["frames"] > 0
    assert stats["issue_counts"] == {}
