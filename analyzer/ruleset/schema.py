"""The JSON schema of rule files, made from `spec.py` for editors that complete and check TOML."""

from __future__ import annotations

import json
from typing import Any

from analyzer.ruleset.spec import NAME_FIELDS, TABLES, Field

_TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string", "minLength": 1},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "flag": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "cidr": {"type": "string"},
    "hex": {"type": "string", "pattern": "^[0-9A-Fa-f ]+$"},
}


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of one rule file."""
    return {
        "$comment": "generated from analyzer/ruleset/spec.py; do not edit",
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Outgate rule file",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            kind: {"type": "array", "items": _table(fields)} for kind, fields in TABLES.items()
        },
    }


def schema_text() -> str:
    """The content of `signatures/rule.schema.json`."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _table(fields: dict[str, Field]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [key for key, field in fields.items() if field.required],
        "properties": {key: _property(field) for key, field in fields.items()},
    }


def _property(field: Field) -> dict[str, Any]:
    described = {"description": field.about}
    if field.type == "texts":
        return described | {"type": "array", "items": _scalar(field, "text")}
    if field.type == "names":
        entry = {"oneOf": [_TYPES["text"], _table(NAME_FIELDS)]}
        return described | {"type": "array", "items": entry}
    if field.type == "table_list":
        return described | {"type": "array", "items": _table(field.fields or {})}
    return described | _scalar(field, field.type)


def _scalar(field: Field, kind: str) -> dict[str, Any]:
    schema = dict(_TYPES[kind])
    if field.choices:
        schema["enum"] = list(field.choices)
    if field.pattern:
        schema["pattern"] = f"^(?:{field.pattern})$"
    if kind in ("number", "integer"):
        schema |= {"minimum": field.lowest, "maximum": field.highest}
    return schema
