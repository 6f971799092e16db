"""Captures, analyses and jobs as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field

from analyzer.store.records import Analysis, Job, JobState, StoredCapture
from api.problems import CATALOGUE
from api.schemas import MAX_ID_CHARS, Shape, time_text

MAX_PRIORITY = 100
MAX_REASON_CHARS = 2000
MAX_NAME_CHARS = 16_384

Sha256 = Annotated[
    str,
    Path(pattern="^[0-9a-f]{64}$", max_length=64, description="SHA-256 of the capture, its id"),
]
JobId = Annotated[str, Path(min_length=1, max_length=MAX_ID_CHARS, description="id of the job")]
Priority = Annotated[int, Query(ge=-MAX_PRIORITY, le=MAX_PRIORITY, description="higher goes first")]
Reason = Annotated[str, Query(min_length=1, max_length=MAX_REASON_CHARS, pattern=r"\S")]


class CaptureLinks(Shape):
    """Where to go on from a capture."""

    self: str
    content: str
    analyses: str


class CaptureOut(Shape):
    """A file that was uploaded, kept once by its SHA-256."""

    sha256: str
    name: str = Field(description="as it was uploaded first, escaped")
    size_bytes: int
    format: str = Field(description="pcap or pcapng")
    compression: str = Field(description="gzip, zstd or empty")
    created_at: str | None
    created_by: str
    legal_hold: bool
    hold_reason: str
    deleted: bool = Field(description="its file is gone; what was found stays")
    deleted_at: str | None
    deleted_by: str
    delete_reason: str
    links: CaptureLinks


class AnalysisOut(Shape):
    """What one finished job says of its capture, besides its findings."""

    id: str
    job: str
    capture: str
    current: bool = Field(description="whether it is the one that counts")
    tool_version: str
    ruleset_version: str
    created_at: str | None
    quality: dict[str, Any] = Field(description="how good the capture is: drops, cuts, issues")
    coverage: list[dict[str, Any]] = Field(description="which detectors ran, and why not")
    funnel: list[dict[str, Any]] = Field(description="what was looked at and left out, by stage")
    counts: dict[str, int] = Field(description="frames, flows, findings")


class CaptureDetail(CaptureOut):
    """A capture with what is known of it."""

    analysis: AnalysisOut | None = Field(description="the current one; null before the first")


class CapturePage(Shape):
    """Captures, the newest first."""

    data: list[CaptureOut]
    next_after: str = Field(description="give it as `after` for what follows")
    has_more: bool


class Analyses(Shape):
    """Analyses of one capture, the latest first."""

    data: list[AnalysisOut]


class HoldIn(Shape):
    """A legal hold put on or taken off."""

    on: bool
    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON_CHARS, pattern=r"\S")]


class ProgressOut(Shape):
    """How far a job is."""

    bytes_done: int
    bytes_total: int = Field(description="0 while it is not known")
    findings: int


class WarningOut(Shape):
    """Something a partial result lacks."""

    code: str
    detail: str
    count: int


class JobErrorOut(Shape):
    """Why a job brought nothing, in the words of RFC 9457."""

    type: str
    title: str
    code: str
    detail: str
    hint: str


class JobLinks(Shape):
    """Where to go on from a job."""

    self: str
    events: str
    capture: str


class JobOut(Shape):
    """One run of the analysis on one capture."""

    id: str
    capture: str
    state: JobState
    stage: str = Field(description="waiting, reading, judging, saving, or empty at its end")
    priority: int
    attempt: int = Field(description="how many times it was started")
    max_attempts: int
    progress: ProgressOut
    warnings: list[WarningOut]
    error: JobErrorOut | None = Field(description="why it failed, or why its last attempt did")
    analysis: str = Field(description="id of its result, or empty")
    cancel_requested: bool
    created_at: str | None
    created_by: str
    not_before: str | None = Field(description="a retry waits until then")
    started_at: str | None
    finished_at: str | None
    last_event: int
    links: JobLinks


class JobPage(Shape):
    """Jobs, the newest first."""

    data: list[JobOut]
    next_after: str = Field(description="give it as `after` for what follows")
    has_more: bool


class Accepted(Shape):
    """A capture that was taken in, and the job that analyses it."""

    capture: CaptureOut
    job: JobOut
    created: bool = Field(description="false if the same bytes were here already")


class Uploaded(Accepted):
    """What became of an upload; a form's first file is told as if it were alone."""

    others: list[Accepted] = Field(description="the further files of a form")


