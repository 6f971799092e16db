"""Every failure is an RFC 9457 problem, whatever was sent."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.errors import (
    CaptureUnreadable,
    ConfigError,
    ConflictError,
    LimitError,
    NotFoundError,
    OutgateError,
    StaleVersionError,
    StoreUnavailable,
    ToolMissingError,
)
from api.errors import Problem, problem_of, responses
from api.problems import CATALOGUE, catalogue_page
from api.routing import parse_json

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI

    from tests.asgi import ApiClient

JSON = {"Content-Type": "application/json"}
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "hint", "request_id"}


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body, checked to be a problem of that kind."""
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body.keys() >= MEMBERS
    assert body["type"] == f"/v1/problems/{code}"
    assert body["request_id"] == response.headers["x-request-id"]
    return body


def test_a_path_that_is_not_there_is_a_problem(nobody: ApiClient) -> None:
    problem(nobody.get("/v1/nothing"), 404, "unknown-path")


def test_a_method_that_does_not_apply_is_a_problem_naming_those_that_do(nobody: ApiClient) -> None:
    response = nobody.post("/healthz")
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "GET"


def test_values_that_are_not_valid_are_named_with_their_place(admin: ApiClient) -> None:
    body = {"name": "", "scopes": ["admin", "root"], "more": 1}
    found = problem(admin.post("/v1/keys", json=body), 422, "invalid-request")
    assert {entry["pointer"] for entry in found["errors"]} == {"/name", "/scopes/1", "/more"}


def test_a_query_that_is_not_valid_is_named_with_its_place(admin: ApiClient) -> None:
    found = problem(admin.get("/v1/audit?limit=0"), 422, "invalid-request")
    assert [entry["pointer"] for entry in found["errors"]] == ["query/limit"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1,]",
        b"\xff\xfe{}",
        b'{"name": NaN}',
        b'{"name": -Infinity}',
        b'{"name": ' + b"9" * 10_000 + b"}",
        b"[" * 100_000,
        b'{"name": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"name": ["\\u0000"]}',
        b"nonsense",
        b'\x00{"name": 1}',
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_no_json_is_a_problem(admin: ApiClient, body: bytes) -> None:
    found = problem(admin.post("/v1/keys", content=body, headers=JSON), 400, "malformed-body")
    assert found["detail"].startswith("cannot read the body as JSON: ")


def test_a_backslash_before_u0000_is_ordinary_text() -> None:
    assert parse_json(rb'"\\u0000 \u00e9 \ud83d\ude00"') == "\\u0000 é 😀"


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_problem(body: bytes) -> None:
    with suppress(Problem):
        value = parse_json(body)
        assert json.loads(body) == value


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_json_that_can_be_kept_is_read_as_it_is(value: object) -> None:
    text = json.dumps(value)
    if "\\u0000" in text or "\\ud" in text.lower():
        return
    assert parse_json(text.encode()) == value


def test_a_body_that_is_too_large_is_refused(admin: ApiClient) -> None:
    response = admin.post("/v1/keys", content=b'"' + b"a" * (1024 * 1024) + b'"', headers=JSON)
    problem(response, 413, "body-too-large")


def test_a_caller_who_may_not_call_is_refused_before_the_body_is_looked_at(
    nobody: ApiClient,
) -> None:
    problem(nobody.post("/v1/keys", content=b"{", headers=JSON), 401, "unauthenticated")


