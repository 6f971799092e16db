"""What readers may ask of the findings, and where a reader is in the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.store import schema
from analyzer.store.schema import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.store.records import StoredFinding

MAX_TEXT_CHARS = 200


class Sort(StrEnum):
    """Orders of findings."""

    FEED = "feed"
    """As they came or changed: what a poller reads."""

    WORST = "worst"
    LATEST = "latest"


class Hidden(StrEnum):
    """What becomes of suppressed or superseded findings."""

    HIDE = "hide"
    SHOW = "show"
    ONLY = "only"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingQuery:
    """Which findings, in which order; empty means no condition.

    Attributes:
        severity_at_least: A rank, 0 to 4.
        hosts: Addresses of either end.
        seen_after_ns, seen_before_ns: Bounds on the finding's last sight in the capture.
        updated_after_ns: Changed in the service then or since.
        text: Somewhere in title, wallet, pool, addresses or id.
        suppressed: Findings under a suppression.
        superseded: Findings that the latest analysis of their capture no longer has.
    """

    sort: Sort = Sort.FEED
    severity_at_least: int = 0
    confidence_at_least: float = 0.0
    detectors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    captures: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    assignee: str = ""
    wallet: str = ""
    pool: str = ""
    seen_after_ns: int = 0
    seen_before_ns: int = 0
    updated_after_ns: int = 0
    text: str = ""
    suppressed: Hidden = Hidden.HIDE
    superseded: Hidden = Hidden.HIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a reader has come: the sort key of the last finding looked at, shown or not."""

    sort: Sort
    key: tuple[int | float | str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingPage:
    """One page.

    Attributes:
        findings: In the order asked for.
        next: Where the next page begins; there is always one, for a poller to come back with.
        has_more: Whether findings are behind it already.
        hidden: Findings passed over because a suppression hides them.
    """

    findings: tuple[StoredFinding, ...]
    next: Position
    has_more: bool
    hidden: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A sort as columns: name and whether it descends. The last one is unique."""

    columns: tuple[tuple[str, bool], ...] = field(default=())

    def clauses(self) -> list[sa.UnaryExpression[Any]]:
        """For ORDER BY."""
        table = schema.findings.c
        return [table[name].desc() if down else table[name].asc() for name, down in self.columns]

    def after(self, key: Sequence[int | float | str]) -> sa.ColumnElement[bool]:
        """Rows that come behind a key."""
        table = schema.findings.c
        behind = []
        for index, (name, down) in enumerate(self.columns):
            same = [table[prior] == key[at] for at, (prior, _) in enumerate(self.columns[:index])]
            further = table[name] < key[index] if down else table[name] > key[index]
            behind.append(sa.and_(*same, further))
        return sa.or_(*behind)

    def key(self, row: Any) -> tuple[int | float | str, ...]:  # noqa: ANN401 - a row of any shape
        """A row's place in the order."""
        return tuple(row[name] for name, _ in self.columns)


ORDERS = {
    Sort.FEED: Order(columns=(("sequence", False),)),
    Sort.WORST: Order(columns=(("severity", True), ("confidence", True), ("id", True))),
    Sort.LATEST: Order(columns=(("last_ns", True), ("id", True))),
}


def conditions(query: FindingQuery) -> list[sa.ColumnElement[bool]]:
    """The query's conditions that SQL can judge: all but suppression."""
    table = schema.findings.c
    found: list[sa.ColumnElement[bool]] = []
    if query.severity_at_least:
        found.append(table.severity >= query.severity_at_least)
    if query.confidence_at_least:
        found.append(table.confidence >= query.confidence_at_least)
    found.extend(_among(query))
    if query.hosts:
        found.append(sa.or_(table.src_ip.in_(query.hosts), table.dst_ip.in_(query.hosts)))
    if query.seen_after_ns:
        found.append(table.last_ns >= query.seen_after_ns)
    if query.seen_before_ns:
        found.append(table.first_ns < query.seen_before_ns)
    if query.updated_after_ns:
        found.append(table.updated_ns >= query.updated_after_ns)
    if query.text:
        found.append(_holds(query.text))
    if query.superseded is not Hidden.SHOW:
        found.append(table.current.is_(query.superseded is Hidden.HIDE))
    return found


def _among(query: FindingQuery) -> list[sa.ColumnElement[bool]]:
    table = schema.findings.c
    lists = {
        "detector": query.detectors,
        "category": query.categories,
        "capture": query.captures,
        "status": query.statuses,
        "verdict": query.verdicts,
    }
    single = {"assignee": query.assignee, "wallet": query.wallet, "pool": query.pool}
    return [table[name].in_(values) for name, values in lists.items() if values] + [
        table[name] == value for name, value in single.items() if value
    ]


def _holds(text: str) -> sa.ColumnElement[bool]:
    table = schema.findings.c
    columns = (table.title, table.wallet, table.pool, table.src_ip, table.dst_ip, table.id)
    wanted = plain(text[:MAX_TEXT_CHARS])  # as what it is compared with was stored
    return sa.or_(*(column.icontains(wanted, autoescape=True) for column in columns))
