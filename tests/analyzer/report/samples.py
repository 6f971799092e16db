"""Reports for tests of the renderers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer import engine
from tests.builders import context, flow, observations, row, stats
from tests.detectors import Broken, EveryLogin

if TYPE_CHECKING:
    from analyzer.model import Report

HOSTILE = "\x1b[2J\u202e=cmd()[red]x[/red]<b>\n"


def mining_report(agent: str = "XMRig", wallet: str = "4A", flows: int = 1) -> Report:
    """Logins on some flows; text from the wire as given."""
    ends = [(f"10.20.0.{n + 1}:49152", "198.51.100.20:3333") for n in range(flows)]
    seen = observations(
        [flow(src, dst, flow_id=n, app="mining") for n, (src, dst) in enumerate(ends)],
        path="captures/a b.pcap",
        mining=[
            row("mining", flow_id=n, frame=100 + n, agent=agent, wallet=wallet)
            for n in range(flows)
        ],
    )
    return engine.run(seen, [EveryLogin()], context())


def quiet_report(frames: int = 20) -> Report:
    """Nothing found."""
    seen = observations(
        [flow("10.0.0.1:1000", "198.51.100.20:443", app="tls", encrypted=True)] if frames else [],
        counters=stats(frames=frames, not_ip={"ARP": 3} if frames else {}),
    )
    return engine.run(seen, [EveryLogin()], context())


def failed_report() -> Report:
    """Nothing found, and a detector that failed."""
    seen = observations([flow("10.0.0.1:1000", "198.51.100.20:443", app="tls")])
    return engine.run(seen, [Broken()], context())
