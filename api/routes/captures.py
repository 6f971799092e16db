"""Captures: taken in, listed, given back, held, deleted, analysed again."""

from __future__ import annotations

import re
from email.message import Message
from functools import partial
from pathlib import PurePath
from typing import Annotated
from urllib.parse import quote

from fastapi import Query, Request, Response
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from analyzer.errors import NotFoundError, OutgateError
from analyzer.intake import Kept, Part, clean_name, keep
from analyzer.store import Store
from analyzer.store.records import Job, JobState, StoredCapture
from api import multipart
from api.dependencies import (
    Admin,
    CapturesReader,
    CapturesWriter,
    EvidenceReader,
    StateDep,
    StoreDep,
    SupervisorDep,
)
from api.errors import Problem, responses
from api.receiving import (
    announced_bytes,
    check_length,
    in_thread,
    limits_of,
    linger,
    media_type_of,
    pour,
)
from api.routing import STREAMED, ServiceRouter
from api.schemas import DEFAULT_PAGE, MAX_PAGE
from api.schemas_captures import (
    MAX_NAME_CHARS,
    Accepted,
    Analyses,
    CaptureDetail,
    CaptureOut,
    CapturePage,
    HoldIn,
    JobOut,
    Priority,
    Reason,
    Sha256,
    Uploaded,
    analysis_out,
    capture_detail,
    capture_out,
    job_out,
)
from api.state import ServiceState

RAW_TYPES = (
    "application/vnd.tcpdump.pcap",
    "application/x-pcapng",
    "application/octet-stream",
    "application/gzip",
    "application/zstd",
)
"""Named in the description of the API."""

ALSO_TAKEN = frozenset({"", "application/pcap", "application/x-pcap", "application/x-gzip"})
BINARY = {"schema": {"type": "string", "format": "binary"}}
FORM = {
    "schema": {
        "type": "object",
        "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
    }
}
RETRY_AFTER_S = 1
"""What is worth waiting before the first look at a new job."""

MEDIA_TYPES = {"pcap": "application/vnd.tcpdump.pcap", "pcapng": "application/x-pcapng"}
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
ENDINGS = {"gzip": ".gz", "zstd": ".zst"}

router = ServiceRouter(prefix="/v1/captures", tags=["captures"])


@router.post(
    "",
    status_code=202,
    summary="Send a capture",
    responses={
        200: {"model": Uploaded, "description": "The same bytes were here already."},
        **responses(
            "body-too-slow",
            "body-too-large",
            "limit-reached",
            "not-a-capture",
            "unsupported-media-type",
            "disk-full",
        ),
    },
    openapi_extra={
        STREAMED: True,
        "requestBody": {
            "required": True,
            "content": {**dict.fromkeys(RAW_TYPES, BINARY), multipart.MEDIA_TYPE: FORM},
        },
    },
)
async def create_capture(
    *,
    request: Request,
    response: Response,
    state: StateDep,
    caller: CapturesWriter,
    name: Annotated[
        str | None, Query(max_length=MAX_NAME_CHARS, description="of a raw body")
    ] = None,
    priority: Priority = 0,
    reanalyse: Annotated[bool, Query(description="also when the bytes are known")] = False,
) -> Uploaded:
    """Takes a capture as the body, or captures as the files of a form, and queues their analysis.

    What a file is counts, not what it is called: pcap or pcapng, as it is or compressed with gzip
    or zstd. The name is `name`, else `X-Filename`, else of `Content-Disposition`; it is shown to
    people and names nothing on the disk. The same bytes again give the capture and the job there
    are (200).
    """
    work = partial(keep, state.store, by=caller, priority=priority, reanalyse=reanalyse)
    try:
        with state.reception.arriving(caller.name):
            if media_type_of(request) == multipart.MEDIA_TYPE:
                kept = await _take_form(request, state, work)
            else:
                kept = [await _take_body(request, state, work, name)]
    except (OutgateError, Problem):
        await linger(request)
        raise
    if state.supervisor is not None:
        state.supervisor.wake()
    first, *others = [_accepted(entry) for entry in kept]
    response.status_code = 202 if any(entry.queued for entry in kept) else 200
    response.headers["Location"] = first.job.links.self
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return Uploaded(**dict(first), others=others)


