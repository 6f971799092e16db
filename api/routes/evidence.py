"""Evidence: the frames behind a finding, for those who may see payload; every look is audited."""

from __future__ import annotations

import base64
import json
import string
from bisect import bisect_right
from typing import Annotated

from fastapi import Path, Query, Response
from fastapi.responses import StreamingResponse

from analyzer.dissect import DEFAULT_FRAMES, MAX_FRAMES
from api.dependencies import EvidenceReader, StateDep, StoreDep
from api.errors import responses
from api.evidence import CarvedEvidence, Evidence, blocks, carved, evidence_of, shown_frames
from api.routing import ServiceRouter
from api.schemas import MAX_ID_CHARS, MAX_INTEGER
from api.schemas_evidence import (
    CaptureOfEvidence,
    EvidenceOut,
    FramesOut,
    FramesPage,
    ManifestOut,
)

NAME_CHARS = frozenset(string.ascii_letters + string.digits + "-_")
PCAPNG = "application/vnd.tcpdump.pcap"
REFUSALS = responses("conflict", "gone", "capture-unreadable", "unavailable")
FILE_HEADERS = {
    name: {"description": text, "schema": {"type": "string"}}
    for name, text in {
        "Content-Disposition": "a name for the file",
        "Repr-Digest": "SHA-256 of the file (RFC 9530)",
        "Digest": "the same for older clients (RFC 3230)",
        "Outgate-SHA256": "the same in hexadecimal",
    }.items()
}

router = ServiceRouter(prefix="/v1/findings/{finding_id}/evidence", tags=["evidence"])
FindingId = Annotated[
    str, Path(min_length=1, max_length=MAX_ID_CHARS, description="id of the finding")
]


@router.get("", summary="What there is to look at")
def read_evidence(
    finding_id: FindingId,
    store: StoreDep,
    caller: EvidenceReader,  # noqa: ARG001 - checks the scope
) -> EvidenceOut:
    """Says which frames a finding stands on and whether they can be shown; if not, why."""
    found = evidence_of(store, finding_id)
    here = f"/v1/findings/{finding_id}/evidence"
    names = () if found.code else ("frames", "capture", "manifest")
    return EvidenceOut(
        finding_id=finding_id,
        available=not found.code,
        reason=found.reason,
        frames=list(found.frames),
        capture=_capture_out(found),
        links={name: f"{here}/{name}" for name in names},
    )


@router.get("/frames", summary="Frames, decoded", responses=REFUSALS)
def read_evidence_frames(
    finding_id: FindingId,
    state: StateDep,
    caller: EvidenceReader,
    after: Annotated[int, Query(ge=0, le=MAX_INTEGER, description="frames behind this number")] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_FRAMES)] = DEFAULT_FRAMES,
) -> FramesOut:
    """Shows frames as bytes in hex and as Wireshark decodes them, in a confined process."""
    found = evidence_of(state.store, finding_id)
    start = bisect_right(found.frames, after)
    numbers = found.frames[start : start + limit]
    if numbers or found.code:
        detail = {"frames": list(numbers)}
        state.store.audit.record(caller, "evidence.frames", finding_id, detail)
        shown = shown_frames(state, found, numbers)
        frames, not_decoded = shown.frames, shown.not_decoded
    else:
        frames, not_decoded = [], ""
    kept = {frame.number for frame in frames}
    return FramesOut(
        data=frames,
        not_decoded=not_decoded,
        missing=[number for number in numbers if number not in kept],
        page=FramesPage(
            next_after=numbers[-1] if numbers else after,
            has_more=start + limit < len(found.frames),
        ),
    )


@router.get(
    "/capture",
    summary="Frames as a capture of their own",
    response_class=Response,
    responses={
        200: {
            "description": "a pcapng file; each packet's comment names the finding",
            "content": {PCAPNG: {"schema": {"type": "string", "format": "binary"}}},
            "headers": FILE_HEADERS,
        },
        **REFUSALS,
    },
)
def read_evidence_capture(
    finding_id: FindingId, state: StateDep, caller: EvidenceReader
) -> Response:
    """Cuts the finding's frames out of its capture, in a confined process."""
    made = _carved(finding_id, state, caller, "evidence.capture")
    digest = base64.b64encode(made.digest).decode()
    headers = {
        "Content-Disposition": f'attachment; filename="{_file_name(finding_id)}.pcapng"',
        "Content-Length": str(made.size_bytes),
        "Repr-Digest": f"sha-256=:{digest}:",
        "Digest": f"sha-256={digest}",
        "Outgate-SHA256": made.digest.hex(),
    }
    return StreamingResponse(blocks(made.file), 200, headers, PCAPNG)


@router.get(
    "/manifest",
    summary="What the cut-out capture holds",
    response_model=ManifestOut,
    responses=REFUSALS,
)
def read_evidence_manifest(
    finding_id: FindingId, state: StateDep, caller: EvidenceReader
) -> Response:
    """Describes the file of `capture`: hashes of source and output, frame numbers, the finding."""
    made = _carved(finding_id, state, caller, "evidence.manifest")
    made.file.close()
    body = json.dumps(made.manifest, indent=2) + "\n"
    return Response(body, 200, media_type="application/json")


def _carved(
    finding_id: str, state: StateDep, caller: EvidenceReader, action: str
) -> CarvedEvidence:
    found = evidence_of(state.store, finding_id)
    state.store.audit.record(caller, action, finding_id, {"frames": len(found.frames)})
    return carved(state, found)


def _capture_out(found: Evidence) -> CaptureOfEvidence | None:
    if found.capture is None:
        return None
    return CaptureOfEvidence(
        sha256=found.capture.sha256,
        name=found.capture.name,
        size_bytes=found.capture.size_bytes,
        deleted=found.capture.deleted,
    )


def _file_name(finding_id: str) -> str:
    """The id as far as every file system takes it."""
    return "".join(char for char in finding_id if char in NAME_CHARS)
