"""The resumable upload protocol tus 1.0.0 (https://tus.io/protocols/resumable-upload), its headers.

What is spoken: the core, and the extensions creation, creation-with-upload, checksum, expiration
and termination. Lengths must be known at creation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from fastapi import Request
from starlette.responses import Response

from analyzer.errors import OutgateError
from analyzer.store.records import Upload
from analyzer.times import NS_PER_SECOND
from api.errors import Problem, problem_of
from api.routing import ServiceRoute

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination"
ALGORITHMS = ("sha1", "sha256", "md5")
"""Of `Upload-Checksum`; they find damage on the way, nothing more."""

PIECE_TYPE = "application/offset+octet-stream"
NUMBER_PATTERN = "^[0-9]{1,18}$"
NUMBER = re.compile(NUMBER_PATTERN)
METADATA_KEY = re.compile(r"[!-+\--~]{1,100}", re.ASCII)
MAX_METADATA = 50
MAX_METADATA_CHARS = 24_000
KEPT_NS = 3 * 24 * 3600 * NS_PER_SECOND
"""How long an upload may take from its beginning, and how long its end is remembered."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """What a piece's bytes must add up to."""

    algorithm: str
    digest: bytes


class TusRoute(ServiceRoute):
    """A route that checks the version of the protocol and names it in every answer."""

    def get_route_handler(self) -> Handler:
        """Wraps the service's handler."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                response = await handler(request)
            except OutgateError as error:
                raise _named(problem_of(error)) from error
            except Problem as problem:
                raise _named(problem) from problem.__cause__
            response.headers["Tus-Resumable"] = VERSION
            return response

        return handle


def _named(problem: Problem) -> Problem:
    problem.headers = {**(problem.headers or {}), "Tus-Resumable": VERSION}
    return problem


def check_version(request: Request) -> None:
    """Refuses other versions of the protocol.

    Raises:
        Problem: 412, naming the version that is spoken.
    """
    given = request.headers.get("tus-resumable", "")
    if given != VERSION:
        raise Problem(
            "unsupported-tus-version",
            detail=f"cannot speak tus {given}" if given else "cannot see a Tus-Resumable header",
            headers={"Tus-Version": VERSION},
        )


def length_of(request: Request) -> int:
    """The length of a new upload.

    Raises:
        Problem: 400, there is none.
    """
    if "upload-defer-length" in request.headers:
        raise Problem(
            "bad-request",
            detail="cannot open an upload whose length is not known",
            hint="send Upload-Length; creation-defer-length is not spoken here",
        )
    return _number(request, "Upload-Length")


def offset_of(request: Request) -> int:
    """Where a piece begins.

    Raises:
        Problem: 400, it does not say.
    """
    return _number(request, "Upload-Offset")


def _number(request: Request, name: str) -> int:
    text = request.headers.get(name, "").strip()
    if not NUMBER.fullmatch(text):
        raise Problem(
            "bad-request",
            detail=f"cannot read {name}: {text or 'it is missing'}",
            hint=f"send {name} as a whole number of bytes",
        )
    return int(text)


def metadata_of(request: Request) -> dict[str, str]:
    """The pairs of `Upload-Metadata`, the values still in base64.

    Raises:
        Problem: 400, it is not as the protocol says.
    """
    text = request.headers.get("upload-metadata", "").strip()
    if not text:
        return {}
    if len(text) > MAX_METADATA_CHARS or text.count(",") >= MAX_METADATA:
        raise _bad_metadata(f"it has more than {MAX_METADATA_CHARS} characters or too many pairs")
    pairs: dict[str, str] = {}
    for pair in text.split(","):
        key, _, value = pair.strip().partition(" ")
        if not METADATA_KEY.fullmatch(key):
            raise _bad_metadata("a key is empty or not ASCII")
        if key in pairs:
            raise _bad_metadata(f"the key {key} is there twice")
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise _bad_metadata(f"the value of {key} is not base64") from error
        pairs[key] = value
    return pairs


def _bad_metadata(reason: str) -> Problem:
    return Problem(
        "bad-request",
        detail=f"cannot read Upload-Metadata: {reason}",
        hint="send it as `filename BASE64,other BASE64`",
    )


def metadata_text(pairs: Mapping[str, str]) -> str:
    """The pairs as the header they came in."""
    return ",".join(f"{key} {value}".strip() for key, value in pairs.items())


def checksum_of(request: Request) -> Checksum | None:
    """What the piece must add up to, if it says.

    Raises:
        Problem: 400, an algorithm that is not known, or no digest of it.
    """
    text = request.headers.get("upload-checksum")
    if text is None:
        return None
    algorithm, _, coded = text.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise _bad_checksum("the algorithm is not known")
    try:
        digest = base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _bad_checksum("it is not base64") from error
    if len(digest) != new_hash(algorithm).digest_size:
        raise _bad_checksum(f"it is not as long as {algorithm} is")
    return Checksum(algorithm=algorithm, digest=digest)


def new_hash(algorithm: str) -> Any:  # noqa: ANN401 - hashlib has no public type for it
    """A hash of one of `ALGORITHMS`."""
    return hashlib.new(algorithm, usedforsecurity=False)


def _bad_checksum(reason: str) -> Problem:
    return Problem(
        "bad-request",
        detail=f"cannot read Upload-Checksum: {reason}",
        hint=f"send `ALGORITHM BASE64` with one of {', '.join(ALGORITHMS)}",
    )


def check_piece_type(request: Request) -> None:
    """Refuses a piece of another media type.

    Raises:
        Problem: 415.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != PIECE_TYPE:
        raise Problem(
            "unsupported-media-type",
            detail=f"cannot take a piece of an upload as {given or 'nothing in particular'}",
            hint=f"send `Content-Type: {PIECE_TYPE}`",
        )


def state_headers(upload: Upload) -> dict[str, str]:
    """What an answer says of an upload: where it is, how long it lasts, what it became."""
    headers = {
        "Upload-Offset": str(upload.offset),
        "Upload-Expires": formatdate(upload.expires_ns / NS_PER_SECOND, usegmt=True),
    }
    if upload.job_id:
        headers["Outgate-Capture"] = upload.capture
        headers["Outgate-Job"] = upload.job_id
    return headers
