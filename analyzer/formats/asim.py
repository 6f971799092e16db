"""Microsoft Sentinel's ASIM network session schema 0.2.6, event type `IDS`.

One flat record for the Logs Ingestion API, in ASIM's column names. Times have seven decimals, the
ticks that Kusto keeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.formats import wording
from analyzer.formats.facts import NS_PER_MS, PRODUCT, VENDOR

if TYPE_CHECKING:
    from analyzer.formats.facts import Facts

SCHEMA_VERSION = "0.2.6"
TICK_NS = 100
MAX_INT = 2**31 - 1
"""Of a column of type int in Kusto; a duration of 25 days and more reads as this."""

SEVERITIES = ("Informational", "Low", "Medium", "High", "High")
"""By rank; there is nothing above High."""

DIRECTIONS = {
    "inbound": "Inbound",
    "outbound": "Outbound",
    "internal": "Local",
    "external": "External",
}
THREATS = {
    "mining": "Cryptominer",
    "reverse_tunnel": "Reverse tunnel",
    "tunnel": "Tunnel",
    "vpn": "VPN",
    "scan": "Scan",
    "beacon": "Command and control",
    "exfiltration": "Exfiltration",
    "policy": "Security policy violation",
}


def document(facts: Facts) -> dict[str, object]:
    """The finding as an ASIM record; columns without a value are left out."""
    number = facts.protocol_number
    item = wording.filled(
        {
            **_event(facts),
            "SrcIpAddr": facts.source.ip,
            "SrcPortNumber": facts.source.port,
            "SrcBytes": facts.number("bytes_out"),
            "DstIpAddr": facts.destination.ip,
            "DstPortNumber": facts.destination.port,
            "DstBytes": facts.number("bytes_in"),
            "SrcHostname": facts.source_name,
            "DstHostname": facts.destination_name,
            "NetworkProtocol": "ICMPv6" if number == 58 else facts.transport.upper(),
            "NetworkProtocolVersion": ("IPv6" if facts.is_v6 else "IPv4") if number else "",
            "NetworkApplicationProtocol": facts.application.upper(),
            "NetworkDirection": DIRECTIONS[facts.direction],
            "NetworkDuration": min(MAX_INT, facts.duration_ns // NS_PER_MS),
            "NetworkSessionId": facts.community_id,
            **_threat(facts),
            "AdditionalFields": _additional(facts),
        }
    )
    return item if isinstance(item, dict) else {}


def _event(facts: Facts) -> dict[str, object]:
    return {
        "TimeGenerated": facts.time(facts.first_ns, TICK_NS),
        "EventCount": min(MAX_INT, facts.flows),
        "EventStartTime": facts.time(facts.first_ns, TICK_NS),
        "EventEndTime": facts.time(facts.last_ns, TICK_NS),
        "EventType": "IDS",
        "EventResult": "Success",
        "EventSeverity": SEVERITIES[facts.severity.rank],
        "EventOriginalSeverity": str(facts.severity),
        "EventOriginalType": facts.detector,
        "EventOriginalUid": facts.id,
        "EventUid": f"{facts.id}/{facts.version}",
        "EventMessage": facts.title,
        "EventProduct": PRODUCT,
        "EventProductVersion": facts.tool_version,
        "EventVendor": VENDOR,
        "EventSchema": "NetworkSession",
        "EventSchemaVersion": SCHEMA_VERSION,
        "Dvc": PRODUCT,
        "DvcAction": "Allow",
    }


def _threat(facts: Facts) -> dict[str, object]:
    far_ip = facts.pool.ip if facts.pool else facts.destination.ip
    fields = {facts.source.ip: "SrcIpAddr", facts.destination.ip: "DstIpAddr"}
    return {
        "RuleName": facts.detector,
        "ThreatId": facts.id,
        "ThreatName": facts.title,
        "ThreatCategory": THREATS.get(facts.category, "Unknown"),
        "ThreatIpAddr": far_ip,
        "ThreatField": fields.get(far_ip, "") if far_ip else "",
        "ThreatRiskLevel": facts.risk,
        "ThreatOriginalRiskLevel": str(facts.severity),
        "ThreatConfidence": facts.percent,
        "ThreatOriginalConfidence": f"{facts.confidence:.6f}",
        "ThreatIsActive": facts.status != "resolved" and facts.current,
        "ThreatFirstReportedTime": facts.time(facts.first_ns, TICK_NS),
        "ThreatLastReportedTime": facts.time(facts.last_ns, TICK_NS),
    }


def _additional(facts: Facts) -> dict[str, object]:
    """What ASIM has no column for; a dynamic column takes it as it is."""
    return {
        "Attributes": wording.bounded(dict(facts.attributes)),
        "Reasons": [one.text for one in facts.reasons],
        "Packets": list(facts.packets),
        "AttackTechniques": [one.id for one in facts.techniques],
        "AttackTactics": list(
            dict.fromkeys(tactic.name for one in facts.techniques for tactic in one.tactics)
        ),
        "CapturePath": facts.capture_path,
        "CaptureSha256": facts.capture_sha256,
        "Status": facts.status,
        "Verdict": facts.verdict,
        "Assignee": facts.assignee,
        "Tags": list(facts.tags),
        "SuppressedBy": facts.suppressed_by,
        "NotVisible": list(facts.not_visible),
        "NextSteps": list(facts.next_steps),
        "RulesetVersion": facts.ruleset_version,
    }