def capture_out(capture: StoredCapture) -> CaptureOut:
    """A capture as JSON."""
    return CaptureOut(**_capture_fields(capture))


def capture_detail(capture: StoredCapture, analysis: Analysis | None) -> CaptureDetail:
    """A capture with its current analysis as JSON."""
    shown = analysis_out(analysis) if analysis else None
    return CaptureDetail(**_capture_fields(capture), analysis=shown)


def _capture_fields(capture: StoredCapture) -> dict[str, Any]:
    path = f"/v1/captures/{capture.sha256}"
    links = CaptureLinks(self=path, content=f"{path}/content", analyses=f"{path}/analyses")
    return {
        "sha256": capture.sha256,
        "name": capture.name,
        "size_bytes": capture.size_bytes,
        "format": capture.format,
        "compression": capture.compression,
        "created_at": time_text(capture.created_ns),
        "created_by": capture.created_by,
        "legal_hold": capture.legal_hold,
        "hold_reason": capture.hold_reason,
        "deleted": capture.deleted,
        "deleted_at": time_text(capture.deleted_ns),
        "deleted_by": capture.deleted_by,
        "delete_reason": capture.delete_reason,
        "links": links,
    }


def analysis_out(analysis: Analysis) -> AnalysisOut:
    """An analysis as JSON."""
    report = analysis.report
    quality = dict(report.get("quality") or {})
    coverage, funnel = _objects(report.get("coverage")), _objects(report.get("funnel"))
    counts = {name: _count(quality.get(name)) for name in ("frames", "flows")}
    counts["findings"] = sum(_count(entry.get("findings")) for entry in coverage)
    return AnalysisOut(
        id=analysis.id,
        job=analysis.job_id,
        capture=analysis.capture,
        current=analysis.current,
        tool_version=analysis.tool_version,
        ruleset_version=analysis.ruleset_version,
        created_at=time_text(analysis.created_ns),
        quality=quality,
        coverage=coverage,
        funnel=funnel,
        counts=counts,
    )


def _objects(value: object) -> list[dict[str, Any]]:
    """A list of objects; a report comes from a process that read hostile input."""
    found = value if isinstance(value, list | tuple) else ()
    return [dict(entry) for entry in found if isinstance(entry, Mapping)]


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def job_out(job: Job) -> JobOut:
    """A job as JSON."""
    path = f"/v1/jobs/{job.id}"
    capture = f"/v1/captures/{job.capture}"
    return JobOut(
        id=job.id,
        capture=job.capture,
        state=job.state,
        stage=job.stage,
        priority=job.priority,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        progress=ProgressOut(
            bytes_done=job.bytes_done, bytes_total=job.bytes_total, findings=job.findings
        ),
        warnings=[warning_out(entry) for entry in job.warnings],
        error=_error_out(job),
        analysis=job.analysis_id,
        cancel_requested=job.cancel_requested,
        created_at=time_text(job.created_ns),
        created_by=job.created_by,
        not_before=time_text(job.not_before_ns),
        started_at=time_text(job.started_ns),
        finished_at=time_text(job.finished_ns),
        last_event=job.last_event,
        links=JobLinks(self=path, events=f"{path}/events", capture=capture),
    )


def warning_out(entry: Mapping[str, Any]) -> WarningOut:
    """A warning as JSON."""
    return WarningOut(
        code=str(entry.get("code", "")),
        detail=str(entry.get("detail", "")),
        count=int(entry.get("count", 0)),
    )


def _error_out(job: Job) -> JobErrorOut | None:
    if not job.error_code:
        return None
    known = CATALOGUE.get(job.error_code)
    return JobErrorOut(
        type=known.type if known else "about:blank",
        title=known.title if known else job.error_code.replace("-", " "),
        code=job.error_code,
        detail=job.error_message,
        hint=job.error_hint,
    )
