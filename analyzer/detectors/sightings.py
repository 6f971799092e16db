"""Where names and addresses of a list are seen: asked for in DNS, or contacted by a flow.

Detectors that go by lists share this. The list is given as predicates. Whole tables are searched by
their distinct values, so the cost lies in how many names a capture has, not in how many packets.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    import pyarrow as pa

    from analyzer.names import Name
    from analyzer.observations import Flow, Observations

    Predicate = Callable[[str], bool]

RCODES = {2: "server failure", 3: "no such name", 5: "refused"}
"""RFC 1035 section 4.1.1: answers that keep a host from connecting."""

BATCH_ROWS = 4096
HTTP_ERROR_STATUS = 400
MAX_PORT_DIGITS = 5


class Reach(StrEnum):
    """How far a contact came, the furthest last."""

    TRIED = "tried"
    CONNECTED = "connected"
    TALKED = "talked"

    @property
    def rank(self) -> int:
        """0 for an attempt up to 2 for data both ways."""
        return list(Reach).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What one DNS flow has about one name on the list.

    Attributes:
        asker: The host that asked.
        server: Whom it asked.
        name: The name on the list: the one asked for, or an alias in the answer.
        asked: The name asked for.
        flow: The DNS conversation.
        frames: Where the name stands, ascending.
        failure: Why there was no address, in words; "" if nothing says so.
    """

    asker: str
    server: str
    name: str
    asked: str
    flow: Flow
    frames: tuple[int, ...]
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One flow to a server on the list.

    Attributes:
        flow: The flow.
        host: The other end of it.
        address: The server's address, or that of the proxy that was asked for the server.
        port: The server's port as the host means it.
        name: By which it is on the list; "" if by its address alone.
        source: `sni`, `host`, `connect` (asked of a proxy), `dns` or `address`.
        frame: Where the name was seen; 0 if there is none.
        reach: How far it came.
        shared: Other names led to the same address as well, so the name is a guess.
    """

    flow: Flow
    host: str
    address: str
    port: int
    name: str
    source: str
    frame: int
    reach: Reach
    shared: bool = False

    @property
    def is_exact(self) -> bool:
        """The flow itself says whom it means; otherwise its address was looked up before."""
        return self.source in ("sni", "host", "connect")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnName:
    """What a flow says about whom it means; port 0 if it names none."""

    name: str
    source: str
    frame: int
    port: int = 0


def lookups(observations: Observations, is_name: Predicate) -> list[Lookup]:
    """DNS flows about names on the list, one entry for each name, in order of flow id.

    What a resolver asks on behalf of a host that is seen asking it is left out: the asking host is
    what matters.
    """
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in _dns_rows(observations, is_name):
        for name in _names_in(row):
            if is_name(name):
                groups.setdefault((row["flow_id"], name), []).append(row)
    found = [
        _lookup(observations.flow(flow_id), name, rows)
        for (flow_id, name), rows in sorted(groups.items())
    ]
    served = {(lookup.server, lookup.name) for lookup in found}
    return [lookup for lookup in found if (lookup.asker, lookup.name) not in served]


def contacts(
    observations: Observations,
    is_name: Predicate,
    is_address: Predicate = lambda _: False,
) -> Iterator[Contact]:
    """Flows to servers on the list, in order of flow id.

    What a flow says itself (SNI, Host, CONNECT) goes before the names its address was resolved
    from, because many sites share an address.
    """
    addresses = _wanted_addresses(observations, is_name, is_address)
    flow_ids = _flows_of_addresses(observations, addresses) | _flows_of_names(observations, is_name)
    for flow_id in sorted(flow_ids):
        flow = observations.flow(flow_id)
        if flow.transport not in ("tcp", "udp"):
            continue
        own = list(own_names(observations, flow_id))
        named = next((item for item in own if is_name(item.name)), None)
        if named:
            yield _own_contact(observations, flow, named)
        elif contact := _address_contact(observations, flow, is_name, is_address, said=bool(own)):
            yield contact


def rows_with(
    observations: Observations, table_name: str, column: str, is_wanted: Predicate
) -> Iterator[dict[str, Any]]:
    """Rows whose text in one column is wanted, in table order; the others are never converted."""
    table = observations.arrow(table_name)
    wanted = _wanted_values(table, column, is_wanted)
    if wanted:
        for batch in table.filter(_is_in(table, column, wanted)).to_batches(BATCH_ROWS):
            yield from batch.to_pylist()


def reach_of(flow: Flow) -> Reach:
    """How far a flow came, from its handshake and its payload."""
    if flow.up_payload and flow.down_payload:
        return Reach.TALKED
    if flow.transport == "udp":
        return Reach.CONNECTED if flow.up_packets and flow.down_packets else Reach.TRIED
    answered = "h" in flow.history or flow.down_payload or (flow.midstream and flow.up_payload)
    return Reach.CONNECTED if answered else Reach.TRIED


def own_names(observations: Observations, flow_id: int) -> Iterator[OwnName]:
    """Names a flow's initiator gives for its server, lower case, without port and final dot."""
    for row in observations.rows("tls", flow_id):
        if row["sni"] and row["up"]:
            yield OwnName(name=_host(row["sni"]), source="sni", frame=row["frame"])
    for row in observations.rows("http", flow_id):
        if row["method"] == "CONNECT" and row["up"]:
            name, _, port = row["target"].rpartition(":")
            is_port = port.isdecimal() and port.isascii() and len(port) <= MAX_PORT_DIGITS
            number = int(port) if is_port else 0
            yield OwnName(name=_host(name), source="connect", frame=row["frame"], port=number)
        elif row["host"] and row["up"]:
            yield OwnName(name=_host(row["host"]), source="host", frame=row["frame"])


