"""Wires the HTTP service together."""

from __future__ import annotations

from fastapi import FastAPI

from analyzer import __version__
from api.routes import health


def create_app() -> FastAPI:
    """The application with every route."""
    app = FastAPI(
        title="Outgate",
        version=__version__,
        summary="Network egress forensics: captures in, findings out.",
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(health.router)
    return app


def from_environment() -> FastAPI:
    """The application as `outgate serve` starts it."""
    return create_app()
