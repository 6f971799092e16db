"""One address: whom it talked to, on which ports, where it was seen, what was found."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analyzer.errors import NotFoundError, UsageError
from analyzer.store.tables.conditions import name_tables
from analyzer.store.tables.hosts import HostQuery, ends_of, host_page
from analyzer.store.tables.known import known_findings
from analyzer.store.tables.names import relations
from analyzer.store.tables.networks import spellings
from analyzer.store.tables.selection import select

if TYPE_CHECKING:
    from analyzer.store.tables.engine import Binder
    from analyzer.store.tables.files import Gap, Scope
    from analyzer.store.tables.hosts import Host
    from analyzer.store.tables.known import KnownFinding
    from analyzer.store.tables.reader import Reader
    from analyzer.store.tables.selection import Selected

MAX_LISTED = 50
"""Peers, ports, captures, findings of one answer; the totals are of all."""

MAX_LABEL_CHARS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a host exchanged with one peer, on one port, or in one capture.

    Attributes:
        label: The peer's address, the port and what runs on it (`443/tcp tls`), or the capture.
        is_opened: The host initiated its flows (of ports: the port is the other end's).
    """

    label: str
    is_opened: bool
    flows: int
    bytes_out: int
    bytes_in: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDetail:
    """A host and what makes it up, the largest first; `totals` counts what is not listed too."""

    host: Host
    peers: tuple[Part, ...]
    ports: tuple[Part, ...]
    captures: tuple[Part, ...]
    findings: tuple[KnownFinding, ...]
    total_findings: int
    total_ports: int
    gaps: tuple[Gap, ...]


def host_detail(reader: Reader, address: str, query: HostQuery) -> HostDetail:
    """All about one address.

    Raises:
        UsageError: The text is no address.
        NotFoundError: No flow has it.
        LimitError: It takes too long or too much memory.
    """
    written = _spelling(address)
    page = host_page(reader, replace(query, address=written, limit=1, after=""))
    if not page.hosts:
        raise NotFoundError("host", address, hint="`GET /v1/hosts` lists them")
    selected = select(reader.database, query.selection)
    tables = name_tables(selected.terms)
    scope = reader.scope(selected.captures, ("flows", *tables), selected.admits)
    peers, _ = _parts(reader, scope, selected, written, "peer")
    port = f"dst_port || '/' || {_TRANSPORT} || ' ' || left(app, {MAX_LABEL_CHARS})"
    ports, total_ports = _parts(reader, scope, selected, written, f"trim({port})")
    captures, _ = _parts(reader, scope, selected, written, "place")
    known = known_findings(reader.database, captures=selected.captures, hosts=(written,))
    names = {str(place): source.capture for place, source in enumerate(scope.sources)}
    return HostDetail(
        host=page.hosts[0],
        peers=peers,
        ports=ports,
        captures=tuple(replace(part, label=names[part.label]) for part in captures),
        findings=known.findings[:MAX_LISTED],
        total_findings=len(known.findings),
        total_ports=total_ports,
        gaps=page.gaps,
    )


_TRANSPORT = "CASE proto WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' WHEN 132 THEN 'sctp' ELSE 'ip' END"


def _spelling(text: str) -> str:
    try:
        return spellings(ipaddress.ip_address(text))[-1]
    except ValueError as error:
        raise UsageError(
            f"cannot look up {text[:64]!r}: it is no address", hint="write it as 10.20.0.7"
        ) from error


def _parts(
    reader: Reader, scope: Scope, selected: Selected, address: str, label: str
) -> tuple[tuple[Part, ...], int]:
    """The largest parts of what a host exchanged, and how many there are.

    Both ways count apart for ports, where it matters who opened; for peers and captures together.
    """
    apart = "opened" if "dst_port" in label else "max(opened)"
    groups = "label, opened" if "dst_port" in label else "label"

    def build(part: Scope, binder: Binder) -> str:
        entries = relations(part, name_tables(selected.terms), binder)
        rows = ends_of(selected, binder, ", dst_port, proto, app")
        return (
            f"WITH {', '.join(entries)} SELECT CAST({label} AS VARCHAR) AS label, "
            f"{apart} AS opened, count(*) AS flows, sum(sent)::BIGINT AS bytes_out, "
            "sum(received)::BIGINT AS bytes_in, min(start_ns) AS first_ns, "
            "max(end_ns) AS last_ns, count(*) OVER () AS total "
            f"FROM ({rows}) WHERE address = {binder.bind(address)} GROUP BY {groups} "
            f"ORDER BY bytes_out + bytes_in DESC, label LIMIT {MAX_LISTED}"
        )

    found, _ = reader.table(scope, build)
    rows = found.to_pylist()
    parts = tuple(
        Part(
            label=row["label"],
            is_opened=bool(row["opened"]),
            flows=row["flows"],
            bytes_out=row["bytes_out"],
            bytes_in=row["bytes_in"],
            first_ns=row["first_ns"],
            last_ns=row["last_ns"],
        )
        for row in rows
    )
    return parts, rows[0]["total"] if rows else 0
