"""A stored finding as JSON values: the contract's document, and what the service knows besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyzer.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analyzer.store.records import StoredFinding

MICROSECOND_NS = 1000


def native(finding: StoredFinding) -> dict[str, Any]:
    """The finding as the API gives it and the sinks push it."""
    return native_of(
        finding.document,
        {
            "sequence": finding.sequence,
            "version": finding.version,
            "current": finding.current,
            "status": str(finding.status),
            "verdict": str(finding.verdict),
            "assignee": finding.assignee,
            "tags": list(finding.tags),
            "created_at": service_time(finding.created_ns),
            "updated_at": service_time(finding.updated_ns),
            "analysis_id": finding.analysis_id,
            "capture_id": finding.capture,
            "suppressed_by": finding.suppressed_by,
        },
    )


def native_of(document: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """A document with the service's fields beside its own."""
    return {**document, **known}


def service_time(time_ns: int) -> str | None:
    """A time of the service's own clock, in microseconds; None for "not yet"."""
    return rfc3339(time_ns, MICROSECOND_NS) if time_ns else None
