"""Entity tags: the version of a row as a strong validator (RFC 9110 §8.8.3, §13.1)."""

from __future__ import annotations

import hashlib
import re

from fastapi import Request

from api.errors import Problem

MAX_TAGS = 20
MAX_HEADER_CHARS = 1000
DIGEST_CHARS = 12
_VERSION = re.compile(r'"v?([0-9]{1,15})(?:-[0-9a-f]{1,64})?"', re.ASCII)


def etag_of(version: int | str) -> str:
    """The `ETag` header of a version number or digest."""
    return f'"{version}"'


def etag_of_body(version: int, body: bytes) -> str:
    """The tag of one way to write a row: its version, and a digest for what else the body says."""
    return etag_of(f"v{version}-{hashlib.sha256(body).hexdigest()[:DIGEST_CHARS]}")


def is_unchanged(request: Request, etag: str) -> bool:
    """Whether `If-None-Match` names this tag, so that 304 answers the request."""
    return _names(request.headers.get("if-none-match", ""), etag, weak=True)


def parse_if_match(request: Request) -> int | None:
    """The version the caller's change starts from; None for `*`, which takes any.

    Raises:
        Problem: 428 when the header is missing, 412 when it names no version.
    """
    value = request.headers.get("if-match", "").strip()
    if not value:
        raise Problem("precondition-required", detail="cannot change this without If-Match")
    if value == "*":
        return None
    found = _VERSION.fullmatch(value)
    if found:
        return int(found[1])
    raise Problem(
        "stale-version", detail="If-Match names no version", hint='send one ETag, as in "v3"'
    )


def _names(header: str, etag: str, *, weak: bool) -> bool:
    header = header[:MAX_HEADER_CHARS].strip()
    if header == "*":
        return True
    for tag in header.split(",", MAX_TAGS)[:MAX_TAGS]:
        text = tag.strip()
        if text == etag or (weak and text.removeprefix("W/") == etag):
            return True
    return False
