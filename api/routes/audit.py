"""The audit log: who did what, and whether the log is whole."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import Field

from analyzer.store.records import AuditEntry
from api.dependencies import Admin, StoreDep
from api.routing import ServiceRouter
from api.schemas import DEFAULT_PAGE, MAX_ID_CHARS, MAX_INTEGER, MAX_PAGE, Shape, time_text

router = ServiceRouter(prefix="/v1/audit", tags=["audit"])


class AuditEntryOut(Shape):
    """One link of the chain."""

    number: int
    at: str | None = Field(description="when, RFC 3339")
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    source_ip: str
    request_id: str
    previous: str = Field(description="digest of the entry before it")
    digest: str


class AuditPage(Shape):
    """Entries in their order."""

    data: list[AuditEntryOut]
    next_after: int = Field(description="give it as `after` for what follows")
    has_more: bool


class AuditCheckOut(Shape):
    """What recomputing the chain found."""

    intact: bool
    entries: int = Field(description="entries that hold")
    broken_at: int | None = Field(description="the first that does not")
    problem: str


@router.get("", summary="Who did what")
def list_audit(
    store: StoreDep,
    caller: Admin,  # noqa: ARG001 - checks the scope
    after: Annotated[int, Query(ge=0, le=MAX_INTEGER, description="entries behind this one")] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
    subject: Annotated[str, Query(max_length=MAX_ID_CHARS, description="of this id alone")] = "",
) -> AuditPage:
    """Lists entries from the oldest on; poll with `next_after`."""
    entries = store.audit.page(after=after, limit=limit + 1, subject=subject)
    shown = entries[:limit]
    return AuditPage(
        data=[entry_out(entry) for entry in shown],
        next_after=shown[-1].number if shown else after,
        has_more=len(entries) > limit,
    )


@router.get("/verify", summary="Whether the log is whole")
def verify_audit(store: StoreDep, caller: Admin) -> AuditCheckOut:  # noqa: ARG001 - the scope
    """Recomputes the chain of digests from its first entry."""
    check = store.audit.verify()
    return AuditCheckOut(
        intact=check.intact,
        entries=check.entries,
        broken_at=check.broken_at,
        problem=check.problem,
    )


def entry_out(entry: AuditEntry) -> AuditEntryOut:
    """An entry as JSON."""
    return AuditEntryOut(
        number=entry.number,
        at=time_text(entry.at_ns),
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        detail=dict(entry.detail),
        source_ip=entry.source_ip,
        request_id=entry.request_id,
        previous=entry.previous,
        digest=entry.digest,
    )
