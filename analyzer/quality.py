"""What a capture holds, how good it is, and what in it could not be judged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from analyzer.model import Quality, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.observations import Observations

POOR_SHARE = 0.2
"""From this share of frames cut or damaged on, a capture is poor: a fifth of its content is out
of sight, which is more than retransmission or a late start explains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowCounts:
    """Flows of a capture by what a parser could do with them."""

    total: int = 0
    frames: int = 0
    with_payload: int = 0
    recognised: int = 0
    encrypted: int = 0
    one_sided: int = 0
    midstream: int = 0


def count_flows(observations: Observations) -> FlowCounts:
    """Counts the flow table once, without turning it into rows."""
    flows = observations.arrow("flows")
    if flows.num_rows == 0:
        return FlowCounts()

    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import compute  # noqa: PLC0415 - as above

    # Casts and no comparisons: Arrow turns a Python value into one of its own by way of pandas.
    def present(name: str) -> Any:  # noqa: ANN401 - an Arrow array
        return flows.column(name).cast(pa.bool_())

    def holding(*conditions: object) -> int:
        together = reduce(compute.and_, conditions)
        return int(compute.sum(together).as_py())

    def total(name: str) -> int:
        return int(compute.sum(flows.column(name)).as_py())

    carries = compute.or_(present("up_payload"), present("down_payload"))
    named = compute.binary_length(flows.column("app").cast(pa.string())).cast(pa.bool_())
    both_ways = compute.and_(present("up_packets"), present("down_packets"))
    return FlowCounts(
        total=flows.num_rows,
        frames=total("up_packets") + total("down_packets"),
        with_payload=holding(carries),
        recognised=holding(carries, named),
        encrypted=holding(carries, flows.column("encrypted")),
        one_sided=holding(carries, compute.invert(both_ways)),
        midstream=total("midstream"),
    )


def capture_quality(observations: Observations, counts: FlowCounts) -> Quality:
    """Grades a capture from the core's counters."""
    stats = observations.stats
    notes = _notes(stats)
    return Quality(
        grade=_grade(stats, notes),
        notes=notes,
        not_judged=_not_judged(stats, counts),
        format=str(stats.get("format", "")),
        compression=str(stats.get("compression", "")),
        link_types=tuple(str(name) for name in stats.get("link_types", ())),
        file_bytes=number(stats, "file_bytes"),
        frames=number(stats, "frames"),
        captured_bytes=number(stats, "captured_bytes"),
        wire_bytes=number(stats, "wire_bytes"),
        first_ns=number(stats, "first_ns"),
        last_ns=number(stats, "last_ns"),
        resolution_ns=observations.resolution_ns,
        flows=counts.total,
        truncated_tail=bool(stats.get("truncated_tail", False)),
        issue_counts=mapping(stats, "issue_counts"),
    )


def funnel(observations: Observations, counts: FlowCounts, judged: int) -> tuple[Stage, ...]:
    """What came through from frames to detectors, and what was left behind at each step."""
    stats = observations.stats
    frames = number(stats, "frames")
    left = {f"not IP: {name}": count for name, count in mapping(stats, "not_ip").items()}
    left["other IP protocols"] = number(stats, "not_tcp_udp")
    for name, count in mapping(stats, "tunnelled_undecoded").items():
        left[f"inside {name}, not decoded"] = count
    left["fragments never completed"] = number(stats, "fragments_incomplete")
    in_flows = min(frames, counts.frames)
    rest = frames - in_flows - sum(left.values())
    left["damaged, cut short or part of a fragment"] = max(0, rest)
    silent = counts.total - counts.with_payload
    unknown = counts.with_payload - counts.recognised
    return (
        Stage(name="frames read", count=frames),
        Stage(name="frames in flows", count=in_flows, dropped=_present(left)),
        Stage(name="flows", count=counts.total),
        Stage(
            name="flows with payload",
            count=counts.with_payload,
            dropped=_present({"no payload in either direction": silent}),
        ),
        Stage(
            name="flows whose protocol was recognised",
            count=counts.recognised,
            dropped=_present({"protocol not recognised": unknown}),
        ),
        Stage(name="flows a detector had facts on", count=judged),
    )


