"""Sessions of people: a signed cookie, and proof that a change comes from our own pages."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from itsdangerous import BadData, URLSafeTimedSerializer

from analyzer.store.records import Scope
from api.errors import Problem
from api.oidc import Attempt, Person
from api.settings import ServiceSettings

SESSION_COOKIE = "outgate_session"
LOGIN_COOKIE = "outgate_login"
SESSION_S = 8 * 3600
LOGIN_S = 600
ID_BYTES = 16
MAX_COOKIE_CHARS = 4000
MAX_ENDED = 10_000
"""Sessions remembered as logged out; each is forgotten with the end it would have had anyway."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody logged in.

    Attributes:
        id: Of this session, so that it can be ended.
        expires_s: Its end, seconds since 1970.
    """

    id: str
    name: str
    subject: str
    scopes: frozenset[Scope]
    expires_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A log-in that has begun, and where it leads."""

    attempt: Attempt
    redirect_uri: str
    next_path: str


class Sessions:
    """Writes and reads the cookies of one service."""

    def __init__(self, settings: ServiceSettings, secret: bytes) -> None:
        self._https = settings.https
        self._session = _signer(secret, "outgate.session")
        self._login = _signer(secret, "outgate.login")
        self._ended: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, response: Response, login: Login) -> None:
        """Lets the browser carry a log-in to its end."""
        attempt = login.attempt
        text = self._login.dumps(
            [attempt.state, attempt.nonce, attempt.verifier, login.redirect_uri, login.next_path]
        )
        self._set(response, LOGIN_COOKIE, _text(text), LOGIN_S)

    def begun(self, request: Request) -> Login | None:
        """The log-in the browser brings back, if it is ours and not too old."""
        value = self._read(self._login, request.cookies.get(LOGIN_COOKIE, ""), LOGIN_S)
        if not isinstance(value, list):
            return None
        state, nonce, verifier, redirect_uri, next_path = value
        attempt = Attempt(state=state, nonce=nonce, verifier=verifier)
        return Login(attempt=attempt, redirect_uri=redirect_uri, next_path=next_path)

    def open(self, response: Response, person: Person) -> Session:
        """Logs somebody in."""
        session = Session(
            id=secrets.token_urlsafe(ID_BYTES),
            name=person.name,
            subject=person.subject,
            scopes=person.scopes,
            expires_s=time.time() + SESSION_S,
        )
        value = {
            "id": session.id,
            "name": session.name,
            "sub": session.subject,
            "scopes": sorted(session.scopes),
            "exp": session.expires_s,
        }
        self._set(response, SESSION_COOKIE, _text(self._session.dumps(value)), SESSION_S)
        response.delete_cookie(LOGIN_COOKIE, path="/v1/session")
        return session

    def read(self, request: Request) -> Session | None:
        """The session of a request, if its cookie is ours, in time and not logged out."""
        value = self._read(self._session, request.cookies.get(SESSION_COOKIE, ""), SESSION_S)
        if not isinstance(value, Mapping) or value["exp"] <= time.time():
            return None
        with self._lock:
            if value["id"] in self._ended:
                return None
        scopes = frozenset(Scope(name) for name in value["scopes"])
        return Session(
            id=value["id"],
            name=value["name"],
            subject=value["sub"],
            scopes=scopes,
            expires_s=value["exp"],
        )

    def close(self, request: Request, response: Response) -> None:
        """Logs somebody out: the cookie goes, and a copy of it is worth nothing."""
        session = self.read(request)
        if session is not None:
            with self._lock:
                self._ended[session.id] = session.expires_s
                now_s = time.time()
                while self._ended and (
                    len(self._ended) > MAX_ENDED or next(iter(self._ended.values())) < now_s
                ):
                    self._ended.popitem(last=False)
        response.delete_cookie(SESSION_COOKIE, path="/")

    def _set(self, response: Response, name: str, value: str, age_s: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=age_s,
            path="/" if name == SESSION_COOKIE else "/v1/session",
            secure=self._https,
            httponly=True,
            samesite="lax",
        )

    def _read(self, signer: URLSafeTimedSerializer, text: str, age_s: int) -> Any:  # noqa: ANN401
        if not text or len(text) > MAX_COOKIE_CHARS:
            return None
        try:
            return signer.loads(text, max_age=age_s)
        except BadData:
            return None


def check_same_origin(request: Request) -> None:
    """Refuses a change made with a cookie unless the browser says that our own page made it.

    Raises:
        Problem: 403 cross-site.
    """
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    if site == "same-origin":
        return
    origin = request.headers.get("origin", "")
    if site is None and origin == f"{request.url.scheme}://{request.headers.get('host', '')}":
        return
    raise Problem("cross-site", detail="cannot tell that the request comes from this service")


def local_path(text: str) -> str:
    """A path of this service, or "" for anything a browser could take for another place."""
    if not text.startswith("/") or text.startswith("//") or "\\" in text:
        return ""
    return text if text.isascii() and text.isprintable() else ""


def _signer(secret: bytes, salt: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        secret, salt=salt, signer_kwargs={"digest_method": hashlib.sha256}
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
