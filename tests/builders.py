"""Builds flows, event rows and observations in a few words.

The tables have exactly the columns of docs/architecture.md; what a test does not name has the value
that means "unknown".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from analyzer.detectors.base import Context
from analyzer.model import CaptureRef
from analyzer.observations import Observations
from analyzer.ruleset import RuleSet
from analyzer.settings import AnalysisSettings
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EPOCH_NS = 1_767_225_600 * NS_PER_SECOND
"""2026-01-01T00:00:00Z, where the captures of tests begin."""

SHA256 = "ab" * 32
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17}

TIME = pa.timestamp("ns", "UTC")
TEXT, FLAG, BYTES, REAL = pa.string(), pa.bool_(), pa.binary(), pa.float64()
U8, U16, U32, U64, I64 = pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.int64()


def _columns(spec: str) -> dict[str, pa.DataType]:
    """`name:type` words to columns; a word without a type is text."""
    types = {"t": TIME, "b": FLAG, "x": BYTES, "f": REAL, "i64": I64}
    types |= {"u8": U8, "u16": U16, "u32": U32, "u64": U64}
    pairs = (word.partition(":") for word in spec.split())
    return {name: types[kind] if kind else TEXT for name, _, kind in pairs}


EVENT = "flow_id:u32 frame:u64 ts:t "
COLUMNS: Mapping[str, Mapping[str, pa.DataType]] = {
    "flows": _columns(
        "flow_id:u32 start:t end:t src_ip src_port:u16 dst_ip dst_port:u16 proto:u8 community_id "
        "initiator_by up_packets:u64 down_packets:u64 up_bytes:u64 down_bytes:u64 up_payload:u64 "
        "down_payload:u64 first_frame:u64 last_frame:u64 history end_reason vlan:u16 app "
        "midstream:b rtt_up_ns:i64 rtt_down_ns:i64 up_gap:u64 down_gap:u64 up_retrans:u64 "
        "down_retrans:u64 prefix_up:x prefix_down:x encrypted:b segments_dropped:u32 icmp_type:u8 "
        "icmp_code:u8"
    ),
    "dns": _columns(EVENT + "kind name rtype data ttl:u32 rcode:u8 id:u16 up:b"),
    "tls": _columns(
        EVENT + "hello up:b sni alpn version versions ciphers:u16 cipher ja3 ja3s ja4 "
        "record_bytes:u32"
    ),
    "http": _columns(
        EVENT + "kind up:b method target version status:u16 host user_agent upgrade ws_protocol "
        "content_type extensions accept_language content_length:u64"
    ),
    "ssh": _columns(
        EVENT + "up:b client_banner server_banner up_banner down_banner roles kex host_key "
        "cipher_up cipher_down mac_up mac_down comp_up comp_down hassh hassh_server "
        "newkeys_frame:u64 newkeys_ts:t carrier lengths_readable_up:b lengths_readable_down:b "
        "tokens:u32 tokens_dropped:u32 kexinit_frame_up:u64 kexinit_frame_down:u64"
    ),
    "ssh_tokens": _columns(EVENT + "up:b size:u32 exact:b index:u32"),
    "segments": _columns(EVENT + "up:b size:u32"),
    "mining": _columns(
        EVENT + "up:b dialects kind role shape specific:b method msg_id wallet worker agent job_id "
        "difficulty:f target nonce height:u64 algo coin_hint host port:u16 outcome error "
        "extranonce bytes:u32 excerpt carrier"
    ),
    "labels": _columns(EVENT + "name detail up:b"),
    "hits": _columns(EVENT + "pattern up:b offset:u32"),
    "issues": _columns("frame:u64 offset:u64 layer kind detail"),
}


def row(table: str, **values: Any) -> dict[str, Any]:
    """One row of a table; `at_s` is its time in seconds after the capture's beginning.

    Raises:
        KeyError: The table has no such column.
    """
    columns = COLUMNS[table]
    if "ts" in columns:
        values["ts"] = at_ns(values.pop("at_s", 0.0))
    unknown = sorted(set(values) - set(columns))
    if unknown:
        raise KeyError(f"{table} has no column {', '.join(unknown)}")
    return {name: values.get(name, _unknown(kind)) for name, kind in columns.items()}


def flow(
    src: str,
    dst: str,
    *,
    flow_id: int = 0,
    transport: str = "tcp",
    start_s: float = 0.0,
    lasting_s: float = 10.0,
    **values: Any,
) -> dict[str, Any]:
    """One row of the flow table from `address:port` texts; it carries payload unless told."""
    src_ip, src_port = _endpoint(src)
    dst_ip, dst_port = _endpoint(dst)
    given: dict[str, Any] = {
        "flow_id": flow_id,
        "start": at_ns(start_s),
        "end": at_ns(start_s + lasting_s),
        "src_ip": src_ip,
        "src_port": src_port,
        "dst_ip": dst_ip,
        "dst_port": dst_port,
        "proto": PROTOCOLS[transport],
        "community_id": f"1:test{flow_id}=",
        "initiator_by": "syn",
        "up_packets": 10,
        "down_packets": 10,
        "up_bytes": 1500,
        "down_bytes": 2500,
        "up_payload": 1000,
        "down_payload": 2000,
        "first_frame": 1,
        "last_frame": 20,
        "end_reason": "fin",
    }
    return row("flows", **(given | values))


def stats(**values: Any) -> dict[str, Any]:
    """The core's counters for a small, whole capture."""
    counters: dict[str, Any] = {
        "sha256": SHA256,
        "format": "pcap",
        "compression": "",
        "link_types": ["ETHERNET"],
        "file_bytes": 4096,
        "frames": 20,
        "captured_bytes": 4000,
        "wire_bytes": 4000,
        "first_ns": EPOCH_NS,
        "last_ns": EPOCH_NS + 10 * NS_PER_SECOND,
        "snaplen_cut": 0,
        "time_backwards": 0,
        "truncated_tail": False,
        "comments": 0,
        "drops_reported": 0,
        "issue_counts": {},
        "flows": 1,
        "flows_evicted": 0,
        "not_ip": {},
        "not_tcp_udp": 0,
        "tunnelled_undecoded": {},
        "fragments": 0,
        "fragments_incomplete": 0,
        "stream_gap_bytes": 0,
        "reassembly_dropped_bytes": 0,
        "resolution_ns": 1000,
        "peak_flows": 1,
        "interfaces": [],
    }
    return counters | values


