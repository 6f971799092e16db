"""The flow table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.table import Table
from rich.text import Text

from analyzer.escape import shorten
from analyzer.report.text import bytes_text, console_for, duration_text
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.observations import Flow
    from analyzer.report.base import TextOptions

MAX_NAME_CHARS = 60


def print_flow_table(
    flows: Sequence[tuple[Flow, str]], resolution_ns: int, stream: TextIO, options: TextOptions
) -> None:
    """Flows, one a row, with the name each responder went by."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading, right in (("flow", True), ("start", False), ("lasting", True)):
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    table.add_column("initiator → responder", overflow="fold", ratio=1)
    for heading, right in (("protocol", False), ("up", True), ("down", True), ("end", False)):
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for flow, name in flows:
        ends = Text(f"{flow.ref.src} → {flow.ref.dst}")
        if name:
            ends.append(f" {shorten(name, MAX_NAME_CHARS)}", style="cyan")
        clock = rfc3339(flow.start_ns, resolution_ns).partition("T")[2]
        table.add_row(
            str(flow.flow_id),
            clock.partition(".")[0].removesuffix("Z"),
            duration_text(flow.end_ns - flow.start_ns),
            ends,
            Text(shorten(f"{flow.ref.transport} {flow.app}".strip(), 20)),
            bytes_text(flow.up_bytes),
            bytes_text(flow.down_bytes),
            flow.end_reason,
        )
    console_for(stream, options).print(table)
