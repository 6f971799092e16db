"""Flows of all captures: rows, files, sums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Annotated, Any

from fastapi import Query, Request, Response
from starlette.responses import StreamingResponse

from analyzer.formats.media import acceptable
from analyzer.store.tables import FlowPage
from analyzer.store.tables.output import MEDIA_TYPES, json_rows, to_json, written
from api.cursors import cursor_headers, header_docs
from api.dependencies import CapturesReader, StoreDep
from api.errors import Problem, responses
from api.routing import ServiceRouter
from api.schemas_table_answers import FlowsOut, SumsOut, gaps_out
from api.schemas_tables import FlowList, FlowSums

router = ServiceRouter(prefix="/v1/flows", tags=["flows"])

TOTAL = "Outgate-Total-Count"
NOT_READ = "Outgate-Not-Read"
JSON = "json"

HEADERS: dict[str, Any] = {
    **header_docs(),
    TOTAL: {"description": "rows on all pages", "schema": {"type": "integer"}},
    NOT_READ: {
        "description": "how many tables the answer does without; JSON names them in `not_read`",
        "schema": {"type": "integer"},
    },
}
OTHER_FORMATS: dict[str, Any] = {
    media_type: {"schema": {"type": "string", "format": "binary"}}
    for name, media_type in MEDIA_TYPES.items()
    if name != JSON
}
PROBLEMS = responses("bad-request", "not-acceptable", "not-found", "limit-reached")


@router.get(
    "",
    summary="Flows, page by page or as a file",
    response_class=Response,
    responses={
        200: {"model": FlowsOut, "content": OTHER_FORMATS, "headers": HEADERS},
        **PROBLEMS,
    },
)
def list_flows(
    request: Request,
    store: StoreDep,
    caller: CapturesReader,  # noqa: ARG001 - checks the scope
    asked: Annotated[FlowList, Query()],
) -> Response:
    """Lists flows of the current analyses of all captures, filtered by parameters and by `q`.

    JSON gives pages of up to 10000; Arrow, Parquet, CSV and NDJSON up to a million rows in one
    answer, by `Accept` or `format`. What follows is behind `page.next_cursor`, or the header
    `Outgate-Next-Cursor`. A table that cannot be read is named in `not_read`.
    """
    name = _format(request, asked.format)
    query = asked.query()
    if name == JSON:
        page = store.tables.flows(query)
        return Response(_flows_json(page), 200, _headers(request, page), MEDIA_TYPES[JSON])
    page = store.tables.stream_flows(query)
    notes = {"total": page.total, "next_cursor": page.next, "not_read": _gaps(page.gaps)}
    body = _begun(written(name, page.schema, page.rows, notes))
    return StreamingResponse(body, 200, _headers(request, page), MEDIA_TYPES[name])


@router.get(
    "/aggregate",
    summary="Flows added up",
    response_class=Response,
    responses={
        200: {"model": SumsOut, "content": OTHER_FORMATS, "headers": HEADERS},
        **PROBLEMS,
    },
)
def aggregate_flows(
    request: Request,
    store: StoreDep,
    caller: CapturesReader,  # noqa: ARG001 - checks the scope
    asked: Annotated[FlowSums, Query()],
) -> Response:
    """Groups flows by up to four columns and computes figures of each group, largest first."""
    name = _format(request, asked.format)
    groups = store.tables.aggregate(asked.query())
    gaps = _gaps(groups.gaps)
    headers = {
        TOTAL: str(groups.total_groups),
        NOT_READ: str(len(set(groups.gaps))),
        "Vary": "Accept",
    }
    batches = groups.rows.to_batches()
    if name == JSON:
        answer = {
            "data": list(json_rows(batches)),
            "shown": groups.rows.num_rows,
            "total_groups": groups.total_groups,
            "total_flows": groups.total_flows,
            "not_read": gaps,
            "not_read_total": len(set(groups.gaps)),
        }
        return Response(to_json(answer), 200, headers, MEDIA_TYPES[JSON])
    notes = {"total_groups": groups.total_groups, "not_read": gaps}
    body = written(name, groups.rows.schema, batches, notes)
    return StreamingResponse(body, 200, headers, MEDIA_TYPES[name])


def _flows_json(page: FlowPage) -> str:
    rows = list(json_rows(page.rows))
    return to_json(
        {
            "data": rows,
            "page": {
                "next_cursor": page.next,
                "has_more": bool(page.next),
                "shown": len(rows),
                "total": page.total,
            },
            "not_read": _gaps(page.gaps),
            "not_read_total": len(set(page.gaps)),
        }
    )


def _headers(request: Request, page: FlowPage) -> Mapping[str, str]:
    headers = {TOTAL: str(page.total), NOT_READ: str(len(set(page.gaps))), "Vary": "Accept"}
    return headers | (cursor_headers(request, page.next) if page.next else {})


def _gaps(gaps: tuple[Any, ...]) -> list[dict[str, str]]:
    return [gap.model_dump() for gap in gaps_out(gaps)]


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, the first of them made: what fails at once is a problem, no broken file."""
    first = next(pieces, b"")
    return chain([first], pieces)


def _format(request: Request, name: str) -> str:
    """The format `format=` names, else the one `Accept` likes best."""
    if name:
        return name
    offered = {media_type: known for known, media_type in MEDIA_TYPES.items()}
    found = acceptable(request.headers.get("accept", ""), offered)
    if found is None:
        raise Problem(
            "not-acceptable",
            detail=f"cannot write flows as Accept asks; known are {', '.join(offered)}",
            hint=f"or name one with format=: {', '.join(MEDIA_TYPES)}",
        )
    return found