def observations(
    flows: Iterable[Mapping[str, Any]] = (),
    *,
    path: str = "sample.pcap",
    counters: Mapping[str, Any] | None = None,
    inside: tuple[str, ...] = (),
    **events: Iterable[Mapping[str, Any]],
) -> Observations:
    """Observations of one capture; event tables by name, those not named are empty."""
    rows: dict[str, list[Mapping[str, Any]]] = {name: list(given) for name, given in events.items()}
    rows["flows"] = list(flows)
    tables = {name: table(name, rows.get(name, [])) for name in COLUMNS}
    counted = dict(counters) if counters is not None else stats(flows=len(rows["flows"]))
    settings = AnalysisSettings(inside=inside) if inside else AnalysisSettings()
    return Observations(
        capture=CaptureRef(path=path, sha256=counted["sha256"]),
        stats=counted,
        source=tables.__getitem__,
        settings=settings,
    )


def table(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows as an Arrow table with the columns of docs/architecture.md."""
    fields = [pa.field(column, kind) for column, kind in COLUMNS[name].items()]
    return pa.Table.from_pylist([dict(item) for item in rows], schema=pa.schema(fields))


def context(rules: RuleSet | None = None, inside: tuple[str, ...] = ()) -> Context:
    """What detectors are given besides observations; without rules, an empty rule set."""
    settings = AnalysisSettings(inside=inside) if inside else AnalysisSettings()
    return Context(settings=settings, ruleset=rules or RuleSet(version="test"))


def at_ns(seconds: float) -> int:
    """A time in seconds after the capture's beginning as nanoseconds since 1970."""
    return EPOCH_NS + round(seconds * NS_PER_SECOND)


def _endpoint(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port)


def _unknown(kind: pa.DataType) -> Any:
    if kind == TEXT:
        return ""
    if kind == BYTES:
        return b""
    return False if kind == FLAG else 0
