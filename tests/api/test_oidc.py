"""People log in at a real OpenID provider, through its own pages."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from analyzer.errors import ConfigError
from analyzer.store.records import Scope
from api import oidc
from api.main import create_app
from api.oidc import LoginFailed, Provider, scopes_by_group
from api.sessions import SESSION_COOKIE, local_path
from api.settings import ServiceSettings, check
from tests.api import oidc_provider
from tests.asgi import BASE_URL, ApiClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer.store import Store

FINISH = f"{BASE_URL}/v1/session/finish"
AUDIENCE = "https://outgate.example/api"
SCOPES = "analysts=findings:read+findings:triage,admins=admin"
MAX_STEPS = 12
ACTION = re.compile(r'<form[^>]* action="([^"]+)"')


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """A provider on loopback."""
    with oidc_provider.running(FINISH) as address:
        yield address


@dataclass(frozen=True, slots=True)
class Browser:
    """Somebody's browser: one jar for the service, one for the provider."""

    service: ApiClient
    provider: httpx.Client

    def log_in(self, name: str, next_path: str = "/v1/session") -> httpx.Response:
        """From the service through the provider's forms back to the service."""
        return self.service.get(self.way_back(name, next_path))

    def way_back(self, name: str, next_path: str = "/v1/session") -> str:
        """The address the provider sends the browser back to."""
        response = self.service.get("/v1/session/login", params={"next": next_path})
        assert response.status_code == 303, response.text
        return self.walk(response.headers["location"], name)

    def walk(self, url: str, name: str) -> str:
        """Through the provider's pages, until it sends the browser back."""
        for _ in range(MAX_STEPS):
            if url.startswith(FINISH):
                return str(url)
            page = self.provider.get(url)
            if page.status_code == 200:
                form = ACTION.search(page.text)
                assert form, page.text[:500]
                prompt = "login" if 'name="login"' in page.text else "consent"
                fields = {"prompt": prompt, "login": name, "password": "any"}
                page = self.provider.post(urljoin(url, form.group(1)), data=fields)
            assert page.status_code in {302, 303}, page.text[:500]
            url = urljoin(url, page.headers["location"])
        raise AssertionError("the provider never sent the browser back")


@pytest.fixture
def settings(issuer: str, store: Store) -> ServiceSettings:
    """A service that lets members of two groups in."""
    return ServiceSettings(
        data=store.folder.root,
        oidc_issuer=issuer,
        oidc_client_id="outgate",
        oidc_client_secret=oidc_provider.SECRET,
        oidc_audience=AUDIENCE,
        oidc_scopes=SCOPES,
    )


@pytest.fixture
def browser(settings: ServiceSettings, store: Store) -> Iterator[Browser]:
    """A browser that has been nowhere yet."""
    with ApiClient(create_app(settings, store)) as service, httpx.Client() as provider:
        yield Browser(service, provider)


def access_token(issuer: str, resource: str = AUDIENCE) -> str:
    """What the provider gives a program."""
    answer = httpx.post(
        f"{issuer}/token",
        auth=("outgate", oidc_provider.SECRET),
        data={"grant_type": "client_credentials", "resource": resource, "scope": "use"},
    )
    return str(answer.json()["access_token"])


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_a_person_logs_in_and_may_do_what_their_groups_allow(
    browser: Browser, store: Store
) -> None:
    response = browser.log_in("ana", "/v1/limits")
    assert (response.status_code, response.headers["location"]) == (303, "/v1/limits")
    who = browser.service.get("/v1/session").json()
    assert who["actor"] == "user:ana@example.com"
    assert (who["kind"], who["scopes"]) == ("session", ["findings:read", "findings:triage"])
    assert who["expires_at"]
    assert browser.service.get("/v1/keys").status_code == 403
    assert [entry.action for entry in store.audit.page()][-1] == "session.begin"


def test_an_administrator_of_the_provider_administers(browser: Browser) -> None:
    browser.log_in("root")
    headers = {"Sec-Fetch-Site": "same-origin"}
    wanted = {"name": "poller", "scopes": ["findings:read"]}
    assert browser.service.post("/v1/keys", json=wanted, headers=headers).status_code == 201


def test_the_cookie_is_kept_from_scripts_and_other_sites(browser: Browser) -> None:
    response = browser.log_in("ana")
    cookie = next(
        value
        for value in response.headers.get_list("set-cookie")
        if value.startswith(f"{SESSION_COOKIE}=")
    ).lower()
    assert {"httponly", "samesite=lax", "max-age=28800", "path=/"} <= set(cookie.split("; "))


