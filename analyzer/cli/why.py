"""`outgate why`: the reasons for a finding, or what was seen around a frame."""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analyzer import ingest
from analyzer.cli.session import Session
from analyzer.cli.terminal import text_options
from analyzer.errors import UsageError
from analyzer.frames import pcapng_of, read_frames
from analyzer.model import Coverage, CoverageStatus, Finding, Report
from analyzer.quality import plural
from analyzer.report.explain import flow_line, print_facts, print_finding
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.observations import Flow, Observations

Facts = list[tuple[str, str]]

MAX_EVENTS_SHOWN = 12
EVENT_TABLES = ("mining", "ssh", "tls", "http", "dns", "hits")
"""Tables whose rows say what a frame held, the most telling first."""

QUIET_COLUMNS = frozenset({"flow_id", "frame", "ts_ns", "up"})
TELLING_COLUMNS = (
    *("kind", "method", "wallet", "worker", "agent", "difficulty", "outcome", "error"),
    *("client_banner", "server_banner", "roles", "carrier", "hello", "sni", "alpn", "ja4"),
    *("host", "user_agent", "status", "name", "rtype", "data", "pattern"),
)
"""What of a row is shown where many rows are."""

LABEL_NAMES = {
    "electrum": "an Electrum wallet",
    "json_rpc": "a JSON-RPC service",
    "lsp": "a language server",
    "eth_rpc": "an Ethereum node's RPC",
    "bitcoin_rpc": "a Bitcoin node's RPC",
    "job_queue": "a job queue",
    "bitcoin_p2p": "a Bitcoin node among its peers",
    "monero_p2p": "a Monero node among its peers",
    "ethereum_p2p": "an Ethereum node among its peers",
    "mqtt": "MQTT",
    "chia": "Chia farming",
}
"""Labels of the core in words; others are shown as they are."""


@click.command("why")
@click.argument("target", metavar="FINDING|FRAME")
@click.argument("capture", required=False)
def command(*, target: str, capture: str | None) -> None:
    """Explain a finding, or what was seen in a frame.

    FINDING is an id or the beginning of one, as `outgate analyze` printed it; every reason is shown
    with its weight and frames. FRAME is a frame number: its conversation, what it was taken for,
    and what each detector said. With CAPTURE that file is analysed; without it the reports
    remembered are searched, and a FRAME is looked up in the capture analysed last.
    """
    session = Session.open()
    if target.isdecimal():
        _explain_frame(session, int(target), capture or _latest(session, target))
        return
    finding, _, origin = session.find(target, capture)
    coverage = origin.coverage if isinstance(origin, Report) else _coverage_of(origin.report)
    print_finding(finding, _silent(finding, coverage), sys.stdout, text_options(sys.stdout))


def _latest(session: Session, frame: str) -> str:
    for remembered in session.history.newest_first():
        if remembered.file != ingest.STDIN:
            return remembered.file
    raise UsageError(
        f"cannot tell which capture frame {frame} is of: no report is remembered",
        hint=f"name it: `outgate why {frame} CAPTURE`",
    )


def _coverage_of(report: Mapping[str, Any]) -> tuple[Coverage, ...]:
    return tuple(
        Coverage(**{**entry, "status": CoverageStatus(entry["status"])})
        for entry in report["coverage"]
    )


def _silent(finding: Finding, coverage: tuple[Coverage, ...]) -> list[str]:
    return [_said(entry) for entry in coverage if entry.detector != finding.detector]


def _said(entry: Coverage) -> str:
    if entry.status is CoverageStatus.RAN:
        judged = plural(entry.judged_flows, "flow")
        found = plural(entry.findings, "finding") if entry.findings else "nothing found"
        return f"{entry.detector}: looked at {judged}, {found}"
    return f"{entry.detector}: {entry.status}, {entry.reason}"


def _explain_frame(session: Session, number: int, capture: str) -> None:
    observations = session.load([capture])
    flow = _flow_of_frame(session, observations, number, capture)
    report = session.judge(observations)
    path = shlex.quote(capture)
    if flow is None:
        issues = _issues(observations, number)
        facts = issues or [("", "it belongs to no flow: not IP, not decoded, or a late fragment")]
        sections = [(f"frame {number} of {path}", facts)]
    else:
        sections = [
            (f"frame {number} of {path}", [*_flow_facts(observations, flow)]),
            ("in this frame", _events(observations, flow, number)),
            ("in its conversation", _events(observations, flow, None)),
            ("what it is", _labels(observations, flow)),
            ("what the detectors said of it", _verdicts(observations, report, flow)),
            ("wrong with this frame", _issues(observations, number)),
        ]
    print_facts(sections, sys.stdout, text_options(sys.stdout))