def _own_contact(observations: Observations, flow: Flow, own: OwnName) -> Contact:
    reach = reach_of(flow)
    if own.source == "connect" and _is_refused(observations, flow.flow_id):
        reach = Reach.TRIED
    return Contact(
        flow=flow,
        host=flow.src_ip,
        address=flow.dst_ip,
        port=own.port or flow.dst_port,
        name=own.name,
        source=own.source,
        frame=own.frame,
        reach=reach,
    )


def _address_contact(
    observations: Observations,
    flow: Flow,
    is_name: Predicate,
    is_address: Predicate,
    *,
    said: bool,
) -> Contact | None:
    """By the address of the responder or, since who began may be a guess, of the other end.

    A flow that said itself whom it means is not judged by names of its address.
    """
    ends = (
        (flow.dst_ip, flow.dst_port, flow.src_ip),
        (flow.src_ip, flow.src_port, flow.dst_ip),
    )
    for address, port, host in ends:
        seen = () if said else _resolved(observations, address, flow.start_ns)
        named = next((name for name in seen if is_name(name.name)), None)
        if named is None and not is_address(address):
            continue
        return Contact(
            flow=flow,
            host=host,
            address=address,
            port=port,
            name=named.name if named else "",
            source="dns" if named else "address",
            frame=named.frame if named else 0,
            reach=reach_of(flow),
            shared=named is not None and _is_shared(seen, named, is_name),
        )
    return None


def _is_shared(seen: Sequence[Name], named: Name, is_name: Predicate) -> bool:
    """Whether other names led there; names of one DNS message are aliases of each other."""
    return any(name.frame != named.frame and not is_name(name.name) for name in seen)


def _resolved(observations: Observations, address: str, at_ns: int) -> tuple[Name, ...]:
    """Names that DNS gave for an address; SNI and Host of other flows may be a proxy's."""
    names = observations.names_for(address, at_ns)
    return tuple(name for name in names if name.source == "dns")


def _is_refused(observations: Observations, flow_id: int) -> bool:
    """Whether a proxy answered with nothing but errors."""
    rows = observations.rows("http", flow_id)
    statuses = [row["status"] for row in rows if row["kind"] == "response"]
    return bool(statuses) and min(statuses) >= HTTP_ERROR_STATUS


def _lookup(flow: Flow, name: str, rows: Sequence[dict[str, Any]]) -> Lookup:
    first = rows[0]
    by_initiator = (first["kind"] == "query") == first["up"]
    asker, server = (flow.src_ip, flow.dst_ip) if by_initiator else (flow.dst_ip, flow.src_ip)
    failures = [RCODES[row["rcode"]] for row in rows if row["rcode"] in RCODES]
    return Lookup(
        asker=asker,
        server=server,
        name=name,
        asked=name if any(row["name"] == name for row in rows) else first["name"],
        flow=flow,
        frames=tuple(sorted({row["frame"] for row in rows})),
        failure=failures[0] if failures else "",
    )


