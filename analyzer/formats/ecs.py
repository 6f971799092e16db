"""Elastic Common Schema 9.4: one alert document.

Fields of the schema stand where it puts them; what it has no field for is below `outgate.`, in a
few fields of fixed types, so that an index never meets one field with two types.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from analyzer.formats import attack, wording
from analyzer.formats.facts import PRODUCT, VENDOR

if TYPE_CHECKING:
    from analyzer.formats.facts import End, Facts

ECS_VERSION = "9.4.0"
DATASET = "outgate.finding"
MAX_ATTRIBUTES_CHARS = 8000

_SHARES = ("shares_submitted", "shares_accepted", "shares_rejected")
_MINING = ("coin", "dialect", "tier", "worker", "agent", "algorithm", "wallet_checksum", "miner")
_SSH = {
    "client_software": "client.software",
    "server_software": "server.software",
    "hassh": "client.hassh",
    "hassh_server": "server.hassh",
    "kex": "kex",
    "host_key": "host_key",
    "cipher": "cipher",
    "mac": "mac",
    "compression": "compression",
    "carrier": "carrier",
}
_TUNNEL = ("tool", "tool_title", "kind", "mode", "target")


def document(facts: Facts) -> dict[str, object]:
    """The finding as an ECS document; empty fields are left out."""
    item = wording.filled(
        {
            "@timestamp": facts.time(facts.first_ns),
            "ecs": {"version": ECS_VERSION},
            "data_stream": {"type": "logs", "dataset": DATASET, "namespace": "default"},
            "message": facts.title,
            "tags": list(facts.tags),
            "event": _event(facts),
            "network": _network(facts),
            "source": _source(facts),
            "destination": _destination(facts),
            "tls": {"client": {"server_name": facts.text("sni")}},
            "rule": _rule(facts),
            "threat": _threat(facts),
            "observer": {
                "type": "network-forensics",
                "vendor": VENDOR,
                "product": PRODUCT,
                "version": facts.tool_version,
            },
            "related": _related(facts),
            "outgate": _own(facts),
        }
    )
    return item if isinstance(item, dict) else {}


def _event(facts: Facts) -> dict[str, object]:
    return {
        "kind": "alert",
        "category": ["intrusion_detection", "network"],
        "type": ["info"],
        "action": facts.category,
        "code": facts.detector,
        "module": PRODUCT,
        "dataset": DATASET,
        "provider": facts.detector,
        "id": facts.id,
        "sequence": facts.sequence,
        "severity": facts.severity.rank,
        "risk_score": float(facts.risk),
        "reason": wording.cut(facts.reason_text, wording.MAX_VALUE_CHARS),
        "start": facts.time(facts.first_ns),
        "end": facts.time(facts.last_ns),
        "duration": facts.duration_ns,
        "created": facts.time(facts.created_ns, 1) if facts.created_ns else "",
    }


def _network(facts: Facts) -> dict[str, object]:
    number = facts.protocol_number
    sent, received = facts.number("bytes_out"), facts.number("bytes_in")
    return {
        "transport": "ipv6-icmp" if number == 58 else facts.transport,
        "type": ("ipv6" if facts.is_v6 else "ipv4") if facts.source.ip else "",
        "iana_number": str(number) if number is not None else "",
        "protocol": facts.application,
        "direction": facts.direction,
        "community_id": facts.community_id,
        "bytes": sent + received if sent is not None and received is not None else None,
    }


def _end(end: End) -> dict[str, object]:
    return {"address": end.address, "ip": end.ip, "port": end.port}


def _source(facts: Facts) -> dict[str, object]:
    sent = facts.number("bytes_out")
    return {**_end(facts.source), "domain": facts.source_name, "bytes": sent}


def _destination(facts: Facts) -> dict[str, object]:
    sent = facts.number("bytes_in")
    return {**_end(facts.destination), "domain": facts.destination_name, "bytes": sent}


def _rule(facts: Facts) -> dict[str, object]:
    return {
        "id": facts.detector,
        "name": facts.detector,
        "version": str(facts.detector_version),
        "category": facts.category,
        "ruleset": f"{PRODUCT} {facts.ruleset_version}" if facts.ruleset_version else "",
    }


def _threat(facts: Facts) -> dict[str, object]:
    tactics = {tactic.id: tactic for one in facts.techniques for tactic in one.tactics}
    parents = {one.parent_id: attack.technique(one.parent_id) for one in facts.techniques}
    subs = [one for one in facts.techniques if one.is_sub]
    return {
        "framework": attack.FRAMEWORK if facts.techniques else "",
        "tactic": {
            "id": list(tactics),
            "name": [tactic.name for tactic in tactics.values()],
            "reference": [tactic.url for tactic in tactics.values()],
        },
        "technique": {
            "id": list(parents),
            "name": [one.name for one in parents.values()],
            "reference": [one.url for one in parents.values()],
            "subtechnique": {
                "id": [one.id for one in subs],
                "name": [one.name for one in subs],
                "reference": [one.url for one in subs],
            },
        },
        "indicator": _indicator(facts),
    }


def _indicator(facts: Facts) -> dict[str, object]:
    """The pool's end, which is what other systems can look for."""
    pool = facts.pool
    if pool is None or not facts.is_actionable:
        return {}
    kind = ("ipv6-addr" if ":" in pool.ip else "ipv4-addr") if pool.ip else "domain-name"
    return {
        "type": kind,
        "ip": pool.ip,
        "port": pool.port,
        "name": pool.name or pool.ip,
        "provider": pool.operator,
        "confidence": "High" if facts.confidence >= 0.9 else "Medium",
        "first_seen": facts.time(facts.first_ns),
        "last_seen": facts.time(facts.last_ns),
        "marking": {"tlp": "AMBER", "tlp_version": "2.0"},
    }


