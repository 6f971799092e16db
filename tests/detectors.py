"""Small detectors for tests of what surrounds detectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from analyzer.detectors.base import Context, DetectorMeta, make_finding
from analyzer.detectors.evidence import Case
from analyzer.model import Category, Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer.observations import Observations


class EveryLogin:
    """One critical finding for each flow with rows in the mining table."""

    meta: ClassVar[DetectorMeta] = DetectorMeta(
        id="mining.stratum",
        version=1,
        title="a mining dialect in clear",
        category=Category.MINING,
        needs=frozenset({"flows", "mining"}),
        attack=("T1496.001",),
    )

    def run(self, observations: Observations, context: Context) -> Iterator[Finding]:
        for flow_id in observations.flow_ids("mining"):
            rows = observations.rows("mining", flow_id)
            case = Case(prior=-4.6).add(
                "protocol", f"login as {rows[0]['wallet']}", 5.2, frames=[r["frame"] for r in rows]
            )
            case.add("behaviour", "shares are accepted", 3.1, frames=[rows[-1]["frame"]])
            yield make_finding(
                self.meta,
                observations,
                case,
                [observations.flow(flow_id)],
                title=f"{rows[0]['agent']} logs in to a pool",
                severity=Severity.CRITICAL,
                attributes={"wallet": rows[0]["wallet"], "worker": ""},
            )


class Broken:
    """Fails as a detector with a mistake in it does."""

    meta: ClassVar[DetectorMeta] = DetectorMeta(
        id="tunnel.broken",
        version=1,
        title="a mistake",
        category=Category.TUNNEL,
        needs=frozenset({"flows"}),
        attack=(),
    )

    def run(self, observations: Observations, context: Context) -> Iterator[Finding]:
        if observations.count("flows"):
            raise RuntimeError("no such column")
        yield from ()
