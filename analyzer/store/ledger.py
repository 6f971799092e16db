"""Writing findings: each change is a version, takes the next place in the feed, and is pushed.

This is the only place that numbers the feed, so that nothing changes without the pollers and the
sinks learning of it. All functions work within the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.model import Severity
from analyzer.store import schema
from analyzer.store.database import take
from analyzer.store.records import DeliveryState, TriageStatus
from analyzer.store.scopes import pool_of, wallet_of
from analyzer.times import parse_rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PUSHED_CHANGES = ("created", "seen", "returned", "unsuppressed")
"""Changes a sink hears of unless it says otherwise in `only.changes`."""

CHANGES = (*PUSHED_CHANGES, "gone", "triage", "comment", "suppressed")
BATCH = 500
COLUMNS = schema.findings.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happened to one finding.

    Attributes:
        row: The finding's columns as they shall be; `id` names it.
        kind: One of `CHANGES`.
        changes: What differs: field to `[before, after]`.
        document: Kept in the history where the finding itself changed.
    """

    row: Mapping[str, Any]
    kind: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    document: Mapping[str, Any] | None = None


def hold_feed(connection: sa.Connection) -> None:
    """Makes this transaction the only one that changes findings until it ends.

    Whoever decides what to change from what it reads takes hold before it reads: what others
    commit in between is then seen, no two lock the same findings crosswise, and no suppression
    ends while another transaction still writes a finding under it.
    """
    take(connection, "feed", 0)


def feed_end(connection: sa.Connection) -> int:
    """The last place of the feed that this transaction sees."""
    counters = schema.counters.c
    query = sa.select(counters.value).where(counters.name == "feed")
    return int(connection.execute(query).scalar_one())


def publish(
    connection: sa.Connection,
    changes: Sequence[Change],
    *,
    by: str,
    now_ns: int,
    reason: str = "",
) -> None:
    """Writes changes: rows, history, feed and outbox.

    Args:
        connection: The caller's transaction.
        changes: At most one for each finding; `row["version"]` is the version before, 0 for new.
        by: Who, for the history.
        now_ns: When.
        reason: Why, for the history.
    """
    if not changes:
        return
    first = take(connection, "feed", len(changes))
    rows, versions = [], []
    for place, change in enumerate(changes):
        version = change.row["version"] + 1
        rows.append(
            {**change.row, "sequence": first + place, "version": version, "updated_ns": now_ns}
        )
        versions.append(
            {
                "finding_id": change.row["id"],
                "version": version,
                "at_ns": now_ns,
                "by": by,
                "change": change.kind,
                "reason": reason,
                "changes": dict(change.changes),
                "document": change.document,
            }
        )
    _write_rows(connection, rows)
    connection.execute(sa.insert(schema.finding_versions), versions)
    _enqueue(connection, rows, changes, now_ns)


def columns_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that copy something from a finding's document, for queries."""
    flow = document["flow"]
    return {
        "id": document["id"],
        "detector": document["detector"],
        "category": document["category"],
        "severity": Severity(document["severity"]).rank,
        "confidence": float(document["confidence"]),
        "title": document["title"],
        "src_ip": flow["src_ip"],
        "dst_ip": flow["dst_ip"],
        "dst_port": flow.get("dst_port") or 0,
        "wallet": wallet_of(document),
        "pool": pool_of(document),
        "first_ns": parse_rfc3339(document["first_seen"])[0],
        "last_ns": parse_rfc3339(document["last_seen"])[0],
        "document": dict(document),
    }


