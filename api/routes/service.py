"""What the service is: its version, its bounds, its problems, its figures."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response

from analyzer import __version__, ruleset
from analyzer.store import migrations
from analyzer.store.idempotency import KEPT_NS
from analyzer.times import NS_PER_SECOND
from api.dependencies import AnyCaller, MetricsReader, StateDep
from api.errors import Problem
from api.lifecycle import job_settings
from api.limits import WINDOW_S
from api.metrics import CONTENT_TYPE
from api.middleware import MAX_HEADER_BYTES, MAX_HEADERS
from api.problems import CATALOGUE, ProblemKind
from api.readiness import components, count_jobs
from api.routing import ServiceRouter
from api.schemas import DEFAULT_PAGE, MAX_PAGE, Shape

FINDING_SCHEMA = "outgate/finding/1"
MAX_CODE_CHARS = 50
router = ServiceRouter(tags=["service"])


class Version(Shape):
    """What is running."""

    version: str
    finding_schema: str
    ruleset_version: str
    schema_revision: str
    database: str


class Limits(Shape):
    """The bounds of the service."""

    max_upload_bytes: int
    max_body_bytes: int
    max_headers: int
    max_header_bytes: int
    default_page: int
    max_page: int
    requests_per_window: int
    failed_logins_per_window: int
    window_s: int
    workers: int
    worker_memory_bytes: int
    worker_timeout_s: float
    worker_output_bytes: int
    carvings_at_once: int
    min_free_bytes: int
    idempotency_kept_s: int
    confinement: dict[str, str]


class ProblemKindOut(Shape):
    """One kind of problem."""

    type: str
    code: str
    status: int
    title: str
    meaning: str
    remedy: str


class ProblemKinds(Shape):
    """Every kind of problem."""

    data: list[ProblemKindOut]


@router.get("/v1/version", summary="What is running")
def read_version(state: StateDep, caller: AnyCaller) -> Version:  # noqa: ARG001 - must be known
    """Names the version of Outgate, of its rule data, and of the store."""
    return Version(
        version=__version__,
        finding_schema=FINDING_SCHEMA,
        ruleset_version=ruleset.load().version,
        schema_revision=migrations.newest(),
        database=state.store.database.dialect,
    )


@router.get("/v1/limits", summary="The bounds of the service")
def read_limits(state: StateDep, caller: AnyCaller) -> Limits:  # noqa: ARG001 - must be known
    """Lists every bound a client can run into."""
    settings = state.settings
    jobs = state.supervisor.settings if state.supervisor else job_settings(settings)
    return Limits(
        max_upload_bytes=settings.max_upload,
        max_body_bytes=settings.max_body,
        max_headers=MAX_HEADERS,
        max_header_bytes=MAX_HEADER_BYTES,
        default_page=DEFAULT_PAGE,
        max_page=MAX_PAGE,
        requests_per_window=settings.rate_per_minute,
        failed_logins_per_window=settings.failures_per_minute,
        window_s=WINDOW_S,
        workers=jobs.workers,
        worker_memory_bytes=jobs.limits.memory_bytes,
        worker_timeout_s=jobs.limits.wall_s,
        worker_output_bytes=jobs.limits.output_bytes,
        carvings_at_once=jobs.tasks,
        min_free_bytes=settings.min_free,
        idempotency_kept_s=KEPT_NS // NS_PER_SECOND,
        confinement=dict(state.supervisor.confinement()) if state.supervisor else {},
    )


@router.get("/v1/problems", summary="Every kind of problem")
def list_problems() -> ProblemKinds:
    """Lists what any request can be answered with when it fails."""
    return ProblemKinds(data=[kind_out(kind) for kind in CATALOGUE.values()])


@router.get("/v1/problems/{code}", summary="One kind of problem")
def read_problem(code: Annotated[str, Path(max_length=MAX_CODE_CHARS)]) -> ProblemKindOut:
    """Describes a kind of problem; the `type` of a problem leads here."""
    if code not in CATALOGUE:
        raise Problem("not-found", detail=f"cannot find a kind of problem named {code}")
    return kind_out(CATALOGUE[code])


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(state: StateDep, caller: MetricsReader) -> Response:  # noqa: ARG001 - the scope
    """Gives counters and gauges in the text format of Prometheus."""
    components(state)
    count_jobs(state)
    return Response(state.metrics.text(), media_type=CONTENT_TYPE)


def kind_out(kind: ProblemKind) -> ProblemKindOut:
    """A kind of problem as JSON."""
    return ProblemKindOut(
        type=kind.type,
        code=kind.code,
        status=kind.status,
        title=kind.title,
        meaning=kind.meaning,
        remedy=kind.remedy,
    )
