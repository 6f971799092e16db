"""The nouns of the store: one frozen row each, as its queries give them back.

Times are nanoseconds since 1970-01-01 UTC; 0 stands for "not yet" and "never". Rows do no input or
output and know nothing of SQL.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Scope(StrEnum):
    """What a key may do; `admin` includes all others."""

    CAPTURES_WRITE = "captures:write"
    CAPTURES_READ = "captures:read"
    FINDINGS_READ = "findings:read"
    FINDINGS_TRIAGE = "findings:triage"
    EVIDENCE_READ = "evidence:read"
    RULES_WRITE = "rules:write"
    ADMIN = "admin"


class JobState(StrEnum):
    """Where a job is; the last four are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to the job."""
        return self not in {JobState.QUEUED, JobState.RUNNING}


class TriageStatus(StrEnum):
    """How far people are with a finding."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    IN_CASE = "in_case"
    RESOLVED = "resolved"


class Verdict(StrEnum):
    """What people concluded; `NONE` until they did."""

    NONE = ""
    TRUE_POSITIVE = "true_positive"
    FALSE_POSITIVE = "false_positive"
    BENIGN = "benign"


class SuppressionState(StrEnum):
    """Whether a suppression still hides findings."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class DeliveryState(StrEnum):
    """What became of one finding version on its way to one sink."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something, as the audit log names them.

    Attributes:
        name: `key:ab12cd34`, `user:ana@example.com`, `cli`, or `service`.
        source_ip: Where the request came from, or "".
        request_id: The request's id, or "".
    """

    name: str
    source_ip: str = ""
    request_id: str = ""


SERVICE = Actor(name="service")
"""The service itself: recovery, expiry, retention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCapture:
    """One capture, kept once by its SHA-256, which is also its id.

    A deleted capture keeps its row, without its file, so that what was done stays known.
    """

    sha256: str
    name: str
    size_bytes: int
    format: str
    compression: str
    deleted: bool
    legal_hold: bool
    hold_reason: str
    created_ns: int
    created_by: str
    deleted_ns: int
    deleted_by: str
    delete_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of a worker process on one capture.

    Attributes:
        stage: What it is doing: waiting, reading, judging, saving, or "" at its end.
        priority: Higher goes first; 0 is usual.
        attempt: How many times it was started.
        not_before_ns: A retry waits until then.
        warnings: What a partial result lacks, as `{"code", "detail", "count"}`.
        analysis_id: Its result, or "".
        last_event: Number of its latest event.
    """

    id: str
    capture: str
    state: JobState
    stage: str
    priority: int
    attempt: int
    max_attempts: int
    bytes_done: int
    bytes_total: int
    findings: int
    not_before_ns: int
    created_ns: int
    created_by: str
    started_ns: int
    finished_ns: int
    cancel_requested: bool
    error_code: str
    error_message: str
    error_hint: str
    warnings: tuple[Mapping[str, Any], ...]
    analysis_id: str
    last_event: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One thing that happened to a job: `state`, `progress`, `warning`, `finding` or `done`."""

    job_id: str
    number: int
    kind: str
    at_ns: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What one finished job says of its capture; `report` is a report without its findings."""

    id: str
    job_id: str
    capture: str
    current: bool
    tool_version: str
    ruleset_version: str
    created_ns: int
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFinding:
    """A finding with what people and the service know about it.

    Attributes:
        sequence: Its place in the feed; every new version takes the next one.
        version: Counts its changes from 1; the ETag of the API.
        current: Whether the latest analysis of its capture still has it.
        document: The finding by contract `outgate/finding/1`.
        suppressed_by: Id of the suppression that hides it now, or "".
    """

    id: str
    sequence: int
    version: int
    capture: str
    analysis_id: str
    current: bool
    document: Mapping[str, Any]
    status: TriageStatus
    verdict: Verdict
    assignee: str
    tags: tuple[str, ...]
    created_ns: int
    updated_ns: int
    suppressed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingVersion:
    """One entry of a finding's history.

    Attributes:
        change: created, seen, gone, returned, triage, comment, suppressed or unsuppressed.
        changes: What differs: field to `[before, after]`.
        document: The finding as it was then, where the change touched it; else None.
    """

    finding_id: str
    version: int
    at_ns: int
    by: str
    change: str
    reason: str
    changes: Mapping[str, Any]
    document: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What somebody wrote under a finding."""

    id: int
    finding_id: str
    at_ns: int
    by: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """A rule that hides findings from readers and never deletes one.

    Attributes:
        kind: `suppress` (this noise) or `allow` (this is permitted here).
        scope: What it hides; `analyzer.store.scopes` has the fields.
        hits: Findings it hides, counted when it was last applied to all.
    """

    id: str
    kind: str
    scope: Mapping[str, Any]
    reason: str
    state: SuppressionState
    created_ns: int
    created_by: str
    expires_ns: int
    ended_ns: int
    ended_by: str
    end_reason: str
    hits: int
    last_hit_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key without its secret, which nobody can read back."""

    id: str
    name: str
    scopes: frozenset[Scope]
    created_ns: int
    created_by: str
    expires_ns: int
    last_used_ns: int
    revoked_ns: int
    revoked_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One link of the audit chain: `digest` covers everything else and the digest before it."""

    number: int
    at_ns: int
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    source_ip: str
    request_id: str
    previous: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """A place findings are pushed to.

    Attributes:
        kind: webhook, syslog, splunk, elastic, kafka or file.
        format: How a finding is written: native, ecs, ocsf, ...
        config: What its kind needs; holds secrets, so it is never shown as it is.
        only: Which findings go there: `severity_at_least`, `categories`; empty means all.
        disabled_because: Why the service stopped it, or "".
    """

    id: str
    name: str
    kind: str
    format: str
    config: Mapping[str, Any]
    only: Mapping[str, Any]
    enabled: bool
    disabled_because: str
    created_ns: int
    created_by: str
    last_success_ns: int
    last_failure_ns: int
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One finding version on its way to one sink; `id` is also its message id."""

    id: int
    sink_id: str
    finding_id: str
    version: int
    state: DeliveryState
    attempts: int
    next_ns: int
    created_ns: int
    done_ns: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A resumable upload (tus 1.0) that is not finished yet."""

    id: str
    length: int
    offset: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_ns: int
    created_by: str
    expires_ns: int
    capture: str
    job_id: str
