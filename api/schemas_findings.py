"""What is asked of findings, and what is answered."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from analyzer.model import Category, Severity
from analyzer.store.findings import (
    MAX_ASSIGNEE_CHARS,
    MAX_BULK,
    MAX_COMMENT_CHARS,
    MAX_TAG_CHARS,
    MAX_TAGS,
)
from analyzer.store.queries import MAX_TEXT_CHARS, FindingQuery, Hidden, Sort
from analyzer.store.records import TriageStatus, Verdict
from analyzer.store.suppressions import MAX_REASON_CHARS
from api.cursors import MAX_CURSOR_CHARS
from api.schemas import DEFAULT_PAGE, MAX_ID_CHARS, MAX_INTEGER, MAX_PAGE, Page, Shape

MAX_LIST = 100
"""Values of one filter."""

MAX_WORD_CHARS = 100
MAX_VALUE_CHARS = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHA256 = r"^[0-9a-f]{64}$"


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def nanoseconds(moment: datetime | None) -> int:
    """A moment as the store counts, within what it can hold; 0 for none."""
    if moment is None:
        return 0
    microseconds = (moment - EPOCH) // timedelta(microseconds=1)
    return max(1, min(microseconds * 1000, MAX_INTEGER))


FindingId = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS)]
Word = Annotated[str, Field(min_length=1, max_length=MAX_WORD_CHARS)]
Address = Annotated[str, Field(max_length=64), AfterValidator(_address)]
Tag = Annotated[str, Field(min_length=1, max_length=MAX_TAG_CHARS, pattern=r"\S")]
Reason = Annotated[str, Field(min_length=1, max_length=MAX_REASON_CHARS, pattern=r"\S")]
Assignee = Annotated[str, Field(max_length=MAX_ASSIGNEE_CHARS)]
CommentText = Annotated[str, Field(min_length=1, max_length=MAX_COMMENT_CHARS, pattern=r"\S")]
Conclusion = Literal["none", "true_positive", "false_positive", "benign"]
FormatName = Annotated[str, Field(max_length=40)]


class FindingFilter(Shape):
    """Which findings; everything given must hold, of several values of one field any may."""

    severity_at_least: Severity | None = None
    confidence_at_least: float = Field(default=0.0, ge=0, le=1)
    detector: list[Word] = Field(default=[], max_length=MAX_LIST, description="as mining.stratum")
    category: list[Category] = Field(default=[], max_length=len(Category))
    capture: list[Annotated[str, Field(pattern=SHA256)]] = Field(
        default=[], max_length=MAX_LIST, description="SHA-256 of captures"
    )
    host: list[Address] = Field(
        default=[], max_length=MAX_LIST, description="address of either end"
    )
    status: list[TriageStatus] = Field(default=[], max_length=len(TriageStatus))
    verdict: list[Conclusion] = Field(default=[], max_length=len(Verdict))
    assignee: str = Field(default="", max_length=MAX_ASSIGNEE_CHARS)
    wallet: str = Field(default="", max_length=MAX_VALUE_CHARS, description="whole")
    pool: str = Field(default="", max_length=MAX_VALUE_CHARS, description="name or address, whole")
    since: AwareDatetime | None = Field(
        default=None, description="changed in the service then or later, RFC 3339"
    )
    seen_after: AwareDatetime | None = Field(
        default=None, description="last seen in the capture then or later, RFC 3339"
    )
    seen_before: AwareDatetime | None = Field(
        default=None, description="first seen in the capture before, RFC 3339"
    )
    text: str = Field(
        default="",
        max_length=MAX_TEXT_CHARS,
        description="part of title, wallet, pool, address or id, in any letter case",
    )
    suppressed: Hidden = Field(default=Hidden.HIDE, description="those a suppression hides")
    superseded: Hidden = Field(
        default=Hidden.HIDE, description="those the latest analysis of their capture has no more"
    )

    def query(self, sort: Sort = Sort.FEED) -> FindingQuery:
        """The same for the store."""
        return FindingQuery(
            sort=sort,
            severity_at_least=self.severity_at_least.rank if self.severity_at_least else 0,
            confidence_at_least=self.confidence_at_least,
            detectors=tuple(self.detector),
            categories=tuple(str(category) for category in self.category),
            captures=tuple(self.capture),
            hosts=tuple(self.host),
            statuses=tuple(str(status) for status in self.status),
            verdicts=tuple(str(verdict_of(verdict)) for verdict in self.verdict),
            assignee=self.assignee,
            wallet=self.wallet,
            pool=self.pool,
            seen_after_ns=nanoseconds(self.seen_after),
            seen_before_ns=nanoseconds(self.seen_before),
            updated_after_ns=nanoseconds(self.since),
            text=self.text,
            suppressed=self.suppressed,
            superseded=self.superseded,
        )


class FindingList(FindingFilter):
    """Which findings, in which order, how many, written how."""

    sort: Sort = Field(
        default=Sort.FEED,
        description="feed: as they came or changed, for polling; worst or latest first",
    )
    cursor: str = Field(
        default="",
        max_length=MAX_CURSOR_CHARS,
        description="`page.next_cursor` of an earlier answer; none begins at the beginning",
    )
    limit: int = Field(default=DEFAULT_PAGE, ge=1, le=MAX_PAGE)
    format: FormatName = Field(
        default="", description="native, ecs, ocsf, stix, eve, cef, leef, asim or misp"
    )


def verdict_of(conclusion: Conclusion) -> Verdict:
    """The store's word for it."""
    return Verdict.NONE if conclusion == "none" else Verdict(conclusion)


