"""Whether the service is up, and which version it is."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from analyzer import __version__

FINDING_SCHEMA = "outgate/finding/1"

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The service answers."""

    status: Literal["ok"] = "ok"


class Version(BaseModel):
    """What is running, and which findings it speaks."""

    version: str
    finding_schema: str


@router.get("/healthz")
def healthz() -> Health:
    """Answer as long as the process serves requests."""
    return Health()


@router.get("/version")
def version() -> Version:
    """Name the version of Outgate and of its findings."""
    return Version(version=__version__, finding_schema=FINDING_SCHEMA)
