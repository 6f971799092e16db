"""Pools and wallets as rows: each with everything that was seen with it, worst first."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analyzer.errors import UsageError
from analyzer.store.tables.filters import Value
from analyzer.store.tables.known import by_severity
from analyzer.store.tables.mining import Shares, cut, sightings
from analyzer.store.tables.paging import RowCursor, row_cursor_from
from analyzer.store.tables.selection import moment_ns
from analyzer.store.tables.values import MAX_INTEGER, address, fits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from analyzer.store.tables.files import Gap
    from analyzer.store.tables.mining import Sighting
    from analyzer.store.tables.reader import Reader

MAX_ROWS = 1_000
MAX_LISTED = 50
"""Hosts, captures, findings listed of one pool or wallet; the counts are of all."""

SHOWN_ENDS = 6
"""Characters that a masked wallet shows at each end."""

SORTS = ("severity", "last_seen", "first_seen", "shares", "captures", "miners")


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningQuery:
    """Which pools or wallets, in which order.

    Attributes:
        captures: SHA-256 of captures; none means all.
        miner: Address of an inside host, or "".
        pool: Name, operator or address of a pool, `*` for anything, or "".
        wallet: A wallet, `*` for anything, or "".
        coin: A coin's id, or "".
        since, until: Bounds as the filter language writes times, or "".
        sort: One of `SORTS`, a minus before it for the largest first.
        limit: Rows at most.
        after: `next` of the page before, or "".
    """

    captures: tuple[str, ...] = ()
    miner: str = ""
    pool: str = ""
    wallet: str = ""
    coin: str = ""
    since: str = ""
    until: str = ""
    sort: str = "-severity"
    limit: int = 100
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningRow:
    """One pool, or one wallet.

    Attributes:
        key: The pool's name or address, or the wallet.
        pools, addresses, operators, wallets, coins, dialects, miners, workers, agents: What was
            seen with it, at most `MAX_LISTED` of each, and in `counts` how many there are.
    """

    key: str
    pools: tuple[str, ...]
    addresses: tuple[str, ...]
    operators: tuple[str, ...]
    wallets: tuple[str, ...]
    coins: tuple[str, ...]
    dialects: tuple[str, ...]
    miners: tuple[str, ...]
    workers: tuple[str, ...]
    agents: tuple[str, ...]
    captures: tuple[str, ...]
    finding_ids: tuple[str, ...]
    findings: Mapping[str, int]
    counts: Mapping[str, int]
    shares: Shares
    first_ns: int
    last_ns: int
    worst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningPage:
    """Some pools or wallets; `total` counts those on all pages."""

    rows: tuple[MiningRow, ...]
    total: int
    next: str
    gaps: tuple[Gap, ...]


def pools(reader: Reader, query: MiningQuery) -> MiningPage:
    """Pools that miners were seen with.

    Raises:
        UsageError: A filter, the order or the cursor makes no sense.
        NotFoundError: A named capture is not known.
    """
    return _page(reader, query, "pool")


def wallets(reader: Reader, query: MiningQuery) -> MiningPage:
    """Wallets that miners logged in with.

    Raises:
        UsageError, NotFoundError: As for `pools`.
    """
    return _page(reader, query, "wallet")


def masked(wallet: str) -> str:
    """A wallet as people compare them: beginning and end."""
    if len(wallet) <= 3 * SHOWN_ENDS:
        return f"{wallet[:2]}…" if wallet else ""
    return f"{wallet[:SHOWN_ENDS]}…{wallet[-SHOWN_ENDS:]}"


def wallet_id(wallet: str) -> str:
    """A name for a wallet that does not give it away."""
    return f"w-{hashlib.sha256(wallet.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _page(reader: Reader, query: MiningQuery, by: str) -> MiningPage:
    name, down = query.sort.removeprefix("-"), query.sort.startswith("-")
    if name not in SORTS:
        raise UsageError(f"cannot sort by {name[:40]!r}", hint=f"sort by {', '.join(SORTS)}")
    if not 1 <= query.limit <= MAX_ROWS:
        raise UsageError(f"cannot give {query.limit} rows: 1 to {MAX_ROWS} can be asked for")
    identity = (by, replace(query, after="", limit=0))
    cursor = row_cursor_from(query.after, identity) if query.after else None
    admits = _filter(query)
    found, gaps = sightings(reader, query.captures)
    grouped: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in found:
        key = _pool_key(sighting) if by == "pool" else sighting.wallet
        if key and admits(sighting):
            grouped[key].append(sighting)
    rows = [_row(key, of_key) for key, of_key in grouped.items()]
    sign = -1 if down else 1

    def place(row: MiningRow) -> tuple[int, str]:
        return sign * _value(row, name), _tie(row.key)

    rows.sort(key=place)
    behind = [
        row for row in rows if cursor is None or place(row) > (sign * cursor.value, cursor.name)
    ]
    shown = behind[: query.limit]
    more = len(behind) > len(shown)
    last = RowCursor(value=_value(shown[-1], name), name=_tie(shown[-1].key)) if more else None
    return MiningPage(
        rows=tuple(replace(row, key=cut(row.key)) for row in shown),
        total=len(rows),
        next=last.text(identity) if last else "",
        gaps=gaps,
    )


def _tie(key: str) -> str:
    """What decides between rows of one value; keys may be longer than a cursor."""
    return f"{key[:SHOWN_ENDS]} {hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _pool_key(sighting: Sighting) -> str:
    return sighting.pool or sighting.address or sighting.operator


def _filter(query: MiningQuery) -> Callable[[Sighting], bool]:
    """The query's conditions, each read once."""
    since = moment_ns(query.since, "since") if query.since else -MAX_INTEGER
    until = moment_ns(query.until, "until") if query.until else MAX_INTEGER
    miner = str(address(query.miner, Value(text=query.miner))) if query.miner else ""
    pool, wallet = Value(text=query.pool), Value(text=query.wallet)
    fits("", pool)
    fits("", wallet)

    def admits(sighting: Sighting) -> bool:
        ip = sighting.address.rpartition(":")[0].strip("[]")
        called = (sighting.pool, sighting.operator, sighting.address, ip)
        return (
            sighting.finding.last_ns >= since
            and sighting.finding.first_ns < until
            and (not miner or sighting.miner == miner)
            and (not query.pool or any(fits(name, pool) for name in called if name))
            and (not query.wallet or fits(sighting.wallet, wallet))
            and (not query.coin or sighting.coin.upper() == query.coin.upper())
        )

    return admits


