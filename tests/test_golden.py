"""Runs every case of tests/golden: one capture, what must and what must not come out.

A case is `tests/golden/<name>/case.toml`:

    capture = "synthetic/x.pcap"     # below pcaps/
    [[expect]]
    count = 1                        # or min and max
    match = { detector = "mining.stratum", "attributes.dialect" = "stratum", confidence_min = 0.9 }

Keys of `match` are fields of the finding, dots go deeper; `confidence_min` and `confidence_max`
bound the confidence, `alarm` says whether the finding is one by the contract. Without `match` every
finding counts.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from analyzer.cli.session import Session
from analyzer.errors import UsageError
from analyzer.model import Severity

ROOT = Path(__file__).parents[1]
CASES = sorted((ROOT / "tests" / "golden").glob("*/case.toml"))
MISSING = object()
ALARM_CONFIDENCE = 0.5


@pytest.fixture(scope="module")
def session() -> Session:
    """Rules and detectors, loaded once for all cases."""
    pytest.importorskip("analyzer._core", reason="the core is not built: `make build`")
    return Session.open(progress=False)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.parent.name)
def test_golden(path: Path, session: Session) -> None:
    case = tomllib.loads(path.read_text())

    report = session.judge(session.load([str(ROOT / "pcaps" / case["capture"])]))

    found = [finding.to_dict() for finding in report.findings]
    assert [entry.reason for entry in report.coverage if entry.status == "failed"] == []
    for expected in case["expect"]:
        problem = unmet(expected, found)
        assert not problem, f"{problem}; found {summary(found)}"


def unmet(expected: dict[str, Any], found: list[dict[str, Any]]) -> str:
    """What an expectation misses, "" if it is met."""
    unknown = set(expected) - {"count", "min", "max", "match"}
    if unknown or not set(expected) & {"count", "min", "max"}:
        raise UsageError(f"cannot use expectation {expected}: give count, min or max, and match")
    count = sum(is_match(expected.get("match", {}), finding) for finding in found)
    low = expected.get("count", expected.get("min", 0))
    high = expected.get("count", expected.get("max", len(found)))
    return "" if low <= count <= high else f"{expected}: {count} match"


def is_match(match: dict[str, Any], finding: dict[str, Any]) -> bool:
    """Whether a finding has every value asked for."""
    rest = dict(match)
    low, high = rest.pop("confidence_min", 0.0), rest.pop("confidence_max", 1.0)
    if not low <= finding["confidence"] <= high:
        return False
    if "alarm" in rest and rest.pop("alarm") != is_alarm(finding):
        return False
    return all(value_at(finding, name) == value for name, value in rest.items())


def is_alarm(finding: dict[str, Any]) -> bool:
    """Whether the contract calls the finding an alarm."""
    loud = Severity(finding["severity"]).rank >= Severity.MEDIUM.rank
    return loud and bool(finding["confidence"] >= ALARM_CONFIDENCE)


def value_at(finding: dict[str, Any], name: str) -> Any:
    """The value a dotted name leads to."""
    value: Any = finding
    for part in name.split("."):
        value = value.get(part, MISSING) if isinstance(value, dict) else MISSING
    return value


def summary(found: list[dict[str, Any]]) -> list[str]:
    """The findings in short, for a failing test."""
    return [
        f"{f['detector']} {f['severity']} {f['confidence']:.2f} {f['attributes']}" for f in found
    ]


FOUND = [{"detector": "a.b", "severity": "low", "confidence": 0.8, "attributes": {"dialect": "x"}}]


@pytest.mark.parametrize(
    ("expected", "met"),
    [
        ({"count": 1}, True),
        ({"count": 1, "match": {"attributes.dialect": "x", "confidence_min": 0.8}}, True),
        ({"count": 0, "match": {"confidence_max": 0.7}}, True),
        ({"min": 1, "match": {"attributes.dialect": "y"}}, False),
        ({"max": 0}, False),
        ({"count": 0, "match": {"alarm": True}}, True),
        ({"count": 1, "match": {"attributes.coin": "XMR"}}, False),
    ],
)
def test_an_expectation_counts_what_matches(expected: dict[str, Any], *, met: bool) -> None:
    assert (unmet(expected, FOUND) == "") is met


def test_a_misspelt_expectation_is_an_error() -> None:
    with pytest.raises(UsageError):
        unmet({"counts": 1}, FOUND)
