"""Errors as answers: every failure of a route becomes one RFC 9457 problem.

Routes raise `Problem`, or let the analyzer's errors through: those are mapped by their class.
Text that came from a request is escaped and bounded before it is shown again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from analyzer.errors import (
    CaptureUnreadable,
    ConflictError,
    LimitError,
    NotFoundError,
    OutgateError,
    StaleVersionError,
    StoreUnavailable,
    ToolMissingError,
    UsageError,
)
from analyzer.escape import shorten
from analyzer.intake import NameRefused, NoSpace, NotACapture, TooLarge
from analyzer.store.idempotency import KeyReusedError
from api.problems import CATALOGUE

MEDIA_TYPE = "application/problem+json"
MAX_TEXT_CHARS = 500
MAX_ERRORS = 20
MAX_POINTER_CHARS = 200
RETRY_AFTER_S = 5
"""What a client is told to wait when the store refuses for the moment."""

log = logging.getLogger("outgate.api")

BY_CLASS: tuple[tuple[type[OutgateError], str], ...] = (
    (NotACapture, "not-a-capture"),
    (NameRefused, "invalid-request"),
    (TooLarge, "body-too-large"),
    (NoSpace, "disk-full"),
    (StaleVersionError, "stale-version"),
    (ConflictError, "conflict"),
    (KeyReusedError, "key-reused"),
    (NotFoundError, "not-found"),
    (LimitError, "limit-reached"),
    (StoreUnavailable, "unavailable"),
    (CaptureUnreadable, "capture-unreadable"),
    (ToolMissingError, "tool-missing"),
    (UsageError, "bad-request"),
)
"""First match wins: a class stands before the one it is derived from."""

BY_STATUS = {
    400: "malformed-body",  # the framework raises it for bodies alone
    401: "unauthenticated",
    403: "forbidden",
    404: "unknown-path",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "body-too-large",
    415: "unsupported-media-type",
    416: "range-not-satisfiable",
    422: "invalid-request",
    429: "rate-limited",
    431: "headers-too-large",
    503: "unavailable",
}


class Problem(HTTPException):
    """An answer that says what could not be done.

    Args:
        code: A code of the catalogue, which also gives the status.
        detail: What could not be done, to what and why: lower case, no full stop.
        hint: What to do next; the catalogue's remedy when it is not given.
        errors: Values that are not valid, as `(JSON pointer, what is wrong)`.
        headers: Headers the status calls for.
        status: Another status than the catalogue's, for protocols that define their own.
    """

    def __init__(
        self,
        code: str,
        *,
        detail: str = "",
        hint: str = "",
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        status: int = 0,
    ) -> None:
        self.kind = CATALOGUE[code]
        self.hint = hint
        self.errors = tuple(errors)
        super().__init__(status or self.kind.status, detail or self.kind.title, headers)


def problem_response(request: Request, problem: Problem) -> Response:
    """The answer for a problem, with the request's path and id."""
    body: dict[str, Any] = {
        "type": problem.kind.type,
        "title": problem.kind.title,
        "status": problem.status_code,
        "detail": shorten(str(problem.detail), MAX_TEXT_CHARS),
        "instance": shorten(request.scope.get("path", ""), MAX_TEXT_CHARS),
        "code": problem.kind.code,
        "hint": shorten(problem.hint or problem.kind.remedy, MAX_TEXT_CHARS),
        "request_id": request.scope.get("state", {}).get("request_id", ""),
    }
    if problem.errors:
        body["errors"] = [
            {
                "pointer": shorten(pointer, MAX_POINTER_CHARS),
                "detail": shorten(detail, MAX_TEXT_CHARS),
            }
            for pointer, detail in problem.errors[:MAX_ERRORS]
        ]
    text = json.dumps(body, ensure_ascii=True, separators=(",", ":"))
    return Response(text, problem.status_code, dict(problem.headers or {}), MEDIA_TYPE)


def problem_of(error: OutgateError) -> Problem:
    """The problem for an error of the analyzer, by its class."""
    code = next((code for kind, code in BY_CLASS if isinstance(error, kind)), "")
    if not code:
        log.error("an error without a problem of its own", exc_info=error)
        return Problem("internal")
    headers = {"Retry-After": str(RETRY_AFTER_S)} if code == "unavailable" else None
    return Problem(code, detail=error.message, hint=error.hint, headers=headers)


def responses(*codes: str) -> dict[int | str, dict[str, Any]]:
    """What a route declares of its problems, for `responses=`; codes of one status are joined.

    Those that any route can answer (401, 403, 422, 429, 500 and the like) are added by
    `api.openapi` and need not be named.
    """
    grouped: dict[int, list[str]] = {}
    for code in codes:
        grouped.setdefault(CATALOGUE[code].status, []).append(code)
    return {status: declared(names) for status, names in grouped.items()}


def declared(codes: Iterable[str]) -> dict[str, Any]:
    """One entry of an operation's `responses` in OpenAPI."""
    kinds = [CATALOGUE[code] for code in codes]
    examples = {
        kind.code: {
            "summary": kind.title,
            "value": {
                "type": kind.type,
                "title": kind.title,
                "status": kind.status,
                "detail": kind.title,
                "instance": "/v1/…",
                "code": kind.code,
                "hint": kind.remedy,
                "request_id": "01hzx3k5v7w9y1a2",
            },
        }
        for kind in kinds
    }
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": "; ".join(f"{kind.code}: {kind.title}" for kind in kinds),
        "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }


def install(app: FastAPI) -> None:
    """Makes every exception of a route a problem."""
    app.add_exception_handler(OutgateError, _outgate_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)


async def _outgate_error(request: Request, error: Exception) -> Response:
    return problem_response(request, problem_of(cast("OutgateError", error)))


async def _http_exception(request: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return problem_response(request, error)
    found = cast("HTTPException", error)
    code = BY_STATUS.get(found.status_code, "internal")
    problem = Problem(code, detail=_detail(found), headers=found.headers, status=found.status_code)
    return problem_response(request, problem)


def _detail(error: HTTPException) -> str:
    """The framework's words, unless they are the bare phrase of the status."""
    text = str(error.detail)
    return "" if text == HTTPStatus(error.status_code).phrase else text[:1].lower() + text[1:]


async def _validation_error(request: Request, error: Exception) -> Response:
    found = cast("RequestValidationError", error).errors()
    if any(entry.get("type") == "json_invalid" for entry in found):
        entry = found[0]
        reason = entry.get("ctx", {}).get("error", "it is no JSON")
        detail = f"cannot read the body as JSON at character {entry['loc'][-1]}: {reason}"
        return problem_response(request, Problem("malformed-body", detail=detail.lower()))
    errors = [(_pointer(entry["loc"]), str(entry["msg"])) for entry in found[:MAX_ERRORS]]
    detail = f"{len(found)} values of the request are not valid"
    if len(found) == 1:
        detail = f"one value of the request is not valid: {errors[0][0]}: {errors[0][1]}"
    return problem_response(request, Problem("invalid-request", detail=detail, errors=errors))


def _pointer(location: Sequence[object]) -> str:
    """RFC 6901 pointer of a value in the body; `query/limit`, `path/id` for the others."""
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in location]
    if steps[:1] == ["body"]:
        return "".join(f"/{step}" for step in steps[1:])
    return "/".join(steps)