def _flow_of_frame(
    session: Session, observations: Observations, number: int, capture: str
) -> Flow | None:
    """The conversation of a frame: read alone, it gives the addresses to look for.

    Raises:
        UsageError: The capture has no such frame.
    """
    frames = read_frames(capture, [number])
    if not frames:
        held = plural(int(observations.stats.get("frames", 0)), "frame")
        raise UsageError(f"cannot find frame {number} in {capture}: it holds {held}")
    with tempfile.TemporaryDirectory(prefix="outgate-") as folder:
        alone = Path(folder) / "frame.pcapng"
        alone.write_bytes(pcapng_of(frames, {}))
        wanted = next(session.load([str(alone)]).all_flows(), None)
    if wanted is None:
        return None
    return next(
        (
            flow
            for flow in observations.all_flows()
            if flow.community_id == wanted.community_id
            and flow.first_frame <= number <= flow.last_frame
        ),
        None,
    )


def _flow_facts(observations: Observations, flow: Flow) -> Facts:
    names = [f"{name.name} ({name.source})" for name in observations.names_of(flow)]
    resolution_ns = observations.resolution_ns
    frames = f"{flow.first_frame} to {flow.last_frame}"
    facts = [
        ("conversation", flow_line(flow.ref)),
        ("responder's names", ", ".join(names) or "none seen"),
        ("protocol", flow.app or "not recognised"),
        ("seen", f"{rfc3339(flow.start_ns, resolution_ns)}, frames {frames}"),
        ("initiator sent", f"{plural(flow.up_packets, 'packet')}, {flow.up_payload} payload bytes"),
        ("responder", f"{plural(flow.down_packets, 'packet')}, {flow.down_payload} payload bytes"),
    ]
    if flow.midstream:
        facts.append(("note", "the capture begins in the middle of this conversation"))
    if flow.up_gap or flow.down_gap:
        facts.append(("note", f"{flow.up_gap + flow.down_gap} bytes of it are missing"))
    if flow.encrypted:
        facts.append(("note", "its content is encrypted: only sizes and times can be judged"))
    return facts


def _events(observations: Observations, flow: Flow, number: int | None) -> Facts:
    """Rows on this flow: those of one frame, or (None) the first of any frame."""
    facts: Facts = []
    for table in EVENT_TABLES:
        for row in observations.rows(table, flow.flow_id):
            if number not in (None, row.get("frame")):
                continue
            if len(facts) == MAX_EVENTS_SHOWN:
                return [*facts, ("", "and more")]
            who = "initiator" if row.get("up") else "responder"
            said = row if number else {key: row[key] for key in TELLING_COLUMNS if key in row}
            facts.append((f"{table} {row.get('frame', '')}", f"{who}: {_row_text(said)}"))
    return facts


def _row_text(row: dict[str, Any]) -> str:
    said = [
        f"{name}={value}"
        for name, value in row.items()
        if name not in QUIET_COLUMNS and value not in ("", 0, 0.0, False, None, b"")
    ]
    return ", ".join(said)


def _labels(observations: Observations, flow: Flow) -> Facts:
    facts: Facts = []
    for row in observations.rows("labels", flow.flow_id)[:MAX_EVENTS_SHOWN]:
        name = LABEL_NAMES.get(row["name"], row["name"])
        because = f", because {row['detail']}" if row["detail"] else ""
        facts.append((f"frame {row['frame']}", f"this is {name}, not mining{because}"))
    return facts


def _verdicts(observations: Observations, report: Report, flow: Flow) -> Facts:
    facts: Facts = []
    for entry in report.coverage:
        mine = [
            finding
            for finding in report.findings
            if finding.detector == entry.detector and flow.flow_id in finding.flow_ids
        ]
        facts.extend(
            (entry.detector, f"{f.severity} {f.confidence:.2f} {f.id}: {f.title}") for f in mine
        )
        if not mine:
            facts.append((entry.detector, _silence(observations, entry, flow)))
    return facts


def _silence(observations: Observations, entry: Coverage, flow: Flow) -> str:
    if entry.status is not CoverageStatus.RAN:
        return f"{entry.status}: {entry.reason}"
    needs = next((d.meta.needs for d in Session.detectors() if d.meta.id == entry.detector), ())
    missing = [table for table in sorted(needs) if not observations.rows(table, flow.flow_id)]
    if missing:
        return f"had no facts on it (nothing in {', '.join(missing)})"
    return "looked at it and found nothing"


def _issues(observations: Observations, number: int) -> Facts:
    return [
        (f"{row['layer']}.{row['kind']}", f"at byte {row['offset']} of the file: {row['detail']}")
        for row in observations.all_rows("issues")
        if row["frame"] == number
    ][:MAX_EVENTS_SHOWN]
