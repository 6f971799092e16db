"""Answers kept for requests that may come twice (draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.errors import ConflictError, StoreError
from analyzer.store import schema
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.store.parts import Parts

KEPT_NS = 24 * 3600 * NS_PER_SECOND
ABANDONED_NS = 600 * NS_PER_SECOND
"""After which a request without an answer is taken for one whose answer could not be kept."""

TABLE = schema.idempotency
COLUMNS = TABLE.c
IN_FLIGHT = "in_flight"
DONE = "done"


class KeyReusedError(StoreError):
    """The same idempotency key came with another request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An answer given before."""

    status: int
    headers: Mapping[str, str]
    body: str


class Idempotency:
    """The answers kept by one store for a day."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def begin(self, actor: str, name: str, digest: str) -> Kept | None:
        """Claims a key for a request, or gives the answer it got before.

        Args:
            actor: Whose key it is; two callers never share one.
            name: The key as sent.
            digest: Of method, path and body.

        Raises:
            ConflictError: The first request is still being answered.
            KeyReusedError: The first request was another one.
        """
        with self._parts.database.write() as connection:
            row = connection.execute(_mine(sa.select(TABLE), actor, name).with_for_update())
            known = row.mappings().first()
            if known and self._let_go(dict(known), digest):
                connection.execute(_mine(sa.delete(TABLE), actor, name))
                known = None
            if known is None:
                values = {"actor": actor, "name": name, "request_digest": digest}
                values |= {"state": IN_FLIGHT}
                fresh = sa.insert(TABLE).values(**values, created_ns=self._parts.now_ns())
                connection.execute(fresh)
                return None
        if known["request_digest"] != digest:
            raise KeyReusedError(
                f"cannot use idempotency key {name} for this request: it came with another one",
                hint="make a new key for each request",
            )
        if known["state"] == IN_FLIGHT:
            raise ConflictError(
                f"cannot repeat the request with idempotency key {name}: the first is running",
                hint="try again in a moment",
            )
        return Kept(status=known["status"], headers=known["headers"] or {}, body=known["body"])

    def _let_go(self, known: Mapping[str, Any], digest: str) -> bool:
        """Whether a request begins anew although its key was claimed before.

        An abandoned key still belongs to its request: that may have been carried out.
        """
        age_ns = self._parts.now_ns() - known["created_ns"]
        unanswered = known["state"] == IN_FLIGHT and known["request_digest"] == digest
        return bool(age_ns >= KEPT_NS or (unanswered and age_ns >= ABANDONED_NS))

    def finish(
        self, actor: str, name: str, *, status: int, headers: Mapping[str, str], body: str
    ) -> None:
        """Keeps an answer."""
        values: dict[str, Any] = {"state": DONE, "status": status, "body": body}
        with self._parts.database.write() as connection:
            kept = _mine(sa.update(TABLE), actor, name)
            connection.execute(kept.values(**values, headers=dict(headers)))

    def drop(self, actor: str, name: str) -> None:
        """Lets a key go whose request failed on our side: it may be tried again."""
        with self._parts.database.write() as connection:
            connection.execute(_mine(sa.delete(TABLE), actor, name))

    def prune(self, *, at_start: bool = False) -> int:
        """Forgets answers older than a day, and at start those a kill left without an end."""
        old = COLUMNS.created_ns <= self._parts.now_ns() - KEPT_NS
        gone = sa.or_(old, COLUMNS.state == IN_FLIGHT) if at_start else old
        with self._parts.database.write() as connection:
            return connection.execute(sa.delete(TABLE).where(gone)).rowcount


def _mine(statement: Any, actor: str, name: str) -> Any:  # noqa: ANN401 - any kind of statement
    return statement.where(COLUMNS.actor == actor, COLUMNS.name == name)
