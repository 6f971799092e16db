"""Suppressions and allow-lists: they act when findings are read and never delete one."""

from __future__ import annotations

import contextlib
import heapq
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.errors import ConflictError, LimitError, NotFoundError, UsageError
from analyzer.model import Severity
from analyzer.store import schema
from analyzer.store.ledger import Change, hold_feed, publish
from analyzer.store.parts import new_id
from analyzer.store.records import SERVICE, Actor, StoredFinding, Suppression, SuppressionState
from analyzer.store.rows import finding_of
from analyzer.store.scopes import Matcher, Subject, compile_scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from analyzer.store.audit import Audit
    from analyzer.store.parts import Parts

KINDS = ("suppress", "allow")
MAX_ACTIVE = 1000
MAX_LISTED = 10_000
MAX_REASON_CHARS = 2000
MAX_EXAMPLES = 10
BATCH = 500
CONFIRMED = 0.95
TABLE = schema.suppressions


@dataclass(frozen=True, slots=True)
class Shades:
    """The suppressions that act now, ready to be applied."""

    matchers: tuple[tuple[str, Matcher], ...]

    @classmethod
    def load(cls, connection: sa.Connection) -> Shades:
        """Those of the database, the oldest first: the first that matches is named."""
        query = (
            sa.select(TABLE.c.id, TABLE.c.scope)
            .where(TABLE.c.state == str(SuppressionState.ACTIVE))
            .order_by(TABLE.c.created_ns, TABLE.c.id)
        )
        rows = connection.execute(query.limit(MAX_ACTIVE)).mappings()
        return cls(tuple((row["id"], compile_scope(row["scope"])) for row in rows))

    def shade(self, finding: StoredFinding) -> StoredFinding:
        """The finding with the suppression that hides it, if one does."""
        if not self.matchers:
            return finding
        subject = Subject(finding)
        for suppression_id, matches in self.matchers:
            if matches(subject):
                return replace(finding, suppressed_by=suppression_id)
        return finding


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What a scope would hide.

    Attributes:
        count: Current findings it matches.
        by_severity: How many of each.
        confirmed: Those that are all but certain, or that people called true.
        examples: Ids of the gravest.
    """

    count: int
    by_severity: Mapping[str, int]
    confirmed: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSuppression:
    """What a suppression shall be.

    Attributes:
        kind: `suppress` or `allow`.
        scope: See `analyzer.store.scopes`.
        reason: Why; required.
        expires_ns: When it ends by itself; 0 never.
    """

    kind: str
    scope: Mapping[str, Any]
    reason: str
    expires_ns: int


class Suppressions:
    """The suppressions of one store."""

    def __init__(self, parts: Parts, audit: Audit) -> None:
        self._parts = parts
        self._audit = audit

    def add(
        self, *, kind: str, scope: Mapping[str, Any], reason: str, expires_ns: int, by: Actor
    ) -> Suppression:
        """Hides what a scope matches from now on.

        Args:
            kind: `suppress` or `allow`.
            scope: See `analyzer.store.scopes`.
            reason: Why; required.
            expires_ns: When it ends by itself; 0 never.
            by: Who.

        Raises:
            UsageError: The scope or the reason makes no sense, or the end has passed.
            LimitError: There are too many active ones.
        """
        wanted = NewSuppression(kind=kind, scope=scope, reason=reason, expires_ns=expires_ns)
        return self.add_all([wanted], by=by)[0]

    def add_all(self, wanted: Sequence[NewSuppression], *, by: Actor) -> Sequence[Suppression]:
        """Adds several suppressions, all of them or none.

        Raises:
            UsageError: A scope or a reason makes no sense, or an end has passed.
            LimitError: There are too many.
        """
        now_ns = self._parts.now_ns()
        matchers = {}
        for item in wanted:
            self._check(item.kind, item.reason, item.expires_ns)
            matchers[new_id("s")] = compile_scope(item.scope)
        # Many scopes and findings take long, for which nobody else should wait; what comes in
        # between is counted by the next `recount`.
        with self._parts.database.read() as connection:
            hits = _count_hits(connection, matchers)
        with self._parts.database.write() as connection:
            hold_feed(connection)
            if _count_active(connection) + len(wanted) > MAX_ACTIVE:
                raise LimitError(
                    f"cannot have more than {MAX_ACTIVE} suppressions active at once",
                    hint="revoke some, or write one of a wider scope",
                )
            for suppression_id, item in zip(matchers, wanted, strict=True):
                row = {
                    "id": suppression_id,
                    "kind": item.kind,
                    "scope": dict(item.scope),
                    "reason": item.reason,
                    "state": str(SuppressionState.ACTIVE),
                    "created_ns": now_ns,
                    "created_by": by.name,
                    "expires_ns": item.expires_ns,
                    "hits": hits[suppression_id],
                    "last_hit_ns": now_ns if hits[suppression_id] else 0,
                }
                connection.execute(sa.insert(TABLE).values(**row))
                detail = {name: row[name] for name in ("kind", "scope", "reason", "hits")}
                self._audit.write(connection, by, "suppression.add", suppression_id, detail)
            return [_suppression(_one(connection, suppression_id)) for suppression_id in matchers]

    def _check(self, kind: str, reason: str, expires_ns: int) -> None:
        if kind not in KINDS:
            raise UsageError(
                f"cannot add a suppression of the kind {kind[:50]!r}",
                hint=f"known are {', '.join(KINDS)}",
            )
        if not reason.strip() or len(reason) > MAX_REASON_CHARS:
            raise UsageError(
                f"cannot add a suppression with a reason of {len(reason)} characters",
                hint=f"say in 1 to {MAX_REASON_CHARS} characters why this is noise or allowed",
            )
        if expires_ns and expires_ns <= self._parts.now_ns():
            raise UsageError(
                "cannot add a suppression that has expired", hint="give a time to come"
            )

    def dry_run(self, scope: Mapping[str, Any]) -> DryRun:
        """What a scope would hide of today's findings.

        Raises:
            UsageError: The scope makes no sense.
        """
        matches = compile_scope(scope)
        ranks: Counter[Severity] = Counter()
        confirmed = 0
        found: list[tuple[float, float, str]] = []
        with self._parts.database.read() as connection:
            for finding in _current(connection):
                if matches(Subject(finding)):
                    ranks[Severity(finding.document["severity"])] += 1
                    confirmed += _is_confirmed(finding)
                    found.append(_worst_first(finding))
        return DryRun(
            count=len(found),
            by_severity={
                str(severity): ranks[severity] for severity in Severity if ranks[severity]
            },
            confirmed=confirmed,
            examples=tuple(key[-1] for key in heapq.nsmallest(MAX_EXAMPLES, found)),
        )

    def get(self, suppression_id: str) -> Suppression:
        """One suppression.

        Raises:
            NotFoundError: There is none with that id.
        """
        with self._parts.database.read() as connection:
            return _suppression(_one(connection, suppression_id))

    def list(self, state: SuppressionState | None = None) -> Sequence[Suppression]:
        """All of them, ended ones too, the newest first."""
        query = sa.select(TABLE).order_by(TABLE.c.created_ns.desc(), TABLE.c.id)
        if state is not None:
            query = query.where(TABLE.c.state == str(state))
        with self._parts.database.read() as connection:
            rows = connection.execute(query.limit(MAX_LISTED)).mappings()
            return [_suppression(dict(row)) for row in rows]

    def revoke(self, suppression_id: str, *, reason: str = "", by: Actor) -> Suppression:
        """Shows again what it hid; pollers and sinks get those findings as new versions.

        Raises:
            NotFoundError: There is none with that id.
            ConflictError: It has ended before.
        """
        self._end(suppression_id, SuppressionState.REVOKED, reason, by)
        return self.get(suppression_id)

    def expire(self) -> Sequence[Suppression]:
        """Ends those whose time is over; the service calls it every minute."""
        now_ns = self._parts.now_ns()
        due = [
            item.id
            for item in self.list(SuppressionState.ACTIVE)
            if item.expires_ns and item.expires_ns <= now_ns
        ]
        ended = []
        for suppression_id in due:
            with contextlib.suppress(ConflictError):  # somebody revoked it just now
                self._end(suppression_id, SuppressionState.EXPIRED, "its time was over", SERVICE)
                ended.append(self.get(suppression_id))
        return ended

    def recount(self) -> None:
        """Counts anew what each active suppression hides; the service calls it now and then."""
        now_ns = self._parts.now_ns()
        active = {item.id: item for item in self.list(SuppressionState.ACTIVE)}
        matchers = {key: compile_scope(item.scope) for key, item in active.items()}
        with self._parts.database.read() as connection:
            hits = _count_hits(connection, matchers)
        changed = [key for key, item in active.items() if item.hits != hits[key]]
        if not changed:
            return
        with self._parts.database.write() as connection:
            for key in changed:
                values = {"hits": hits[key]}
                if hits[key] > active[key].hits:
                    values["last_hit_ns"] = now_ns
                connection.execute(sa.update(TABLE).where(TABLE.c.id == key).values(**values))

    def _end(self, suppression_id: str, state: SuppressionState, reason: str, by: Actor) -> None:
        now_ns = self._parts.now_ns()
        with self._parts.database.write() as connection:
            hold_feed(connection)
            row = _one(connection, suppression_id, lock=True)
            if row["state"] != str(SuppressionState.ACTIVE):
                raise ConflictError(
                    f"cannot end suppression {suppression_id}: it is {row['state']} already"
                )
            ended = sa.update(TABLE).where(TABLE.c.id == suppression_id)
            connection.execute(
                ended.values(state=str(state), ended_ns=now_ns, ended_by=by.name, end_reason=reason)
            )
            shown = list(_shown_again(connection, compile_scope(row["scope"])))
            changes = [
                Change(
                    row=row,
                    kind="unsuppressed",
                    changes={"suppressed_by": [suppression_id, ""]},
                    document=row["document"],
                )
                for row in _rows(connection, shown)
            ]
            publish(connection, changes, by=by.name, now_ns=now_ns, reason=reason)
            detail = {"reason": reason, "shows": len(shown)}
            self._audit.write(connection, by, f"suppression.{state}", suppression_id, detail)


def _shown_again(connection: sa.Connection, matches: Matcher) -> Iterator[str]:
    """Ids of what an ended scope hid and no other one hides; of superseded findings as well.

    Some readers ask for those, too.
    """
    others = Shades.load(connection)
    for finding in _every(connection):
        if matches(Subject(finding)) and not others.shade(finding).suppressed_by:
            yield finding.id


def _count_hits(connection: sa.Connection, matchers: Mapping[str, Matcher]) -> Counter[str]:
    hits: Counter[str] = Counter()
    if matchers:
        for finding in _current(connection):
            subject = Subject(finding)
            hits.update(key for key, matches in matchers.items() if matches(subject))
    return hits


def _current(connection: sa.Connection) -> Iterator[StoredFinding]:
    return (finding for finding in _every(connection) if finding.current)


def _every(connection: sa.Connection) -> Iterator[StoredFinding]:
    query = sa.select(schema.findings)
    for row in connection.execute(query).mappings().yield_per(BATCH):
        yield finding_of(dict(row))


def _rows(connection: sa.Connection, ids: list[str]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(ids), BATCH):
        part = ids[start : start + BATCH]
        query = sa.select(schema.findings).where(schema.findings.c.id.in_(part))
        yield from (dict(row) for row in connection.execute(query).mappings())


def _one(connection: sa.Connection, suppression_id: str, *, lock: bool = False) -> dict[str, Any]:
    query = sa.select(TABLE).where(TABLE.c.id == suppression_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise NotFoundError("suppression", suppression_id, hint="GET /v1/suppressions lists them")
    return dict(row)


def _suppression(row: Mapping[str, Any]) -> Suppression:
    fields = {name: row[name] for name in Suppression.__slots__}
    fields["state"] = SuppressionState(row["state"])
    return Suppression(**fields)


def _count_active(connection: sa.Connection) -> int:
    active = TABLE.c.state == str(SuppressionState.ACTIVE)
    query = sa.select(sa.func.count()).select_from(TABLE).where(active)
    return int(connection.execute(query).scalar_one())


def _is_confirmed(finding: StoredFinding) -> bool:
    return finding.verdict == "true_positive" or finding.document["confidence"] >= CONFIRMED


def _worst_first(finding: StoredFinding) -> tuple[int, float, str]:
    document = finding.document
    return (-Severity(document["severity"]).rank, -document["confidence"], finding.id)
