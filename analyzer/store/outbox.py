"""The outbox: which finding version is still on its way to which sink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.errors import NotFoundError
from analyzer.store import schema
from analyzer.store.ledger import PUSHED_CHANGES, wants
from analyzer.store.parts import page_size
from analyzer.store.records import Actor, Delivery, DeliveryState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from analyzer.store.audit import Audit
    from analyzer.store.parts import Parts

MAX_ERROR_CHARS = 1000
BATCH = 500
TABLE = schema.outbox
COLUMNS = TABLE.c
PENDING = str(DeliveryState.PENDING)


class Outbox:
    """The deliveries of one store. They are queued by `ledger`, in the change's own transaction."""

    def __init__(self, parts: Parts, audit: Audit) -> None:
        self._parts = parts
        self._audit = audit

    def due(self, sink_id: str, *, limit: int) -> list[Delivery]:
        """Deliveries whose time has come, in the order their findings changed.

        A finding's later version waits until the earlier one has arrived or is given up.
        """
        query = (
            sa.select(TABLE)
            .where(
                COLUMNS.sink_id == sink_id,
                COLUMNS.state == PENDING,
                COLUMNS.next_ns <= self._parts.now_ns(),
                ~_is_behind_another(),
            )
            .order_by(COLUMNS.id)
            .limit(page_size(limit))
        )
        with self._parts.database.read() as connection:
            return [_delivery(dict(row)) for row in connection.execute(query).mappings()]

    def next_due_ns(self, sink_id: str) -> int | None:
        """When the next delivery of a sink is due, None if nothing waits."""
        query = sa.select(sa.func.min(COLUMNS.next_ns)).where(
            COLUMNS.sink_id == sink_id, COLUMNS.state == PENDING, ~_is_behind_another()
        )
        with self._parts.database.read() as connection:
            return connection.execute(query).scalar()

    def delivered(self, ids: Sequence[int]) -> None:
        """The other side has them."""
        self._end(ids, DeliveryState.DELIVERED, "")

    def skipped(self, ids: Sequence[int], why: str) -> None:
        """They were not to be sent: a suppression hides their finding."""
        self._end(ids, DeliveryState.SKIPPED, why)

    def dead(self, ids: Sequence[int], error: str) -> None:
        """They will not be tried again unless somebody replays them."""
        self._end(ids, DeliveryState.DEAD, error)

    def retry(self, ids: Sequence[int], *, error: str, next_ns: int) -> None:
        """They were tried and are to be tried again at a time."""
        with self._parts.database.write() as connection:
            for part in _parts_of(ids):
                connection.execute(
                    sa.update(TABLE)
                    .where(COLUMNS.id.in_(part), COLUMNS.state == PENDING)
                    .values(
                        attempts=COLUMNS.attempts + 1,
                        next_ns=next_ns,
                        error=error[:MAX_ERROR_CHARS],
                    )
                )

    def replay(self, sink_id: str, *, ids: Sequence[int] | None = None, by: Actor) -> int:
        """Sends dead deliveries again (all of a sink, or the named ones, whatever their state).

        Returns:
            How many wait now.
        """
        changed = 0
        values = {"state": PENDING, "attempts": 0, "next_ns": self._parts.now_ns(), "done_ns": 0}
        with self._parts.database.write() as connection:
            mine = sa.update(TABLE).where(COLUMNS.sink_id == sink_id)
            if ids is None:
                dead = mine.where(COLUMNS.state == str(DeliveryState.DEAD))
                changed = connection.execute(dead.values(**values)).rowcount
            for part in _parts_of(ids or ()):
                named = mine.where(COLUMNS.id.in_(part))
                changed += connection.execute(named.values(**values)).rowcount
            self._audit.write(connection, by, "sink.replay", sink_id, {"deliveries": changed})
        return changed

    def fill(self, sink_id: str, *, after_sequence: int = 0, by: Actor) -> int:
        """Queues what a sink missed: it is new, or was disabled for a while.

        For each finding behind a place in the feed, that is the latest change the sink wants,
        unless it heard of that one or a later one already.

        Returns:
            How many wait now.

        Raises:
            NotFoundError: There is no such sink.
        """
        now_ns = self._parts.now_ns()
        with self._parts.database.write() as connection:
            sinks = schema.sinks.c
            query = sa.select(sinks.only).where(sinks.id == sink_id)
            row = connection.execute(query).first()
            if row is None:
                raise NotFoundError("sink", sink_id, hint="GET /v1/sinks lists them")
            missed = _missed(connection, sink_id, row.only or {}, after_sequence)
            waiting = [
                {
                    "sink_id": sink_id,
                    "finding_id": finding_id,
                    "version": version,
                    "state": PENDING,
                    "next_ns": now_ns,
                    "created_ns": now_ns,
                }
                for finding_id, version in missed
            ]
            if waiting:
                connection.execute(sa.insert(TABLE), waiting)
            self._audit.write(connection, by, "sink.fill", sink_id, {"deliveries": len(waiting)})
        return len(waiting)

    def get(self, delivery_id: int) -> Delivery:
        """One delivery.

        Raises:
            NotFoundError: There is none with that id.
        """
        query = sa.select(TABLE).where(COLUMNS.id == delivery_id)
        with self._parts.database.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise NotFoundError("delivery", str(delivery_id))
        return _delivery(dict(row))

    def list(
        self,
        sink_id: str,
        *,
        state: DeliveryState | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> list[Delivery]:
        """Deliveries of a sink in order, those behind `after`."""
        query = sa.select(TABLE).where(COLUMNS.sink_id == sink_id, COLUMNS.id > after)
        if state is not None:
            query = query.where(COLUMNS.state == str(state))
        with self._parts.database.read() as connection:
            rows = connection.execute(query.order_by(COLUMNS.id).limit(page_size(limit)))
            return [_delivery(dict(row)) for row in rows.mappings()]

    def counts(self, sink_id: str) -> dict[str, int]:
        """How many deliveries of a sink are in each state."""
        query = (
            sa.select(COLUMNS.state, sa.func.count())
            .where(COLUMNS.sink_id == sink_id)
            .group_by(COLUMNS.state)
        )
        with self._parts.database.read() as connection:
            return {str(state): int(count) for state, count in connection.execute(query)}

    def _end(self, ids: Sequence[int], state: DeliveryState, error: str) -> None:
        values = {
            "state": str(state),
            "done_ns": self._parts.now_ns(),
            "error": error[:MAX_ERROR_CHARS],
            "attempts": COLUMNS.attempts + (0 if state is DeliveryState.SKIPPED else 1),
        }
        with self._parts.database.write() as connection:
            for part in _parts_of(ids):
                mine = sa.update(TABLE).where(COLUMNS.id.in_(part), COLUMNS.state == PENDING)
                connection.execute(mine.values(**values))


def _missed(
    connection: sa.Connection, sink_id: str, only: Mapping[str, Any], after_sequence: int
) -> list[tuple[str, int]]:
    findings, versions = schema.findings.c, schema.finding_versions.c
    changes = only.get("changes") or PUSHED_CHANGES
    said = (
        sa.select(COLUMNS.finding_id, sa.func.max(COLUMNS.version).label("version"))
        .where(COLUMNS.sink_id == sink_id)
        .group_by(COLUMNS.finding_id)
    )
    heard = {row.finding_id: row.version for row in connection.execute(said)}
    latest = sa.func.max(versions.version).label("version")
    query = (
        sa.select(findings.id, findings.severity, findings.category, findings.confidence, latest)
        .join_from(schema.findings, schema.finding_versions)
        .where(findings.current.is_(True), findings.sequence > after_sequence)
        .where(versions.change.in_(changes))
        .group_by(findings.id, findings.severity, findings.category, findings.confidence)
        .order_by(findings.sequence)
        .group_by(findings.sequence)
    )
    return [
        (row["id"], row["version"])
        for row in (dict(found) for found in connection.execute(query).mappings())
        if row["version"] > heard.get(row["id"], 0) and wants(only, row, changes[0])
    ]


def _is_behind_another() -> sa.Exists:
    """Whether an earlier version of the same finding still waits for the same sink."""
    earlier = TABLE.alias("earlier")
    return sa.exists().where(
        earlier.c.sink_id == COLUMNS.sink_id,
        earlier.c.finding_id == COLUMNS.finding_id,
        earlier.c.version < COLUMNS.version,
        earlier.c.state == PENDING,
    )


def _parts_of(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))


def _delivery(row: Mapping[str, Any]) -> Delivery:
    fields = {name: row[name] for name in Delivery.__slots__}
    fields["state"] = DeliveryState(row["state"])
    return Delivery(**fields)
