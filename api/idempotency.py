"""`Idempotency-Key` on POST, after draft-ietf-httpapi-idempotency-key-header-07.

The first answer to a key is kept for a day, in the store, so that a client that never saw it gets
the same one when it asks again, also after a restart. Answers that failed are not kept: the request
may then be tried again with the same key. Bodies that stream to disk (uploads) are known by their
SHA-256 anyway and take no part.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from analyzer.errors import ConflictError
from analyzer.store import Store
from analyzer.store.records import Actor
from api.errors import Problem

HEADER = "idempotency-key"
KEY = re.compile(r'"?[!#-\[\]-~]{1,255}"?', re.ASCII)
KEPT_HEADERS = ("content-type", "location", "etag", "retry-after", "link")
DIGESTED_HEADERS = ("content-type", "accept", "upload-length", "upload-metadata", "if-match")
MAX_KEPT_BYTES = 1024 * 1024
REPLAYED = "Idempotency-Replayed"
OMIT = "x-outgate-answered-once"
"""Member of a route's `openapi_extra`: names in the answer that are secret and never kept."""


def wanted_key(request: Request) -> str:
    """The key a request carries, "" for none.

    Raises:
        Problem: 400 for one that is too long or holds odd characters.
    """
    if request.method != "POST" or HEADER not in request.headers:
        return ""
    text = request.headers[HEADER].strip()
    if not KEY.fullmatch(text):
        raise Problem(
            "bad-request",
            detail="cannot use the Idempotency-Key: it is empty, too long or not printable",
            hint="send a UUID in quotes",
        )
    return text.strip('"')


async def answered_once(
    request: Request,
    store: Store,
    actor: Actor,
    answer: Callable[[], Awaitable[Response]],
    omit: tuple[str, ...] = (),
) -> Response:
    """The kept answer of an earlier request with this key, or the answer made and kept now."""
    key = wanted_key(request)
    if not key:
        return await answer()
    digest = request_digest(request, await request.body())
    try:
        kept = await run_in_threadpool(store.idempotency.begin, actor.name, key, digest)
    except ConflictError as error:
        raise Problem("request-in-flight", detail=error.message, hint=error.hint) from error
    if kept is not None:
        headers = {**kept.headers, REPLAYED: "true"}
        return Response(kept.body, kept.status, headers)
    try:
        response = await answer()
    except BaseException:
        await run_in_threadpool(store.idempotency.drop, actor.name, key)
        raise
    body = keepable(response, omit)
    if body is None:
        await run_in_threadpool(store.idempotency.drop, actor.name, key)
        return response
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    await run_in_threadpool(
        store.idempotency.finish,
        actor.name,
        key,
        status=response.status_code,
        headers=headers,
        body=body,
    )
    return response


def request_digest(request: Request, body: bytes) -> str:
    """What makes two requests the same: method, path, query, what the body means, the body."""
    digest = hashlib.sha256()
    parts = [request.method, request.url.path, request.url.query]
    parts += [request.headers.get(name, "") for name in DIGESTED_HEADERS]
    digest.update(json.dumps(parts).encode())
    digest.update(body)
    return digest.hexdigest()


def keepable(response: Response, omit: tuple[str, ...]) -> str | None:
    """The body to keep: of a finished answer that succeeded, without its secrets."""
    body = getattr(response, "body", None)
    if response.status_code >= 300 or not isinstance(body, bytes) or len(body) > MAX_KEPT_BYTES:
        return None
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    if not omit:
        return text
    value: Any = json.loads(text)
    if isinstance(value, Mapping):
        value = {name: "" if name in omit else entry for name, entry in value.items()}
    return json.dumps(value, separators=(",", ":"))
