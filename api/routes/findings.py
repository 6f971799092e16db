"""Findings: polled, read, triaged, commented on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from fastapi import Body, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from analyzer.formats import FORMATS, by_media_type, format_named, render, render_many
from analyzer.formats.media import acceptable
from analyzer.store.findings import TriageChange
from analyzer.store.native import native
from analyzer.store.records import Comment, FindingVersion, StoredFinding, TriageStatus, Verdict
from api.cursors import cursor_headers, header_docs, read_cursor, write_cursor
from api.dependencies import FindingsReader, FindingsTriager, StoreDep
from api.errors import Problem, responses
from api.etag import MAX_HEADER_CHARS, etag_of_body, is_unchanged, parse_if_match
from api.finding_actions import act
from api.routing import ServiceRouter
from api.schemas import MAX_ID_CHARS, time_text
from api.schemas_findings import (
    ActionResults,
    BulkAction,
    CommentOut,
    Comments,
    FindingList,
    FindingOut,
    FindingPatch,
    FindingsOut,
    FormatName,
    NewComment,
    VersionOut,
    Versions,
    verdict_of,
)

JSON = "application/json"
NDJSON = "application/x-ndjson"
MERGE_PATCH = "application/merge-patch+json"
NATIVE = "native"
PAGE = "page"
"""Findings and the page in one JSON document: what lists are unless asked otherwise."""

BLOCK_BYTES = 64 * 1024
ETAG = {"ETag": {"description": "version and digest", "schema": {"type": "string"}}}


def _condition(name: str, text: str) -> dict[str, Any]:
    """A header that `api.etag` reads, for OpenAPI; it is asked for by hand where it is required."""
    schema = {"type": "string", "maxLength": MAX_HEADER_CHARS}
    return {"parameters": [{"name": name, "in": "header", "description": text, "schema": schema}]}


router = ServiceRouter(prefix="/v1/findings", tags=["findings"])
FindingId = Annotated[
    str, Path(min_length=1, max_length=MAX_ID_CHARS, description="id of the finding")
]


def _written_as(media_types: Iterable[str]) -> dict[str, Any]:
    """Bodies in the formats of others, for OpenAPI: their own documents describe them."""
    return {media_type: {"schema": {}} for media_type in media_types if media_type != JSON}


@router.get(
    "",
    summary="Findings, page by page",
    response_class=Response,
    responses={
        200: {
            "model": FindingsOut,
            "content": _written_as(known.many_media_type for known in FORMATS.values()),
            "headers": header_docs(),
        },
        **responses("bad-request", "not-acceptable", "gone"),
    },
)
def list_findings(
    request: Request,
    store: StoreDep,
    caller: FindingsReader,  # noqa: ARG001 - checks the scope
    asked: Annotated[FindingList, Query()],
) -> Response:
    """Lists findings behind a cursor.

    Poll with `sort=feed`: store `page.next_cursor`, send it as `cursor`, and every finding comes
    once for each version, also those of captures that arrive late. The cursor is always there and
    stays as it is while nothing is new. `Accept: application/x-ndjson` gives one finding a line,
    with the cursor in the header `Outgate-Next-Cursor`.
    """
    written = _list_format(request, asked.format)
    after = read_cursor(store, asked.cursor, asked.sort) if asked.cursor else None
    page = store.findings.page(asked.query(asked.sort), after=after, limit=asked.limit)
    cursor = write_cursor(store, page.next)
    headers = cursor_headers(request, cursor) | {"Vary": "Accept"}
    documents = (native(finding) for finding in page.findings)
    if written == PAGE:
        behind = {"next_cursor": cursor, "has_more": page.has_more, "hidden": page.hidden}
        return StreamingResponse(_blocks(_page(documents, behind)), 200, headers, JSON)
    pieces = render_many(documents, written)
    media_type = FORMATS[written].many_media_type
    return StreamingResponse(_blocks(pieces), 200, headers, media_type)


@router.post(
    "/actions",
    summary="Act on many findings",
    responses=responses("bad-request", "limit-reached"),
)
def act_on_findings(wanted: BulkAction, store: StoreDep, caller: FindingsTriager) -> ActionResults:
    """Does one thing to up to 1000 findings, named by id or by a filter.

    Ids that are not known are reported and leave the others alone; all others change in one
    transaction, or none does. `suppress` makes one suppression that names them all.
    """
    return act(store, wanted, by=caller)


@router.get(
    "/{finding_id}",
    summary="One finding",
    response_class=Response,
    responses={
        200: {
            "model": FindingOut,
            "content": _written_as(known.media_type for known in FORMATS.values()),
            "headers": ETAG,
        },
        304: {"description": "it is as `If-None-Match` says"},
        **responses("bad-request", "not-acceptable"),
    },
    openapi_extra=_condition("If-None-Match", "ETags that the client has"),
)
def read_finding(
    finding_id: FindingId,
    request: Request,
    store: StoreDep,
    caller: FindingsReader,  # noqa: ARG001 - checks the scope
    format: Annotated[FormatName, Query(description="as for the list")] = "",  # noqa: A002
) -> Response:
    """Shows one finding, in any format."""
    written = _format(request, format)
    return _answer(request, store.findings.get(finding_id), written)


@router.patch(
    "/{finding_id}",
    summary="Triage one finding",
    response_model=FindingOut,
    responses={
        200: {"headers": ETAG},
        **responses("bad-request", "stale-version", "precondition-required"),
    },
    openapi_extra=_condition("If-Match", "required: the ETag that was read, or *"),
)
def triage_finding(
    finding_id: FindingId,
    request: Request,
    store: StoreDep,
    caller: FindingsTriager,
    change: Annotated[FindingPatch, Body(media_type=MERGE_PATCH)],
) -> Response:
    """Changes status, verdict, assignee or tags of the version that `If-Match` names."""
    version = parse_if_match(request)
    wanted = _triage(change)
    if wanted == TriageChange():
        raise Problem(
            "bad-request",
            detail=f"cannot change finding {finding_id}: nothing is said to change",
            hint="send at least one of status, verdict, assignee, tags",
        )
    changed = store.findings.triage(
        [finding_id], wanted, reason=change.reason, by=caller, expected_version=version
    )
    return _answer(request, changed[0], NATIVE, conditional=False)


@router.get("/{finding_id}/versions", summary="A finding's history")
def list_versions(
    finding_id: FindingId,
    store: StoreDep,
    caller: FindingsReader,  # noqa: ARG001 - checks the scope
) -> Versions:
    """Lists what happened to a finding, oldest first, at most 1000 entries."""
    return Versions(data=[version_out(entry) for entry in store.findings.versions(finding_id)])


@router.get("/{finding_id}/comments", summary="What people wrote")
def list_comments(
    finding_id: FindingId,
    store: StoreDep,
    caller: FindingsReader,  # noqa: ARG001 - checks the scope
) -> Comments:
    """Lists comments, oldest first, at most 1000."""
    return Comments(data=[comment_out(entry) for entry in store.findings.comments(finding_id)])


@router.post("/{finding_id}/comments", status_code=201, summary="Write under a finding")
def create_comment(
    finding_id: FindingId, wanted: NewComment, store: StoreDep, caller: FindingsTriager
) -> CommentOut:
    """Adds a comment, which makes a new version of the finding."""
    return comment_out(store.findings.comment(finding_id, wanted.text, by=caller))


def version_out(entry: FindingVersion) -> VersionOut:
    """An entry of the history as JSON."""
    return VersionOut(
        version=entry.version,
        at=time_text(entry.at_ns),
        by=entry.by,
        change=entry.change,
        reason=entry.reason,
        changes=dict(entry.changes),
        document=dict(entry.document) if entry.document is not None else None,
    )


def comment_out(comment: Comment) -> CommentOut:
    """A comment as JSON."""
    return CommentOut(id=comment.id, at=time_text(comment.at_ns), by=comment.by, text=comment.text)


def _answer(
    request: Request, finding: StoredFinding, written: str, *, conditional: bool = True
) -> Response:
    body = render(native(finding), written)
    etag = etag_of_body(finding.version, body)
    headers = {"ETag": etag, "Vary": "Accept"}
    if conditional and is_unchanged(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, FORMATS[written].media_type)


def _format(request: Request, name: str) -> str:
    """The format `format=` names, else the one `Accept` likes best."""
    if name:
        return format_named(name).name
    written = by_media_type(request.headers.get("accept", ""))
    if written is None:
        raise _not_acceptable([known.media_type for known in FORMATS.values()])
    return written


def _list_format(request: Request, name: str) -> str:
    if name and format_named(name).name != NATIVE:
        return name
    offered = {JSON: PAGE, NDJSON: NATIVE}
    if not name:
        for known in FORMATS.values():
            offered.setdefault(known.media_type, known.name)
    written = acceptable(request.headers.get("accept", ""), offered)
    if written is None:
        raise _not_acceptable(offered)
    return written


def _not_acceptable(offered: Iterable[str]) -> Problem:
    return Problem(
        "not-acceptable",
        detail=f"cannot write findings as Accept asks; known are {', '.join(offered)}",
        hint=f"or name one with format=: {', '.join(FORMATS)}",
    )


def _page(documents: Iterator[dict[str, Any]], page: dict[str, Any]) -> Iterator[bytes]:
    before = b'{"data":['
    for document in documents:
        yield before + render(document, NATIVE)
        before = b","
    if before != b",":
        yield before
    yield b'],"page":' + json.dumps(page, separators=(",", ":")).encode() + b"}"


def _blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces: each one costs a turn of the event loop."""
    block = bytearray()
    for piece in pieces:
        block += piece
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def _triage(change: FindingPatch) -> TriageChange:
    given = change.model_fields_set
    return TriageChange(
        status=(change.status or TriageStatus.NEW) if "status" in given else None,
        verdict=(verdict_of(change.verdict) if change.verdict else Verdict.NONE)
        if "verdict" in given
        else None,
        assignee=(change.assignee or "") if "assignee" in given else None,
        tags=tuple(change.tags or ()) if "tags" in given else None,
    )
