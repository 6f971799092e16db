"""Whole conversations through core and detector: what is mining, and what only sounds so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analyzer.model import Severity
from tests.analyzer.detectors.mining.talks_arrays import ARRAYS
from tests.analyzer.detectors.mining.talks_cryptonote import CRYPTONOTE
from tests.analyzer.detectors.mining.talks_ethereum import ETHEREUM
from tests.analyzer.detectors.mining.talks_nodes import NODES
from tests.analyzer.detectors.mining.talks_quoted import QUOTED
from tests.analyzer.detectors.mining.talks_services import SERVICES
from tests.analyzer.detectors.mining.wire import Case, judge

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CheckFinding

MINING = (*ARRAYS, *CRYPTONOTE, *ETHEREUM)
BENIGN = (*NODES, *QUOTED, *SERVICES)
LEVELS = {
    "confirmed": (0.9, 1.0, Severity.HIGH),
    "attempt": (0.5, 0.8, Severity.MEDIUM),
    "suspect": (0.0, 0.5, Severity.LOW),
}
"""Least and most confidence, and the least severity, that each tier may have."""


@pytest.mark.parametrize("case", MINING, ids=lambda case: case.name)
def test_mining_is_judged_by_what_was_said(
    case: Case, tmp_path: Path, check_finding: CheckFinding
) -> None:
    findings = judge(case, tmp_path)

    if case.tier == "silent":
        assert findings == []
        return
    (found,) = findings
    low, high, severity = LEVELS[case.tier]
    assert found.attributes["tier"] == case.tier
    assert low <= found.confidence <= high
    assert found.severity.rank >= severity.rank
    wanted = dict(case.attributes or {})
    assert {name: found.attributes.get(name) for name in wanted} == wanted
    assert found.frames
    check_finding(found.to_dict())


@pytest.mark.parametrize("case", BENIGN, ids=lambda case: case.name)
def test_what_only_sounds_like_mining_raises_no_alarm(case: Case, tmp_path: Path) -> None:
    for found in judge(case, tmp_path):
        assert found.severity is Severity.LOW
        assert found.confidence < 0.5
