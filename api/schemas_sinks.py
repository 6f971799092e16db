"""What is asked of sinks, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from analyzer.model import Category, Severity
from analyzer.store.records import DeliveryState
from analyzer.store.sinks import MAX_NAME_CHARS
from api.schemas import DEFAULT_PAGE, MAX_INTEGER, MAX_PAGE, Page, Shape

MAX_OPTIONS = 40
MAX_OPTION_CHARS = 100
MAX_REPLAYED = 1000

SinkKind = Literal["webhook", "syslog", "splunk", "elastic", "kafka", "file"]
SinkFormat = Literal["native", "ecs", "ocsf", "stix", "eve", "cef", "leef", "asim", "misp"]
PushedChange = Literal[
    "created", "seen", "returned", "gone", "triage", "comment", "suppressed", "unsuppressed"
]
SinkName = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS, pattern=r"\S")]
SinkConfig = Annotated[
    dict[Annotated[str, Field(max_length=MAX_OPTION_CHARS)], JsonValue],
    Field(max_length=MAX_OPTIONS, description="options of its kind; docs/sinks.md lists them"),
]


class SinkFilter(Shape):
    """Which findings go to a sink; what is left out lets all through."""

    severity_at_least: Severity | None = None
    confidence_at_least: float = Field(default=0.0, ge=0, le=1)
    categories: list[Category] = Field(default=[], max_length=len(Category))
    changes: list[PushedChange] = Field(
        default=[],
        max_length=8,
        description="what it hears of; empty: created, seen, returned, unsuppressed",
    )


class DeliveryCounts(Shape):
    """How many deliveries are in each state."""

    pending: int
    delivered: int
    dead: int
    skipped: int


class SinkOut(Shape):
    """A sink; every secret in its configuration shows as `[hidden]`."""

    id: str
    name: str
    kind: SinkKind
    format: SinkFormat
    config: dict[str, JsonValue]
    only: SinkFilter
    enabled: bool
    disabled_because: str = Field(description="why the service stopped it, or empty")
    created_at: str | None
    created_by: str
    last_success_at: str | None
    last_failure_at: str | None
    last_error: str
    deliveries: DeliveryCounts


class SinksOut(Shape):
    """All sinks, the oldest first."""

    data: list[SinkOut]


class NewSink(Shape):
    """What a sink shall be."""

    name: SinkName
    kind: SinkKind
    config: SinkConfig
    format: SinkFormat | None = Field(
        default=None, description="the usual one of its kind when left out"
    )
    only: SinkFilter = SinkFilter()
    enabled: bool = True


class SinkChange(Shape):
    """What is to be different; members left out stay as they are.

    `config` replaces all options. An option given as `[hidden]` keeps its secret, unless the sink
    is to send elsewhere.
    """

    name: SinkName | None = None
    config: SinkConfig | None = None
    format: SinkFormat | None = None
    only: SinkFilter | None = None
    enabled: bool | None = None


class TrialOut(Shape):
    """What became of a test finding."""

    outcome: Literal["delivered", "retry", "dead", "disable"]
    reason: str = Field(description="empty when it was delivered")
    retry_after_s: float | None = Field(description="how long the receiver asks to be left alone")


class DeliveryQuery(Shape):
    """Which deliveries are listed."""

    state: DeliveryState | None = Field(default=None, description="in this state alone")
    after: int = Field(default=0, ge=0, le=MAX_INTEGER, description="those behind it")
    limit: int = Field(default=DEFAULT_PAGE, ge=1, le=MAX_PAGE)


class DeliveryOut(Shape):
    """One version of a finding on its way to a sink."""

    id: int
    message_id: str = Field(description="the same at every attempt; receivers tell repeats by it")
    finding_id: str
    version: int
    state: DeliveryState
    attempts: int
    next_at: str | None = Field(description="when it is tried next; null once it is settled")
    created_at: str | None
    done_at: str | None
    error: str = Field(description="why the last attempt failed, or why it was skipped")


class DeliveriesOut(Shape):
    """Deliveries in the order they were queued."""

    data: list[DeliveryOut]
    page: Page


class Replay(Shape):
    """Which deliveries are to be sent again."""

    deliveries: (
        Annotated[
            list[Annotated[int, Field(ge=1, le=MAX_INTEGER)]],
            Field(min_length=1, max_length=MAX_REPLAYED),
        ]
        | None
    ) = Field(default=None, description="ids, in whatever state; left out: all dead ones")


class Fill(Shape):
    """From where in the feed a sink is to be filled."""

    after_sequence: int = Field(
        default=0, ge=0, le=MAX_INTEGER, description="findings behind this place; 0: all"
    )


class Waiting(Shape):
    """How many deliveries were queued."""

    queued: int
