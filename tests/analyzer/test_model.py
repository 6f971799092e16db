from dataclasses import replace

import pytest

from analyzer.model import (
    CaptureRef,
    Category,
    Evidence,
    Finding,
    FlowRef,
    Severity,
    endpoint,
)
from tests.builders import EPOCH_NS, SHA256
from tests.conftest import CheckFinding

FINDING = Finding(
    id="f-0123456789",
    detector="mining.stratum",
    detector_version=1,
    category=Category.MINING,
    title="a miner logs in",
    severity=Severity.HIGH,
    confidence=0.9,
    first_ns=EPOCH_NS,
    last_ns=EPOCH_NS + 1_500_000_000,
    resolution_ns=1000,
    flow=FlowRef(
        src_ip="10.20.0.14",
        src_port=49152,
        dst_ip="198.51.100.20",
        dst_port=3333,
        transport="tcp",
        community_id=None,
    ),
    evidence=(Evidence(kind="protocol", summary="login", weight=2.2, packets=(3, 9)),),
    attack=("T1496.001",),
    capture=CaptureRef(path="a.pcap", sha256=SHA256),
    attributes={"wallet": "4A…"},
    not_visible=("the host's processes",),
)


def test_a_finding_is_what_the_contract_says(
    check_finding: CheckFinding,
) -> None:
    check_finding(FINDING.to_dict())


def test_a_finding_on_joined_files_has_no_hash_and_still_fits_the_contract(
    check_finding: CheckFinding,
) -> None:
    joined = CaptureRef(path="a.pcap", sha256="", paths=("a.pcap", "b.pcap"))

    data = replace(FINDING, capture=joined).to_dict()

    check_finding(data)
    assert data["capture"] == {"path": "a.pcap", "paths": ["a.pcap", "b.pcap"]}


def test_a_finding_without_evidence_is_refused() -> None:
    with pytest.raises(ValueError, match="has no evidence"):
        replace(FINDING, evidence=())


@pytest.mark.parametrize(("field", "value"), [("confidence", 1.01), ("flows", 0)])
def test_a_finding_outside_its_bounds_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match="f-0123456789"):
        replace(FINDING, **{field: value})  # type: ignore[arg-type]


def test_a_finding_survives_being_written_and_read_back() -> None:
    assert Finding.from_dict(FINDING.to_dict()) == FINDING


def test_frames_are_listed_once_and_ascending() -> None:
    reasons = tuple(
        Evidence(kind="protocol", summary="", weight=1, packets=packets)
        for packets in ((9, 12), (3, 9))
    )

    assert replace(FINDING, evidence=reasons).frames == (3, 9, 12)


def test_a_finding_on_flow_records_has_no_packets_to_show() -> None:
    assert FINDING.evidence_available
    assert not replace(FINDING, capture=None).evidence_available


@pytest.mark.parametrize(
    ("address", "port", "text"),
    [
        ("192.0.2.1", 80, "192.0.2.1:80"),
        ("2001:db8::1", 80, "[2001:db8::1]:80"),
        ("2001:db8::1", None, "2001:db8::1"),
    ],
)
def test_endpoints_read_unambiguously(address: str, port: int | None, text: str) -> None:
    assert endpoint(address, port) == text


def test_severities_are_ranked_from_info_to_critical() -> None:
    assert [level.rank for level in Severity] == [0, 1, 2, 3, 4]
