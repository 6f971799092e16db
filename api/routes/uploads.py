"""Resumable uploads (tus 1.0.0): large captures over lines that break."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from analyzer.errors import OutgateError
from analyzer.intake import NotACapture, check_space, clean_name, file_name
from analyzer.store.records import Actor, Upload
from api import tus
from api.dependencies import CapturesWriter, StateDep
from api.errors import Problem, responses
from api.pieces import find_upload, looked_at, take_piece
from api.receiving import announced_bytes, check_length, limits_of, linger
from api.routing import STREAMED, ServiceRouter
from api.schemas import MAX_ID_CHARS
from api.state import ServiceState

router = ServiceRouter(prefix="/v1/uploads", tags=["uploads"], route_class=tus.TusRoute)

UploadId = Annotated[
    str, Path(min_length=1, max_length=MAX_ID_CHARS, description="id of the upload")
]


def _header(name: str, description: str, **schema: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A header as the description of the API has it; its reading is the protocol's."""
    described = {"type": "string", "maxLength": tus.MAX_METADATA_CHARS, **schema}
    return {"name": name, "in": "header", "description": description, "schema": described}


VERSION = _header("Tus-Resumable", "The version of the protocol.", enum=[tus.VERSION])
LENGTH = _header("Upload-Length", "Bytes of the whole capture.", pattern="^[0-9]{1,19}$")
OFFSET = _header("Upload-Offset", "Where the piece begins.", pattern="^[0-9]{1,19}$")
METADATA = _header("Upload-Metadata", "`filename` and its value in base64.")
CHECKSUM = _header("Upload-Checksum", f"One of {', '.join(tus.ALGORITHMS)}, and base64.")
OVERRIDE = _header("X-HTTP-Method-Override", "The method that is meant.", enum=["PATCH", "DELETE"])
PIECE: dict[str, Any] = {
    STREAMED: True,
    "requestBody": {
        "content": {tus.PIECE_TYPE: {"schema": {"type": "string", "format": "binary"}}}
    },
}
PIECE_PROBLEMS = (
    "body-too-slow",
    "conflict",
    "gone",
    "unsupported-tus-version",
    "body-too-large",
    "unsupported-media-type",
    "not-a-capture",
    "upload-locked",
    "checksum-mismatch",
    "disk-full",
)


@router.options("", status_code=204, summary="What is spoken", response_class=Response)
def describe_uploads(state: StateDep, caller: CapturesWriter) -> Response:  # noqa: ARG001
    """Names the version, the extensions and the largest upload, in headers."""
    return Response(
        status_code=204,
        headers={
            "Tus-Version": tus.VERSION,
            "Tus-Extension": tus.EXTENSIONS,
            "Tus-Max-Size": str(state.settings.max_upload),
            "Tus-Checksum-Algorithm": ",".join(tus.ALGORITHMS),
        },
    )


@router.post(
    "",
    status_code=201,
    summary="Begin an upload",
    response_class=Response,
    responses=responses("limit-reached", *PIECE_PROBLEMS),
    openapi_extra={**PIECE, "parameters": [VERSION, LENGTH, METADATA, CHECKSUM]},
)
async def create_upload(request: Request, state: StateDep, caller: CapturesWriter) -> Response:
    """Opens an upload of `Upload-Length` bytes; a body is its first piece.

    `Upload-Metadata` may name it: `filename`, in base64. `Location` is where the pieces go.
    """
    try:
        upload = await run_in_threadpool(partial(_created, request, state, caller))
        if announced_bytes(request) or "transfer-encoding" in request.headers:
            upload = await _first_piece(request, state, upload, caller)
    except (OutgateError, Problem):
        await linger(request)
        raise
    headers = {"Location": f"/v1/uploads/{upload.id}", **tus.state_headers(upload)}
    return Response(status_code=201, headers=headers)


def _created(request: Request, state: ServiceState, caller: Actor) -> Upload:
    tus.check_version(request)
    length = tus.length_of(request)
    metadata = tus.metadata_of(request)
    if length == 0:
        raise NotACapture("empty")
    check_length(length, state.settings)
    if announced_bytes(request):
        tus.check_piece_type(request)
    clean_name(file_name(metadata))
    check_space(state.store.folder.uploads, limits_of(state.settings), length)
    expires_ns = state.store.now_ns() + tus.KEPT_NS
    return state.store.uploads.create(
        length=length, metadata=metadata, by=caller, expires_ns=expires_ns
    )


