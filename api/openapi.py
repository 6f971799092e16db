"""The description of the service: what FastAPI derives, completed by what holds for every route."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.dependencies import SCHEME
from api.errors import declared
from api.problems import CATALOGUE
from api.schemas import ProblemOut

METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})
REFERENCE = "#/components/schemas/"
ANY_ROUTE = ("bad-request", "misdirected", "headers-too-large", "internal", "unavailable")
KNOWN_CALLER = ("unauthenticated", "forbidden", "cross-site", "rate-limited")
WITH_VALUES = ("invalid-request",)
WITH_BODY = ("malformed-body", "body-too-large", "body-too-slow")
WITH_JSON = ("unsupported-media-type",)
WITH_ID = ("not-found",)
REPEATABLE = ("request-in-flight", "key-reused")
FRAMEWORK_SCHEMAS = ("HTTPValidationError", "ValidationError")

SCHEMES = {
    SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "og_<id>_<secret>",
        "description": "A key of `POST /v1/keys`, or an access token of the operator's issuer.",
    },
    "apiKeyHeader": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Api-Key",
        "description": "The same key, for programs that cannot set Authorization.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "outgate_session",
        "description": "A person logged in by `GET /v1/session/login`.",
    },
}
HEADERS = {
    "X-Request-Id": {"description": "Id of the request, as in the log.", "type": "string"},
}
TAGS = (
    ("captures", "Files to analyse, each kept once by its SHA-256."),
    ("uploads", "Resumable uploads (tus 1.0)."),
    ("jobs", "One run of the analysis on one capture."),
    ("findings", "What was found, with its triage and history."),
    ("evidence", "The frames behind a finding."),
    ("suppressions", "Rules that hide findings from readers."),
    ("rules", "The rule data findings are made with."),
    ("flows", "The conversations of a capture."),
    ("hosts", "Hosts inside, pools and wallets they speak to, and when."),
    ("sinks", "Where findings are pushed."),
    ("keys", "API keys."),
    ("session", "People who are logged in."),
    ("audit", "Who did what."),
    ("service", "Limits, version, problems."),
    ("health", "Whether the service works."),
)


def install(app: FastAPI) -> None:
    """Makes the application describe itself this way."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    spec = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description="Errors are RFC 9457 problems; `GET /v1/problems` lists every kind.",
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        tags=[{"name": name, "description": text} for name, text in TAGS],
    )
    components = spec.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in FRAMEWORK_SCHEMAS:
        schemas.pop(name, None)
    problem = ProblemOut.model_json_schema(ref_template=REFERENCE + "{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    components["securitySchemes"] = SCHEMES
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            if method in METHODS:
                _complete(path, method, operation)
    return spec


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    answers: dict[str, Any] = operation.setdefault("responses", {})
    if "HTTPValidationError" in str(answers.get("422", "")):
        del answers["422"]
    grouped: dict[int, list[str]] = {}
    for code in _codes(path, method, operation):
        grouped.setdefault(CATALOGUE[code].status, []).append(code)
    for status, codes in grouped.items():
        _join(answers, str(status), codes)
    if "security" in operation:
        scopes = next(iter(operation["security"][0].values()))
        operation["security"] = [{SCHEME: scopes}, {"apiKeyHeader": []}, {"session": []}]
        if scopes:
            needed = f"Needs the scope `{'`, `'.join(scopes)}`."
            text = operation.get("description", "")
            operation["description"] = f"{text}\n\n{needed}".strip()
    operation["responses"] = dict(sorted(answers.items()))
    for answer in operation["responses"].values():
        headers = answer.setdefault("headers", {})
        for name, header in HEADERS.items():
            entry = {"description": header["description"], "schema": {"type": header["type"]}}
            headers.setdefault(name, entry)


def _codes(path: str, method: str, operation: dict[str, Any]) -> list[str]:
    codes = list(ANY_ROUTE)
    if "security" in operation:
        codes += KNOWN_CALLER
    body = operation.get("requestBody")
    if operation.get("parameters") or body:
        codes += WITH_VALUES
    if body:
        codes += WITH_BODY
    if body and "application/json" in body["content"]:
        codes += WITH_JSON
    if "{" in path:
        codes += WITH_ID
    if method == "post" and "security" in operation:
        codes += REPEATABLE
    return codes


def _join(answers: dict[str, Any], status: str, codes: list[str]) -> None:
    """Adds problems to a status that the route may have declared itself."""
    entry = declared(codes)
    known = answers.get(status)
    if known is None:
        answers[status] = entry
        return
    known["description"] = f"{known['description']}; {entry['description']}"
    content = known.setdefault("content", {})
    for media_type, value in entry["content"].items():
        kept = content.setdefault(media_type, value)
        if kept is not value:
            kept.setdefault("examples", {}).update(value["examples"])
