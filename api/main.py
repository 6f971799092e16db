"""Wires the HTTP service together."""

from __future__ import annotations

import importlib

from fastapi import FastAPI
from fastapi.routing import APIRoute

from analyzer import __version__
from analyzer.jobs import Supervisor
from analyzer.push import Dispatcher
from analyzer.store import Store
from api import errors, lifecycle, openapi
from api.middleware import ServiceMiddleware
from api.settings import ServiceSettings, load_settings
from api.state import ServiceState

ROUTES = (
    "health",
    "service",
    "keys",
    "audit",
    "session",
    "findings",
    "evidence",
    "suppressions",
    "rules",
    "captures",
    "uploads",
    "jobs",
    "flows",
    "hosts",
    "pools",
    "wallets",
    "timeline",
    "sinks",
)
"""Modules of `api.routes`, each with a `router`; paths are taken in this order."""


def create_app(
    settings: ServiceSettings | None = None,
    store: Store | None = None,
    supervisor: Supervisor | None = None,
    dispatcher: Dispatcher | None = None,
) -> FastAPI:
    """The application with every route.

    Args:
        settings: What the operator set; read from the environment when not given.
        store: An open store that the caller closes.
        supervisor: Runs the workers; None runs no jobs.
        dispatcher: Pushes findings to sinks; None pushes nothing.
    """
    settings = settings or load_settings()
    app = FastAPI(
        title="Outgate",
        version=__version__,
        summary="Network egress forensics: captures in, findings out.",
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
        lifespan=lifecycle.lifespan,
    )
    app.state.outgate = ServiceState(
        settings=settings, opened=store, supervisor=supervisor, dispatcher=dispatcher
    )
    errors.install(app)
    openapi.install(app)
    app.add_middleware(ServiceMiddleware, state=app.state.outgate)
    for name in ROUTES:
        app.include_router(importlib.import_module(f"api.routes.{name}").router)
    return app


def operation_id(route: APIRoute) -> str:
    """The function's name, which clients are generated from."""
    return route.name


def from_environment() -> FastAPI:
    """The application as `outgate serve` starts it."""
    return create_app()
