"""Cursors: a place in a list of findings as signed text that only this store can read.

A cursor has no end of life. It holds the sort, the sort key of the last finding looked at, and the
store's epoch, which changes when a backup is restored: the feed may then count anew, so an older
cursor is refused instead of leaving findings out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import Request
from itsdangerous import BadData, URLSafeSerializer

from analyzer.store import Store
from analyzer.store.queries import ORDERS, Position, Sort
from api.errors import Problem

MAX_CURSOR_CHARS = 600
MAX_LINK_CHARS = 4000
"""Longer ones are left out: many clients read headers of 8 kB and no more."""

NEXT_CURSOR = "Outgate-Next-Cursor"
SALT = "outgate.findings.cursor.1"


def write_cursor(store: Store, position: Position) -> str:
    """The text a client stores and sends back."""
    return str(_serializer(store).dumps([store.epoch, str(position.sort), *position.key]))


def read_cursor(store: Store, text: str, sort: Sort) -> Position:
    """The place a cursor stands for.

    Raises:
        Problem: 400 for text this store did not write or of another sort; 410 when the store was
            restored from a backup since.
    """
    try:
        value = _serializer(store).loads(text[: MAX_CURSOR_CHARS + 1])
    except (BadData, ValueError) as error:
        raise Problem(
            "bad-request",
            detail="cannot use the cursor: this service did not write it",
            hint="send `page.next_cursor` of an earlier answer as it is, or leave it out",
        ) from error
    epoch, written_for, *key = value
    if epoch != store.epoch:
        raise Problem(
            "gone",
            detail="cannot go on from the cursor: the store was restored from a backup since",
            hint="begin without cursor, with `since` set to the time of your last poll",
        )
    if written_for != sort or len(key) not in {0, len(ORDERS[sort].columns)}:
        raise Problem(
            "bad-request",
            detail=f"cannot use a cursor of sort={written_for} with sort={sort}",
            hint="keep one sort for one cursor",
        )
    return Position(sort=sort, key=tuple(key))


def cursor_headers(request: Request, cursor: str) -> dict[str, str]:
    """The next cursor as headers, for answers whose body has no room for it."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    link = f'<{request.url.path}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'
    headers = {NEXT_CURSOR: cursor}
    return headers | ({"Link": link} if len(link) <= MAX_LINK_CHARS else {})


def header_docs() -> Mapping[str, object]:
    """Those headers as OpenAPI describes them."""
    return {
        NEXT_CURSOR: {"description": "the same as page.next_cursor", "schema": {"type": "string"}},
        "Link": {"description": 'the next page, rel="next"', "schema": {"type": "string"}},
    }


def _serializer(store: Store) -> URLSafeSerializer:
    return URLSafeSerializer(
        store.folder.secret(),
        salt=SALT,
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )
