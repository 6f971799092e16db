"""Runs the detectors over one capture's observations and says what each of them did."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from analyzer import __version__
from analyzer.model import Coverage, CoverageStatus, Finding, Report
from analyzer.quality import capture_quality, count_flows, funnel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.detectors.base import Context, Detector
    from analyzer.observations import Observations

MAX_FINDINGS_PER_DETECTOR = 10_000
"""A capture made to raise findings must not fill memory; reaching this is said in the coverage."""

NOTHING_TO_JUDGE = {
    "flows": "no flow was seen",
    "dns": "no DNS message was seen",
    "tls": "no TLS hello was seen",
    "http": "no HTTP message was seen",
    "ssh": "no SSH connection was seen",
    "ssh_tokens": "no encrypted SSH packet was seen",
    "segments": "no data in encrypted or unknown flows was seen",
    "mining": "no message of a mining protocol was seen",
    "labels": "no other known protocol was seen",
    "hits": "no signature matched",
}
"""Why a detector has nothing to judge, by the first of its tables that has no row."""

log = logging.getLogger(__name__)


def run(
    observations: Observations,
    detectors: Sequence[Detector],
    context: Context,
) -> Report:
    """Judges one capture.

    A detector that fails is listed as failed with the reason and stops nothing else.
    """
    coverage: list[Coverage] = []
    findings: dict[str, Finding] = {}
    judged: set[int] = set()
    for detector in detectors:
        entry, found, flows = _judge(detector, observations, context)
        coverage.append(entry)
        judged |= flows
        for finding in found:
            findings.setdefault(finding.id, finding)
    counts = count_flows(observations)
    return Report(
        capture=observations.capture,
        findings=tuple(sorted(findings.values(), key=_worst_first)),
        coverage=tuple(coverage),
        quality=capture_quality(observations, counts),
        funnel=funnel(observations, counts, len(judged)),
        tool_version=__version__,
        ruleset_version=context.ruleset.version,
    )


def _judge(
    detector: Detector, observations: Observations, context: Context
) -> tuple[Coverage, list[Finding], set[int]]:
    meta = detector.meta

    def entry(status: CoverageStatus, reason: str = "", flows: int = 0, found: int = 0) -> Coverage:
        return Coverage(
            detector=meta.id,
            title=meta.title,
            status=status,
            reason=reason,
            judged_flows=flows,
            findings=found,
        )

    try:
        for table in sorted(meta.needs):
            if observations.count(table) == 0:
                reason = NOTHING_TO_JUDGE.get(table, f"no row in table {table}")
                return entry(CoverageStatus.SKIPPED, reason), [], set()
        found, reason = _collect(detector, observations, context)
        flows = _judged_flows(detector, observations)
    except Exception as error:  # a detector's mistake must not cost the others their say
        log.debug("detector %s failed", meta.id, exc_info=True)
        return entry(CoverageStatus.FAILED, f"{type(error).__name__}: {error}"), [], set()
    return entry(CoverageStatus.RAN, reason, len(flows), len(found)), found, flows


def _collect(
    detector: Detector, observations: Observations, context: Context
) -> tuple[list[Finding], str]:
    found: list[Finding] = []
    for finding in detector.run(observations, context):
        if len(found) == MAX_FINDINGS_PER_DETECTOR:
            return found, f"stopped after {MAX_FINDINGS_PER_DETECTOR} findings"
        found.append(finding)
    return found, ""


def _judged_flows(detector: Detector, observations: Observations) -> set[int]:
    """Flows that every table the detector needs says something about."""
    ids = [set(observations.flow_ids(table)) for table in sorted(detector.meta.needs)]
    return set.intersection(*ids) if ids else set()


def _worst_first(finding: Finding) -> tuple[int, float, int, str]:
    return (-finding.severity.rank, -finding.confidence, finding.first_ns, finding.id)
