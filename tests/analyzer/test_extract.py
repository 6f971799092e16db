import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import dpkt
import pytest

from analyzer.dissect import decode
from analyzer.errors import CaptureUnreadable, UsageError
from analyzer.extract import carve
from analyzer.frames import pcapng_of, read_frames
from analyzer.model import CaptureRef, Evidence, Finding
from tests.analyzer.test_model import FINDING
from tests.builders import EPOCH_NS
from tests.fake_core import FakeCore, Frame, write_pcap


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_pcap(tmp_path / "a.pcap", [b"one", b"two", b"three"])


def finding_on(path: Path, *frames: int) -> Finding:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return replace(
        FINDING,
        evidence=(Evidence(kind="protocol", summary="log\x1bin", weight=2, packets=frames),),
        capture=CaptureRef(path=str(path), sha256=sha256),
    )


def test_the_frames_are_cut_with_their_bytes_and_times(
    tmp_path: Path, source: Path, fake_core: FakeCore
) -> None:
    output = tmp_path / "out.pcapng"

    carved = carve(finding_on(source, 1, 3), str(source), output)

    with output.open("rb") as file:
        packets = list(dpkt.pcapng.Reader(file))
    with source.open("rb") as file:
        original = list(dpkt.pcap.Reader(file))
    assert carved.frames == (1, 3)
    assert [data for _, data in packets] == [original[0][1], original[2][1]]
    assert packets[1][0] - packets[0][0] == pytest.approx(2)


def test_each_packet_names_the_finding_and_its_reason_escaped(
    tmp_path: Path, source: Path, fake_core: FakeCore
) -> None:
    output = tmp_path / "out.pcapng"

    carve(finding_on(source, 2), str(source), output)

    data = output.read_bytes()
    assert b"f-0123456789 mining.stratum high; protocol +2.00: log\\x1bin" in data
    assert b"\x1bin" not in data


def test_the_manifest_has_both_hashes_and_the_finding(
    tmp_path: Path, source: Path, fake_core: FakeCore
) -> None:
    output = tmp_path / "out.pcapng"

    carved = carve(finding_on(source, 1, 9), str(source), output)

    manifest = json.loads(carved.manifest.read_text())
    assert manifest["source"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert manifest["output"]["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    assert manifest["frames"] == [1]
    assert manifest["frames_not_in_source"] == [9]
    assert manifest["finding"]["id"] == "f-0123456789"
    assert carved.missing == (9,)


def test_a_file_that_exists_is_replaced_only_by_force(
    tmp_path: Path, source: Path, fake_core: FakeCore
) -> None:
    output = tmp_path / "out.pcapng"
    output.write_text("precious")

    with pytest.raises(UsageError, match="the file exists") as caught:
        carve(finding_on(source, 1), str(source), output)

    assert output.read_text() == "precious"
    assert "--force" in caught.value.hint
    carve(finding_on(source, 1), str(source), output, force=True)
    assert output.read_bytes() != b"precious"


def test_a_capture_that_changed_is_refused(
    tmp_path: Path, source: Path, fake_core: FakeCore
) -> None:
    finding = finding_on(source, 1)
    write_pcap(source, [b"other"])

    with pytest.raises(UsageError, match="SHA-256"):
        carve(finding, str(source), tmp_path / "out.pcapng")

    assert not (tmp_path / "out.pcapng").exists()


def test_joined_files_and_standard_input_have_no_frames_to_cut(tmp_path: Path) -> None:
    joined = replace(FINDING, capture=CaptureRef(path="a", sha256="", paths=("a", "b")))

    with pytest.raises(UsageError, match="2 files joined"):
        carve(joined, "a", tmp_path / "out.pcapng")
    with pytest.raises(UsageError, match="standard input"):
        carve(FINDING, "-", tmp_path / "out.pcapng")


def test_a_folder_that_is_not_there_is_said(
    tmp_path: Path, source: Path, fake_core: FakeCore
) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        carve(finding_on(source, 1), str(source), tmp_path / "absent" / "out.pcapng")


def test_a_capture_that_is_none_is_said(tmp_path: Path, fake_core: FakeCore) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")

    with pytest.raises(CaptureUnreadable, match="first bytes"):
        read_frames(str(path), [1])


FRAMES = [
    Frame(number=4, ts_ns=EPOCH_NS + 123_456_789, orig_len=60, data=b"\x02" * 43),
    Frame(number=8, ts_ns=EPOCH_NS, orig_len=20, data=b"\x45" + b"\0" * 19, link_type=101),
]


@pytest.mark.tshark
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_reads_link_types_lengths_times_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(pcapng_of(FRAMES, {4: "größe"}, "about"))  # type: ignore[arg-type]

    fields = ["frame.time_epoch", "frame.len", "frame.cap_len", "frame.encap_type"]
    fields.append("frame.comment")
    command = ["tshark", "-r", str(path), "-T", "fields", *(f"-e{name}" for name in fields)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    first, second = (line.split("\t") for line in done.stdout.splitlines())
    assert first[0].endswith("123456789") or first[0].endswith(".123456789Z")
    assert first[1:] == ["60", "43", "1", "größe"]
    assert second[1:4] == ["20", "20", "7"]


@pytest.mark.tshark
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_frames_are_decoded_under_their_original_numbers(source: Path, fake_core: FakeCore) -> None:
    decoded = decode(read_frames(str(source), [2, 3]))

    assert [dissection.number for dissection in decoded] == [2, 3]
    assert [layer.name for layer in decoded[0].layers][:3] == ["ETH", "IP", "UDP"]
    assert any("198.51.100.20" in line for line in decoded[0].layers[1].lines)
