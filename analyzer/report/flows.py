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
MAX_PROTOCOL_CHARS = 20


def print_flow_table(
    flows: Sequence[tuple[Flow, str]], resolution_ns: int, stream: TextIO, options: TextOptions
) -> None:
    """Flows, one a row, with the name each responder went by."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("flow", justify="right", no_wrap=True)
    table.add_column("initiator → responder", overflow="fold", ratio=1)
    for heading, right in (("protocol", False), ("up", True), ("down", True)):
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for flow, name in flows:
        ends = Text(f"{flow.ref.src} → {flow.ref.dst}")
        if name:
            ends.append(f"\n{shorten(name, MAX_NAME_CHARS)}", style="cyan")
        start = rfc3339(flow.start_ns, resolution_ns)
        ends.append(f"\n{start}, {duration_text(flow.end_ns - flow.start_ns)}", style="dim")
        table.add_row(
            str(flow.flow_id),
            ends,
            Text(shorten(f"{flow.ref.transport} {flow.app}".strip(), MAX_PROTOCOL_CHARS))
            + Text(f"\n{shorten(flow.end_reason, MAX_PROTOCOL_CHARS)}", style="dim"),
            bytes_text(flow.up_bytes),
            bytes_text(flow.down_bytes),
        )
    console_for(stream, options).print(table)