class FindingOut(BaseModel):
    """A finding: its document by contract outgate/finding/1, and what the service knows besides.

    docs/findings.md says more; members may be added.
    """

    model_config = ConfigDict(extra="allow")

    id: str
    detector: str
    category: Category
    title: str
    severity: Severity
    confidence: float = Field(ge=0, le=1)
    first_seen: str
    last_seen: str
    flow: dict[str, Any]
    evidence: list[dict[str, Any]]
    sequence: int = Field(description="place in the feed; each new version takes the next one")
    version: int = Field(description="counts changes from 1; the ETag begins with it")
    current: bool = Field(description="whether the latest analysis of its capture has it")
    status: TriageStatus
    verdict: Verdict
    assignee: str
    tags: list[str]
    created_at: str | None
    updated_at: str | None
    analysis_id: str
    capture_id: str
    suppressed_by: str = Field(description="id of the suppression that hides it, or empty")


class FindingsPage(Page):
    """Where the list goes on."""

    hidden: int = Field(description="findings passed over because a suppression hides them")


class FindingsOut(Shape):
    """A page of findings."""

    data: list[FindingOut]
    page: FindingsPage


class VersionOut(Shape):
    """One entry of a finding's history."""

    version: int
    at: str | None
    by: str
    change: str = Field(
        description="created, seen, gone, returned, triage, comment or unsuppressed"
    )
    reason: str
    changes: dict[str, Any] = Field(description="what differs: field to [before, after]")
    document: dict[str, Any] | None = Field(
        description="the finding as it was, where the change touched it"
    )


class Versions(Shape):
    """A finding's history, oldest first."""

    data: list[VersionOut]


class CommentOut(Shape):
    """What somebody wrote under a finding."""

    id: int
    at: str | None
    by: str
    text: str


class Comments(Shape):
    """Comments, oldest first."""

    data: list[CommentOut]


class NewComment(Shape):
    """What to write."""

    text: CommentText


class FindingPatch(Shape):
    """What is to change (RFC 7396): members left out stay, null puts back what it was at first."""

    status: TriageStatus | None = None
    verdict: Conclusion | None = None
    assignee: Assignee | None = None
    tags: Annotated[list[Tag], Field(max_length=MAX_TAGS)] | None = Field(
        default=None, description="all of them; they replace those there are"
    )
    reason: Annotated[str, Field(max_length=MAX_REASON_CHARS)] = Field(
        default="", description="why, for the history and the audit log"
    )


ActionName = Literal[
    "acknowledge", "resolve", "reopen", "assign", "tag", "untag", "comment", "suppress"
]


class BulkAction(Shape):
    """One action on many findings, named by id or by a filter."""

    action: ActionName
    reason: Reason = Field(description="why, for the history and the audit log")
    ids: Annotated[list[FindingId], Field(min_length=1, max_length=MAX_BULK)] | None = None
    filter: FindingFilter | None = Field(
        default=None, description=f"instead of ids; refused if more than {MAX_BULK} match"
    )
    verdict: Conclusion | None = Field(default=None, description="with resolve")
    assignee: Assignee | None = Field(default=None, description="with assign; empty for nobody")
    tags: Annotated[list[Tag], Field(min_length=1, max_length=MAX_TAGS)] | None = Field(
        default=None, description="with tag and untag"
    )
    text: CommentText | None = Field(default=None, description="with comment")
    expires_at: AwareDatetime | None = Field(
        default=None, description="with suppress: 30 days when left out, null never"
    )


class ActionResult(Shape):
    """What became of one finding."""

    id: str
    result: Literal["done", "not-found"]
    version: int | None = Field(description="the finding's version now")


class ActionResults(Shape):
    """What became of each, in the order asked for."""

    action: ActionName
    done: int
    not_found: int
    suppression_id: str = Field(description="with suppress: the one that was made, else empty")
    data: list[ActionResult]
