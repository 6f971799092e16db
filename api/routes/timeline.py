"""What happened when."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from analyzer.store.tables import TimelineQuery, selection_of
from analyzer.times import NS_PER_SECOND, rfc3339
from api.dependencies import CapturesReader, StoreDep
from api.errors import responses
from api.routing import ServiceRouter
from api.schemas_table_answers import SliceOut, TimelineOut, gaps_out
from api.schemas_tables import TimelineAsk

router = ServiceRouter(prefix="/v1/timeline", tags=["hosts"])


@router.get(
    "",
    summary="Bytes, flows and findings over time",
    responses=responses("bad-request", "not-found", "limit-reached"),
)
def read_timeline(
    store: StoreDep,
    caller: CapturesReader,  # noqa: ARG001 - checks the scope
    asked: Annotated[TimelineAsk, Query()],
) -> TimelineOut:
    """Cuts the time of the flows that are meant into at most 2000 slices and counts in each."""
    selection = selection_of(asked.q, captures=asked.capture, finding=asked.finding)
    line = store.tables.timeline(
        TimelineQuery(
            selection=selection,
            host=asked.host,
            since=asked.since,
            until=asked.until,
            bucket=asked.bucket,
        )
    )
    return TimelineOut(
        bucket_s=line.bucket_ns / NS_PER_SECOND,
        data=[
            SliceOut(
                start=rfc3339(part.start_ns),
                up_bytes=part.up_bytes,
                down_bytes=part.down_bytes,
                flows=part.flows,
                active=part.active,
                findings=dict(part.findings),
            )
            for part in line.slices
        ],
        total_flows=line.total_flows,
        total_findings=line.total_findings,
        not_read=gaps_out(line.gaps),
        not_read_total=len(set(line.gaps)),
    )
