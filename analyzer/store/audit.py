"""The audit log: who did what, as a chain in which nothing can be changed unseen.

Each entry's digest is an HMAC-SHA256, with the folder's secret, over the entry and the digest
before it. Somebody who can write to the database but not read the folder can neither alter an
entry nor drop one from the middle or the end: the count of entries is kept, and signed, apart.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.store import schema
from analyzer.store.database import get_meta, set_meta, take
from analyzer.store.parts import page_size
from analyzer.store.records import Actor, AuditEntry
from analyzer.store.schema import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.store.parts import Parts

MAX_TEXT_CHARS = 1000
BATCH = 1000
HEAD = "audit_head"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCheck:
    """What `verify` found.

    Attributes:
        entries: How many were checked.
        broken_at: Number of the first entry that does not hold, or None.
        problem: What is wrong with it, or "".
    """

    entries: int
    broken_at: int | None
    problem: str

    @property
    def intact(self) -> bool:
        """Whether the whole chain holds."""
        return self.broken_at is None


class Audit:
    """The log of one store."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def write(
        self,
        connection: sa.Connection,
        by: Actor,
        action: str,
        subject: str,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds an entry within the caller's transaction: neither is there without the other.

        Args:
            connection: The transaction of the change itself.
            by: Who did it.
            action: What, as noun and verb: `capture.delete`.
            subject: On what: an id.
            detail: What else matters; never a secret.
        """
        table = schema.audit
        number = take(connection, "audit")
        previous = connection.execute(
            sa.select(table.c.digest).where(table.c.number == number - 1)
        ).scalar()
        entry = AuditEntry(
            number=number,
            at_ns=self._parts.now_ns(),
            actor=plain(by.name[:MAX_TEXT_CHARS]),
            action=action,
            subject=plain(subject[:MAX_TEXT_CHARS]),
            detail=dict(detail or {}),
            source_ip=plain(by.source_ip[:MAX_TEXT_CHARS]),
            request_id=plain(by.request_id[:MAX_TEXT_CHARS]),
            previous=previous or "",
            digest="",
        )
        values = _values(entry)
        values["digest"] = self._digest(entry)
        connection.execute(sa.insert(table).values(**values))
        set_meta(connection, HEAD, self._head(number, values["digest"]))

    def record(
        self, by: Actor, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Adds an entry for something that changed nothing in the store: evidence was read."""
        with self._parts.database.write() as connection:
            self.write(connection, by, action, subject, detail)

    def page(self, *, after: int = 0, limit: int = 100, subject: str = "") -> list[AuditEntry]:
        """Entries in order, those behind number `after`."""
        table = schema.audit
        query = sa.select(table).where(table.c.number > after).order_by(table.c.number)
        if subject:
            query = query.where(table.c.subject == subject)
        with self._parts.database.read() as connection:
            rows = connection.execute(query.limit(page_size(limit))).mappings()
            return [AuditEntry(**row) for row in rows]

    def verify(self) -> AuditCheck:
        """Recomputes the whole chain."""
        number, previous = 0, ""
        while entries := self.page(after=number, limit=BATCH):
            for entry in entries:
                problem = self._problem(entry, number + 1, previous)
                if problem:
                    return AuditCheck(entries=number, broken_at=number + 1, problem=problem)
                number, previous = entry.number, entry.digest
        with self._parts.database.read() as connection:
            head = get_meta(connection, HEAD)
        if not number and not head:
            return AuditCheck(entries=0, broken_at=None, problem="")
        if not hmac.compare_digest(head, self._head(number, previous)):
            # Another process may have written since the last page was read.
            if self.page(after=number, limit=1):
                return self.verify()
            problem = "entries are missing behind it: the log's signed length is another"
            return AuditCheck(entries=number, broken_at=number + 1, problem=problem)
        return AuditCheck(entries=number, broken_at=None, problem="")

    def _problem(self, entry: AuditEntry, expected: int, previous: str) -> str:
        if entry.number != expected:
            return f"entry {expected} is missing, the next one there is {entry.number}"
        if entry.previous != previous:
            return "it does not name the digest of the entry before it"
        if not hmac.compare_digest(entry.digest, self._digest(entry)):
            return "its digest does not match what it says"
        return ""

    def _digest(self, entry: AuditEntry) -> str:
        values = _values(entry)
        del values["digest"]
        text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hmac.new(self._parts.secret, text.encode(), hashlib.sha256).hexdigest()

    def _head(self, number: int, digest: str) -> str:
        text = f"head {number} {digest}"
        return hmac.new(self._parts.secret, text.encode(), hashlib.sha256).hexdigest()


def _values(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in AuditEntry.__slots__}
