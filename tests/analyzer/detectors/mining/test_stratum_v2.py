from typing import Any

import pytest

from analyzer import ruleset
from analyzer.detectors.evidence import confidence_of
from analyzer.detectors.mining.stratum_v2 import StratumV2
from analyzer.model import Category, Finding, Severity
from tests.builders import context, flow, observations, row
from tests.conftest import CheckFinding

ACCEPTED = bytes.fromhex("0000 01 060000 0200 00000000")
REFUSED = bytes.fromhex("0000 02 100000")
STEADY = "submit=32 success=32 job=8 prevhash=3 target=0 other=2"


def label(name: str, detail: str, frame: int = 10) -> dict[str, Any]:
    return row("labels", flow_id=0, frame=frame, name=name, detail=detail)


def steps(*sizes: int) -> list[dict[str, Any]]:
    """The handshake's segments, the client's first, one frame each from 6 on."""
    return [
        row("segments", flow_id=0, frame=6 + place, up=place % 2 == 0, size=size)
        for place, size in enumerate(sizes)
    ]


def judge(
    *labels: dict[str, Any],
    port: int = 5000,
    segments: list[dict[str, Any]] | None = None,
    **values: Any,
) -> list[Finding]:
    flows = [flow("10.0.0.1:40000", f"198.51.100.23:{port}", **values)]
    seen = observations(flows, labels=labels, segments=segments or [])
    return list(StratumV2().run(seen, context()))


def test_a_whole_handshake_is_confirmed_and_counts_shares(check_finding: CheckFinding) -> None:
    (found,) = judge(
        label("stratum_v2_handshake", "64/234/104/44"),
        label("stratum_v2_frames", STEADY, frame=143),
        segments=steps(64, 234, 104, 44),
    )

    assert (found.category, found.severity) == (Category.MINING, Severity.HIGH)
    assert found.confidence > 0.99
    assert found.frames == (6, 7, 8, 9, 10, 143)
    assert found.attributes["shares_submitted"] == 32
    assert found.attributes["dialect"] == "stratum_v2"
    assert found.confidence == confidence_of(found.evidence)
    assert any("BIP 324" in text for text in found.not_visible)
    check_finding(found.to_dict())


def test_a_handshake_alone_is_enough() -> None:
    (found,) = judge(label("stratum_v2_handshake", "64/234/104/44"))

    assert found.confidence > 0.9
    assert found.severity is Severity.HIGH


@pytest.mark.parametrize("detail", ["act1,act2", "act1,act2,setup"])
def test_a_part_of_a_handshake_is_a_suspicion(detail: str) -> None:
    (found,) = judge(label("stratum_v2_partial", detail), segments=steps(64, 234))

    assert 0.5 <= found.confidence <= 0.7
    assert found.severity is Severity.MEDIUM
    assert "may be mining" in found.title


def test_the_older_length_of_the_answer_says_less() -> None:
    (now,) = judge(label("stratum_v2_partial", "act1,act2"), segments=steps(64, 234))
    (old,) = judge(label("stratum_v2_partial", "act1,act2"), segments=steps(64, 170))

    assert old.confidence < now.confidence
    assert "exactly 170" in old.evidence[1].summary


def test_part_of_a_handshake_between_bitcoin_nodes_is_no_alarm() -> None:
    (found,) = judge(label("stratum_v2_partial", "act1,act2"), port=8333)

    assert found.confidence < 0.5


def test_later_messages_of_other_sizes_speak_against() -> None:
    handshake = label("stratum_v2_handshake", "64/234/104/44")
    other = label("stratum_v2_frames", "submit=0 success=0 job=0 prevhash=0 target=0 other=90")

    (alone,), (against,) = judge(handshake), judge(handshake, other)

    assert against.confidence < alone.confidence


def test_a_set_up_in_clear_is_confirmed_by_its_answer() -> None:
    detail = "vendor=Example endpoint=pool.example:34254"

    (accepted,) = judge(label("stratum_v2_plain", detail), prefix_down=ACCEPTED)
    (silent,) = judge(label("stratum_v2_plain", detail))
    (refused,) = judge(label("stratum_v2_plain", detail), prefix_down=REFUSED)

    assert (accepted.severity, accepted.confidence > 0.9) == (Severity.HIGH, True)
    assert accepted.attributes["pool_as_named_by_miner"] == "pool.example:34254"
    assert accepted.attributes["agent"] == "Example"
    assert 0.5 <= silent.confidence <= 0.8
    assert silent.severity is Severity.MEDIUM
    assert refused.severity is Severity.MEDIUM
    assert "refused" in refused.title


def test_a_pool_of_the_list_is_named() -> None:
    rules = ruleset.load()
    flows = [flow("10.0.0.1:40000", "198.51.100.23:3333")]
    dns = [row("dns", kind="answer", name="pool.supportxmr.com", rtype="A", data="198.51.100.23")]
    seen = observations(flows, labels=[label("stratum_v2_partial", "act1,act2")], dns=dns)

    (found,) = StratumV2().run(seen, context(rules))

    assert found.attributes["pool"]["operator"] == "SupportXMR"
    assert found.severity is Severity.MEDIUM


@pytest.mark.parametrize(
    "labels",
    [
        [],
        [label("electrum", "server.version")],
        [label("stratum_v2_frames", STEADY)],
    ],
)
def test_other_labels_are_silent(labels: list[dict[str, Any]]) -> None:
    assert judge(*labels) == []


def test_odd_counts_are_passed_over() -> None:
    counts = label("stratum_v2_frames", "submit=x success= job=99999999999999999999 =3 target")

    (found,) = judge(label("stratum_v2_handshake", "64/234/104/44"), counts)

    assert "shares_submitted" not in found.attributes
