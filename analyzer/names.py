"""Names that a capture shows for addresses: from DNS answers, TLS SNI and HTTP Host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

Row = dict[str, Any]
Sighting = tuple[int, int, str, str]
"""Time in nanoseconds, frame, name as seen, source."""

MAX_NAMES_PER_ADDRESS = 64
"""Names remembered for one address; shared hosting has thousands, an analyst reads a few."""

MAX_CNAME_STEPS = 16
OWN_NAMES = (("tls", "sni", "sni"), ("http", "host", "host"))
"""Where a flow itself names its responder: table, column, and what the source is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name an address went by: from a DNS answer, a TLS SNI or an HTTP Host, and when."""

    name: str
    source: str
    ts_ns: int
    frame: int


class NameBook:
    """Names by address. Building it costs a pass over three tables, asking it next to nothing."""

    __slots__ = ("_sightings",)

    def __init__(self, flows: pa.Table, tables: Mapping[str, pa.Table]) -> None:
        """Reads the tables `dns`, `tls` and `http`; `flows` says who the responders are."""
        self._sightings: dict[str, list[Sighting]] = {}
        for address, sighting in _from_answers(tables["dns"]):
            self._sightings.setdefault(address, []).append(sighting)
        for table, column, source in OWN_NAMES:
            for address, sighting in _from_flows(flows, tables[table], column, source):
                self._sightings.setdefault(address, []).append(sighting)
        for sightings in self._sightings.values():
            sightings.sort()
            del sightings[:-MAX_NAMES_PER_ADDRESS]

    def names(self, address: str, at_ns: int) -> tuple[Name, ...]:
        """Names of an address up to a moment, the latest sighting first, each once."""
        known: dict[str, Name] = {}
        for sighting in reversed(self._sightings.get(address, ())):
            if sighting[0] <= at_ns:
                name = name_of(*sighting)
                known.setdefault(name.name, name)
        return tuple(known.values())


def name_of(ts_ns: int, frame: int, seen: str, source: str) -> Name:
    """A name in lower case, without port and final dot."""
    host = seen.lower() if source == "dns" else _without_port(seen.lower())
    return Name(name=host.rstrip("."), source=source, ts_ns=ts_ns, frame=frame)


def own_names(table: str, rows: list[Row]) -> Iterator[Name]:
    """The names that rows of `tls` or `http` give the responder of their flow."""
    for of_table, column, source in OWN_NAMES:
        for row in rows if of_table == table else ():
            if row[column] and row["up"] and not _is_for_proxy(row):
                yield name_of(row["ts_ns"], row["frame"], row[column], source)


def _is_for_proxy(row: Row) -> bool:
    """Whether a request names somebody behind the responder, a proxy, and not the responder."""
    return row.get("method") == "CONNECT" or "://" in row.get("target", "")


def _from_flows(
    flows: pa.Table, table: pa.Table, column: str, source: str
) -> Iterator[tuple[str, Sighting]]:
    from pyarrow import compute  # noqa: PLC0415 - slow to import

    if table.num_rows == 0:
        return
    rows = _naming_responder(table, column)
    places = compute.index_in(rows.column("flow_id"), value_set=flows.column("flow_id"))
    hosts = flows.column("dst_ip").take(places).to_pylist()
    columns = [rows.column(name).to_pylist() for name in ("ts_ns", "frame", column)]
    for host, ts_ns, frame, name in zip(hosts, *columns, strict=True):
        yield host, (ts_ns, frame, name, source)


def _naming_responder(table: pa.Table, column: str) -> pa.Table:
    """Rows that the initiator sent and that name the responder itself."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import compute  # noqa: PLC0415 - as above

    text = pa.string()
    keep = compute.and_(table.column("up"), compute.not_equal(table.column(column).cast(text), ""))
    if "method" in table.column_names:
        proxied = compute.or_(
            compute.equal(table.column("method").cast(text), "CONNECT"),
            compute.match_substring(table.column("target"), "://"),
        )
        keep = compute.and_(keep, compute.invert(proxied))
    return table.select(["flow_id", "frame", "ts_ns", column]).filter(keep)


def _from_answers(dns: pa.Table) -> Iterator[tuple[str, Sighting]]:
    """Addresses by the name asked for, through any aliases."""
    if dns.num_rows == 0:
        return
    messages: dict[tuple[int, int], list[Row]] = {}
    for row in _answers(dns).to_pylist():
        messages.setdefault((row["flow_id"], row["frame"]), []).append(row)
    for rows in messages.values():
        asked = {row["data"]: row["name"] for row in rows if row["rtype"] == "CNAME"}
        for row in rows:
            if row["rtype"] != "CNAME":
                for name in _alias_chain(row["name"], asked):
                    yield row["data"], (row["ts_ns"], row["frame"], name, "dns")


def _answers(dns: pa.Table) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import compute  # noqa: PLC0415 - as above

    text = pa.string()
    wanted = compute.and_(
        compute.equal(dns.column("kind").cast(text), "answer"),
        compute.is_in(
            dns.column("rtype").cast(text), value_set=pa.array(["A", "AAAA", "CNAME"], text)
        ),
    )
    return dns.select(["flow_id", "frame", "ts_ns", "name", "rtype", "data"]).filter(wanted)


def _alias_chain(name: str, asked: Mapping[str, str]) -> list[str]:
    """The canonical name last, the name that was asked for first."""
    chain = [name]
    while len(chain) <= MAX_CNAME_STEPS and (alias := asked.get(chain[0])) and alias not in chain:
        chain.insert(0, alias)
    return chain


def _without_port(host: str) -> str:
    """A Host header's name: `[2001:db8::1]:80` and `a.example:80` without brackets and port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host
