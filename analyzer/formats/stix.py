"""STIX 2.1: a bundle of what was observed, what it means, and what to look for elsewhere.

All ids are deterministic. Those of observables are the specification's own (section 2.9), so the
same address or connection has one id everywhere; techniques have their official ids; the rest is
named by the finding, so a later version of a finding replaces the earlier one.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from analyzer.formats import attack, stix_observables, wording
from analyzer.formats.facts import NS_PER_MS, VENDOR
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from analyzer.formats.attack import Technique
    from analyzer.formats.facts import Facts
    from analyzer.formats.stix_observables import Observables

NAMESPACE = uuid.UUID("0d0f3c5e-8a55-5b1c-b9f1-3d1f5b8d6a42")
CREATED = "2026-01-01T00:00:00.000Z"
"""Of objects that are the same in every bundle."""

TLP_AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
TLP_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
TLP_CREATED = "2022-10-01T00:00:00.000Z"
"""TLP 2.0 as OASIS publishes it in its common objects."""

MAX_CONTENT_CHARS = 16_000
MAX_COUNT = 999_999_999
"""Bound of `number_observed` and `count` in the specification."""

Object = dict[str, object]


def document(facts: Facts) -> Object:
    """The bundle of one finding."""
    return bundle(objects(facts))


def bundle(items: Iterable[Object]) -> Object:
    """One bundle without duplicates: of two versions of an object the later one stays."""
    kept: dict[str, Object] = {}
    for item in items:
        name = str(item["id"])
        known = kept.get(name)
        if known is None or str(known.get("modified", "")) < str(item.get("modified", "")):
            kept[name] = item
    versions = (f"{name} {item.get('modified', '')}" for name, item in sorted(kept.items()))
    own = uuid.uuid5(NAMESPACE, "\n".join(versions))
    return {"type": "bundle", "id": f"bundle--{own}", "objects": list(kept.values())}


def objects(facts: Facts) -> list[Object]:
    """The objects of one finding, what is referred to before what refers to it."""
    seen = stix_observables.of(facts)
    techniques = [_attack_pattern(one) for one in facts.techniques]
    found: list[Object] = [_marking(), _identity(), *techniques, *seen.all]
    if not seen.refs:
        return [*found, *_words(facts, found)]
    observed = _observed_data(facts, seen)
    found.append(observed)
    indicator = _indicator(facts)
    if indicator:
        infrastructure = _infrastructure(facts)
        found += [infrastructure, indicator]
        found += _relationships(facts, indicator, infrastructure, observed, seen)
        found.append(_sighting(facts, indicator, observed))
    found += [_sighting(facts, technique, observed) for technique in techniques]
    return [*found, *_words(facts, found)]


def escape_pattern(text: str) -> str:
    r"""A text inside the quotes of a STIX pattern: `\` and `'` are escaped (section 9.4)."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _own_id(kind: str, *parts: str) -> str:
    return f"{kind}--{uuid.uuid5(NAMESPACE, chr(10).join((kind, *parts)))}"


def _time(time_ns: int) -> str:
    return rfc3339(time_ns, NS_PER_MS)


def _domain_object(facts: Facts, kind: str, *parts: str, **fields: object) -> Object:
    """An object that belongs to one finding and has its versions.

    What somebody refuted is revoked, if it is a claim and not an observation.
    """
    claim = kind in {"indicator", "relationship", "sighting"}
    item: Object = {
        "type": kind,
        "spec_version": "2.1",
        "id": _own_id(kind, facts.id, *parts),
        "created_by_ref": _identity()["id"],
        "created": _time(facts.made_ns),
        "modified": _time(facts.changed_ns),
        "revoked": True if claim and facts.is_refuted else None,
        "confidence": facts.percent,
        "object_marking_refs": [TLP_AMBER],
        **fields,
    }
    return {name: value for name, value in item.items() if value not in (None, "", [], {})}


def _marking() -> Object:
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": TLP_AMBER,
        "created": TLP_CREATED,
        "name": "TLP:AMBER",
        "extensions": {TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": "amber"}},
    }


def _identity() -> Object:
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": _own_id("identity"),
        "created": CREATED,
        "modified": CREATED,
        "name": VENDOR,
        "description": "network egress forensics",
        "identity_class": "system",
    }


def _attack_pattern(one: Technique) -> Object:
    """The official id with as little content as will do.

    `modified` is the day it was made, so that the real object, wherever it is, counts as newer.
    """
    phases = [
        {"kill_chain_name": attack.KILL_CHAIN, "phase_name": tactic.phase} for tactic in one.tactics
    ]
    reference = {"source_name": attack.KILL_CHAIN, "external_id": one.id, "url": one.url}
    item: Object = {
        "type": "attack-pattern",
        "spec_version": "2.1",
        "id": one.stix_id,
        "created": one.created,
        "modified": one.created,
        "name": one.name,
        "external_references": [reference],
    }
    return {**item, "kill_chain_phases": phases} if phases else item