def test_the_cookie_is_secure_where_people_come_by_https(
    settings: ServiceSettings, store: Store
) -> None:
    changed = settings.model_copy(update={"public_url": "https://outgate.example"})
    with ApiClient(create_app(changed, store)) as client:
        response = client.get("/v1/session/login")
    assert "; secure" in response.headers["set-cookie"].lower()
    query = parse_qs(urlsplit(response.headers["location"]).query)
    assert query["redirect_uri"] == ["https://outgate.example/v1/session/finish"]
    assert query["code_challenge_method"] == ["S256"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Origin": BASE_URL}, 201),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": BASE_URL}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_change_with_a_cookie_must_come_from_our_own_pages(
    browser: Browser, headers: dict[str, str], status: int
) -> None:
    browser.log_in("root")
    wanted = {"name": "key", "scopes": ["findings:read"]}
    response = browser.service.post("/v1/keys", json=wanted, headers=headers)
    assert response.status_code == status
    if status == 403:
        assert response.json()["code"] == "cross-site"


def test_a_session_that_was_logged_out_is_worth_nothing(browser: Browser) -> None:
    browser.log_in("ana")
    kept = browser.service.cookies[SESSION_COOKIE]
    headers = {"Sec-Fetch-Site": "same-origin"}
    assert browser.service.post("/v1/session/logout", headers=headers).status_code == 204
    assert SESSION_COOKIE not in browser.service.cookies
    browser.service.cookies[SESSION_COOKIE] = kept
    assert browser.service.get("/v1/session").status_code == 401


def test_a_session_ends_after_eight_hours(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.log_in("ana")
    now_s = time.time()
    monkeypatch.setattr("api.sessions.time.time", lambda: now_s + 8 * 3600 - 60)
    assert browser.service.get("/v1/session").status_code == 200
    monkeypatch.setattr("api.sessions.time.time", lambda: now_s + 8 * 3600 + 60)
    assert browser.service.get("/v1/session").status_code == 401


def test_a_changed_cookie_is_worth_nothing(browser: Browser) -> None:
    browser.log_in("ana")
    kept = browser.service.cookies[SESSION_COOKIE]
    for changed in (kept[:-2] + "AA", "A" + kept[1:], kept + "A", "", "a.b.c"):
        browser.service.cookies.clear()
        assert (
            browser.service.get(
                "/v1/session", headers={"Cookie": f"{SESSION_COOKIE}={changed}"}
            ).status_code
            == 401
        )


def test_somebody_whose_groups_allow_nothing_is_not_let_in(browser: Browser) -> None:
    response = browser.log_in("eve")
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert SESSION_COOKIE not in browser.service.cookies


def test_an_answer_to_another_browsers_log_in_is_refused(
    browser: Browser, settings: ServiceSettings, store: Store
) -> None:
    stolen = browser.way_back("ana")
    with ApiClient(create_app(settings, store)) as victim:
        assert victim.get(stolen).status_code == 401
        victim.get("/v1/session/login")
        assert victim.get(stolen).status_code == 401


def test_a_code_works_once(browser: Browser) -> None:
    address = browser.way_back("ana")
    login_cookie = browser.service.cookies["outgate_login"]
    assert browser.service.get(address).status_code == 303
    again = browser.service.get(address, headers={"Cookie": f"outgate_login={login_cookie}"})
    assert again.status_code == 401


@pytest.mark.parametrize("extra", ["&iss=https://evil.example", "&error=access_denied", ""])
def test_an_answer_of_another_provider_an_error_or_a_made_up_code_is_refused(
    browser: Browser, extra: str
) -> None:
    query = parse_qs(urlsplit(browser.way_back("ana")).query)
    address = f"/v1/session/finish?code=made-up&state={query['state'][0]}{extra}"
    response = browser.service.get(address)
    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


def test_a_program_may_bring_an_access_token_of_the_provider(browser: Browser, issuer: str) -> None:
    who = browser.service.get("/v1/session", headers=bearer(access_token(issuer))).json()
    assert (who["kind"], who["scopes"]) == ("token", ["findings:read", "findings:triage"])
    assert browser.service.get("/v1/keys", headers=bearer(access_token(issuer))).status_code == 403


def test_a_token_for_another_service_is_refused(browser: Browser, issuer: str) -> None:
    text = access_token(issuer, "https://other.example/api")
    assert browser.service.get("/v1/session", headers=bearer(text)).status_code == 401


def test_tokens_of_others_unsigned_ended_or_changed_are_refused(
    browser: Browser, issuer: str
) -> None:
    right = access_token(issuer)
    head, body, mark = right.split(".")
    now_s = int(time.time())
    claims = {"iss": issuer, "aud": AUDIENCE, "sub": "x", "exp": now_s + 60, "groups": ["admins"]}
    other = RSAKey.generate_key(2048)
    public = httpx.get(f"{issuer}/jwks").json()["keys"][0]
    confused = OctKey.import_key(public["n"])
    unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0"  # {"alg":"none","typ":"at+jwt"}
    forged = [
        jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": "test"}, claims, other),
        jwt.encode({"alg": "HS256", "typ": "at+jwt", "kid": "test"}, claims, confused),
        f"{unsigned}.{body}.",
        f"{head}.{body}.{mark[:-4]}AAAA",
        f"{head}.{body}.",
        "a.b.c",
        "..",
        "a" * 20_000 + ".b.c",
    ]
    for text in forged:
        response = browser.service.get("/v1/session", headers=bearer(text))
        assert response.status_code in {401, 431}, text[:60]


def test_an_id_token_is_no_access_token(
    browser: Browser, settings: ServiceSettings, store: Store, issuer: str
) -> None:
    changed = settings.model_copy(update={"oidc_audience": ""})
    verifier = "v" * 50
    asked = {
        "client_id": "outgate",
        "response_type": "code",
        "redirect_uri": FINISH,
        "scope": "openid",
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    back = browser.walk(f"{issuer}/auth?{urlencode(asked)}", "root")
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(back).query)["code"][0],
        "redirect_uri": FINISH,
        "code_verifier": verifier,
    }
    auth = ("outgate", oidc_provider.SECRET)
    text = httpx.post(f"{issuer}/token", auth=auth, data=form).json()["id_token"]
    with ApiClient(create_app(changed, store)) as client:
        assert client.get("/v1/session", headers=bearer(text)).status_code == 401
        opaque = access_token(issuer, "outgate:api")
        assert client.get("/v1/session", headers=bearer(opaque)).status_code == 401


