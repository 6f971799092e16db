"""Shapes that several groups of routes answer with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from analyzer.times import NS_PER_SECOND, rfc3339

EPOCH_YEAR = 1970
MAX_ID_CHARS = 200
MAX_PAGE = 1000
DEFAULT_PAGE = 100
MAX_INTEGER = 2**63 - 1


LATEST_YEAR = 2199
"""Nanoseconds since 1970 end in the year 2262."""


def _in_range(moment: datetime) -> datetime:
    if not EPOCH_YEAR < moment.year <= LATEST_YEAR:
        raise ValueError(f"the year must be from {EPOCH_YEAR + 1} to {LATEST_YEAR}")
    return moment


Moment = Annotated[
    AwareDatetime,
    AfterValidator(_in_range),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time with its zone that the store can keep."""


class Shape(BaseModel):
    """A body: members that are not known are refused."""

    model_config = ConfigDict(extra="forbid")


class Invalid(BaseModel):
    """One value that is not valid."""

    pointer: str = Field(description="a JSON pointer into the body, or query/NAME, path/NAME")
    detail: str = Field(description="what is wrong with it")


class ProblemOut(BaseModel):
    """What could not be done (RFC 9457)."""

    type: str = Field(description="a path of this service that describes the kind of problem")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="what could not be done, to what, where and why")
    instance: str = Field(description="the path that was asked for")
    code: str = Field(description="the kind of problem; programs decide by it")
    hint: str = Field(description="what to do next")
    errors: list[Invalid] = Field(default=[], description="values that are not valid")
    request_id: str = Field(description="the same as in the log and in X-Request-Id")


class Page(BaseModel):
    """Where a list goes on."""

    next_cursor: str = Field(description="give it as `cursor` or `after` for what follows")
    has_more: bool


def nanoseconds(moment: datetime | None) -> int:
    """A time as nanoseconds since 1970, to the microsecond; 0 for none."""
    if moment is None:
        return 0
    since = moment - datetime(EPOCH_YEAR, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NS_PER_SECOND + since.microseconds * 1000


def time_text(time_ns: int) -> str | None:
    """A time as RFC 3339 text; None for 0, which stands for never."""
    return rfc3339(time_ns) if time_ns else None
