"""The description of the service is complete."""

from __future__ import annotations

import re
from typing import Any

import pytest

from api.main import create_app
from api.problems import CATALOGUE
from api.settings import ServiceSettings

METHODS = ("get", "put", "post", "patch", "delete", "head", "options")
SPEC: dict[str, Any] = create_app(ServiceSettings()).openapi()
OPERATIONS = [
    (path, method, operation)
    for path, methods in SPEC["paths"].items()
    for method, operation in methods.items()
    if method in METHODS
]
IDS = [operation["operationId"] for _, _, operation in OPERATIONS]
PROBLEM = "#/components/schemas/Problem"


def test_it_is_openapi_3_1() -> None:
    assert SPEC["openapi"].startswith("3.1")


def test_operation_ids_are_names_of_functions_and_unique() -> None:
    assert len(set(IDS)) == len(IDS)
    assert all(re.fullmatch(r"[a-z][a-z_]*", name) for name in IDS)


def test_every_tag_is_described() -> None:
    known = {tag["name"] for tag in SPEC["tags"]}
    used = {tag for _, _, operation in OPERATIONS for tag in operation["tags"]}
    assert used <= known


def test_every_reference_leads_somewhere() -> None:
    found = set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(SPEC)))
    assert found <= set(SPEC["components"]["schemas"])


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=IDS)
def test_an_operation_says_all_of_itself(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert len(operation["tags"]) == 1
    assert any(status[0] in "23" for status in operation["responses"])
    for status, answer in operation["responses"].items():
        assert answer["description"]
        assert "X-Request-Id" in answer["headers"]
        if status[0] in "45" and "application/problem+json" in answer["content"]:
            entry = answer["content"]["application/problem+json"]
            assert entry["schema"]["$ref"] == PROBLEM
            for code, example in entry["examples"].items():
                assert CATALOGUE[code].status == int(status)
                assert example["value"]["code"] == code
    for parameter in operation.get("parameters", []):
        assert bounded(parameter["schema"]), parameter["name"]


def bounded(schema: dict[str, Any]) -> bool:
    """Whether a parameter's value has an upper bound."""
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return all(bounded(inner) for inner in schema[name])
    if "$ref" in schema:
        return bounded(SPEC["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "enum" in schema or "const" in schema or schema.get("type") in {"boolean", "null"}:
        return True
    if schema.get("type") == "array":
        return "maxItems" in schema and bounded(schema["items"])
    if schema.get("type") in {"integer", "number"}:
        return "maximum" in schema or "exclusiveMaximum" in schema
    pattern = schema.get("pattern", "")
    exact = pattern.startswith("^") and pattern.endswith("$") and not re.search(r"[+*]", pattern)
    return exact or "maxLength" in schema or "format" in schema
