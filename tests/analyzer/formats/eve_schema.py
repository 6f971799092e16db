"""The part of Suricata's `etc/schema.json` that a finding can touch, written down by hand.

Suricata's own file is under the GPL and in no package that could be installed here, so the keys and
types below were read from its public text (Suricata 7) and typed in again: the
keys of an alert, its metadata, flow, ssh and tls, none of which allows others.
"""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "integer"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}
TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d+[+\-]\d+$"


def _closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


METADATA = _closed(
    affected_product=TEXTS,
    attack_target=TEXTS,
    created_at=TEXTS,
    deployment=TEXTS,
    signature_severity=TEXTS,
    tag=TEXTS,
    updated_at=TEXTS,
)
ALERT = _closed(
    action={"enum": ["allowed", "blocked"]},
    category=TEXT,
    gid=NUMBER,
    rev=NUMBER,
    rule=TEXT,
    severity={"enum": [1, 2, 3]},
    signature=TEXT,
    signature_id={"type": "integer", "minimum": 1_000_000, "maximum": 1_999_999},
    xff=TEXT,
    metadata=METADATA,
)
ALERT["required"] = ["action", "gid", "signature_id", "rev", "signature", "category", "severity"]
FLOW = _closed(
    age=NUMBER,
    alerted={"type": "boolean"},
    bytes_toclient=NUMBER,
    bytes_toserver=NUMBER,
    end=TEXT,
    pkts_toclient=NUMBER,
    pkts_toserver=NUMBER,
    reason=TEXT,
    start={"type": "string", "pattern": TIME},
    state=TEXT,
)
SSH_SIDE = _closed(proto_version=TEXT, software_version=TEXT, hassh=_closed(hash=TEXT, string=TEXT))
TLS = _closed(
    fingerprint=TEXT,
    issuerdn=TEXT,
    notafter=TEXT,
    notbefore=TEXT,
    serial=TEXT,
    session_resumed={"type": "boolean"},
    sni=TEXT,
    subject=TEXT,
    version=TEXT,
    ja3=_closed(hash=TEXT, string=TEXT),
    ja3s=_closed(hash=TEXT, string=TEXT),
)
SCHEMA = _closed(
    app_proto={"enum": ["ssh", "tls"]},
    community_id={"type": "string", "pattern": "^1:[A-Za-z0-9+/]{27}=$"},
    dest_ip=TEXT,
    dest_port=NUMBER,
    event_type={"const": "alert"},
    flow_id={"type": "integer", "minimum": 0, "exclusiveMaximum": 2**51},
    icmp_code=NUMBER,
    icmp_type=NUMBER,
    packet=TEXT,
    pcap_cnt=NUMBER,
    pcap_filename=TEXT,
    proto={"enum": ["TCP", "UDP", "SCTP", "ICMP", "IPv6-ICMP"]},
    src_ip=TEXT,
    src_port=NUMBER,
    timestamp={"type": "string", "pattern": TIME},
    vlan={"type": "array", "items": NUMBER},
    alert=ALERT,
    flow=FLOW,
    ssh=_closed(client=SSH_SIDE, server=SSH_SIDE),
    tls=TLS,
)
SCHEMA["required"] = ["timestamp", "event_type", "alert", "src_ip", "dest_ip"]
