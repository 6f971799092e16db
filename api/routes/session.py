"""People: log in at the operator's provider, see who one is, log out."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import Field
from starlette.responses import RedirectResponse

from analyzer.escape import escape
from analyzer.store.records import Actor, Scope
from analyzer.times import NS_PER_SECOND
from api.auth import actor_of, source_address
from api.dependencies import AnyCaller, CallerDep, StateDep
from api.errors import Problem, responses
from api.oidc import Attempt, LoginFailed, Provider
from api.routing import ServiceRouter
from api.schemas import Shape, time_text
from api.sessions import Login, Sessions, local_path
from api.state import ServiceState

MAX_PATH_CHARS = 500
MAX_CODE_CHARS = 4096
FINISH_PATH = "/v1/session/finish"
HOME = "/v1/session"
router = ServiceRouter(prefix="/v1/session", tags=["session"])


class SessionOut(Shape):
    """Who is calling."""

    actor: str = Field(description="as the audit log names them")
    kind: str = Field(description="key, session, token or local")
    scopes: list[Scope]
    expires_at: str | None = Field(description="end of the session; null for keys")


@router.get("", summary="Who I am")
def read_session(caller: CallerDep, actor: AnyCaller) -> SessionOut:
    """Names the caller and what they may do."""
    return SessionOut(
        actor=actor.name,
        kind=caller.kind,
        scopes=sorted(caller.scopes),
        expires_at=time_text(int(caller.expires_s) * NS_PER_SECOND),
    )


@router.get(
    "/login",
    summary="Log in",
    status_code=303,
    response_class=RedirectResponse,
    responses={
        303: {"description": "To the log-in page of the operator's provider."},
        **responses("not-found", "unavailable"),
    },
)
def login(
    request: Request,
    state: StateDep,
    next_path: Annotated[
        str, Query(alias="next", max_length=MAX_PATH_CHARS, description="where to go afterwards")
    ] = HOME,
) -> RedirectResponse:
    """Sends a browser to the operator's OpenID provider."""
    provider, sessions = _people(state)
    state.limits.check_address(source_address(request))
    base = state.settings.public_url.rstrip("/")
    base = base or f"{request.url.scheme}://{request.headers.get('host', '')}"
    attempt = Attempt.new()
    redirect_uri = base + FINISH_PATH
    try:
        url = provider.authorization_url(attempt, redirect_uri)
    except LoginFailed as error:
        raise Problem("unavailable", detail=error.message) from error
    answer = RedirectResponse(url, 303)
    started = Login(
        attempt=attempt, redirect_uri=redirect_uri, next_path=local_path(next_path) or HOME
    )
    sessions.begin(answer, started)
    return answer


@router.get(
    "/finish",
    summary="Come back from the provider",
    status_code=303,
    response_class=RedirectResponse,
    responses={
        303: {"description": "Logged in; on to where the log-in was asked for."},
        **responses("not-found", "unauthenticated", "forbidden"),
    },
)
def finish_login(
    *,
    request: Request,
    state: StateDep,
    code: Annotated[str, Query(max_length=MAX_CODE_CHARS)] = "",
    login_state: Annotated[str, Query(alias="state", max_length=MAX_CODE_CHARS)] = "",
    issuer: Annotated[str, Query(alias="iss", max_length=MAX_PATH_CHARS)] = "",
    error: Annotated[str, Query(max_length=MAX_PATH_CHARS)] = "",
) -> RedirectResponse:
    """Checks what the provider sent a browser back with, and logs the person in."""
    provider, sessions = _people(state)
    address = source_address(request)
    state.limits.check_address(address)
    begun = sessions.begun(request)
    expected = begun.attempt.state if begun else ""
    if begun is None or not hmac.compare_digest(expected.encode(), login_state.encode()):
        state.limits.failed(address)
        raise _failed("it was not begun here, or too long ago")
    if error or not code:
        raise _failed(f"the provider refuses: {escape(error or 'it sent no code')}")
    try:
        person = provider.finish(
            begun.attempt, code=code, issuer=issuer, redirect_uri=begun.redirect_uri
        )
    except LoginFailed as reason:
        state.limits.failed(address)
        raise _failed(reason.message) from reason
    actor = actor_of(request, f"user:{person.name}")
    if not person.scopes:
        _note(state, actor, "session.refuse", person.subject)
        raise Problem(
            "forbidden",
            detail=f"cannot let {person.name} in: none of their groups may do anything here",
            hint="OUTGATE_OIDC_SCOPES says which groups may do what",
        )
    answer = RedirectResponse(begun.next_path, 303)
    sessions.open(answer, person)
    _note(state, actor, "session.begin", person.subject)
    return answer


@router.post("/logout", summary="Log out", status_code=204, response_class=Response)
def logout(request: Request, state: StateDep, caller: CallerDep, actor: AnyCaller) -> Response:
    """Ends the browser's session; a copy of its cookie is worth nothing afterwards."""
    answer = Response(status_code=204)
    if state.sessions is not None and caller.kind == "session":
        state.sessions.close(request, answer)
        _note(state, actor, "session.end", "")
    return answer


def _people(state: ServiceState) -> tuple[Provider, Sessions]:
    if state.provider is None or state.sessions is None:
        raise Problem(
            "not-found",
            detail="cannot log in: this service has no OpenID provider",
            hint="use an API key, or set OUTGATE_OIDC_ISSUER",
        )
    return state.provider, state.sessions


def _note(state: ServiceState, actor: Actor, action: str, subject: str) -> None:
    state.store.audit.record(actor, action, subject)


def _failed(reason: str) -> Problem:
    return Problem(
        "unauthenticated",
        detail=f"cannot finish the log-in: {reason}",
        hint="begin again at /v1/session/login",
        headers={"WWW-Authenticate": 'Bearer realm="outgate"'},
    )
