import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from analyzer import ingest
from analyzer.errors import CaptureUnreadable
from analyzer.ruleset import RuleSet
from analyzer.settings import AnalysisSettings
from tests.fake_core import FakeCore, write_pcap

RULES = RuleSet(version="test")


def test_a_folder_gives_the_captures_in_and_below_it_named_as_given(tmp_path: Path) -> None:
    (tmp_path / "b" / "deep").mkdir(parents=True)
    write_pcap(tmp_path / "z.pcap", [b"a"])
    write_pcap(tmp_path / "b" / "deep" / "capture", [b"a"])
    (tmp_path / "notes.pcap").write_text("not a capture")

    inputs = ingest.expand_paths([f"{tmp_path}/b/..", "-", "named.txt"])

    assert inputs.captures == (
        f"{tmp_path}/b/../b/deep/capture",
        f"{tmp_path}/b/../z.pcap",
        "-",
        "named.txt",
    )
    assert inputs.ignored == (f"{tmp_path}/b/../notes.pcap",)


def test_a_final_slash_stays_part_of_the_folders_name(tmp_path: Path) -> None:
    write_pcap(tmp_path / "a.pcap", [b"a"])

    assert ingest.expand_paths([f"{tmp_path}/"]).captures == (f"{tmp_path}/a.pcap",)


def test_a_folder_without_captures_is_said(tmp_path: Path) -> None:
    assert ingest.expand_paths([str(tmp_path)]).empty_folders == (str(tmp_path),)


def test_compressed_captures_count_and_other_compressed_files_do_not(tmp_path: Path) -> None:
    plain = write_pcap(tmp_path / "a", [b"a"]).read_bytes()
    (tmp_path / "b").write_bytes(gzip.compress(plain))
    (tmp_path / "c").write_bytes(pa.compress(plain, codec="zstd", asbytes=True))
    (tmp_path / "d").write_bytes(gzip.compress(b"a text"))
    (tmp_path / "e").write_bytes(b"\x1f\x8bbroken")
    (tmp_path / "f").write_bytes(b"\x28\xb5\x2f\xfdbroken")
    (tmp_path / "g").write_bytes(b"")

    names = [Path(path).name for path in ingest.expand_paths([str(tmp_path)]).captures]

    assert names == ["a", "b", "c"]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    write_pcap(tmp_path / "a.pcap", [b"a"])
    (tmp_path / "loop").symlink_to(tmp_path)

    assert len(ingest.expand_paths([str(tmp_path)]).captures) == 1


def test_a_capture_becomes_observations_known_by_path_and_hash(
    tmp_path: Path, fake_core: FakeCore
) -> None:
    path = str(write_pcap(tmp_path / "a.pcap", [b"a"]))

    seen = ingest.load([path], settings=AnalysisSettings(), ruleset=RULES)

    assert seen.capture.path == path
    assert len(seen.capture.sha256) == 64
    assert fake_core.calls == [{"paths": [path], "patterns": RULES.patterns()}]


def test_what_is_no_capture_is_an_error_with_its_name(tmp_path: Path, fake_core: FakeCore) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")

    with pytest.raises(CaptureUnreadable, match="first bytes") as caught:
        ingest.load([str(path)], settings=AnalysisSettings(), ruleset=RULES)

    assert caught.value.exit_status == 3
    assert "pcapng" in caught.value.hint


@pytest.mark.parametrize(("name", "reason"), [("absent", "no such file"), (".", "is a folder")])
def test_what_the_system_refuses_is_said_before_reading(
    tmp_path: Path, fake_core: FakeCore, name: str, reason: str
) -> None:
    with pytest.raises(CaptureUnreadable, match=reason):
        ingest.load([str(tmp_path / name)], settings=AnalysisSettings(), ruleset=RULES)

    assert fake_core.calls == []
