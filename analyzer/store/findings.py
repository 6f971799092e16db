"""Reading findings, and what people say of them: triage, verdicts, comments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.errors import NotFoundError, StaleVersionError, UsageError
from analyzer.store import schema
from analyzer.store.ledger import Change, feed_end, hold_feed, publish
from analyzer.store.parts import page_size
from analyzer.store.queries import (
    ORDERS,
    FindingPage,
    FindingQuery,
    Hidden,
    Position,
    Sort,
    conditions,
)
from analyzer.store.records import (
    Actor,
    Comment,
    FindingVersion,
    StoredFinding,
    TriageStatus,
    Verdict,
)
from analyzer.store.rows import finding_of
from analyzer.store.schema import plain
from analyzer.store.suppressions import Shades

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from analyzer.store.audit import Audit
    from analyzer.store.parts import Parts
    from analyzer.store.queries import Order

MAX_EXAMINED = 2000
"""Findings one page looks at; behind that it ends, possibly short, with a place to go on from."""

LEAST_BATCH = 200
"""Findings read at once where some may be hidden, however few are wanted."""

MAX_BULK = 1000
MAX_TAGS = 50
MAX_TAG_CHARS = 100
MAX_COMMENT_CHARS = 10_000
MAX_ASSIGNEE_CHARS = 200
MAX_VERSIONS = 1000
MAX_COMMENTS = 1000
TABLE = schema.findings
COLUMNS = TABLE.c


@dataclass(frozen=True, slots=True, kw_only=True)
class TriageChange:
    """What is to change; None leaves it as it is. `tags` replaces all of them."""

    status: TriageStatus | None = None
    verdict: Verdict | None = None
    assignee: str | None = None
    tags: tuple[str, ...] | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()


class Findings:
    """The findings of one store."""

    def __init__(self, parts: Parts, audit: Audit) -> None:
        self._parts = parts
        self._audit = audit

    def get(self, finding_id: str) -> StoredFinding:
        """One finding.

        Raises:
            NotFoundError: There is none with that id.
        """
        with self._parts.database.read() as connection:
            row = _one(connection, finding_id)
            return Shades.load(connection).shade(finding_of(dict(row)))

    def page(self, query: FindingQuery, *, after: Position | None, limit: int) -> FindingPage:
        """Findings behind a position.

        The next position counts what was looked at and not what was shown, so that a poller
        passes findings its conditions leave out, and still sees each one that changes later.
        """
        with self._parts.database.read() as connection:
            scan = _Scan(query, wanted=page_size(limit), key=after.key if after else ())
            scan.run(connection, Shades.load(connection))
            if query.sort is Sort.FEED and not scan.more:
                # Behind everything there is, also what SQL passed over: the next look is short.
                scan.key = (max((feed_end(connection), *scan.key)),)
        return FindingPage(
            findings=tuple(scan.shown),
            next=Position(sort=query.sort, key=scan.key),
            has_more=scan.more,
            hidden=scan.hidden,
        )

    def known(self, ids: Sequence[str]) -> dict[str, int]:
        """The versions of those of the ids that there are, of at most `MAX_BULK`."""
        wanted = [plain(key) for key in ids[:MAX_BULK]]
        query = sa.select(COLUMNS.id, COLUMNS.version).where(COLUMNS.id.in_(wanted))
        with self._parts.database.read() as connection:
            return {row.id: row.version for row in connection.execute(query)}

    def versions(self, finding_id: str) -> list[FindingVersion]:
        """A finding's history, oldest first.

        Raises:
            NotFoundError: There is no such finding.
        """
        table = schema.finding_versions
        query = sa.select(table).where(table.c.finding_id == finding_id).order_by(table.c.version)
        with self._parts.database.read() as connection:
            _one(connection, finding_id)
            rows = connection.execute(query.limit(MAX_VERSIONS)).mappings()
            return [FindingVersion(**{**row, "changes": row["changes"] or {}}) for row in rows]

    def at_version(self, finding_id: str, version: int) -> StoredFinding:
        """A finding with the document it had at a version, and today's triage.

        Raises:
            NotFoundError: There is no such finding or version.
        """
        table = schema.finding_versions
        query = (
            sa.select(table.c.version, table.c.change, table.c.at_ns, table.c.document)
            .where(table.c.finding_id == finding_id, table.c.version <= version)
            .where(table.c.document.is_not(None))
            .order_by(table.c.version.desc())
        )
        with self._parts.database.read() as connection:
            finding = Shades.load(connection).shade(finding_of(_one(connection, finding_id)))
            row = connection.execute(query.limit(1)).mappings().first()
        if row is None or version > finding.version:
            raise NotFoundError("finding version", f"{finding_id} {version}")
        return replace(finding, document=row["document"], version=version)

    def comments(self, finding_id: str) -> list[Comment]:
        """What people wrote, oldest first.

        Raises:
            NotFoundError: There is no such finding.
        """
        table = schema.comments
        query = sa.select(table).where(table.c.finding_id == finding_id).order_by(table.c.id)
        with self._parts.database.read() as connection:
            _one(connection, finding_id)
            rows = connection.execute(query.limit(MAX_COMMENTS)).mappings()
            return [Comment(**row) for row in rows]

    def triage(
        self,
        ids: Sequence[str],
        change: TriageChange,
        *,
        reason: str,
        by: Actor,
        expected_version: int | None = None,
    ) -> list[StoredFinding]:
        """Changes findings, all of them or none.

        Args:
            ids: At most `MAX_BULK`.
            change: What is to change; a finding that is so already stays at its version.
            reason: Why, for history and audit.
            by: Who.
            expected_version: The version the caller read, for a single finding.

        Raises:
            NotFoundError: One of them does not exist.
            StaleVersionError: It is at another version than expected.
            UsageError: There are too many, or a value is too long.
        """
        _check(ids, change)

        def changed(row: dict[str, Any]) -> Change | None:
            if expected_version is not None and row["version"] != expected_version:
                raise StaleVersionError(
                    "finding", row["id"], expected=expected_version, actual=row["version"]
                )
            return _triaged(row, change)

        return self._change(ids, changed, action="finding.triage", reason=reason, by=by)

    def comment(self, finding_id: str, text: str, *, by: Actor) -> Comment:
        """Writes under a finding.

        Raises:
            NotFoundError: There is no such finding.
            UsageError: The text is empty or too long.
        """
        return self.comment_on([finding_id], text, by=by)[0]

    def comment_on(self, ids: Sequence[str], text: str, *, by: Actor) -> list[Comment]:
        """Writes the same under several findings, all of them or none.

        Raises:
            NotFoundError: One of them does not exist.
            UsageError: There are too many, or the text is empty or too long.
        """
        _check(ids, TriageChange())
        if not text.strip() or len(text) > MAX_COMMENT_CHARS:
            raise UsageError(
                f"cannot add a comment of {len(text)} characters",
                hint=f"write 1 to {MAX_COMMENT_CHARS}",
            )
        now_ns = self._parts.now_ns()
        comments = []
        with self._parts.database.write() as connection:
            found = _held(connection, ids)
            for finding_id in found:
                row: dict[str, Any] = {"finding_id": finding_id, "at_ns": now_ns, "by": by.name}
                row["text"] = plain(text)
                added = connection.execute(sa.insert(schema.comments).values(**row))
                number = added.inserted_primary_key
                comments.append(Comment(id=number[0] if number else 0, **row))
                self._audit.write(connection, by, "finding.comment", finding_id)
            changes = [Change(row=row, kind="comment") for row in found.values()]
            publish(connection, changes, by=by.name, now_ns=now_ns)
        return comments

    def _change(
        self,
        ids: Iterable[str],
        changed: Callable[[dict[str, Any]], Change | None],
        *,
        action: str,
        reason: str,
        by: Actor,
    ) -> list[StoredFinding]:
        with self._parts.database.write() as connection:
            found = _held(connection, ids)
            changes = [change for row in found.values() if (change := changed(row))]
            publish(connection, changes, by=by.name, now_ns=self._parts.now_ns(), reason=reason)
            for change in changes:
                detail = {"changes": dict(change.changes), "reason": reason}
                self._audit.write(connection, by, action, change.row["id"], detail)
            shades = Shades.load(connection)
            after = _rows(connection, found)
            return [shades.shade(finding_of(after[key])) for key in found]


class _Scan:
    """Reads findings in their order until a page is full."""

    def __init__(
        self, query: FindingQuery, *, wanted: int, key: tuple[int | float | str, ...]
    ) -> None:
        self.key = key
        self.shown: list[StoredFinding] = []
        self.hidden = 0
        self.more = True
        self._query = query
        self._wanted = wanted
        self._examined = 0

    def run(self, connection: sa.Connection, shades: Shades) -> None:
        """Goes on until the page is full, nothing is left, or enough was looked at."""
        order = ORDERS[self._query.sort]
        statement = sa.select(TABLE).where(*conditions(self._query)).order_by(*order.clauses())
        least = LEAST_BATCH if shades.matchers else 1
        while self.more and len(self.shown) < self._wanted and self._examined < MAX_EXAMINED:
            batch = max(least, self._wanted - len(self.shown))
            part = statement.where(order.after(self.key)) if self.key else statement
            rows = connection.execute(part.limit(batch + 1)).mappings().all()
            self.more = len(rows) > batch
            self._look_at(rows[:batch], order, shades)

    def _look_at(self, rows: Sequence[Any], order: Order, shades: Shades) -> None:
        for place, row in enumerate(rows, start=1):
            self.key = order.key(row)
            finding = shades.shade(finding_of(row))
            if _is_shown(finding, self._query.suppressed):
                self.shown.append(finding)
            elif finding.suppressed_by:
                self.hidden += 1
            if len(self.shown) == self._wanted and place < len(rows):
                self.more = True
                rows = rows[:place]
                break
        self._examined += len(rows)


def _check(ids: Sequence[str], change: TriageChange) -> None:
    if not 1 <= len(ids) <= MAX_BULK:
        raise UsageError(
            f"cannot change {len(ids)} findings at once", hint=f"name 1 to {MAX_BULK} of them"
        )
    for tag in (*(change.tags or ()), *change.add_tags, *change.remove_tags):
        if not tag.strip() or len(tag) > MAX_TAG_CHARS:
            raise UsageError(f"cannot use a tag of {len(tag)} characters")
    if change.assignee is not None and len(change.assignee) > MAX_ASSIGNEE_CHARS:
        raise UsageError(f"cannot assign to a name of {len(change.assignee)} characters")


def _triaged(row: dict[str, Any], change: TriageChange) -> Change | None:
    tags = (row["tags"] or []) if change.tags is None else list(change.tags)
    tags = [tag for tag in tags if tag not in change.remove_tags]
    tags = list(dict.fromkeys([*tags, *change.add_tags]))
    if len(tags) > MAX_TAGS:
        raise UsageError(f"cannot give finding {row['id']} more than {MAX_TAGS} tags")
    wanted: dict[str, Any] = {"tags": tags}
    for name in ("status", "verdict", "assignee"):
        value = getattr(change, name)
        if value is not None:
            wanted[name] = str(value)
    now = {**row, "tags": row["tags"] or []}
    differs = {name: [now[name], value] for name, value in wanted.items() if now[name] != value}
    if not differs:
        return None
    return Change(row={**row, **wanted}, kind="triage", changes=differs)


def _is_shown(finding: StoredFinding, hidden: Hidden) -> bool:
    if hidden is Hidden.SHOW:
        return True
    return bool(finding.suppressed_by) is (hidden is Hidden.ONLY)


def _one(connection: sa.Connection, finding_id: str) -> dict[str, Any]:
    query = sa.select(TABLE).where(COLUMNS.id == plain(finding_id))
    row = connection.execute(query).mappings().first()
    if row is None:
        raise _missing(finding_id)
    return dict(row)


def _held(connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Findings nobody else can change until this transaction ends, in the order asked for."""
    hold_feed(connection)
    wanted = list(dict.fromkeys(ids))
    found = _rows(connection, wanted)
    for finding_id in wanted:
        if finding_id not in found:
            raise _missing(finding_id)
    return {finding_id: found[finding_id] for finding_id in wanted}


def _rows(connection: sa.Connection, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    query = sa.select(TABLE).where(COLUMNS.id.in_([plain(key) for key in ids]))
    return {row["id"]: dict(row) for row in connection.execute(query).mappings()}


def _missing(finding_id: str) -> NotFoundError:
    return NotFoundError("finding", finding_id, hint="GET /v1/findings lists them")
