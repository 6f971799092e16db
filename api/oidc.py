"""OpenID Connect: people log in at the operator's provider, programs bring its access tokens.

The provider is named by the operator alone; nothing in a request or a capture leads to another.
Authorization code with PKCE, state and nonce (OpenID Connect Core 1.0, RFC 7636, RFC 9207); tokens
are checked against the provider's keys with a fixed list of algorithms (RFC 8725, RFC 9068).
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from analyzer.errors import ConfigError, OutgateError
from analyzer.store.records import Scope
from api.settings import ServiceSettings, is_loopback, listed

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
ACCESS_TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt"})
DISCOVERY = "/.well-known/openid-configuration"
SAYS_ISSUER = "authorization_response_iss_parameter_supported"
ASKED_SCOPES = "openid profile email"
TIMEOUT_S = 10.0
LEEWAY_S = 60
METADATA_KEPT_S = 3600.0
KEYS_KEPT_S = 600.0
KEYS_ASKED_EVERY_S = 30.0
"""An unknown key id makes us ask again, at most so often: tokens come from anybody."""

FAILURE_KEPT_S = 30.0
"""A provider that failed is not asked for its keys or its description again for so long: each
question to one that hangs holds a thread that admits callers."""

MAX_ANSWER_BYTES = 1024 * 1024
MAX_TOKEN_CHARS = 16 * 1024
MAX_GROUPS = 1000
MAX_NAME_CHARS = 200
VERIFIER_BYTES = 48
NONCE_BYTES = 24


class LoginFailed(OutgateError):  # noqa: N818 - it names what happened
    """The provider or its token was not what it must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody the provider vouches for.

    Attributes:
        subject: The provider's id, which nobody can choose.
        name: What to show: a verified mail address, or the subject.
        scopes: What their groups allow.
        expires_s: End of the token, seconds since 1970.
    """

    subject: str
    name: str
    scopes: frozenset[Scope]
    expires_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A log-in that has begun; the browser carries it, signed, to its end."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Attempt:
        """Fresh secrets."""
        return cls(
            state=secrets.token_urlsafe(NONCE_BYTES),
            nonce=secrets.token_urlsafe(NONCE_BYTES),
            verifier=secrets.token_urlsafe(VERIFIER_BYTES),
        )


class Provider:
    """The operator's OpenID provider. Methods may be called from several threads.

    Raises:
        ConfigError: The settings of the provider make no sense.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._issuer = settings.oidc_issuer
        self._by_group = scopes_by_group(settings.oidc_scopes)
        self._lock = threading.Lock()
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._failed: tuple[float, str] | None = None
        _check_address(self._issuer, "OUTGATE_OIDC_ISSUER")

    def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where the browser goes to log in.

        Raises:
            LoginFailed: The provider does not describe itself.
        """
        url = prepare_grant_uri(
            self._endpoint("authorization_endpoint"),
            client_id=self._settings.oidc_client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=ASKED_SCOPES,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
        )
        return str(url)

    def finish(self, attempt: Attempt, *, code: str, issuer: str, redirect_uri: str) -> Person:
        """Turns the code of a log-in into the person.

        Args:
            attempt: As it was begun.
            code: From the provider's redirect.
            issuer: Its `iss` parameter, "" if it has none (RFC 9207).
            redirect_uri: The same as at the beginning.

        Raises:
            LoginFailed: The provider refuses, or its token does not hold.
        """
        if issuer and issuer != self._issuer:
            raise LoginFailed("cannot finish the log-in: the answer is another provider's")
        if not issuer and self._described().get(SAYS_ISSUER) is True:
            raise LoginFailed("cannot finish the log-in: the answer does not say whose it is")
        answer = self._exchange(attempt, code, redirect_uri)
        token = self._decode(str(answer.get("id_token", "")))
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": self._issuer},
                "aud": {"essential": True, "value": self._settings.oidc_client_id},
            },
            params={
                "nonce": attempt.nonce,
                "client_id": self._settings.oidc_client_id,
                "access_token": answer.get("access_token"),
            },
        )
        try:
            claims.validate(leeway=LEEWAY_S)
        except JoseError as error:
            raise LoginFailed(f"cannot accept the provider's id token: {error}") from error
        return self._person(self._with_groups(dict(claims), str(answer.get("access_token", ""))))

    def verify(self, text: str) -> Person:
        """The person or program an access token speaks for.

        Raises:
            LoginFailed: The token does not hold, is not for this service, or is no access token.
        """
        token = self._decode(text)
        audience = self._settings.oidc_audience or self._settings.oidc_client_id
        # An id token names the client as its audience; it proves a log-in and opens nothing here.
        is_access = str(token.header.get("typ", "")).lower() in ACCESS_TOKEN_TYPES
        if not is_access and audience == self._settings.oidc_client_id:
            raise LoginFailed("cannot accept the token: it is no access token")
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            registry.validate(token.claims)
        except JoseError as error:
            raise LoginFailed(f"cannot accept the token: {error}") from error
        return self._person(token.claims)

    def _exchange(self, attempt: Attempt, code: str, redirect_uri: str) -> Mapping[str, Any]:
        settings = self._settings
        form = prepare_token_request(
            "authorization_code",
            code=code,
            redirect_uri=redirect_uri,
            code_verifier=attempt.verifier,
        )
        url = self._endpoint("token_endpoint")
        method = "client_secret_basic" if settings.oidc_client_secret else "none"
        auth = ClientAuth(settings.oidc_client_id, settings.oidc_client_secret, method)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url, headers, body = auth.prepare("POST", url, headers, form)
        return self._ask("POST", str(url), dict(headers), str(body))

    def _with_groups(self, claims: dict[str, Any], access_token: str) -> dict[str, Any]:
        """The claims, with those of the userinfo endpoint when the groups are not among them."""
        name = self._settings.oidc_groups_claim
        if name in claims or "userinfo_endpoint" not in self._described():
            return claims
        url = self._endpoint("userinfo_endpoint")
        more = self._ask("GET", url, {"Authorization": f"Bearer {access_token}"})
        if more.get("sub") != claims["sub"]:
            raise LoginFailed("cannot accept the provider's userinfo: it is another person's")
        return {**more, **claims}

    def _person(self, claims: Mapping[str, Any]) -> Person:
        groups = claims.get(self._settings.oidc_groups_claim, [])
        if isinstance(groups, str):
            groups = groups.split()
        named = groups[:MAX_GROUPS] if isinstance(groups, list) else []
        scopes: set[Scope] = set()
        for group in named:
            scopes |= self._by_group.get(str(group), frozenset())
        subject = str(claims["sub"])[:MAX_NAME_CHARS]
        mail = claims.get("email") if claims.get("email_verified") is True else None
        return Person(
            subject=subject,
            name=str(mail or subject)[:MAX_NAME_CHARS],
            scopes=frozenset(scopes),
            expires_s=float(claims["exp"]),
        )

    def _decode(self, text: str) -> jwt.Token:
        """A token whose signature holds; its claims are not checked yet."""
        if not text or len(text) > MAX_TOKEN_CHARS:
            raise LoginFailed("cannot accept the token: it is empty or too long")
        for fresh in (False, True):
            try:
                return jwt.decode(text, self._key_set(fresh=fresh), algorithms=ALGORITHMS)
            except (JoseError, ValueError, TypeError) as error:
                if fresh:
                    raise LoginFailed(f"cannot accept the token: {error}") from error
        raise AssertionError

    def _key_set(self, *, fresh: bool) -> KeySet:
        with self._lock:
            age_s = time.monotonic() - self._keys[0] if self._keys else KEYS_KEPT_S
            kept_s = KEYS_ASKED_EVERY_S if fresh else KEYS_KEPT_S
            if self._keys and age_s < kept_s:
                return self._keys[1]
        found: Any = self._look_up(self._endpoint("jwks_uri"))
        try:
            keys = KeySet.import_key_set(found)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise LoginFailed("cannot read the provider's keys") from error
        with self._lock:
            self._keys = (time.monotonic(), keys)
        return keys

    def _endpoint(self, name: str) -> str:
        url = str(self._described().get(name, ""))
        try:
            _check_address(url, name)
        except ConfigError as error:
            raise LoginFailed(error.message) from error
        return url

    def _described(self) -> Mapping[str, Any]:
        with self._lock:
            kept = self._metadata
        if kept and time.monotonic() - kept[0] < METADATA_KEPT_S:
            return kept[1]
        found = self._look_up(self._issuer.rstrip("/") + DISCOVERY)
        if found.get("issuer") != self._issuer:
            raise LoginFailed("cannot use the provider: it calls itself by another issuer")
        with self._lock:
            self._metadata = (time.monotonic(), found)
        return found

    def _look_up(self, url: str) -> Mapping[str, Any]:
        """What the provider says of itself; a failure is remembered and not tried again at once."""
        with self._lock:
            if self._failed:
                since_s, reason = self._failed
                if time.monotonic() - since_s < FAILURE_KEPT_S:
                    raise LoginFailed(reason)
                self._failed = (time.monotonic(), reason)  # one tries, the others do not wait
        failure: tuple[float, str] | None = None
        try:
            return self._ask("GET", url)
        except LoginFailed as error:
            failure = (time.monotonic(), error.message)
            raise
        finally:
            with self._lock:
                self._failed = failure

    def _ask(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: str = ""
    ) -> Mapping[str, Any]:
        """One bounded request to the provider, answered with a JSON object."""
        try:
            with (
                httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client,
                client.stream(method, url, headers=headers, content=body or None) as response,
            ):
                text = b""
                for chunk in response.iter_bytes():
                    text += chunk
                    if len(text) > MAX_ANSWER_BYTES:
                        raise LoginFailed("cannot use the provider's answer: it is too long")
                if response.status_code != 200:
                    raise LoginFailed(f"cannot use the provider: it answers {response.status_code}")
                value = httpx.Response(200, content=text).json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            raise LoginFailed(f"cannot reach the provider: {type(error).__name__}") from error
        if not isinstance(value, dict):
            raise LoginFailed("cannot use the provider's answer: it is no JSON object")
        return value


def scopes_by_group(text: str) -> dict[str, frozenset[Scope]]:
    """What members of each group may do, from `analysts=findings:read+findings:triage,ops=admin`.

    Raises:
        ConfigError: An entry is no such pair, or names a scope there is not.
    """
    found: dict[str, frozenset[Scope]] = {}
    for entry in listed(text):
        group, separator, names = entry.rpartition("=")
        try:
            scopes = frozenset(Scope(name.strip()) for name in names.split("+"))
        except ValueError as error:
            raise ConfigError(
                f"cannot use OUTGATE_OIDC_SCOPES: {error}", hint=f"scopes are {', '.join(Scope)}"
            ) from error
        if not separator or not group:
            raise ConfigError(
                f"cannot use {entry!r} of OUTGATE_OIDC_SCOPES",
                hint="write group=scope+scope, separated by commas",
            )
        found[group.strip()] = found.get(group.strip(), frozenset()) | scopes
    return found


def _check_address(url: str, name: str) -> None:
    parts = urlsplit(url)
    local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise ConfigError(f"cannot use {name}: {url[:MAX_NAME_CHARS]!r} is no https:// address")