def _observed_data(facts: Facts, seen: Observables) -> Object:
    references = [("community-id", facts.community_id), ("outgate-finding", facts.id)]
    return _domain_object(
        facts,
        "observed-data",
        first_observed=stix_observables.time(facts.first_ns),
        last_observed=stix_observables.time(facts.last_ns),
        number_observed=min(MAX_COUNT, facts.flows),
        object_refs=list(seen.refs),
        external_references=[
            {"source_name": name, "external_id": text} for name, text in references if text
        ],
    )


def _indicator(facts: Facts) -> Object | None:
    """What to look for elsewhere: the pool's end, unless it lies inside."""
    pool = facts.pool
    if pool is None or pool.is_inside or not facts.is_likely:
        return None
    parts = []
    if pool.ip:
        kind = stix_observables.address_type(pool.ip)
        port = f" AND network-traffic:dst_port = {pool.port}" if pool.port else ""
        parts.append(
            f"[network-traffic:dst_ref.type = '{kind}' AND "
            f"network-traffic:dst_ref.value = '{escape_pattern(pool.ip)}'{port}]"
        )
    if pool.name and pool.is_name_backed:
        parts.append(f"[domain-name:value = '{escape_pattern(pool.name)}']")
    if not parts:
        return None
    return _domain_object(
        facts,
        "indicator",
        name=f"mining pool {pool.name or pool.ip}",
        description=facts.title,
        indicator_types=["anomalous-activity"],
        pattern=" OR ".join(parts),
        pattern_type="stix",
        pattern_version="2.1",
        valid_from=_time(facts.first_ns),
    )


def _infrastructure(facts: Facts) -> Object:
    """The pool; the same in every bundle, so its times are fixed."""
    pool = facts.pool
    name = (pool.operator or pool.name or pool.ip) if pool else ""
    return {
        "type": "infrastructure",
        "spec_version": "2.1",
        "id": _own_id("infrastructure", name),
        "created_by_ref": _identity()["id"],
        "created": CREATED,
        "modified": CREATED,
        "name": f"mining pool {name}",
        "object_marking_refs": [TLP_AMBER],
    }


def _relationships(
    facts: Facts, indicator: Object, infrastructure: Object, observed: Object, seen: Observables
) -> list[Object]:
    links = [
        (indicator["id"], "indicates", infrastructure["id"]),
        (indicator["id"], "based-on", observed["id"]),
        *((infrastructure["id"], "consists-of", ref) for ref in seen.pool_refs),
    ]
    return [
        _domain_object(
            facts,
            "relationship",
            str(source),
            kind,
            str(target),
            relationship_type=kind,
            source_ref=source,
            target_ref=target,
        )
        for source, kind, target in links
    ]


def _sighting(facts: Facts, of: Mapping[str, object], observed: Object) -> Object:
    return _domain_object(
        facts,
        "sighting",
        str(of["id"]),
        sighting_of_ref=of["id"],
        first_seen=stix_observables.time(facts.first_ns),
        last_seen=stix_observables.time(facts.last_ns),
        count=min(MAX_COUNT, facts.flows),
        observed_data_refs=[observed["id"]],
        where_sighted_refs=[_identity()["id"]],
    )


def _words(facts: Facts, found: Sequence[Object]) -> list[Object]:
    """A note with the reasons, and the grouping that holds all of it together."""
    refs = [item["id"] for item in found if item["type"] != "marking-definition"]
    lines = [facts.title, "", *(one.text for one in facts.reasons)]
    for heading, texts in (("not visible", facts.not_visible), ("next", facts.next_steps)):
        lines += ["", f"{heading}:", *texts] if texts else []
    lines += ["", f"status: {facts.status}", f"verdict: {facts.verdict or 'none'}"]
    note = _domain_object(
        facts,
        "note",
        abstract=facts.title,
        content=wording.cut("\n".join(lines), MAX_CONTENT_CHARS),
        labels=[facts.category, str(facts.severity), facts.status, *facts.tags],
        object_refs=refs,
        external_references=[
            {"source_name": "cryptocurrency-wallet", "external_id": wallet}
            for wallet in facts.wallets
        ],
    )
    grouping = _domain_object(
        facts,
        "grouping",
        name=facts.title,
        context="suspicious-activity",
        object_refs=[*refs, note["id"]],
    )
    return [note, grouping]
