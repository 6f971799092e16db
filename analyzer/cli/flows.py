"""`outgate flows`: the conversations themselves."""

from __future__ import annotations

import csv
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from analyzer import ingest
from analyzer.cli.session import Session, inside_option, progress_option
from analyzer.cli.terminal import say, say_error, text_options
from analyzer.errors import CaptureUnreadable, UsageError
from analyzer.files import write_atomically
from analyzer.observations import TRANSPORTS, Observations
from analyzer.quality import plural
from analyzer.report.flows import print_flow_table
from analyzer.report.machine import safe_row, to_json
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

FLOW_FORMATS = ("table", "ndjson", "csv", "parquet")
DEFAULT_LIMIT = 50
UNREADABLE = 3


@click.command("flows")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--format", "format_name", type=click.Choice(FLOW_FORMATS), default="table", show_default=True
)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; parquet needs it.  [default: standard output]",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="Flows in the table for one capture, the largest first; 0 shows all.",
)
@inside_option
@progress_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    paths: tuple[str, ...],
    format_name: str,
    output: Path | None,
    limit: int,
    inside: tuple[str, ...],
    no_progress: bool,
) -> None:
    """List the conversations of captures, with counters both ways.

    The table shows the largest; the other formats hold every flow and every column.
    """
    if format_name == "parquet" and output is None:
        raise UsageError("cannot write parquet to a terminal", hint="name a file with -o FILE")
    session = Session.open(inside, progress=not no_progress)
    failed: list[str] = []
    loaded = _load_all(session, ingest.expand_paths(paths).captures, failed)
    if format_name == "parquet" and output is not None:
        _write_parquet(loaded, output)
    elif output is not None:
        _to_file(output, lambda stream: _write(loaded, format_name, stream, limit))
    else:
        _write(loaded, format_name, sys.stdout, limit)
    ctx.exit(UNREADABLE if failed else 0)


def _load_all(session: Session, paths: Sequence[str], failed: list[str]) -> Iterator[Observations]:
    for path in paths:
        try:
            yield session.load([path])
        except CaptureUnreadable as error:
            failed.append(path)
            say_error(error)


def _write(loaded: Iterator[Observations], name: str, stream: TextIO, limit: int) -> None:
    if name == "table":
        for observations in loaded:
            _write_table(observations, stream, limit)
        return
    rows = (row for observations in loaded for row in flow_records(observations))
    if name == "ndjson":
        stream.writelines(to_json(row) + "\n" for row in rows)
        return
    writer = csv.writer(stream, lineterminator="\n")
    first = next(rows, None)
    if first is not None:
        writer.writerow(first)
        writer.writerow(safe_row(list(first.values())))
        writer.writerows(safe_row(list(row.values())) for row in rows)


def flow_records(observations: Observations) -> Iterator[dict[str, Any]]:
    """Every flow as plain values: times in RFC 3339, bytes in hex, ports null where none are."""
    resolution_ns = observations.resolution_ns
    for row in observations.all_rows("flows"):
        record: dict[str, Any] = {}
        for name, value in row.items():
            if name in ("start_ns", "end_ns"):
                record[name.removesuffix("_ns")] = rfc3339(value, resolution_ns)
            else:
                record[name] = value.hex() if isinstance(value, bytes) else value
        transport = TRANSPORTS.get(row["proto"], "other")
        if transport in ("icmp", "other"):
            record["src_port"] = record["dst_port"] = None
        record["transport"] = transport
        record["capture"] = observations.capture.path
        yield record


def _write_table(observations: Observations, stream: TextIO, limit: int) -> None:
    flows = sorted(
        observations.all_flows(),
        key=lambda flow: (-(flow.up_bytes + flow.down_bytes), flow.flow_id),
    )
    shown = list(islice(flows, limit or None))
    named = [
        (flow, next((name.name for name in observations.names_of(flow)), "")) for flow in shown
    ]
    print_flow_table(named, observations.resolution_ns, stream, text_options(stream))
    hidden = len(flows) - len(shown)
    if hidden:
        say(f"note: {plural(hidden, 'smaller flow')} not shown; --limit 0 shows all")


def _to_file(output: Path, write: Callable[[TextIO], None]) -> None:
    try:
        with output.open("w", encoding="utf-8", newline="") as stream:
            write(stream)
    except OSError as error:
        raise _cannot_write(output, error) from error


def _write_parquet(loaded: Iterator[Observations], output: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415 - only for parquet
    from pyarrow import parquet  # noqa: PLC0415 - only for parquet

    tables = [_parquet_table(observations) for observations in loaded]
    if not tables:
        return
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.concat_tables(tables), sink, compression="zstd")
    try:
        write_atomically(output, sink.getvalue().to_pybytes())
    except OSError as error:
        raise _cannot_write(output, error) from error


def _parquet_table(observations: Observations) -> pa.Table:
    """The flow table with its times as times again, and the capture's path."""
    import pyarrow as pa  # noqa: PLC0415 - only for parquet

    table = observations.arrow("flows")
    for name in ("start_ns", "end_ns"):
        place = table.schema.get_field_index(name)
        times = table.column(name).cast(pa.timestamp("ns", "UTC"))
        table = table.set_column(place, name.removesuffix("_ns"), times)
    paths = pa.array([observations.capture.path] * table.num_rows, pa.string())
    return table.append_column("capture", paths)


def _cannot_write(output: Path, error: OSError) -> UsageError:
    reason = (error.strerror or str(error)).lower()
    return UsageError(f"cannot write {output}: {reason}", hint="check the folder and its rights")
