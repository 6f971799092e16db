"""The columns of a flow that can be shown, filtered, sorted, grouped and added up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from analyzer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_COLUMNS = 64


class Kind(StrEnum):
    """What a column holds, which says how it is compared and written."""

    TEXT = "text"
    WORD = "word"
    ADDRESS = "address"
    INTEGER = "integer"
    FLAG = "flag"
    TIME = "time"
    DURATION = "duration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        name: What it is called in queries and answers.
        kind: What it holds.
        sql: How it is computed from a row of `flows`.
        shown: How it is shown, where that differs.
        title: What it says, for people.
        is_name: It comes from the tables of names and is looked up for the rows of one page.
        can_group: Grouping by it makes sense.
        can_add: Adding it up makes sense.
    """

    name: str
    kind: Kind
    sql: str
    title: str
    shown: str = ""
    is_name: bool = False
    can_group: bool = False
    can_add: bool = False

    @property
    def output(self) -> str:
        """SQL of what is shown."""
        return self.shown or self.sql

    @property
    def can_sort(self) -> bool:
        """Whether a page can go on after a value of it."""
        return not self.is_name and self.kind is not Kind.TEXT


_TRANSPORT = (
    "CASE proto WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' WHEN 58 THEN 'icmp' "
    "WHEN 132 THEN 'sctp' ELSE 'other' END"
)
# 128 bits in between: the times in a capture can be anything that 64 bits hold.
_DURATION = (
    "CAST(least(greatest(CAST(end_ns AS HUGEINT) - start_ns, 0), 9223372036854775807) AS BIGINT)"
)


def _port(name: str) -> str:
    return f"CASE WHEN proto IN (6, 17, 132) THEN {name} END"


def _sum(left: str, right: str) -> str:
    return f"({left} + {right})"


def _text(name: str, title: str) -> Column:
    return Column(name=name, kind=Kind.TEXT, sql=name, title=title)


def _word(name: str, title: str, sql: str = "") -> Column:
    return Column(name=name, kind=Kind.WORD, sql=sql or name, title=title, can_group=True)


def _count(name: str, title: str, sql: str = "") -> Column:
    return Column(name=name, kind=Kind.INTEGER, sql=sql or name, title=title, can_add=True)


def _number(name: str, title: str, *, shown: str = "", can_group: bool = True) -> Column:
    return Column(
        name=name, kind=Kind.INTEGER, sql=name, title=title, shown=shown, can_group=can_group
    )


def _flag(name: str, title: str) -> Column:
    return Column(name=name, kind=Kind.FLAG, sql=name, title=title, can_group=True)


def _address(name: str, title: str) -> Column:
    return Column(name=name, kind=Kind.ADDRESS, sql=name, title=title, can_group=True)


def _time(name: str, title: str) -> Column:
    return Column(name=name, kind=Kind.TIME, sql=f"{name}_ns", title=title)


def _duration(name: str, title: str, sql: str = "") -> Column:
    return Column(name=name, kind=Kind.DURATION, sql=sql or name, title=title, can_add=True)


def _name(name: str, title: str) -> Column:
    return Column(name=name, kind=Kind.TEXT, sql=name, title=title, is_name=True)


_ALL = (
    Column(
        name="capture",
        kind=Kind.WORD,
        sql="place",
        title="SHA-256 of the capture",
        can_group=True,
    ),
    _number("flow_id", "number of the flow in its capture", can_group=False),
    _time("start", "first packet"),
    _time("end", "last packet"),
    _duration("duration_ns", "from the first packet to the last", _DURATION),
    _address("src_ip", "address of the initiator"),
    _number("src_port", "port of the initiator", shown=_port("src_port")),
    _address("dst_ip", "address of the responder"),
    _number("dst_port", "port of the responder", shown=_port("dst_port")),
    _number("proto", "IP protocol number"),
    _word("transport", "tcp, udp, sctp, icmp or other", _TRANSPORT),
    _word("app", "what the parsers found: tls, ssh, http, dns, mining, a label, or nothing"),
    _name("name", "name of the responder: SNI, HTTP Host, or from DNS"),
    _name("sni", "server name in the TLS client hello"),
    _name("http_host", "Host of the first HTTP request"),
    _name("dns_name", "name whose look-up gave the responder's address before"),
    _count("bytes", "IP bytes both ways", _sum("up_bytes", "down_bytes")),
    _count("up_bytes", "IP bytes from the initiator"),
    _count("down_bytes", "IP bytes from the responder"),
    _count("packets", "packets both ways", _sum("up_packets", "down_packets")),
    _count("up_packets", "packets from the initiator"),
    _count("down_packets", "packets from the responder"),
    _count("payload", "transport payload both ways", _sum("up_payload", "down_payload")),
    _count("up_payload", "transport payload bytes from the initiator"),
    _count("down_payload", "transport payload bytes from the responder"),
    _word("community_id", "Community ID v1"),
    _word("initiator_by", "how the initiator is known: syn, syn_ack, port, first"),
    _text("history", "what happened, in Zeek's letters"),
    _word("end_reason", "fin, rst, timeout, eof, evicted, reopened"),
    _number("vlan", "outer VLAN, 0 without one"),
    _flag("encrypted", "whether the payload is encrypted"),
    _flag("midstream", "whether the capture missed its beginning"),
    _number("first_frame", "number of its first frame", can_group=False),
    _number("last_frame", "number of its last frame", can_group=False),
    _duration("rtt_up_ns", "smallest time to the initiator and back, 0 unknown"),
    _duration("rtt_down_ns", "smallest time to the responder and back, 0 unknown"),
    _count("up_gap", "bytes missing from the initiator"),
    _count("down_gap", "bytes missing from the responder"),
    _count("up_retrans", "segments the initiator sent again"),
    _count("down_retrans", "segments the responder sent again"),
    _count("segments_dropped", "segments the analysis could not hold"),
    _number("icmp_type", "ICMP type"),
    _number("icmp_code", "ICMP code"),
)

COLUMNS = {column.name: column for column in _ALL}

DEFAULT_COLUMNS = (
    "capture",
    "flow_id",
    "start",
    "end",
    "src_ip",
    "src_port",
    "dst_ip",
    "dst_port",
    "transport",
    "app",
    "name",
    "up_bytes",
    "down_bytes",
    "up_packets",
    "down_packets",
    "community_id",
)
"""What a page shows unless it is told."""


def columns_named(names: Iterable[str], what: str) -> tuple[Column, ...]:
    """Columns by name, each once.

    Raises:
        UsageError: There is no such column, or there are too many names.
    """
    unique = tuple(dict.fromkeys(name.strip() for name in names))
    if len(unique) > MAX_COLUMNS:
        raise UsageError(
            f"cannot {what} {len(unique)} columns: at most {MAX_COLUMNS} can be named",
            hint="name those that are needed",
        )
    for name in unique:
        if name not in COLUMNS:
            raise UsageError(
                f"cannot {what} {name[:40]!r}: flows have no such column",
                hint=f"columns are {', '.join(COLUMNS)}",
            )
    return tuple(COLUMNS[name] for name in unique)
