from dataclasses import replace

import pytest

from analyzer.model import Category, Finding, Severity
from analyzer.report.verdict import verdict
from tests.analyzer.report.samples import mining_report

REPORT = mining_report()


def finding(
    category: Category,
    confidence: float,
    severity: Severity = Severity.HIGH,
    detector: str = "a.b",
) -> Finding:
    return replace(
        REPORT.findings[0],
        category=category,
        confidence=confidence,
        severity=severity,
        detector=detector,
    )


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ([finding(Category.MINING, 0.99)], "MINING CONFIRMED"),
        ([finding(Category.MINING, 0.6)], "POSSIBLE MINING"),
        (
            [finding(Category.MINING, 0.99), finding(Category.REVERSE_TUNNEL, 0.95)],
            "MINING CONFIRMED · REVERSE TUNNEL",
        ),
        (
            [finding(Category.MINING, 0.99), finding(Category.MINING, 0.6)],
            "MINING CONFIRMED",
        ),
        (
            [finding(Category.MINING, 0.95, detector="mining.pool_contact")],
            "MINING POOL CONTACTED",
        ),
        ([finding(Category.MINING, 0.4)], "no alarm · 1 note below alarm level"),
        ([finding(Category.MINING, 0.9, Severity.LOW)], "no alarm · 1 note below alarm level"),
        ([], "nothing found in what could be judged"),
    ],
)
def test_the_verdict_claims_no_more_than_the_findings(findings: list[Finding], words: str) -> None:
    assert verdict(replace(REPORT, findings=tuple(findings))).words == words