async def _first_piece(
    request: Request, state: ServiceState, upload: Upload, caller: Actor
) -> Upload:
    """The piece that came with the creation; without it the client learns of no upload either."""
    try:
        with state.reception.arriving(caller.name), state.reception.alone(upload.id):
            return await take_piece(request, state, upload, caller, offset=0)
    except NotACapture:
        raise  # it is gone already
    except (OutgateError, Problem):
        await run_in_threadpool(state.store.uploads.delete, upload.id)
        raise


@router.head(
    "/{upload_id}",
    summary="How far an upload is",
    response_class=Response,
    responses=responses("gone", "unsupported-tus-version", "not-a-capture", "disk-full"),
    openapi_extra={"parameters": [VERSION]},
)
async def read_upload(
    upload_id: UploadId, request: Request, state: StateDep, caller: CapturesWriter
) -> Response:
    """Says in `Upload-Offset` how many bytes are safe; they need not be sent again."""
    tus.check_version(request)
    upload = await run_in_threadpool(find_upload, state, upload_id, caller)
    upload = await looked_at(state, upload, caller)
    headers = {**tus.state_headers(upload), "Upload-Length": str(upload.length)}
    if upload.metadata:
        headers["Upload-Metadata"] = tus.metadata_text(upload.metadata)
    return Response(status_code=200, headers=headers)


@router.patch(
    "/{upload_id}",
    status_code=204,
    summary="Send a piece",
    response_class=Response,
    responses=responses(*PIECE_PROBLEMS),
    openapi_extra={**PIECE, "parameters": [VERSION, OFFSET, CHECKSUM]},
)
async def append_upload(
    upload_id: UploadId, request: Request, state: StateDep, caller: CapturesWriter
) -> Response:
    """Appends the body at `Upload-Offset`.

    The last piece makes the upload a capture; `Outgate-Job` and `Outgate-Capture` name what came of
    it.
    """
    try:
        tus.check_version(request)
        tus.check_piece_type(request)
        with state.reception.arriving(caller.name), state.reception.alone(upload_id):
            upload = await run_in_threadpool(find_upload, state, upload_id, caller)
            upload = await take_piece(request, state, upload, caller, offset=tus.offset_of(request))
    except (OutgateError, Problem):
        await linger(request)
        raise
    return Response(status_code=204, headers=tus.state_headers(upload))


@router.delete(
    "/{upload_id}",
    status_code=204,
    summary="Give an upload up",
    response_class=Response,
    responses=responses("gone", "unsupported-tus-version", "upload-locked"),
    openapi_extra={"parameters": [VERSION]},
)
def delete_upload(
    upload_id: UploadId, request: Request, state: StateDep, caller: CapturesWriter
) -> Response:
    """Forgets an upload and its bytes; a capture that it became stays."""
    tus.check_version(request)
    with state.reception.alone(upload_id):
        find_upload(state, upload_id, caller)
        part = state.reception.take(upload_id)
        if part is not None:
            part.close()
        state.store.uploads.delete(upload_id)
    return Response(status_code=204)


@router.post(
    "/{upload_id}",
    status_code=204,
    summary="Send a piece or give up, where PATCH and DELETE do not get through",
    response_class=Response,
    responses=responses("method-not-allowed", *PIECE_PROBLEMS),
    openapi_extra={**PIECE, "parameters": [VERSION, OVERRIDE, OFFSET, CHECKSUM]},
)
async def change_upload(
    upload_id: UploadId, request: Request, state: StateDep, caller: CapturesWriter
) -> Response:
    """Does what `X-HTTP-Method-Override` says, for proxies that know GET and POST alone."""
    meant = request.headers.get("x-http-method-override", "").upper()
    if meant == "PATCH":
        return await append_upload(upload_id, request, state, caller)
    if meant == "DELETE":
        return await run_in_threadpool(delete_upload, upload_id, request, state, caller)
    raise Problem(
        "method-not-allowed",
        detail="cannot POST to an upload without X-HTTP-Method-Override: PATCH or DELETE",
        headers={"Allow": "HEAD, PATCH, DELETE"},
    )
