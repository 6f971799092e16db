"""Names of flows, from the tables tls, http and dns: as SQL.

As in `analyzer.names`: a flow's own SNI and Host name its responder, unless a request is meant for
somebody behind it; a DNS answer names an address from then on by the name that was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analyzer.store.tables.engine import Binder
    from analyzer.store.tables.files import Scope

MAX_NAME_CHARS = 512
"""Longest name that is shown or compared; DNS allows 255."""

NAME_TABLES = {"sni": "tls", "http_host": "http", "dns_name": "dns"}
"""Which table a name comes from."""

_BARE_HOST = (
    "CASE WHEN starts_with(named.host, '[') THEN split_part(substr(named.host, 2), ']', 1) "
    "WHEN len(named.host) - len(replace(named.host, ':', '')) = 1 "
    "THEN split_part(named.host, ':', 1) ELSE named.host END"
)
CANONICAL = {
    "sni": f"left(rtrim(lower(named.sni), '.'), {MAX_NAME_CHARS})",
    "http_host": f"left(rtrim(lower({_BARE_HOST}), '.'), {MAX_NAME_CHARS})",
    "dns_name": f"left(named.name, {MAX_NAME_CHARS})",
}
"""A name in lower case, without port and final dot, from a row called `named`."""

_OWN = {
    "tls": "up AND sni <> ''",
    "http": "up AND host <> '' AND method <> 'CONNECT' AND NOT contains(target, '://')",
    "dns": "true",
}
"""Rows that name the responder of their flow."""

_ANSWERS = (
    "answers AS NOT MATERIALIZED (SELECT one.place, one.data, one.ts_ns, "
    f"left(coalesce(question.name, one.name), {MAX_NAME_CHARS}) AS asked "
    "FROM dns AS one LEFT JOIN (SELECT place, flow_id, frame, id, min(name) AS name FROM dns "
    "WHERE kind = 'question' GROUP BY place, flow_id, frame, id) AS question "
    "USING (place, flow_id, frame, id) "
    "WHERE one.kind = 'answer' AND one.rtype IN ('A', 'AAAA'))"
)


def relations(scope: Scope, tables: Iterable[str], binder: Binder) -> list[str]:
    """The `WITH` entries of `flows` and of tables of names."""
    found = [f"flows AS NOT MATERIALIZED ({scope.relation('flows', binder)})"]
    for table in tables:
        rows = scope.relation(table, binder)
        found.append(f"{table} AS NOT MATERIALIZED (SELECT * FROM ({rows}) WHERE {_OWN[table]})")
        if table == "dns":
            found.append(_ANSWERS)
    return found


def own_name(field: str) -> str:
    """SQL of the first name of each flow of `page` in one table: place, flow_id, found."""
    table = NAME_TABLES[field]
    return (
        f"SELECT place, flow_id, arg_min({CANONICAL[field]}, named.frame) AS found "
        f"FROM {table} AS named SEMI JOIN page USING (place, flow_id) GROUP BY place, flow_id"
    )


def resolved_name() -> str:
    """SQL of the latest look-up before each flow of `page` began: place, flow_id, found."""
    known = (
        "SELECT place, data, ts_ns, min(asked) AS asked FROM answers GROUP BY place, data, ts_ns"
    )
    return (
        "SELECT page.place, page.flow_id, known.asked AS found "
        f"FROM page ASOF JOIN ({known}) AS known ON known.place = page.place "
        "AND known.data = page.dst_ip AND known.ts_ns <= page.start_ns"
    )


def host_names(entries: list[str], addresses: str, most: int) -> str:
    """SQL of the latest names of some addresses: address, name, source.

    Args:
        entries: `WITH` entries of flows, dns, http and tls.
        addresses: A placeholder of a list of addresses.
        most: Names of one address.
    """
    wanted = f"(SELECT unnest({addresses}))"
    parts = ["SELECT data AS address, asked AS name, 'dns' AS source, ts_ns FROM answers"]
    for field, source in (("sni", "sni"), ("http_host", "host")):
        parts.append(
            f"SELECT flows.dst_ip, {CANONICAL[field]}, '{source}', named.ts_ns "
            f"FROM {NAME_TABLES[field]} AS named JOIN flows USING (place, flow_id) "
            f"WHERE flows.dst_ip IN {wanted}"
        )
    ranked = (
        "SELECT address, name, arg_max(source, ts_ns) AS source, max(ts_ns) AS last_ns, "
        "row_number() OVER (PARTITION BY address ORDER BY max(ts_ns) DESC, name) AS place "
        f"FROM ({' UNION ALL '.join(parts)}) WHERE address IN {wanted} AND name <> '' "
        "GROUP BY address, name"
    )
    return (
        f"WITH {', '.join(entries)} SELECT address, name, source FROM ({ranked}) "
        f"WHERE place <= {most} ORDER BY address, place"
    )


ROW = f"place * {2**32} + flow_id"
"""One number for each flow of a query: a join on one number is several times faster."""


def named_in(table: str, pattern: str) -> str:
    """SQL of `ROW` of the flows that have a fitting row, called `named`, in a table of names."""
    return f"SELECT {ROW} FROM {table} AS named WHERE {pattern}"


def reached_by(pattern: str) -> str:
    """SQL of `ROW` of the flows to an address that a look-up gave before they ended.

    Args:
        pattern: What the name that was asked for must be, said of `named.asked`.
    """
    first = (
        "SELECT place, data, min(ts_ns) AS ts_ns FROM answers AS named "
        f"WHERE {pattern} GROUP BY place, data"
    )
    return (
        f"SELECT flows.place * {2**32} + flows.flow_id FROM flows JOIN ({first}) AS known "
        "ON known.place = flows.place AND known.data = flows.dst_ip "
        "WHERE known.ts_ns <= flows.end_ns"
    )
