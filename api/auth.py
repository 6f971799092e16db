"""Who is calling: API keys, sessions of people, access tokens of the operator's issuer.

A caller is found once for each request, before its body is read, and kept in the request's scope.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from fastapi import Request

from analyzer.store.records import Actor, Scope
from api.errors import Problem
from api.oidc import LoginFailed
from api.sessions import check_same_origin
from api.state import ServiceState

KEY_TEXT = re.compile(r"og_[A-Za-z0-9]{1,40}_[A-Za-z0-9_-]{16,120}")
"""What a key looks like; anything else is refused without a look at the store."""

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="outgate"'}
TOKEN_DOTS = 2
"""A signed token has three parts (RFC 7515 §7.1); a key has no dot."""

log = logging.getLogger("outgate.api")
STATE_NAME = "caller"
SOURCE_NAME = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody whose request is answered.

    Attributes:
        actor: As the audit log names them.
        kind: key, session, token, or local where the service runs without authentication.
        scopes: What they may do.
        expires_s: When they must log in again, seconds since 1970; 0 for keys.
    """

    actor: Actor
    kind: str
    scopes: frozenset[Scope]
    expires_s: float = 0.0

    def may(self, scope: Scope) -> bool:
        """Whether the scope, or `admin`, is among theirs."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def authenticate(request: Request, state: ServiceState) -> Caller:
    """The caller of a request, found at most once.

    Raises:
        Problem: 401 when nobody known is calling.
    """
    kept = getattr(request.state, STATE_NAME, None)
    if isinstance(kept, Caller):
        return kept
    caller = _identify(request, state)
    setattr(request.state, STATE_NAME, caller)
    request.state.rate_headers = state.limits.admit(caller.actor.name)
    return caller


def authorize(caller: Caller, scope: Scope | None) -> None:
    """Refuses a caller who lacks a scope; None needs no more than being known.

    Raises:
        Problem: 403 naming the scope.
    """
    if scope is not None and not caller.may(scope):
        raise Problem(
            "forbidden",
            detail=f"cannot do this without the scope {scope}",
            hint=f"use a key with the scope {scope}, or have an administrator make one",
        )


def still_holds(request: Request, state: ServiceState, caller: Caller) -> bool:
    """Whether who was admitted would be admitted now: not revoked, expired, logged out or less."""
    try:
        found = _identify(request, state)
    except Problem:
        return False
    return found.actor.name == caller.actor.name and found.scopes >= caller.scopes


def source_address(request: Request) -> str:
    """Where a request comes from, as `api.source` found it when it arrived."""
    return str(getattr(request.state, SOURCE_NAME, ""))


def _identify(request: Request, state: ServiceState) -> Caller:
    if not state.settings.auth:
        return Caller(actor=actor_of(request, "local"), kind="local", scopes=frozenset(Scope))
    text = presented(request)
    if not text:
        return _from_session(request, state)
    # A key that is right is taken from any address: behind a proxy everybody has the same one, and
    # whoever sends wrong keys would lock out all others.
    caller = _from_key(request, state, text) if KEY_TEXT.fullmatch(text) else None
    address = source_address(request)
    if caller is None:
        state.limits.check_address(address)
        caller = _from_token(request, state, text) if _is_token(text) else None
    if caller is None:
        state.limits.failed(address)
        raise Problem(
            "unauthenticated",
            detail="cannot accept the key: it is unknown, expired or revoked",
            headers={"WWW-Authenticate": CHALLENGE["WWW-Authenticate"] + ', error="invalid_token"'},
        )
    return caller


def _from_session(request: Request, state: ServiceState) -> Caller:
    session = state.sessions.read(request) if state.sessions is not None else None
    if session is None:
        raise Problem(
            "unauthenticated", detail="cannot tell who is calling: no key", headers=CHALLENGE
        )
    check_same_origin(request)
    return Caller(
        actor=actor_of(request, f"user:{session.name}"),
        kind="session",
        scopes=session.scopes,
        expires_s=session.expires_s,
    )


def _from_key(request: Request, state: ServiceState, text: str) -> Caller | None:
    key = state.store.keys.verify(text)
    if key is None:
        return None
    return Caller(actor=actor_of(request, f"key:{key.id}"), kind="key", scopes=key.scopes)


def _from_token(request: Request, state: ServiceState, text: str) -> Caller | None:
    if state.provider is None:
        return None
    try:
        person = state.provider.verify(text)
    except LoginFailed as error:
        log.info("a token was refused: %s", error)
        return None
    return Caller(
        actor=actor_of(request, f"user:{person.name}"),
        kind="token",
        scopes=person.scopes,
        expires_s=person.expires_s,
    )


def _is_token(text: str) -> bool:
    return text.count(".") == TOKEN_DOTS


def presented(request: Request) -> str:
    """The credential of a request's headers, "" when there is none."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return text.strip()
    return request.headers.get("x-api-key", "").strip()


def actor_of(request: Request, name: str) -> Actor:
    """The actor of a request by that name."""
    request_id = getattr(request.state, "request_id", "")
    return Actor(name=name, source_ip=source_address(request), request_id=request_id)