def number(stats: Mapping[str, Any], name: str) -> int:
    """A counter of the core, 0 if it does not give it."""
    return int(stats.get(name, 0))


def mapping(stats: Mapping[str, Any], name: str) -> dict[str, int]:
    """A named group of counters, zeros left out, largest first."""
    items = {str(key): int(value) for key, value in dict(stats.get(name, {})).items()}
    return dict(sorted(_present(items).items(), key=lambda item: (-item[1], item[0])))


def plural(count: int, noun: str, many: str = "") -> str:
    """`1 frame`, `12 000 frames`: digits in groups of three by a space."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}".replace(",", " ")


def _notes(stats: Mapping[str, Any]) -> tuple[str, ...]:
    """Sentences about what is wrong with the capture itself, the gravest first."""
    if not number(stats, "frames"):
        cut = ["the file is cut in its first packet"] if stats.get("truncated_tail") else []
        return (*cut, "the capture holds no frame")
    notes = []
    if stats.get("truncated_tail"):
        notes.append("the last packet is cut off: what came after it is missing")
    counted = (
        ("drops_reported", "frame", "dropped before it was written, by the capturing system"),
        ("snaplen_cut", "frame", "cut by the snap length: payload past it is not visible"),
        ("stream_gap_bytes", "byte", "missing from TCP streams"),
        ("reassembly_dropped_bytes", "byte", "not reassembled: a memory bound was reached"),
        ("flows_evicted", "flow", "closed early: the flow table was full"),
        ("fragments_incomplete", "datagram", "with fragments missing"),
        ("time_backwards", "time", "the clock steps backwards"),
    )
    notes.extend(
        f"{plural(number(stats, name), noun)} {text}"
        for name, noun, text in counted
        if number(stats, name)
    )
    for kind, count in mapping(stats, "issue_counts").items():
        notes.append(f"{plural(count, 'issue')} of kind {kind}")
    return tuple(notes)


def _not_judged(stats: Mapping[str, Any], counts: FlowCounts) -> tuple[str, ...]:
    """Sentences about traffic that is there and could not be judged."""
    lines = []
    if counts.encrypted:
        lines.append(f"content of {plural(counts.encrypted, 'encrypted flow')}")
    unknown = counts.with_payload - counts.recognised
    if unknown:
        lines.append(f"{plural(unknown, 'flow')} of an unknown protocol, but for byte patterns")
    if counts.one_sided:
        lines.append(f"the unseen side of {plural(counts.one_sided, 'flow')} captured one way")
    for name, count in mapping(stats, "tunnelled_undecoded").items():
        lines.append(f"{plural(count, 'frame')} inside {name}, which is not decoded")
    if number(stats, "not_tcp_udp"):
        lines.append(f"{plural(number(stats, 'not_tcp_udp'), 'frame')} of other IP protocols")
    not_ip = mapping(stats, "not_ip")
    if not_ip:
        lines.append(f"{plural(sum(not_ip.values()), 'frame')} without IP ({_listed(not_ip)})")
    for table, count in mapping(stats, "rows_dropped").items():
        lines.append(f"{plural(count, 'row')} of {table}: a memory bound was reached")
    return tuple(lines)


def _grade(stats: Mapping[str, Any], notes: tuple[str, ...]) -> str:
    frames = number(stats, "frames")
    if not frames:
        return "empty"
    damaged = number(stats, "snaplen_cut") + number(stats, "drops_reported")
    damaged += sum(mapping(stats, "issue_counts").values())
    if damaged >= POOR_SHARE * frames:
        return "poor"
    return "fair" if notes else "good"


def _listed(counts: Mapping[str, int], most: int = 4) -> str:
    shown = [f"{name} {count}" for name, count in list(counts.items())[:most]]
    return ", ".join([*shown, "…"] if len(counts) > most else shown)


def _present(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count > 0}
