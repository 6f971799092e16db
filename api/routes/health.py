"""Whether the service is up, whether its parts work, and its figures."""

from __future__ import annotations

from typing import Literal

from fastapi import Response
from pydantic import Field

from api.dependencies import StateDep
from api.readiness import components
from api.routing import ServiceRouter
from api.schemas import Shape

router = ServiceRouter(tags=["health"])


class Health(Shape):
    """The process serves requests."""

    status: Literal["ok"] = "ok"


class ComponentOut(Shape):
    """One part of the service."""

    name: str
    state: Literal["ok", "degraded", "failed"]
    detail: str = Field(description="what is wrong, or empty")


class Readiness(Shape):
    """Whether the service can do its work."""

    ready: bool
    components: list[ComponentOut]


@router.get("/healthz", summary="Whether the process is up")
def healthz() -> Health:
    """Answers as long as the process serves requests."""
    return Health()


@router.get(
    "/readyz",
    summary="Whether every part works",
    responses={503: {"model": Readiness, "description": "A part that is needed has failed."}},
)
def readyz(state: StateDep, response: Response) -> Readiness:
    """Names every part; 503 when one fails that the service cannot do without."""
    found = components(state)
    ready = all(component.state != "failed" for component in found)
    response.status_code = 200 if ready else 503
    shown = [
        ComponentOut.model_validate({"name": part.name, "state": part.state, "detail": part.detail})
        for part in found
    ]
    return Readiness(ready=ready, components=shown)