def test_a_fault_is_a_problem_without_its_trace_and_the_log_has_it(
    app: FastAPI, nobody: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("secret detail")

    response = nobody.get("/broken", headers={"X-Request-Id": "0123456789abcdef"})
    problem(response, 500, "internal")
    assert "secret" not in response.text
    assert response.headers["x-request-id"] == "0123456789abcdef"
    record = next(record for record in caplog.records if record.exc_info)
    assert record.__dict__["request_id"] == "0123456789abcdef"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFoundError("capture", "abc"), 404, "not-found"),
        (ConflictError("cannot"), 409, "conflict"),
        (StaleVersionError("finding", "f", expected=1, actual=2), 412, "stale-version"),
        (LimitError("cannot"), 413, "limit-reached"),
        (StoreUnavailable("cannot"), 503, "unavailable"),
        (CaptureUnreadable("x.pcap", 0, "it is a PDF"), 422, "capture-unreadable"),
        (ToolMissingError("tshark", "dissect frames"), 501, "tool-missing"),
        (ConfigError("cannot"), 400, "bad-request"),
        (OutgateError("cannot"), 500, "internal"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_errors_of_the_analyzer_have_their_problem(
    error: OutgateError, status: int, code: str
) -> None:
    found = problem_of(error)
    assert (found.status_code, found.kind.code) == (status, code)


@pytest.mark.parametrize(
    "text", ["\x1b[31mred", "a\u202eb", "<script>alert(1)</script>", "a" * 5000, "\ud800"]
)
def test_text_from_a_request_is_escaped_and_bounded(
    app: FastAPI, nobody: ApiClient, text: str
) -> None:
    @app.get("/echo")
    def echo() -> None:
        raise Problem("conflict", detail=text, errors=[(text, text)] * 100)

    found = problem(nobody.get("/echo"), 409, "conflict")
    assert len(found["errors"]) <= 20
    for shown in (found["detail"], found["errors"][0]["pointer"]):
        assert len(shown) < 600
        assert shown.isprintable()
        assert "<" not in shown


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(path=st.text(st.characters(codec="utf-8"), min_size=1, max_size=50))
def test_any_path_gets_an_answer(nobody: ApiClient, path: str) -> None:
    response = nobody.get("/v1/problems/" + quote(path, safe=""))
    assert response.status_code < 500


@pytest.mark.parametrize("path", ["/v1/problems/%00", "/v1/problems?x=%00"])
def test_nul_characters_reach_no_route(nobody: ApiClient, path: str) -> None:
    problem(nobody.get(path), 400, "bad-request")


def test_too_many_or_too_long_headers_are_refused(nobody: ApiClient) -> None:
    many = {f"X-{number}": "a" for number in range(200)}
    problem(nobody.get("/healthz", headers=many), 431, "headers-too-large")
    problem(nobody.get("/healthz", headers={"X": "a" * 40_000}), 431, "headers-too-large")


@pytest.mark.parametrize(
    "given", ["short", "a" * 65, "has space here", "né-12345678", "a\tb345678"]
)
def test_odd_request_ids_are_replaced(nobody: ApiClient, given: str) -> None:
    response = nobody.get("/healthz", headers=[(b"X-Request-Id", given.encode())])
    assert response.headers["x-request-id"] != given
    assert len(response.headers["x-request-id"]) == 24


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8000", 421),
        ("127.0.0.1@evil.example", 421),
        ("", 421),
    ],
)
def test_a_loopback_service_answers_for_loopback_names_alone(
    nobody: ApiClient, host: str, status: int
) -> None:
    assert nobody.get("/healthz", headers={"Host": host}).status_code == status


def test_every_answer_has_the_security_headers(nobody: ApiClient) -> None:
    for path in ("/healthz", "/nowhere", "/v1/keys"):
        headers = nobody.get(path).headers
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_the_page_of_problems_is_the_catalogue() -> None:
    page = Path(__file__).parents[2] / "docs" / "problems.md"
    assert page.read_text() == catalogue_page(), "run scripts/gen"
    for code in CATALOGUE:
        assert f"\n## {code}\n" in catalogue_page()


def test_every_kind_of_problem_describes_itself(nobody: ApiClient) -> None:
    for entry in nobody.get("/v1/problems").json()["data"]:
        assert nobody.get(entry["type"]).json() == entry


def test_problems_of_one_status_are_declared_together() -> None:
    declared = responses("conflict", "request-in-flight", "not-found")
    assert set(declared) == {404, 409}
    examples = declared[409]["content"]["application/problem+json"]["examples"]
    assert set(examples) == {"conflict", "request-in-flight"}
