"""Compares flows, packets, bytes and Community IDs with tshark and dpkt over many captures.

usage: python -m bench.oracle [FOLDER] [--with tshark|dpkt] [--verbose]

Prints how many captures agree, how many differ for each cause, and every difference no rule
explains (exit status 1 if there is one). docs/decisions/0003-flow-counting.md has the rules.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from analyzer import _core
from bench import oracle_dpkt, oracle_tshark
from bench.flow_oracles import PORTED, Conversation, Packet, Tally, tally
from bench.oracle_dpkt import UnreadableError

SHARED = Path(os.environ.get("OUTGATE_SHARED", Path(__file__).parents[2] / "shared"))
OWN_STREAM = "tshark begins a stream without a SYN"
COLUMNS = (
    *("community_id", "proto", "src_ip", "src_port", "dst_ip", "dst_port"),
    *("up_packets", "down_packets", "up_bytes", "down_bytes"),
)


@dataclass(slots=True, kw_only=True)
class Comparison:
    """One capture held against one reader."""

    path: Path
    unreadable: str = ""
    causes: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)
    conversations: int = 0
    flows: int = 0
    streams: int = 0


@dataclass(slots=True, kw_only=True)
class Core:
    """What the core says of a capture."""

    conversations: dict[str, Conversation]
    flows: Counter[str]
    frames: int
    interfaces: int
    damaged: bool


def read_core(path: Path) -> Core:
    """The core's flow table, added up by Community ID.

    Raises:
        CaptureError: The core does not read the file.
    """
    analysis = _core.analyze([str(path)])
    stream = analysis.table("flows")
    flows = pa.RecordBatchReader.from_stream(stream).read_all().select(COLUMNS)
    found: dict[str, Conversation] = {}
    counts: Counter[str] = Counter()
    for row in flows.to_pylist():
        counts[row["community_id"]] += 1
        conversation = found.setdefault(row["community_id"], Conversation())
        ported = row["proto"] in PORTED
        for side, prefix in (("up", "src"), ("down", "dst")):
            if row[f"{side}_packets"]:
                sender = (row[f"{prefix}_ip"], row[f"{prefix}_port"] if ported else 0)
                conversation.count(sender, row[f"{side}_packets"], row[f"{side}_bytes"])
    stats: dict[str, Any] = analysis.stats
    return Core(
        conversations=found,
        flows=counts,
        frames=stats["frames"],
        interfaces=len(stats["interfaces"]),
        damaged="capture.bad_record" in stats["issue_counts"],
    )


def compare(path: Path, reader: str) -> Comparison:
    """Holds the core against a reader on one capture."""
    result = Comparison(path=path)
    try:
        core = read_core(path)
    except _core.CaptureError as e:
        result.unreadable = f"outgate: {e.args[2]}"
        return result
    try:
        packets, frames = READERS[reader](path)
    except (UnreadableError, OSError) as e:
        result.unreadable = str(e)
        return result
    if reader == "dpkt" and core.interfaces > 1:
        result.unreadable = "dpkt takes every time for one of the first interface"
    elif frames < core.frames:
        result.unreadable = f"{reader} stops before the end of the file"
    elif frames > core.frames and core.damaged:
        result.unreadable = f"{reader} takes a damaged record for a frame"
    elif frames > core.frames:
        result.unexplained.append(f"{reader} reads {frames} frames, the core {core.frames}")
    else:
        reads_transport = oracle_dpkt.transport if reader == "dpkt" else None
        hold(result, core, tally(packets, reads_transport))
    return result


def hold(result: Comparison, core: Core, theirs: Tally) -> None:
    """Adds to `result` in what the core and a reader differ."""
    result.causes.update(theirs.left_out)
    if not theirs.ordered:
        result.causes["time runs backwards: flows not counted"] += 1
    for identity in sorted(core.conversations.keys() | theirs.conversations.keys()):
        ours = core.conversations.get(identity, Conversation())
        other = theirs.conversations.get(identity, Conversation())
        if any(host in theirs.doubtful for host, _ in (*ours.sent, *other.sent)):
            continue
        result.conversations += 1
        result.flows += core.flows[identity]
        if ours.sent != other.sent:
            result.unexplained.append(f"{identity} sent {ours.sent}, reader {other.sent}")
        elif theirs.ordered:
            hold_flows(result, identity, core.flows[identity], other)


def hold_flows(result: Comparison, identity: str, flows: int, other: Conversation) -> None:
    """The same for how many flows and streams one conversation is."""
    result.causes.update(other.splits)
    if flows != other.flows:
        splits = dict(other.splits)
        result.unexplained.append(f"{identity} {flows} flows, by rule {other.flows} {splits}")
    if other.streams_without_syn:
        result.causes[OWN_STREAM] += other.streams_without_syn
    streams = 1 + other.splits["new SYN"] + other.streams_without_syn
    if other.streams and len(other.streams) != streams:
        result.unexplained.append(f"{identity} {len(other.streams)} streams, by rule {streams}")
    result.streams += len(other.streams)


Reader = Callable[[Path], tuple[list[Packet], int]]
READERS: dict[str, Reader] = {"tshark": oracle_tshark.read, "dpkt": oracle_dpkt.read}


def captures(folder: Path) -> list[Path]:
    """Captures below a folder, in order of name."""
    return sorted(path for path in folder.rglob("*cap*") if path.is_file())


def report(name: str, results: list[Comparison], *, verbose: bool) -> int:
    """Prints a table and gives the number of captures with unexplained differences."""
    read = [result for result in results if not result.unreadable]
    equal = [result for result in read if not result.causes and not result.unexplained]
    odd = [result for result in read if result.unexplained]
    packets: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for result in read:
        packets.update(result.causes)
        files.update(result.causes.keys())
    conversations, flows = sum(r.conversations for r in read), sum(r.flows for r in read)
    print(f"{name}: {len(results)} captures, {len(read)} compared")
    print(
        f"  {conversations:5} conversations, {flows} flows, {sum(r.streams for r in read)} streams"
    )
    print(f"  {len(equal):5} captures equal in every flow, packet, byte and Community ID")
    for cause, count in files.most_common():
        print(f"  {count:5} captures, {packets[cause]:6} packets or splits: {cause}")
    print(f"  {len(odd):5} captures with differences no rule explains")
    for result in odd:
        print(f"    {result.path}")
        for line in result.unexplained if verbose else result.unexplained[:2]:
            print(f"      {line}")
    skipped = Counter(result.unreadable for result in results if result.unreadable)
    for reason, count in skipped.most_common(None if verbose else 5):
        print(f"  {count:5} captures not compared: {reason}")
    return len(odd)


def main() -> int:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(prog="bench.oracle", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=SHARED / "captures")
    parser.add_argument("--with", dest="readers", action="append", choices=sorted(READERS))
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    odd = 0
    for name in arguments.readers or sorted(READERS):
        results = [compare(path, name) for path in captures(arguments.folder)]
        odd += report(name, results, verbose=arguments.verbose)
    return 1 if odd else 0


if __name__ == "__main__":
    sys.exit(main())