async def _take_body(
    request: Request, state: ServiceState, work: partial[Kept], name: str | None
) -> Kept:
    _check_raw(request)
    cleaned = clean_name(_given_name(request) if name is None else name)
    check_length(announced_bytes(request), state.settings)
    part = await in_thread(lambda: _new_part(state, announced_bytes(request)))
    try:
        await pour(request, part.write)
        return await in_thread(lambda: work(part, name=cleaned))
    finally:
        part.discard()


async def _take_form(request: Request, state: ServiceState, work: partial[Kept]) -> list[Kept]:
    check_length(announced_bytes(request), state.settings, overhead_bytes=multipart.OVERHEAD_BYTES)
    reader = multipart.FormReader(
        request.headers.get("content-type", ""),
        lambda: _new_part(state, None),
        max_bytes=state.settings.max_upload,
    )
    try:
        await pour(request, reader.write)
        return [
            await in_thread(partial(work, file.part, name=file.name)) for file in reader.finish()
        ]
    finally:
        reader.discard()


def _new_part(state: ServiceState, length: int | None) -> Part:
    limits = limits_of(state.settings)
    return Part.create(state.store.folder.uploads, limits, announced_bytes=length or 0)


def _check_raw(request: Request) -> None:
    given = media_type_of(request)
    if given not in RAW_TYPES and given not in ALSO_TAKEN:
        raise Problem(
            "unsupported-media-type",
            detail=f"cannot take a capture as {given}",
            hint=f"send `Content-Type: {RAW_TYPES[0]}`, {RAW_TYPES[2]} or {multipart.MEDIA_TYPE}",
        )
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"identity", ""}:
        raise Problem(
            "unsupported-media-type",
            detail=f"cannot take a body with the Content-Encoding {encoding}",
            hint="send a compressed capture as the file it is, without Content-Encoding",
        )


def _given_name(request: Request) -> str:
    """The name in the headers, "" if there is none."""
    plain = request.headers.get("x-filename")
    if plain is None:
        disposition = Message()
        disposition["Content-Disposition"] = request.headers.get("content-disposition", "")
        plain = disposition.get_filename("")
    try:  # headers are read as Latin-1; what programs write there is UTF-8, as a rule
        return plain.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return plain