def _dns_rows(observations: Observations, is_name: Predicate) -> list[dict[str, Any]]:
    """Rows that hold a name on the list, as what is asked for or as an alias in an answer."""
    from pyarrow import compute  # noqa: PLC0415 - slow to import

    table = observations.arrow("dns")
    if table.num_rows == 0:
        return []
    is_alias = compute.equal(_text(table, "rtype"), "CNAME")
    wanted = _wanted_values(table, "name", is_name)
    aliases = _wanted_values(table.filter(is_alias), "data", is_name)
    if not wanted and not aliases:
        return []
    by_alias = compute.and_(is_alias, _is_in(table, "data", aliases))
    rows: list[dict[str, Any]] = table.filter(
        compute.or_(_is_in(table, "name", wanted), by_alias)
    ).to_pylist()
    return rows


def _names_in(row: dict[str, Any]) -> tuple[str, ...]:
    alias = _host(row["data"]) if row["rtype"] == "CNAME" else ""
    return tuple(dict.fromkeys(name for name in (row["name"], alias) if name))


def _wanted_addresses(
    observations: Observations, is_name: Predicate, is_address: Predicate
) -> set[str]:
    table = observations.arrow("flows")
    addresses = {*_distinct(table, "src_ip"), *_distinct(table, "dst_ip")}
    wanted = {address for address in addresses if is_address(address)}
    dns = observations.arrow("dns")
    # to know the names of all addresses costs more than everything else here, and is seldom needed
    if _wanted_values(dns, "name", is_name) or _wanted_values(dns, "data", is_name):
        last_ns = int(observations.stats.get("last_ns", 0))
        for address in addresses.intersection(_distinct(dns, "data")):
            if any(is_name(name.name) for name in _resolved(observations, address, last_ns)):
                wanted.add(address)
    return wanted


def _flows_of_addresses(observations: Observations, addresses: set[str]) -> set[int]:
    from pyarrow import compute  # noqa: PLC0415 - slow to import

    if not addresses:
        return set()
    table = observations.arrow("flows")
    either = compute.or_(_is_in(table, "src_ip", addresses), _is_in(table, "dst_ip", addresses))
    return set(table.filter(either).column("flow_id").to_pylist())


def _flows_of_names(observations: Observations, is_name: Predicate) -> set[int]:
    """Flows whose own SNI, Host or CONNECT names something on the list."""

    def is_named(text: str) -> bool:
        return is_name(_host(text)) or is_name(_host(text.rpartition(":")[0]))

    found: set[int] = set()
    for name, column in (("tls", "sni"), ("http", "host"), ("http", "target")):
        table = observations.arrow(name)
        if column == "target" and table.num_rows:
            table = table.filter(_is_in(table, "method", {"CONNECT"}))
        wanted = _wanted_values(table, column, is_named)
        if wanted:
            found |= set(table.filter(_is_in(table, column, wanted)).column("flow_id").to_pylist())
    return found


def _wanted_values(table: pa.Table, column: str, is_wanted: Predicate) -> set[str]:
    return {text for text in _distinct(table, column) if text and is_wanted(text)}


def _distinct(table: pa.Table, column: str) -> list[str]:
    if table.num_rows == 0:
        return []
    values: list[str] = table.column(column).unique().to_pylist()
    return values


def _is_in(table: pa.Table, column: str, values: Collection[str]) -> pa.ChunkedArray:
    import pyarrow as pa  # noqa: PLC0415 - slow to import
    from pyarrow import compute  # noqa: PLC0415 - slow to import

    return compute.is_in(_text(table, column), value_set=pa.array(sorted(values), pa.string()))


def _text(table: pa.Table, column: str) -> pa.ChunkedArray:
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    return table.column(column).cast(pa.string())


def _host(text: str) -> str:
    """A host name as lists have it; a port behind it and the brackets of IPv6 are cut off."""
    text = text.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return (text.partition(":")[0] if text.count(":") == 1 else text).rstrip(".")
