from collections.abc import Iterator
from typing import ClassVar

from analyzer import engine
from analyzer.detectors.base import Context, DetectorMeta
from analyzer.model import CoverageStatus, Finding
from analyzer.observations import Observations
from tests.builders import context, flow, observations, row
from tests.detectors import Broken, EveryLogin

A, B = "10.0.0.1:1000", "198.51.100.20:3333"


def two_logins() -> Observations:
    return observations(
        [flow(A, B), flow("10.0.0.2:1000", B, flow_id=1)],
        mining=[row("mining", flow_id=n, frame=5 + n, wallet="w", agent="a") for n in (0, 1)],
    )


def test_findings_and_what_was_judged_are_reported() -> None:
    report = engine.run(two_logins(), [EveryLogin()], context())

    assert {finding.flow_ids for finding in report.findings} == {(0,), (1,)}
    assert report.coverage[0].status is CoverageStatus.RAN
    assert (report.coverage[0].judged_flows, report.coverage[0].findings) == (2, 2)
    assert report.funnel[-1].count == 2


def test_a_failing_detector_is_listed_and_stops_no_other() -> None:
    report = engine.run(two_logins(), [Broken(), EveryLogin()], context())

    assert report.coverage[0].status is CoverageStatus.FAILED
    assert report.coverage[0].reason == "RuntimeError: no such column"
    assert len(report.findings) == 2


def test_a_detector_without_its_facts_is_skipped_with_the_reason() -> None:
    report = engine.run(observations([flow(A, B)]), [EveryLogin()], context())

    assert report.coverage[0].status is CoverageStatus.SKIPPED
    assert report.coverage[0].reason == "no message of a mining protocol was seen"


def test_the_same_finding_twice_is_one() -> None:
    report = engine.run(two_logins(), [EveryLogin(), EveryLogin()], context())

    assert len(report.findings) == 2


def test_the_same_input_gives_the_same_report() -> None:
    first = engine.run(two_logins(), [EveryLogin()], context())
    second = engine.run(two_logins(), [EveryLogin()], context())

    assert first == second


class Flood:
    meta: ClassVar[DetectorMeta] = EveryLogin.meta

    def run(self, seen: Observations, given: Context) -> Iterator[Finding]:
        (finding, *_) = EveryLogin().run(seen, given)
        for _ in range(engine.MAX_FINDINGS_PER_DETECTOR + 5):
            yield finding


def test_a_flood_of_findings_is_bounded_and_said() -> None:
    report = engine.run(two_logins(), [Flood()], context())

    assert report.coverage[0].reason == "stopped after 10000 findings"
