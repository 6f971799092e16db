"""`outgate info`: what a capture holds and how good it is."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import click

from analyzer.cli.session import Session, progress_option
from analyzer.cli.terminal import text_options
from analyzer.quality import capture_quality, count_flows, funnel, plural
from analyzer.report.explain import counts_text, print_facts
from analyzer.report.text import bytes_text, duration_text
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from analyzer.model import Quality, Stage
    from analyzer.observations import Observations

Facts = list[tuple[str, str]]

MAX_INTERFACES_SHOWN = 16


@click.command("info")
@click.argument("capture")
@progress_option
def command(*, capture: str, no_progress: bool) -> None:
    """Show what CAPTURE holds and how good it is; judges nothing."""
    observations = Session.open(progress=not no_progress).load([capture])
    counts = count_flows(observations)
    quality = capture_quality(observations, counts)
    stages = funnel(observations, counts, judged=0)[:-1]
    print_facts(
        [
            (f"{capture}: {quality.grade}", _file_facts(observations, quality)),
            ("what it holds", _content_facts(observations)),
            ("how far it could be read", [_stage_fact(stage) for stage in stages]),
            ("what is wrong with it", [("", note) for note in quality.notes]),
            ("what cannot be judged", [("", line) for line in quality.not_judged]),
        ],
        sys.stdout,
        text_options(sys.stdout),
    )


def _file_facts(observations: Observations, quality: Quality) -> Facts:
    compressed = f", {quality.compression}" if quality.compression else ""
    facts = [
        ("format", f"{quality.format}{compressed}, {bytes_text(quality.file_bytes)}"),
        ("SHA-256", observations.capture.sha256 or "none: joined files"),
        ("link types", ", ".join(quality.link_types) or "none"),
    ]
    if quality.frames:
        first = rfc3339(quality.first_ns, quality.resolution_ns)
        last = rfc3339(quality.last_ns, quality.resolution_ns)
        facts.append(("from", first))
        facts.append(("to", f"{last}, lasting {duration_text(quality.span_ns)}"))
        facts.append(("clock tick", f"{quality.resolution_ns} ns"))
    facts.append(("frames", plural(quality.frames, "frame")))
    captured, wire = bytes_text(quality.captured_bytes), bytes_text(quality.wire_bytes)
    facts.append(("bytes", f"{captured} captured of {wire} on the wire"))
    interfaces = list(observations.stats.get("interfaces", ()))
    for item in interfaces[:MAX_INTERFACES_SHOWN]:
        named = " ".join(str(item.get(key) or "") for key in ("name", "description")).strip()
        count = plural(int(item.get("frames", 0)), "frame")
        snap = f", snap length {item['snaplen']}" if item.get("snaplen") else ""
        facts.append(("interface", f"{named or 'unnamed'}, {item.get('link_type')}{snap}, {count}"))
    if len(interfaces) > MAX_INTERFACES_SHOWN:
        facts.append(("", f"and {len(interfaces) - MAX_INTERFACES_SHOWN} more interfaces"))
    return facts


def _content_facts(observations: Observations) -> Facts:
    flows = observations.arrow("flows")
    apps = Counter(name or "unknown" for name in flows.column("app").to_pylist())
    transports = Counter(
        {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}.get(number, f"protocol {number}")
        for number in flows.column("proto").to_pylist()
    )
    return [
        ("flows", plural(flows.num_rows, "flow")),
        ("transports", counts_text(dict(transports.most_common()))),
        ("protocols", counts_text(dict(apps.most_common()))),
    ]


def _stage_fact(stage: Stage) -> tuple[str, str]:
    left = f"; left out: {counts_text(stage.dropped)}" if stage.dropped else ""
    return stage.name, f"{stage.count}{left}"
