"""The columns this package reads, and how a file's own columns become them.

Files are written by one version of Outgate and read by later ones: a column that a file lacks is
filled with its unknown value, one of another type makes the file unreadable, others are ignored.
A time is `ts` (a timestamp) or `ts_ns` (an integer of nanoseconds); here it is always the latter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT, INTEGER, FLAG = "text", "integer", "flag"

UNKNOWN = {TEXT: "''", INTEGER: "0", FLAG: "false"}
"""What stands for a value that a file does not have, as SQL."""

CAST = {TEXT: "VARCHAR", INTEGER: "BIGINT", FLAG: "BOOLEAN"}

EVENT = {"flow_id": INTEGER, "frame": INTEGER, "ts_ns": INTEGER}

SHAPES: Mapping[str, Mapping[str, str]] = {
    "flows": {
        "flow_id": INTEGER,
        "start_ns": INTEGER,
        "end_ns": INTEGER,
        "src_ip": TEXT,
        "src_port": INTEGER,
        "dst_ip": TEXT,
        "dst_port": INTEGER,
        "proto": INTEGER,
        "community_id": TEXT,
        "initiator_by": TEXT,
        "up_packets": INTEGER,
        "down_packets": INTEGER,
        "up_bytes": INTEGER,
        "down_bytes": INTEGER,
        "up_payload": INTEGER,
        "down_payload": INTEGER,
        "first_frame": INTEGER,
        "last_frame": INTEGER,
        "history": TEXT,
        "end_reason": TEXT,
        "vlan": INTEGER,
        "app": TEXT,
        "midstream": FLAG,
        "rtt_up_ns": INTEGER,
        "rtt_down_ns": INTEGER,
        "up_gap": INTEGER,
        "down_gap": INTEGER,
        "up_retrans": INTEGER,
        "down_retrans": INTEGER,
        "encrypted": FLAG,
        "segments_dropped": INTEGER,
        "icmp_type": INTEGER,
        "icmp_code": INTEGER,
    },
    "dns": {**EVENT, "kind": TEXT, "name": TEXT, "rtype": TEXT, "data": TEXT, "id": INTEGER},
    "tls": {**EVENT, "hello": TEXT, "up": FLAG, "sni": TEXT},
    "http": {**EVENT, "kind": TEXT, "up": FLAG, "method": TEXT, "target": TEXT, "host": TEXT},
    "mining": {
        **EVENT,
        "kind": TEXT,
        "role": TEXT,
        "shape": TEXT,
        "method": TEXT,
        "wallet": TEXT,
        "worker": TEXT,
        "agent": TEXT,
        "outcome": TEXT,
        "coin_hint": TEXT,
    },
}
"""Tables that are read, their columns and what these hold. Payload bytes are not among them."""

REQUIRED = {
    "flows": ("flow_id", "start_ns", "end_ns", "src_ip", "dst_ip"),
    "dns": ("flow_id",),
    "tls": ("flow_id",),
    "http": ("flow_id",),
    "mining": ("flow_id",),
}
"""Columns without which a file says nothing."""


def kind_of(arrow_type: Any) -> str:  # noqa: ANN401 - Arrow ships no types
    """What a stored column holds, or "" for what is not read here."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    value = arrow_type.value_type if pa.types.is_dictionary(arrow_type) else arrow_type
    if pa.types.is_string(value) or pa.types.is_large_string(value):
        return TEXT
    if pa.types.is_boolean(value):
        return FLAG
    if pa.types.is_integer(value):
        return INTEGER
    return "time" if pa.types.is_timestamp(value) else ""


def expression(table: str, column: str, stored: Mapping[str, str]) -> str:
    """SQL that gives one column of a table from a file that stores those columns.

    Raises:
        ValueError: The file stores it as something else, or lacks what it needs.
    """
    kind = SHAPES[table][column]
    clock = column.removesuffix("_ns")
    found = stored.get(column)
    if found == kind:
        return f'CAST("{column}" AS {CAST[kind]}) AS {column}'
    if found is None and clock != column and stored.get(clock) == "time":
        # Arrow's smallest and largest time mean minus and plus infinity to DuckDB: no number.
        return f'coalesce(epoch_ns("{clock}"), 0) AS {column}'
    if found is not None:
        raise ValueError(f"its column {column} holds {found or 'something else'}, not {kind}")
    if column in REQUIRED[table]:
        raise ValueError(f"it has no column {column}")
    return f"CAST({UNKNOWN[kind]} AS {CAST[kind]}) AS {column}"
