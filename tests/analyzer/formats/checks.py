"""Checks one finding in each format against the format's published schema, or what stands for it.

Every check takes the bytes as they leave and raises AssertionError.
"""

from __future__ import annotations

import ipaddress
import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pymisp
import stix2
import stix2validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from tests.analyzer.formats import asim_columns, eve_schema
from tests.analyzer.formats.parsers import parse_cef, parse_leef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HERE = Path(__file__).parent
SCHEMAS = HERE.parents[2] / "analyzer" / "report"
OCSF_PROFILES = ["security_control", "incident"]
STIX_KNOWN_REMARKS = ("{103}", "{302}", "{301}")
"""Recommendations that are not followed: ids are UUIDv5 on purpose, references to ATT&CK's pages
have no hash of the page, and not every protocol has ports."""

OBSERVABLES = {"ipv4-addr", "ipv6-addr", "domain-name", "software", "file", "network-traffic"}
MISP_DATA = Path(pymisp.__file__).parent / "data"


def _json(content: bytes) -> Any:
    """ASCII on one line, whose texts UTF-8 can say."""
    assert content.isascii()
    assert b"\n" not in content
    item = json.loads(content)
    json.dumps(item, ensure_ascii=False).encode("utf-8")
    return item


@cache
def _native_schema() -> Any:
    schema = json.loads((SCHEMAS / "finding.schema.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema)


def check_native(content: bytes) -> None:
    """By our own contract."""
    _native_schema().validate(_json(content))


@cache
def ecs_fields() -> dict[str, dict[str, Any]]:
    """Type, array-ness and values of ECS 9.4.0 fields, out of the package `@elastic/ecs`."""
    fields: dict[str, dict[str, Any]] = json.loads((HERE / "ecs_fields.json").read_text("utf-8"))
    return fields


def _leaves(item: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(item, dict):
        for key, member in item.items():
            yield from _leaves(member, f"{name}.{key}" if name else key)
    else:
        yield name, item


def _check_ecs_value(kind: str, value: Any) -> None:
    if kind in {"keyword", "constant_keyword", "match_only_text", "wildcard"}:
        assert isinstance(value, str)
        assert kind == "match_only_text" or len(value) <= 1024
    elif kind == "ip":
        ipaddress.ip_address(value)
    elif kind == "date":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", value)
    elif kind == "long":
        assert type(value) is int
        assert -(2**63) <= value < 2**63
    elif kind == "float":
        assert type(value) is float
    else:
        raise AssertionError(f"a type this test does not know: {kind}")


def check_ecs(content: bytes) -> None:
    """By the field table of the schema: names, types, arrays, values.

    What is below `outgate.` is ours; there only scalars and lists of scalars may stand.
    """
    document = _json(content)
    for name, value in _leaves(document):
        members = value if isinstance(value, list) else [value]
        assert not any(isinstance(member, (dict, list)) for member in members), name
        if name.startswith("outgate."):
            assert len({type(member) for member in members}) == 1, name
            continue
        field = ecs_fields()[name]
        assert isinstance(value, list) == field.get("array", False), name
        for member in members:
            _check_ecs_value(field["type"], member)
            assert "values" not in field or member in field["values"], name
    for category in document["event"]["category"]:
        expected = ecs_fields()["event.category"]["values"][category]
        assert set(document["event"]["type"]) & set(expected)


@cache
def ocsf_schema(version: str = "1.6.0") -> Any:
    """A validator of detection findings by a version's published schema."""
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))
    wanted = schema.get_class_schema(class_name="detection_finding", profiles=OCSF_PROFILES)
    return jsonschema.Draft202012Validator(wanted)


def check_ocsf(content: bytes) -> None:
    """By the published schema of 1.6.0, out of the package ocsf-json-schema."""
    document = _json(content)
    ocsf_schema().validate(document)
    assert document["type_uid"] == document["class_uid"] * 100 + document["activity_id"]
    assert set(document["metadata"]["profiles"]) <= set(OCSF_PROFILES)
    assert ("incident" in document["metadata"]["profiles"]) == bool(
        {"assignee", "verdict_id"} & set(document)
    )


def check_stix(content: bytes) -> None:
    """By stix2-validator (the OASIS schemas, all recommendations) and by reading it with stix2."""
    _json(content)
    text = content.decode("ascii")
    options = stix2validator.ValidationOptions(version="2.1")
    result = stix2validator.validate_string(text, options)
    assert result.is_valid, [str(error) for error in result.errors]
    remarks = [str(one) for one in result.warnings]
    assert not [one for one in remarks if not any(known in one for known in STIX_KNOWN_REMARKS)]
    bundle = stix2.parse(text, allow_custom=False)
    ids = [item.id for item in bundle.objects]
    assert len(ids) == len(set(ids))
    for item in json.loads(text)["objects"]:
        known = {key: value for key, value in item.items() if key != "id"}
        if item["type"] in OBSERVABLES:
            assert stix2.parse(known).id == item["id"]
        for ref in _references(item):
            assert ref in ids, ref


def _references(item: dict[str, Any]) -> Iterator[str]:
    for name, value in item.items():
        if name.endswith("_ref"):
            yield value
        if name.endswith("_refs"):
            yield from value


def check_eve(content: bytes) -> None:
    """By the part of Suricata's etc/schema.json that matters here, written down by hand."""
    jsonschema.Draft202012Validator(eve_schema.SCHEMA).validate(_json(content))


def check_asim(content: bytes) -> None:
    """By the columns of ASIM's documentation: which must be there, their types, their values."""
    document = _json(content)
    assert set(document) >= asim_columns.MANDATORY
    for name, value in document.items():
        kind = asim_columns.COLUMNS[name]
        if kind == "datetime":
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", value), name
            datetime.fromisoformat(value[:19])
        elif kind == "ip":
            ipaddress.ip_address(value)
        else:
            assert type(value) is asim_columns.PYTHON_TYPES[kind], name
            assert kind != "int" or -(2**31) <= int(str(value)) < 2**31, name
        assert value in asim_columns.VALUES.get(name, {value} if kind != "dynamic" else [value])
    for name in ("ThreatRiskLevel", "ThreatConfidence"):
        assert 0 <= document[name] <= 100


@cache
def _misp(name: str) -> Any:
    return json.loads((MISP_DATA / name).read_text("utf-8"))


def _template(name: str) -> Any:
    return _misp(f"misp-objects/objects/{name}/definition.json")


def _check_misp_attribute(attribute: dict[str, Any]) -> None:
    types = _misp("describeTypes.json")["result"]
    assert attribute["type"] in types["types"]
    assert attribute["type"] in types["category_type_mappings"][attribute["category"]]
    assert attribute["value"]


def check_misp(content: bytes) -> None:
    """By what PyMISP ships: its schemas, its types and categories, its object templates."""
    document = _json(content)
    jsonschema.Draft4Validator(_misp("schema-lax.json")).validate(document)
    event = document["Event"]
    plain = {name: value for name, value in event.items() if name != "Object"}
    jsonschema.Draft4Validator(_misp("schema.json")).validate({"Event": plain})
    loaded = pymisp.MISPEvent(strict_validation=True)
    loaded.load(content.decode("ascii"))
    assert len(loaded.objects) == len(event["Object"])
    uuids = [event["uuid"]]
    for attribute in event["Attribute"]:
        _check_misp_attribute(attribute)
        uuids.append(attribute["uuid"])
    for item in event["Object"]:
        uuids.append(item["uuid"])
        _check_misp_object(item)
        uuids += [attribute["uuid"] for attribute in item["Attribute"]]
    assert len(uuids) == len(set(uuids))


def _check_misp_object(item: dict[str, Any]) -> None:
    template = _template(item["name"])
    assert item["template_uuid"] == template["uuid"]
    assert item["template_version"] == str(template["version"])
    assert item["meta-category"] == template["meta-category"]
    given = [attribute["object_relation"] for attribute in item["Attribute"]]
    assert not template.get("required") or set(template["required"]) <= set(given)
    assert not template.get("requiredOneOf") or set(template["requiredOneOf"]) & set(given)
    for attribute in item["Attribute"]:
        _check_misp_attribute(attribute)
        relation = template["attributes"][attribute["object_relation"]]
        assert relation["misp-attribute"] == attribute["type"]
        assert attribute["value"] in relation.get("values_list", [attribute["value"]])
        assert attribute["category"] in relation.get("categories", [attribute["category"]])
        assert relation.get("multiple") or given.count(attribute["object_relation"]) == 1


def check_cef(content: bytes) -> None:
    """By a strict reader of our own."""
    values = parse_cef(content.decode("utf-8")).values
    for name in ("rt", "start", "end", "cnt"):
        int(values[name])
    for name in ("src", "dst"):
        ipaddress.IPv4Address(values.get(name, "0.0.0.0"))
    for name in ("c6a2", "c6a3"):
        ipaddress.IPv6Address(values.get(name, "::"))
    for name in values:
        label = re.fullmatch(r"(cs[1-6]|cn[1-3]|c6a[1-4])(Label)?", name)
        assert not label or {f"{label[1]}Label", label[1]} <= set(values)
    limits = {"msg": 1023, "reason": 1023, "cat": 1023, "fname": 1023, "dhost": 1023}
    limits |= {"externalId": 40, "app": 31, "proto": 31, "act": 63, "cs4": 4000, "fileHash": 255}
    assert all(len(values.get(name, "")) <= limit for name, limit in limits.items())


def check_leef(content: bytes) -> None:
    """By a strict reader of our own."""
    values = parse_leef(content.decode("utf-8")).values
    assert 1 <= int(values["sev"]) <= 10
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", values["devTime"])
    for name in ("src", "dst"):
        ipaddress.ip_address(values.get(name, "::"))


CHECKS: Mapping[str, Callable[[bytes], None]] = {
    "native": check_native,
    "ecs": check_ecs,
    "ocsf": check_ocsf,
    "stix": check_stix,
    "eve": check_eve,
    "cef": check_cef,
    "leef": check_leef,
    "asim": check_asim,
    "misp": check_misp,
}