def reconcile(
    connection: sa.Connection,
    documents: Iterable[Mapping[str, Any]],
    *,
    capture: str,
    analysis_id: str,
    now_ns: int,
) -> list[Change]:
    """What an analysis of a capture changes: findings new, different, returned, or gone."""
    hold_feed(connection)
    fresh = {document["id"]: document for document in documents}
    known = _rows(connection, fresh) | _of_capture(connection, capture)
    changes: list[Change] = []
    unchanged: list[str] = []
    for finding_id, document in fresh.items():
        old = known.get(finding_id)
        if old is None:
            changes.append(_created(document, capture, analysis_id, now_ns))
        elif old["current"] and old["document"] == document:
            unchanged.append(finding_id)
        else:
            changes.append(_seen_again(old, document, capture, analysis_id))
    for finding_id, old in known.items():
        if finding_id not in fresh and old["current"]:
            row = {**old, "current": False}
            changes.append(Change(row=row, kind="gone", changes={"current": [True, False]}))
    for start in range(0, len(unchanged), BATCH):
        part = unchanged[start : start + BATCH]
        same = sa.update(schema.findings).where(COLUMNS.id.in_(part))
        connection.execute(same.values(analysis_id=analysis_id))
    return changes


def _created(document: Mapping[str, Any], capture: str, analysis_id: str, now_ns: int) -> Change:
    row = {
        **columns_of(document),
        "version": 0,
        "capture": capture,
        "analysis_id": analysis_id,
        "current": True,
        "status": str(TriageStatus.NEW),
        "verdict": "",
        "assignee": "",
        "tags": [],
        "created_ns": now_ns,
    }
    return Change(row=row, kind="created", document=document)


def _seen_again(
    old: Mapping[str, Any], document: Mapping[str, Any], capture: str, analysis_id: str
) -> Change:
    row = {
        **old,
        **columns_of(document),
        "capture": capture,
        "analysis_id": analysis_id,
        "current": True,
    }
    before = old["document"]
    differs = {
        name: [before.get(name), document.get(name)]
        for name in ("title", "severity", "confidence", "first_seen", "last_seen")
        if before.get(name) != document.get(name)
    }
    kind = "seen" if old["current"] else "returned"
    return Change(row=row, kind=kind, changes=differs, document=document)


def _of_capture(connection: sa.Connection, capture: str) -> dict[str, dict[str, Any]]:
    query = sa.select(schema.findings).where(COLUMNS.capture == capture)
    return {row["id"]: dict(row) for row in connection.execute(query).mappings()}


def _rows(connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    wanted = list(ids)
    for start in range(0, len(wanted), BATCH):
        part = wanted[start : start + BATCH]
        query = sa.select(schema.findings).where(COLUMNS.id.in_(part))
        found |= {row["id"]: dict(row) for row in connection.execute(query).mappings()}
    return found


def _write_rows(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    added = [row for row in rows if row["version"] == 1]
    if added:
        connection.execute(sa.insert(schema.findings), added)
    changed = [row for row in rows if row["version"] > 1]
    if changed:
        names = [column.name for column in COLUMNS if column.name != "id"]
        statement = (
            sa.update(schema.findings)
            .where(COLUMNS.id == sa.bindparam("row_id"))
            .values({name: sa.bindparam(f"new_{name}") for name in names})
        )
        values = [
            {"row_id": row["id"]} | {f"new_{name}": row[name] for name in names} for row in changed
        ]
        connection.execute(statement, values)


def _enqueue(
    connection: sa.Connection,
    rows: Sequence[Mapping[str, Any]],
    changes: Sequence[Change],
    now_ns: int,
) -> None:
    sinks = connection.execute(
        sa.select(schema.sinks).where(schema.sinks.c.enabled.is_(True))
    ).mappings()
    waiting = [
        {
            "sink_id": sink["id"],
            "finding_id": row["id"],
            "version": row["version"],
            "state": str(DeliveryState.PENDING),
            "next_ns": now_ns,
            "created_ns": now_ns,
        }
        for sink in sinks
        for row, change in zip(rows, changes, strict=True)
        if wants(sink["only"] or {}, row, change.kind)
    ]
    if waiting:
        connection.execute(sa.insert(schema.outbox), waiting)


def wants(only: Mapping[str, Any], row: Mapping[str, Any], kind: str) -> bool:
    """Whether a sink's filter lets a change through."""
    least = only.get("severity_at_least")
    categories = only.get("categories")
    return (
        kind in (only.get("changes") or PUSHED_CHANGES)
        and (not least or row["severity"] >= Severity(least).rank)
        and (not categories or row["category"] in categories)
        and row["confidence"] >= (only.get("confidence_at_least") or 0.0)
    )
