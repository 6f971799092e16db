"""What routes ask for in their signatures.

`def read_finding(finding_id: str, store: StoreDep, caller: FindingsReader) -> FindingOut: ...`

`FindingsReader` and its like check the caller's scope and give the `Actor` for `by=`.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from analyzer.jobs import Supervisor
from analyzer.push import Dispatcher
from analyzer.store import Store
from analyzer.store.records import Actor, Scope
from api.auth import Caller, authenticate, authorize
from api.settings import ServiceSettings
from api.state import ServiceState, state_of

SCHEME = "apiKey"


class Needs(SecurityBase):
    """The dependency that admits callers with one scope; None admits everybody known."""

    def __init__(self, scope: Scope | None) -> None:
        self.scope = scope
        self.scheme_name = SCHEME
        self.model = HTTPBearer(
            bearerFormat="og_<id>_<secret>", description="A key of `POST /v1/keys`."
        )

    def __call__(self, request: Request) -> Actor:
        """The caller as the audit log names them.

        Raises:
            Problem: 401 for nobody known, 403 for somebody without the scope.
        """
        return self.admit(request).actor

    def admit(self, request: Request) -> Caller:
        """The caller, when they may do this.

        Raises:
            Problem: 401 for nobody known, 403 for somebody without the scope.
        """
        caller = authenticate(request, state_of(request))
        authorize(caller, self.scope)
        return caller


class NeedsForMetrics(Needs):
    """Admits readers of findings, and everybody where the operator says so."""

    def admit(self, request: Request) -> Caller:
        """The caller; nobody in particular where figures are public."""
        if state_of(request).settings.metrics_public:
            return Caller(actor=Actor(name="anybody"), kind="anybody", scopes=frozenset())
        return super().admit(request)


def _needs(scope: Scope | None) -> Any:  # noqa: ANN401 - FastAPI types it so
    return Security(Needs(scope), scopes=[scope.value] if scope else [])


def _store(state: Annotated[ServiceState, Depends(state_of)]) -> Store:
    return state.store


def _settings(state: Annotated[ServiceState, Depends(state_of)]) -> ServiceSettings:
    return state.settings


def _supervisor(state: Annotated[ServiceState, Depends(state_of)]) -> Supervisor | None:
    return state.supervisor


def _dispatcher(state: Annotated[ServiceState, Depends(state_of)]) -> Dispatcher | None:
    return state.dispatcher


def _caller(request: Request) -> Caller:
    return authenticate(request, state_of(request))


StateDep = Annotated[ServiceState, Depends(state_of)]
StoreDep = Annotated[Store, Depends(_store)]
SettingsDep = Annotated[ServiceSettings, Depends(_settings)]
SupervisorDep = Annotated[Supervisor | None, Depends(_supervisor)]
DispatcherDep = Annotated[Dispatcher | None, Depends(_dispatcher)]
CallerDep = Annotated[Caller, Depends(_caller)]

AnyCaller = Annotated[Actor, _needs(None)]
CapturesReader = Annotated[Actor, _needs(Scope.CAPTURES_READ)]
CapturesWriter = Annotated[Actor, _needs(Scope.CAPTURES_WRITE)]
FindingsReader = Annotated[Actor, _needs(Scope.FINDINGS_READ)]
FindingsTriager = Annotated[Actor, _needs(Scope.FINDINGS_TRIAGE)]
EvidenceReader = Annotated[Actor, _needs(Scope.EVIDENCE_READ)]
RulesWriter = Annotated[Actor, _needs(Scope.RULES_WRITE)]
Admin = Annotated[Actor, _needs(Scope.ADMIN)]
MetricsReader = Annotated[
    Actor, Security(NeedsForMetrics(Scope.FINDINGS_READ), scopes=[Scope.FINDINGS_READ.value])
]
