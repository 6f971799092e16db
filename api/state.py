"""What one running service consists of, as its routes see it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import cast

from anyio import CapacityLimiter
from fastapi import Request

from analyzer.jobs import Supervisor
from analyzer.push import Dispatcher
from analyzer.store import Store
from api.limits import RateLimits
from api.metrics import Metrics
from api.oidc import Provider
from api.reception import Reception
from api.sessions import Sessions
from api.settings import ServiceSettings

MAX_EVIDENCE_REQUESTS = 8
"""More are refused, so that other routes have threads left."""


ADMISSION_THREADS = 16
"""Callers looked up at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One part.

    Attributes:
        state: `ok`, `degraded` (the service still does its work), or `failed`.
        detail: What is wrong, without names of anything inside.
    """

    name: str
    state: str
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class ServiceState:
    """The parts of one application; filled when it starts, read by its routes.

    Attributes:
        settings: What the operator set.
        supervisor: Runs the workers; None where no jobs are run.
        dispatcher: Pushes findings to sinks; None where nothing is pushed.
        evidence_turns: Bounds the requests for evidence that run or wait.
        readiness: When the parts were last asked whether they work, by the monotonic clock, and
            what they said; guarded by `readiness_turn`.
        stopping: Set when the service ends, so that open streams end first.
    """

    settings: ServiceSettings
    opened: Store | None = None
    supervisor: Supervisor | None = None
    dispatcher: Dispatcher | None = None
    evidence_turns: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(MAX_EVIDENCE_REQUESTS)
    )
    stopping: threading.Event = field(default_factory=threading.Event)
    metrics: Metrics = field(default_factory=Metrics)
    reception: Reception = field(default_factory=Reception)
    admission: CapacityLimiter = field(
        default_factory=lambda: CapacityLimiter(ADMISSION_THREADS), init=False
    )
    readiness: tuple[float, list[Component]] | None = field(init=False, default=None)
    readiness_turn: threading.Lock = field(default_factory=threading.Lock, init=False)
    limits: RateLimits = field(init=False)
    provider: Provider | None = field(init=False, default=None)
    _sessions: Sessions | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.limits = RateLimits(self.settings)
        if self.settings.oidc_issuer:
            self.provider = Provider(self.settings)

    @property
    def sessions(self) -> Sessions | None:
        """Sessions of people; None where nobody can log in."""
        if self._sessions is None and self.provider is not None:
            self._sessions = Sessions(self.settings, self.store.folder.secret())
        return self._sessions

    @property
    def store(self) -> Store:
        """The open store."""
        if self.opened is None:
            raise RuntimeError("the service has not been started")
        return self.opened


def state_of(request: Request) -> ServiceState:
    """The service that a request came to."""
    return cast("ServiceState", request.app.state.outgate)