def _related(facts: Facts) -> dict[str, object]:
    ips = [facts.source.ip, facts.destination.ip, facts.pool.ip if facts.pool else ""]
    hashes = [*facts.texts("hassh"), *facts.texts("hassh_server"), *facts.texts("ja4")]
    users = [*facts.wallets, *facts.texts("worker")]
    return {
        "ip": list(dict.fromkeys(ip for ip in ips if ip)),
        "hosts": list(facts.names),
        "hash": list(dict.fromkeys([*hashes, facts.capture_sha256])),
        "user": list(dict.fromkeys(users)),
    }


def _own(facts: Facts) -> dict[str, object]:
    pool = facts.pool
    hashrate = facts.attributes.get("hashrate_per_second")
    attributes = json.dumps(wording.bounded(dict(facts.attributes)), ensure_ascii=False)
    return {
        "finding": {
            "version": facts.version,
            "status": facts.status,
            "verdict": facts.verdict,
            "assignee": facts.assignee,
            "current": facts.current,
            "suppressed_by": facts.suppressed_by,
            "confidence": facts.confidence,
            "severity": str(facts.severity),
            "is_alarm": facts.is_alarm,
            "flows": facts.flows,
            "not_visible": list(facts.not_visible),
            "next_steps": list(facts.next_steps),
        },
        "evidence": {
            "reason": [wording.cut(one.text, wording.MAX_VALUE_CHARS) for one in facts.reasons],
            "signature": list(dict.fromkeys(one.signature for one in facts.reasons)),
            "packet": list(facts.packets),
        },
        "capture": {"path": facts.capture_path, "sha256": facts.capture_sha256},
        "mining": {
            **{name: list(facts.texts(name)) for name in _MINING},
            **{name: facts.number(name) for name in _SHARES},
            "wallet": list(facts.wallets),
            "pool": {"name": pool.name, "operator": pool.operator} if pool else {},
            "hashrate_per_second": _number(hashrate),
        },
        "ssh": _ssh(facts),
        "tunnel": {name: list(facts.texts(name)) for name in _TUNNEL},
        "tls": {"client": {"ja4": list(facts.texts("ja4"))}},
        "attributes": wording.value(attributes, MAX_ATTRIBUTES_CHARS),
    }


def _ssh(facts: Facts) -> dict[str, object]:
    fields: dict[str, dict[str, object]] = {"client": {}, "server": {}}
    plain: dict[str, object] = {}
    for name, place in _SSH.items():
        side, _, key = place.rpartition(".")
        (fields[side] if side else plain)[key] = list(facts.texts(name))
    return {**plain, **fields}


def _number(item: object) -> float | None:
    is_number = isinstance(item, (int, float)) and not isinstance(item, bool)
    return float(item) if is_number and isinstance(item, (int, float)) else None
