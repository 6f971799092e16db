"""Explanations for people: why a finding, what was seen in a frame, what Wireshark says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TextIO

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from analyzer.escape import escape, shorten
from analyzer.quality import plural
from analyzer.report.text import SEVERITY_STYLES, console_for, frames_text, shown_confidence
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from analyzer.dissect import Dissection
    from analyzer.doctor import Check
    from analyzer.model import Finding, FlowRef
    from analyzer.report.base import TextOptions

MAX_FRAMES_EXPLAINED = 12


def print_finding(
    finding: Finding, silent: Sequence[str], stream: TextIO, options: TextOptions
) -> None:
    """Everything a finding stands on.

    Args:
        finding: What to explain.
        silent: Lines on detectors that said nothing or could not look.
        stream: Where to print.
        options: How it looks.
    """
    console = console_for(stream, options)
    _print_head(console, finding)
    console.print(_reasons(finding))
    console.print()
    facts = _facts_grid()
    for name, value in finding.attributes.items():
        facts.add_row(escape(name), Text(shorten(_value_text(value))))
    _print_section(console, "what was read in the traffic", facts if finding.attributes else None)
    _print_lines(console, "not visible", finding.not_visible)
    _print_lines(console, "other detectors on this capture", silent)
    attack = [
        f"{name}  https://attack.mitre.org/techniques/{_path(name)}/" for name in finding.attack
    ]
    _print_lines(console, "ATT&CK", attack)
    steps = list(finding.next_steps)
    if finding.evidence_available:
        steps.append(f"outgate carve {finding.id} -o {finding.id}.pcapng")
        steps.append(f"outgate dissect {finding.id}")
    _print_lines(console, "next", steps)


def print_facts(
    sections: Iterable[tuple[str, Sequence[tuple[str, str]]]],
    stream: TextIO,
    options: TextOptions,
) -> None:
    """Headed groups of name and value, one a line; empty groups are left out."""
    console = console_for(stream, options)
    for heading, rows in sections:
        grid = _facts_grid()
        for name, value in rows:
            grid.add_row(escape(name), Text(shorten(value)))
        _print_section(console, heading, grid if rows else None)


def print_dissections(
    dissections: Sequence[Dissection], stream: TextIO, options: TextOptions
) -> None:
    """Frames as Wireshark decodes them, with their numbers in the analysed capture."""
    console = console_for(stream, options)
    for dissection in dissections:
        names = " / ".join(layer.name for layer in dissection.layers)
        console.print(Text(f"frame {dissection.number}  {escape(names)}", style="bold"))
        for layer in dissection.layers:
            console.print(Text(f"  {escape(layer.name)}", style="cyan"))
            for line in layer.lines:
                console.print(Text(f"    {shorten(line)}"))
        console.print()


def print_checks(
    heading: str, checks: Sequence[Check], stream: TextIO, options: TextOptions
) -> None:
    """What `outgate doctor` found, with the cost and the remedy of what is missing."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    for check in checks:
        mark = Text("ok", style="green")
        if not check.ok:
            mark = Text("missing", style="bold red" if check.required else "yellow")
        line = Text(shorten(check.found))
        if not check.ok:
            line.append(f"\ncosts: {shorten(check.cost)}")
            line.append(f"\nto do: {shorten(check.remedy)}", style="cyan")
        grid.add_row(mark, check.name, line)
    _print_section(console_for(stream, options), heading, grid)


def flow_line(flow: FlowRef) -> str:
    """A conversation in one line."""
    community = f"  community {flow.community_id}" if flow.community_id else ""
    return f"{flow.src} → {flow.dst} {flow.transport}{community}"


def _print_head(console: Console, finding: Finding) -> None:
    console.print(
        Text.assemble(
            (f" {finding.severity} ", SEVERITY_STYLES[finding.severity]),
            (f" {shown_confidence(finding.confidence)}", "bold"),
            f"  {finding.detector} version {finding.detector_version}  ",
            (finding.id, "dim"),
        )
    )
    console.print(Text(shorten(finding.title), style="bold"))
    console.print(Text(shorten(flow_line(finding.flow))))
    first = rfc3339(finding.first_ns, finding.resolution_ns)
    last = rfc3339(finding.last_ns, finding.resolution_ns)
    where = f", in {shorten(finding.capture.path)}" if finding.capture else ""
    console.print(Text(f"{first} to {last}, {plural(finding.flows, 'flow')}{where}", style="dim"))
    console.print()


def _reasons(finding: Finding) -> Table:
    """The reasons with a running sum that ends at the confidence."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("weight", justify="right", no_wrap=True)
    table.add_column("sum", justify="right", no_wrap=True, style="dim")
    table.add_column("reason", ratio=1, overflow="fold")
    total = 0.0
    for reason in finding.evidence:
        total += reason.weight
        line = Text.assemble((f"{reason.kind}: ", "dim"), shorten(reason.summary))
        if reason.signature:
            line.append(f"  rule {shorten(reason.signature)}", style="dim")
        if reason.packets:
            frames = frames_text(reason.packets, MAX_FRAMES_EXPLAINED)
            line.append(f"  {frames}", style="cyan")
        table.add_row(f"{reason.weight:+.2f}", f"{total:+.2f}", line)
    share = f"{finding.confidence:.6f}".rstrip("0").rstrip(".")
    odds = Text(f"log-odds; 1 / (1 + e^{-total:+.2f}) = {share}, the confidence", style="bold")
    table.add_row("", Text(f"{total:+.2f}", style="bold"), odds)
    return table


def _facts_grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(ratio=1, overflow="fold")
    return grid


def _print_lines(console: Console, heading: str, lines: Sequence[str]) -> None:
    grid = Table.grid()
    grid.add_column(ratio=1, overflow="fold")
    for line in lines:
        grid.add_row(Text(shorten(line)))
    _print_section(console, heading, grid if lines else None)


def _print_section(console: Console, heading: str, body: Table | None) -> None:
    if body is None:
        return
    console.print(Text(heading, style="bold"))
    console.print(Padding(body, (0, 0, 0, 2)))
    console.print()


def _value_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=True)


def _path(technique: str) -> str:
    return technique.replace(".", "/")


def counts_text(counts: Mapping[str, int]) -> str:
    """`tls 12, dns 3`, or `none`."""
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