@router.get("", summary="All captures", responses=responses("not-found"))
def list_captures(
    *,
    store: StoreDep,
    caller: CapturesReader,  # noqa: ARG001 - checks the scope
    after: Annotated[str, Query(max_length=64, description="captures behind this one")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
    name: Annotated[str, Query(max_length=255, description="part of the name")] = "",
    deleted: Annotated[bool, Query(description="deleted ones too")] = False,
) -> CapturePage:
    """Lists captures, the newest first."""
    listed = partial(store.captures.list, name_contains=name, deleted=deleted)
    found = listed(after=after, limit=limit)
    return CapturePage(
        data=[capture_out(capture) for capture in found],
        next_after=found[-1].sha256 if found else after,
        has_more=bool(found) and bool(listed(after=found[-1].sha256, limit=1)),
    )


@router.get("/{sha256}", summary="One capture")
def read_capture(sha256: Sha256, store: StoreDep, caller: CapturesReader) -> CaptureDetail:  # noqa: ARG001
    """Shows a capture with its current analysis: quality, coverage, what was left out, counts."""
    capture = store.captures.get(sha256)
    return capture_detail(capture, store.captures.current_analysis(sha256))


class CaptureFile(FileResponse):
    """The file of a capture, which may be deleted while it is asked for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it.

        Raises:
            Problem: 410, it went meanwhile.
        """
        try:
            await super().__call__(scope, receive, send)
        except RuntimeError as error:  # what it raises before it begins
            if not isinstance(error.__context__, FileNotFoundError):
                raise
            raise Problem(
                "gone", detail="cannot give back the capture: it was just deleted"
            ) from error


@router.get(
    "/{sha256}/content",
    summary="The file itself",
    response_class=FileResponse,
    responses={
        200: {
            "description": "The bytes as they were sent.",
            "content": dict.fromkeys(RAW_TYPES, BINARY),
        },
        206: {"description": "A part of them.", "content": dict.fromkeys(RAW_TYPES, BINARY)},
        **responses("gone", "range-not-satisfiable"),
    },
)
def read_capture_content(
    sha256: Sha256, request: Request, store: StoreDep, caller: EvidenceReader
) -> FileResponse:
    """Gives a capture back, byte for byte; `Range` is understood, and the audit log notes it."""
    capture = store.captures.get(sha256)
    if capture.deleted:
        raise Problem(
            "gone",
            detail=f"cannot give back capture {sha256}: it was deleted ({capture.delete_reason})",
            hint="its findings are still there: GET /v1/findings",
        )
    path = store.captures.path(sha256)
    if not path.is_file():
        raise NotFoundError("capture file", sha256, hint="outgate store check says what is missing")
    _check_range(request, path.stat().st_size)
    store.audit.record(caller, "capture.read", sha256, {"size_bytes": capture.size_bytes})
    media_type = (
        "application/octet-stream" if capture.compression else MEDIA_TYPES.get(capture.format)
    )
    return CaptureFile(
        path,
        media_type=media_type or "application/octet-stream",
        headers={"Content-Disposition": _disposition(capture), "ETag": f'"{sha256}"'},
    )


def _check_range(request: Request, size_bytes: int) -> None:
    """Leaves one range within the file; others are passed over, as RFC 9110 section 14.2 allows.

    Raises:
        Problem: 416, it lies outside.
    """
    given = request.headers.get("range")
    found = RANGE.fullmatch(given.strip()) if given is not None else None
    first, last = (
        (int(text) if text else None for text in found.groups()) if found else (None, None)
    )
    useless = first is None and last is None
    if useless or (first is not None and last is not None and first > last):
        headers = request.scope["headers"]
        request.scope["headers"] = [pair for pair in headers if pair[0] != b"range"]
        return
    if (first is not None and first >= size_bytes) or (first is None and last == 0):
        raise Problem(
            "range-not-satisfiable",
            detail=f"cannot give bytes of that range: the file has {size_bytes}",
            headers={"Content-Range": f"bytes */{size_bytes}"},
        )


def _disposition(capture: StoredCapture) -> str:
    """A name for the file that no system runs and no header breaks on."""
    ending = f".{capture.format or 'bin'}{ENDINGS.get(capture.compression, '')}"
    stem = PurePath(capture.name).name
    while PurePath(stem).suffix.lower() in {".pcap", ".pcapng", ".cap", ".gz", ".zst", ".zstd"}:
        stem = PurePath(stem).stem
    name = f"{stem or capture.sha256}{ending}"
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    return f"attachment; filename=\"{safe}\"; filename*=UTF-8''{quote(name, safe='')}"


@router.put("/{sha256}/hold", summary="Legal hold", responses=responses("conflict"))
def hold_capture(sha256: Sha256, wanted: HoldIn, store: StoreDep, caller: Admin) -> CaptureOut:
    """Puts a capture under legal hold, or ends it: retention and deletion leave it alone."""
    return capture_out(
        store.captures.set_hold(sha256, on=wanted.on, reason=wanted.reason, by=caller)
    )


@router.delete("/{sha256}", summary="Delete a capture", responses=responses("conflict"))
def delete_capture(sha256: Sha256, reason: Reason, store: StoreDep, caller: Admin) -> CaptureOut:
    """Removes a capture's file; its record and its findings stay and say who, when and why."""
    return capture_out(store.captures.delete(sha256, reason=reason, by=caller))


@router.get("/{sha256}/analyses", summary="Analyses of a capture")
def list_analyses(sha256: Sha256, store: StoreDep, caller: CapturesReader) -> Analyses:  # noqa: ARG001
    """Lists what was said of a capture, the latest first."""
    return Analyses(data=[analysis_out(entry) for entry in store.captures.analyses(sha256)])


@router.post("/{sha256}/analyses", status_code=202, summary="Analyse again")
def create_analysis(
    *,
    sha256: Sha256,
    store: StoreDep,
    supervisor: SupervisorDep,
    caller: CapturesWriter,
    response: Response,
    priority: Priority = 0,
) -> JobOut:
    """Queues another analysis of a capture, unless one waits or runs: the answer is then that."""
    job = job_out(
        _open_job(store, sha256) or store.jobs.submit(sha256, by=caller, priority=priority)
    )
    if supervisor is not None:
        supervisor.wake()
    response.headers["Location"] = job.links.self
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return job


def _open_job(store: Store, sha256: str) -> Job | None:
    """The job of a capture that has not ended, so that asking in a loop does not fill the queue."""
    for state in (JobState.QUEUED, JobState.RUNNING):
        for job in store.jobs.list(state=state, capture=sha256, limit=1):
            return job
    return None


def _accepted(kept: Kept) -> Accepted:
    adopted = kept.adopted
    return Accepted(
        capture=capture_out(adopted.capture), job=job_out(adopted.job), created=adopted.created
    )