def test_a_provider_that_is_gone_is_a_problem_and_no_fault(store: Store) -> None:
    gone = ServiceSettings(
        data=store.folder.root, oidc_issuer="http://127.0.0.1:9", oidc_client_id="outgate"
    )
    with ApiClient(create_app(gone, store)) as client:
        response = client.get("/v1/session/login")
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert client.get("/v1/session", headers=bearer("a.b.c")).status_code == 401


def test_a_provider_that_failed_is_left_alone_for_a_while(
    settings: ServiceSettings, issuer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, asked, text = Provider(settings), [], access_token(issuer)
    working = httpx.Client.stream

    def hang(self: httpx.Client, method: str, url: str, **more: object) -> object:
        asked.append(url)
        raise httpx.ReadTimeout("it hangs")

    monkeypatch.setattr(httpx.Client, "stream", hang)
    for _ in range(5):
        with pytest.raises(LoginFailed, match="ReadTimeout"):
            provider.verify(text)
    assert len(asked) == 1
    monkeypatch.setattr(httpx.Client, "stream", working)
    monkeypatch.setattr(oidc, "FAILURE_KEPT_S", 0.0)
    assert provider.verify(text).scopes is not None


def test_a_provider_that_says_its_name_in_answers_must_say_it(browser: Browser) -> None:
    """RFC 9207 §2.4: an answer without `iss` may be another provider's."""
    unnamed, found = re.subn(r"([?&])iss=[^&]*&?", r"\1", browser.way_back("root"))
    assert (found, browser.service.get(unnamed).status_code) == (1, 401)


def test_without_a_provider_nobody_can_log_in(nobody_without_provider: ApiClient) -> None:
    for path in ("/v1/session/login", "/v1/session/finish?code=a&state=b"):
        assert nobody_without_provider.get(path).status_code == 404


@pytest.fixture
def nobody_without_provider(store: Store) -> Iterator[ApiClient]:
    """A client of a service that has no provider."""
    with ApiClient(create_app(ServiceSettings(data=store.folder.root), store)) as client:
        yield client


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", "evil", ""]
)
def test_a_log_in_leads_to_a_path_of_this_service_alone(path: str) -> None:
    assert local_path(path) == ""


def test_groups_are_given_their_scopes() -> None:
    found = scopes_by_group("a=findings:read, ops team=admin+rules:write,a=captures:read")
    assert found == {
        "a": {Scope.FINDINGS_READ, Scope.CAPTURES_READ},
        "ops team": {Scope.ADMIN, Scope.RULES_WRITE},
    }


@pytest.mark.parametrize("text", ["a", "a=", "a=root", "=admin", "a=admin+"])
def test_a_mapping_of_groups_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="OUTGATE_OIDC_SCOPES"):
        scopes_by_group(text)


@pytest.mark.parametrize("address", ["http://issuer.example", "ftp://127.0.0.1", "issuer", "//x"])
def test_a_provider_without_tls_is_refused(store: Store, address: str) -> None:
    settings = ServiceSettings(data=store.folder.root, oidc_issuer=address, oidc_client_id="x")
    with pytest.raises(ConfigError, match="OUTGATE_OIDC_ISSUER"):
        create_app(settings, store)


def test_a_service_for_others_says_under_which_address_people_reach_it(store: Store) -> None:
    settings = ServiceSettings(
        data=store.folder.root,
        host="192.0.2.1",
        oidc_issuer="https://issuer.example",
        oidc_client_id="outgate",
    )
    with pytest.raises(ConfigError, match="OUTGATE_PUBLIC_URL"):
        check(settings)
