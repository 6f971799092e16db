"""Sinks as rows: where findings are pushed, and how that went last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.errors import ConflictError, LimitError, NotFoundError, UsageError
from analyzer.store import schema
from analyzer.store.parts import new_id
from analyzer.store.records import Actor, Sink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.store.audit import Audit
    from analyzer.store.parts import Parts

MAX_SINKS = 100
MAX_NAME_CHARS = 200
MAX_ERROR_CHARS = 1000
TABLE = schema.sinks
COLUMNS = TABLE.c
CHANGEABLE = frozenset({"name", "format", "config", "only", "enabled"})


class Sinks:
    """The sinks of one store; their configuration is checked by whoever knows their kinds."""

    def __init__(self, parts: Parts, audit: Audit) -> None:
        self._parts = parts
        self._audit = audit

    def create(
        self,
        *,
        name: str,
        kind: str,
        format: str,  # noqa: A002 - what the column is called
        config: Mapping[str, Any],
        only: Mapping[str, Any],
        by: Actor,
        enabled: bool = True,
    ) -> Sink:
        """Adds a sink, which gets every change from now on.

        Raises:
            ConflictError: Another one has the name.
            LimitError: There are too many.
            UsageError: The name is empty or too long.
        """
        _check_name(name)
        row: dict[str, Any] = {
            "id": new_id("k"),
            "name": name,
            "kind": kind,
            "format": format,
            "config": dict(config),
            "only": dict(only),
            "enabled": enabled,
            "created_ns": self._parts.now_ns(),
            "created_by": by.name,
        }
        with self._parts.database.write() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(TABLE)).scalar_one()
            if count >= MAX_SINKS:
                raise LimitError(f"cannot add a sink: there are {MAX_SINKS}")
            _check_unique(connection, name, "")
            connection.execute(sa.insert(TABLE).values(**row))
            detail = {"name": name, "kind": kind, "format": format}
            self._audit.write(connection, by, "sink.add", row["id"], detail)
        return self.get(row["id"])

    def get(self, sink_id: str) -> Sink:
        """One sink.

        Raises:
            NotFoundError: There is none with that id.
        """
        with self._parts.database.read() as connection:
            return _sink(_one(connection, sink_id))

    def list(self) -> list[Sink]:
        """All sinks, the oldest first."""
        query = sa.select(TABLE).order_by(COLUMNS.created_ns, COLUMNS.id)
        with self._parts.database.read() as connection:
            return [_sink(dict(row)) for row in connection.execute(query).mappings()]

    def update(self, sink_id: str, *, by: Actor, **values: Any) -> Sink:  # noqa: ANN401 - columns
        """Changes some of name, format, config, only and enabled.

        Enabling a sink clears the reason it was disabled for.

        Raises:
            NotFoundError: There is no such sink.
            ConflictError: Another one has the name.
        """
        unknown = set(values) - CHANGEABLE
        if unknown:
            raise UsageError(f"cannot change {', '.join(sorted(unknown))} of a sink")
        if "name" in values:
            _check_name(values["name"])
        if values.get("enabled"):
            values["disabled_because"] = ""
        with self._parts.database.write() as connection:
            _one(connection, sink_id)
            if "name" in values:
                _check_unique(connection, values["name"], sink_id)
            if values:
                connection.execute(sa.update(TABLE).where(COLUMNS.id == sink_id).values(**values))
            detail = {"fields": sorted(values)}
            self._audit.write(connection, by, "sink.change", sink_id, detail)
        return self.get(sink_id)

    def disable(self, sink_id: str, because: str, *, by: Actor) -> None:
        """Stops a sink until somebody enables it."""
        with self._parts.database.write() as connection:
            stopped = sa.update(TABLE).where(COLUMNS.id == sink_id)
            connection.execute(stopped.values(enabled=False, disabled_because=because))
            self._audit.write(connection, by, "sink.disable", sink_id, {"reason": because})

    def delete(self, sink_id: str, *, by: Actor) -> None:
        """Removes a sink with its deliveries.

        Raises:
            NotFoundError: There is no such sink.
        """
        with self._parts.database.write() as connection:
            sink = _one(connection, sink_id)
            outbox = schema.outbox
            connection.execute(sa.delete(outbox).where(outbox.c.sink_id == sink_id))
            connection.execute(sa.delete(TABLE).where(COLUMNS.id == sink_id))
            self._audit.write(connection, by, "sink.delete", sink_id, {"name": sink["name"]})

    def record_result(self, sink_id: str, *, error: str = "") -> None:
        """Notes how the latest attempt went: "" is a success."""
        now_ns = self._parts.now_ns()
        values: dict[str, Any] = (
            {"last_failure_ns": now_ns, "last_error": error[:MAX_ERROR_CHARS]}
            if error
            else {"last_success_ns": now_ns, "last_error": ""}
        )
        with self._parts.database.write() as connection:
            connection.execute(sa.update(TABLE).where(COLUMNS.id == sink_id).values(**values))


def _one(connection: sa.Connection, sink_id: str) -> dict[str, Any]:
    row = connection.execute(sa.select(TABLE).where(COLUMNS.id == sink_id)).mappings().first()
    if row is None:
        raise NotFoundError("sink", sink_id, hint="GET /v1/sinks lists them")
    return dict(row)


def _sink(row: Mapping[str, Any]) -> Sink:
    fields = {name: row[name] for name in Sink.__slots__}
    fields["only"] = row["only"] or {}
    return Sink(**fields)


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME_CHARS:
        raise UsageError(
            f"cannot name a sink with {len(name)} characters", hint=f"use 1 to {MAX_NAME_CHARS}"
        )


def _check_unique(connection: sa.Connection, name: str, own_id: str) -> None:
    query = sa.select(COLUMNS.id).where(COLUMNS.name == name, COLUMNS.id != own_id)
    if connection.execute(query).first():
        raise ConflictError(f"cannot name a sink {name!r}: another one has that name")
