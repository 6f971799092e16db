"""API keys: `og_<id>_<secret>`, kept as a keyed digest that cannot be turned back."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from analyzer.errors import ConflictError, LimitError, NotFoundError, UsageError
from analyzer.store import schema
from analyzer.store.records import Actor, Key, Scope
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analyzer.store.audit import Audit
    from analyzer.store.parts import Parts

FORM = re.compile(r"og_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
SECRET_BYTES = 32
ID_BYTES = 6
MAX_NAME_CHARS = 200
MAX_KEYS = 10_000
USED_EVERY_NS = 60 * NS_PER_SECOND
"""How often "last used" is written: a poller must not cost a write for each request."""


class Keys:
    """The keys of one store."""

    def __init__(self, parts: Parts, audit: Audit) -> None:
        self._parts = parts
        self._audit = audit
        self._used: dict[str, int] = {}
        self._guard = threading.Lock()

    def create(
        self, name: str, scopes: Iterable[Scope], *, expires_ns: int = 0, by: Actor
    ) -> tuple[Key, str]:
        """Makes a key.

        Returns:
            The key and its text, which is nowhere else and cannot be shown again.

        Raises:
            UsageError: The name is empty or too long, there is no scope, or the end has passed.
            LimitError: There are too many keys.
        """
        wanted = frozenset(Scope(scope) for scope in scopes)
        self._check(name, wanted, expires_ns)
        key_id = secrets.token_hex(ID_BYTES)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        row = {
            "id": key_id,
            "name": name,
            "digest": self._digest(key_id, secret),
            "scopes": sorted(wanted),
            "created_ns": self._parts.now_ns(),
            "created_by": by.name,
            "expires_ns": expires_ns,
        }
        with self._parts.database.write() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(schema.keys))
            if count.scalar_one() >= MAX_KEYS:
                raise LimitError(f"cannot make another key: there are {MAX_KEYS}, revoked included")
            connection.execute(sa.insert(schema.keys).values(**row))
            self._audit.write(
                connection, by, "key.create", key_id, {"name": name, "scopes": sorted(wanted)}
            )
        return self.get(key_id), f"og_{key_id}_{secret}"

    def _check(self, name: str, scopes: frozenset[Scope], expires_ns: int) -> None:
        if not name.strip() or len(name) > MAX_NAME_CHARS:
            raise UsageError(
                f"cannot make a key: its name has {len(name)} characters",
                hint=f"give it a name of 1 to {MAX_NAME_CHARS} characters",
            )
        if not scopes:
            raise UsageError(
                "cannot make a key that may do nothing", hint=f"scopes are {', '.join(Scope)}"
            )
        if expires_ns and expires_ns <= self._parts.now_ns():
            raise UsageError("cannot make a key that has expired", hint="give a time to come")

    def verify(self, text: str) -> Key | None:
        """The key a text belongs to, or None: unknown, wrong, revoked or expired.

        The time it takes does not depend on how much of the secret is right.
        """
        form = FORM.fullmatch(text)
        if not form:
            return None
        key_id, secret = form.groups()
        with self._parts.database.read() as connection:
            row = _select(connection, key_id)
        digest = row["digest"] if row else ""
        right = hmac.compare_digest(digest, self._digest(key_id, secret))
        if not row or not right:
            return None
        key, now_ns = _key(dict(row)), self._parts.now_ns()
        if key.revoked_ns or (key.expires_ns and key.expires_ns <= now_ns):
            return None
        if now_ns - key.last_used_ns > USED_EVERY_NS:
            with self._guard:  # written later: no request waits for a write because of this
                self._used[key_id] = now_ns
        return key

    def get(self, key_id: str) -> Key:
        """One key.

        Raises:
            NotFoundError: There is none with that id.
        """
        with self._parts.database.read() as connection:
            row = _select(connection, key_id)
        if not row:
            raise NotFoundError("key", key_id, hint="`outgate keys list` shows all")
        return _key(dict(row))

    def list(self) -> list[Key]:
        """All keys, the oldest first, revoked ones too."""
        self.note_uses()
        table = schema.keys
        query = sa.select(table).order_by(table.c.created_ns, table.c.id).limit(MAX_KEYS)
        with self._parts.database.read() as connection:
            return [_key(dict(row)) for row in connection.execute(query).mappings()]

    def revoke(self, key_id: str, *, by: Actor) -> Key:
        """Ends a key for good.

        Raises:
            NotFoundError: There is none with that id.
            ConflictError: It was revoked before.
        """
        with self._parts.database.write() as connection:
            row = _select(connection, key_id)
            if not row:
                raise NotFoundError("key", key_id, hint="`outgate keys list` shows all")
            if row["revoked_ns"]:
                raise ConflictError(f"cannot revoke key {key_id}: it was revoked before")
            connection.execute(
                sa.update(schema.keys)
                .where(schema.keys.c.id == key_id)
                .values(revoked_ns=self._parts.now_ns(), revoked_by=by.name)
            )
            self._audit.write(connection, by, "key.revoke", key_id, {"name": row["name"]})
        return self.get(key_id)

    def note_uses(self) -> int:
        """Writes when keys were last used; the service calls it now and then.

        Returns:
            How many keys were used since the last call.
        """
        with self._guard:
            used, self._used = self._used, {}
        if used:
            table = schema.keys
            with self._parts.database.write() as connection:
                for key_id, at_ns in used.items():
                    mine = sa.update(table).where(table.c.id == key_id)
                    connection.execute(mine.values(last_used_ns=at_ns))
        return len(used)

    def _digest(self, key_id: str, secret: str) -> str:
        # The secret has 256 random bits, so a slow hash would add nothing.
        message = f"key {key_id} {secret}".encode()
        return hmac.new(self._parts.secret, message, hashlib.sha256).hexdigest()


def _select(connection: sa.Connection, key_id: str) -> dict[str, Any] | None:
    query = sa.select(schema.keys).where(schema.keys.c.id == key_id)
    row = connection.execute(query).mappings().first()
    return dict(row) if row else None


def _key(row: dict[str, Any]) -> Key:
    fields = {name: row[name] for name in Key.__slots__}
    fields["scopes"] = frozenset(Scope(scope) for scope in row["scopes"])
    return Key(**fields)