def _row(key: str, found: list[Sighting]) -> MiningRow:
    lists: dict[str, list[str]] = {}
    for plural, name in _LISTS.items():
        values = (getattr(sighting, name) for sighting in found)
        lists[plural] = sorted({cut(value) for value in values if value})
    lists["workers"] = sorted({cut(one) for item in found for one in item.workers if one})
    lists["captures"] = sorted({sighting.finding.capture for sighting in found})
    findings = {sighting.finding.id: sighting.finding for sighting in found}
    lists["finding_ids"] = list(findings)
    flows: dict[tuple[str, int], Shares] = {}
    for sighting in found:
        for flow, shares in sighting.flows.items():
            # A flow of several findings counts once; not each of them tells its shares.
            if shares.submitted >= flows.get(flow, Shares()).submitted:
                flows[flow] = shares
    return MiningRow(
        key=key,
        **{name: tuple(values[:MAX_LISTED]) for name, values in lists.items()},
        counts={name: len(values) for name, values in lists.items()},
        findings=by_severity(finding.severity for finding in findings.values()),
        shares=sum(flows.values(), Shares()),
        first_ns=min(finding.first_ns for finding in findings.values()),
        last_ns=max(finding.last_ns for finding in findings.values()),
        worst=max(finding.severity.rank for finding in findings.values()),
    )


_LISTS = {
    "pools": "pool",
    "addresses": "address",
    "operators": "operator",
    "wallets": "wallet",
    "coins": "coin",
    "dialects": "dialect",
    "miners": "miner",
    "agents": "agent",
}


def _value(row: MiningRow, sort: str) -> int:
    return {
        "severity": row.worst,
        "last_seen": row.last_ns,
        "first_seen": row.first_ns,
        "shares": row.shares.submitted,
        "captures": row.counts["captures"],
        "miners": row.counts["miners"],
    }[sort]
