"""Open Cybersecurity Schema Framework 1.6.0: Detection Finding (class 2004).

Times are milliseconds since 1970-01-01 UTC, rounded down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.formats import attack, wording
from analyzer.formats.facts import NS_PER_MS, PRODUCT, VENDOR

if TYPE_CHECKING:
    from analyzer.formats.attack import Technique
    from analyzer.formats.facts import End, Facts

OCSF_VERSION = "1.6.0"
CATEGORY_UID = 2
CLASS_UID = 2004
SEVERITIES = ("Informational", "Low", "Medium", "High", "Critical")
"""By rank; their ids begin with 1."""

ACTIVITIES = {1: "Create", 2: "Update", 3: "Close"}
STATUSES = {
    "new": (1, "New"),
    "acknowledged": (2, "In Progress"),
    "in_case": (2, "In Progress"),
    "resolved": (4, "Resolved"),
}
SUPPRESSED = (3, "Suppressed")
ARCHIVED = (5, "Archived")
VERDICTS = {
    "false_positive": (1, "False Positive"),
    "true_positive": (2, "True Positive"),
    "benign": (5, "Benign"),
}
DIRECTIONS = {
    "inbound": (1, "Inbound"),
    "outbound": (2, "Outbound"),
    "internal": (3, "Lateral"),
    "external": (0, "Unknown"),
}
CONFIDENT = 0.9
LIKELY = 0.5
BEHAVIOURAL = (2, "Behavioral")
OBSERVED = (3, "Observed")
DETECTED = (15, "Detected")
RESOURCE_EXPLOITATION = (13, "Resource-Exploitation")
JA4 = (1, "JA4")
OBSERVABLES = {
    "hostname": (1, "Hostname"),
    "ip": (2, "IP Address"),
    "fingerprint": (30, "Fingerprint"),
    "hash": (8, "Hash"),
    "wallet": (99, "Crypto Wallet"),
    "worker": (99, "Mining Worker"),
    "software": (99, "Software"),
}


def document(facts: Facts) -> dict[str, object]:
    """The finding as a Detection Finding; empty fields are left out."""
    activity = _activity(facts)
    status = _status(facts)
    severity = facts.severity.rank
    confidence = _confidence(facts)
    item = wording.filled(
        {
            "activity_id": activity,
            "activity_name": ACTIVITIES[activity],
            "category_uid": CATEGORY_UID,
            "category_name": "Findings",
            "class_uid": CLASS_UID,
            "class_name": "Detection Finding",
            "type_uid": CLASS_UID * 100 + activity,
            "type_name": f"Detection Finding: {ACTIVITIES[activity]}",
            "time": (facts.changed_ns if activity > 1 else facts.made_ns) // NS_PER_MS,
            "start_time": facts.first_ns // NS_PER_MS,
            "end_time": facts.last_ns // NS_PER_MS,
            "duration": facts.duration_ns // NS_PER_MS,
            "count": facts.flows,
            "severity_id": severity + 1,
            "severity": SEVERITIES[severity],
            "confidence_id": confidence[0],
            "confidence": confidence[1],
            "confidence_score": facts.percent,
            "risk_score": facts.risk,
            "is_alert": facts.is_alarm,
            "action_id": OBSERVED[0],
            "action": OBSERVED[1],
            "disposition_id": DETECTED[0],
            "disposition": DETECTED[1],
            "status_id": status[0],
            "status": status[1],
            "status_detail": facts.status,
            "message": facts.title,
            "metadata": _metadata(facts),
            "finding_info": _finding_info(facts),
            "evidences": [_evidence(facts)],
            "observables": _observables(facts),
            "malware": _malware(facts),
            "remediation": {"desc": "; ".join(facts.next_steps)} if facts.next_steps else {},
            **_triage(facts),
            "unmapped": _unmapped(facts),
        }
    )
    return item if isinstance(item, dict) else {}


def _activity(facts: Facts) -> int:
    if facts.status == "resolved" or not facts.current:
        return 3
    return 2 if facts.version > 1 else 1


def _status(facts: Facts) -> tuple[int, str]:
    if facts.status == "resolved":
        return STATUSES["resolved"]
    if not facts.current:
        return ARCHIVED
    if facts.suppressed_by:
        return SUPPRESSED
    return STATUSES.get(facts.status, (99, "Other"))


def _confidence(facts: Facts) -> tuple[int, str]:
    if facts.confidence >= CONFIDENT:
        return 3, "High"
    return (2, "Medium") if facts.confidence >= LIKELY else (1, "Low")


def _metadata(facts: Facts) -> dict[str, object]:
    product = {"name": PRODUCT, "vendor_name": VENDOR, "version": facts.tool_version}
    return {
        "version": OCSF_VERSION,
        "product": product,
        "profiles": ["security_control", *(["incident"] if _triage(facts) else [])],
        "uid": f"{facts.id}/{facts.version}",
        "correlation_uid": facts.id,
        "event_code": facts.detector,
        "log_version": facts.ruleset_version,
        "sequence": facts.sequence,
        "logged_time": facts.created_ns // NS_PER_MS if facts.created_ns else None,
        "modified_time": facts.updated_ns // NS_PER_MS if facts.updated_ns else None,
        "labels": list(facts.tags),
    }


def _triage(facts: Facts) -> dict[str, object]:
    """What people said; these attributes belong to the profile `incident`."""
    fields: dict[str, object] = {}
    if facts.assignee:
        fields["assignee"] = {"name": facts.assignee}
    if facts.verdict in VERDICTS:
        fields["verdict_id"], fields["verdict"] = VERDICTS[facts.verdict]
    return fields


def _finding_info(facts: Facts) -> dict[str, object]:
    return {
        "uid": facts.id,
        "title": facts.title,
        "desc": wording.cut(facts.reason_text, wording.MAX_SENTENCE_CHARS),
        "types": [facts.category],
        "first_seen_time": facts.first_ns // NS_PER_MS,
        "last_seen_time": facts.last_ns // NS_PER_MS,
        "created_time": facts.made_ns // NS_PER_MS,
        "modified_time": facts.changed_ns // NS_PER_MS,
        "analytic": {
            "type_id": BEHAVIOURAL[0],
            "type": BEHAVIOURAL[1],
            "name": facts.detector,
            "uid": facts.detector,
            "version": str(facts.detector_version),
        },
        "attacks": [_attack(one) for one in facts.techniques],
        "data_sources": [facts.capture_path],
    }


def _attack(one: Technique) -> dict[str, object]:
    parent = attack.technique(one.parent_id)
    tactic = one.tactics[0] if one.tactics else None
    sub = {"uid": one.id, "name": one.name, "src_url": one.url}
    return {
        "version": attack.VERSION,
        "tactic": {"uid": tactic.id, "name": tactic.name, "src_url": tactic.url} if tactic else {},
        "technique": {"uid": parent.id, "name": parent.name, "src_url": parent.url},
        "sub_technique": sub if one.is_sub else {},
    }


def _endpoint(end: End, name: str) -> dict[str, object]:
    named = {"name": end.address} if not end.ip else {}
    return {"ip": end.ip, "port": end.port, "hostname": name, **named}


def _evidence(facts: Facts) -> dict[str, object]:
    direction = DIRECTIONS[facts.direction]
    verdict = VERDICTS.get(facts.verdict, (0, "Unknown"))
    return {
        "uid": facts.community_id,
        "src_endpoint": _endpoint(facts.source, facts.source_name),
        "dst_endpoint": _endpoint(facts.destination, facts.destination_name),
        "connection_info": {
            "direction_id": direction[0],
            "direction": direction[1],
            "protocol_name": facts.transport,
            "protocol_num": facts.protocol_number,
            "protocol_ver_id": (6 if facts.is_v6 else 4) if facts.source.ip else 0,
            "community_uid": facts.community_id,
        },
        "ja4_fingerprint_list": [
            {"type_id": JA4[0], "type": JA4[1], "value": text} for text in facts.texts("ja4")
        ],
        "verdict_id": verdict[0],
        "verdict": verdict[1],
        "data": {
            "application": facts.application,
            "reasons": [
                {
                    "kind": one.kind,
                    "summary": one.summary,
                    "weight": one.weight,
                    "signature": one.signature,
                    "packets": list(one.packets),
                }
                for one in facts.reasons
            ],
        },
    }


def _observables(facts: Facts) -> list[object]:
    pool = facts.pool
    found = [
        ("evidences[].src_endpoint.ip", "ip", facts.source.ip),
        ("evidences[].dst_endpoint.ip", "ip", facts.destination.ip),
        ("unmapped.attributes.pool.ip", "ip", pool.ip if pool else ""),
        *(("unmapped.attributes.names", "hostname", name) for name in facts.names),
        *(("evidences[].ja4_fingerprint_list[].value", "fingerprint", text)
          for text in facts.texts("ja4")),
        *((f"unmapped.attributes.{name}", "fingerprint", text)
          for name in ("hassh", "hassh_server") for text in facts.texts(name)),
        *(("unmapped.attributes.wallet", "wallet", text) for text in facts.wallets),
        *(("unmapped.attributes.worker", "worker", text) for text in facts.texts("worker")),
        *((f"unmapped.attributes.{name}", "software", text)
          for name in ("agent", "client_software", "server_software")
          for text in facts.texts(name)),
        ("unmapped.capture.sha256", "hash", facts.capture_sha256),
    ]  # fmt: skip
    unique = {(kind, text): name for name, kind, text in reversed(found) if text}
    return [
        {"name": name, "type_id": OBSERVABLES[kind][0], "type": OBSERVABLES[kind][1], "value": text}
        for (kind, text), name in reversed(unique.items())
    ]


def _malware(facts: Facts) -> list[object]:
    """Mining software counts as exploitation of resources, unless somebody refuted the finding."""
    if facts.category != "mining" or not facts.is_actionable:
        return []
    return [
        {
            "classification_ids": [RESOURCE_EXPLOITATION[0]],
            "classifications": [RESOURCE_EXPLOITATION[1]],
            "name": facts.text("agent") or "mining software",
        }
    ]


def _unmapped(facts: Facts) -> dict[str, object]:
    return {
        "attributes": wording.bounded(dict(facts.attributes)),
        "capture": {"path": facts.capture_path, "sha256": facts.capture_sha256},
        "not_visible": list(facts.not_visible),
        "suppressed_by": facts.suppressed_by,
    }
