"""Suricata EVE: one `alert` event.

Only keys that `etc/schema.json` of Suricata 7 knows are used; it allows no others, so
what it has no key for is a `name:value` text in `alert.metadata.tag`. The signature is the same for
all findings of a detector, because readers of EVE count by it; the finding's title is a tag.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING

from analyzer.formats import wording
from analyzer.formats.facts import NS_PER_US
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from analyzer.formats.facts import Facts

SIGNATURE_IDS_FROM = 1_000_000
SIGNATURE_IDS = 1_000_000
"""Suricata leaves 1000000 to 1999999 to rules of one's own."""

FLOW_ID_BITS = 51
"""As many as Suricata uses, so that JavaScript reads the number exactly."""

PRIORITIES = (3, 3, 2, 1, 1)
"""By rank of severity; 1 is the gravest."""

SEVERITIES = ("Informational", "Minor", "Minor", "Major", "Critical")
"""What rule sets call it, by rank."""

PROTOCOLS = {"tcp": "TCP", "udp": "UDP", "sctp": "SCTP", "icmp": "ICMP"}
CATEGORIES = {
    "mining": "Crypto Currency Mining Activity Detected",
    "reverse_tunnel": "Malware Command and Control Activity Detected",
    "tunnel": "Potential Corporate Privacy Violation",
    "vpn": "Potential Corporate Privacy Violation",
    "scan": "Detection of a Network Scan",
    "beacon": "Malware Command and Control Activity Detected",
    "exfiltration": "Large Scale Information Leak",
    "policy": "Potential Corporate Privacy Violation",
}
"""By the names of Suricata's own classes."""

APPLICATIONS = frozenset({"ssh", "tls"})
TAGGED = (
    "coin", "dialect", "worker", "agent", "tool", "mode", "target", "ja4", "server_software",
)  # fmt: skip


def document(facts: Facts) -> dict[str, object]:
    """The finding as an EVE event; empty fields are left out."""
    protocol = "IPv6-ICMP" if facts.protocol_number == 58 else PROTOCOLS.get(facts.transport, "")
    frames = facts.packets
    item = wording.filled(
        {
            "timestamp": time(facts.first_ns),
            "flow_id": flow_id(facts),
            "pcap_cnt": frames[0] if frames else None,
            "pcap_filename": facts.capture_path,
            "event_type": "alert",
            "src_ip": facts.source.address,
            "src_port": facts.source.port,
            "dest_ip": facts.destination.address,
            "dest_port": facts.destination.port,
            "proto": protocol,
            "community_id": facts.community_id,
            "app_proto": facts.application if facts.application in APPLICATIONS else "",
            "alert": _alert(facts),
            "ssh": _ssh(facts),
            "tls": {"sni": facts.text("sni")},
            "flow": {"start": time(facts.first_ns)},
        }
    )
    return item if isinstance(item, dict) else {}


def time(time_ns: int) -> str:
    """UTC time with microseconds and a numeric zone, as Suricata writes it."""
    return rfc3339(time_ns, NS_PER_US).removesuffix("Z") + "+0000"


def signature_id(detector: str) -> int:
    """The same number for a detector everywhere, in the range for rules of one's own."""
    return SIGNATURE_IDS_FROM + zlib.crc32(detector.encode("utf-8", "replace")) % SIGNATURE_IDS


def flow_id(facts: Facts) -> int:
    """The same number for findings about one conversation of one capture."""
    ends = f"{facts.source.address} {facts.source.port} {facts.destination.address} "
    conversation = f"{ends}{facts.destination.port} {facts.transport}"
    number = facts.flow_ids[0] if facts.flow_ids else ""
    text = f"{facts.capture_sha256} {number} {conversation}"
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8]) >> (64 - FLOW_ID_BITS)


def _alert(facts: Facts) -> dict[str, object]:
    rank = facts.severity.rank
    return {
        "action": "allowed",
        "gid": 1,
        "signature_id": signature_id(facts.detector),
        "rev": facts.detector_version,
        "signature": f"OUTGATE {facts.detector}",
        "category": CATEGORIES.get(facts.category, "Misc activity"),
        "severity": PRIORITIES[rank],
        "metadata": {"signature_severity": [SEVERITIES[rank]], "tag": _tags(facts)},
    }


def _tags(facts: Facts) -> list[str]:
    pool = facts.pool
    tags = [
        ("outgate_id", facts.id),
        ("title", facts.title),
        ("confidence", f"{facts.confidence:.6f}"),
        ("severity", str(facts.severity)),
        ("status", facts.status),
        ("verdict", facts.verdict),
        ("version", str(facts.version)),
        ("flows", str(facts.flows)),
        ("last_seen", time(facts.last_ns)),
        *(("mitre_technique_id", one.id) for one in facts.techniques),
        *(("mitre_technique_name", one.name) for one in facts.techniques),
        *(("mitre_tactic_id", tactic.id) for one in facts.techniques for tactic in one.tactics),
        *(("wallet", wallet) for wallet in facts.wallets),
        ("pool", pool.name or pool.ip if pool else ""),
        ("pool_operator", pool.operator if pool else ""),
        *((name, text) for name in TAGGED for text in facts.texts(name)),
        *(("reason", one.text) for one in facts.reasons),
        *(("tag", tag) for tag in facts.tags),
        ("capture_sha256", facts.capture_sha256),
    ]
    lines = (f"{name}:{wording.value(text)}" for name, text in tags if text)
    return list(dict.fromkeys(lines))


def _ssh(facts: Facts) -> dict[str, object]:
    if facts.application != "ssh":
        return {}
    sides = {"client": ("client_software", "hassh"), "server": ("server_software", "hassh_server")}
    return {
        side: _ssh_side(facts.text(software), facts.text(digest))
        for side, (software, digest) in sides.items()
    }


def _ssh_side(banner: str, digest: str) -> dict[str, object]:
    """A banner is `SSH-protocol-software comments` (RFC 4253 section 4.2)."""
    parts = banner.split("-", 2)
    is_banner = len(parts) == 3 and parts[0] == "SSH"
    return {
        "proto_version": parts[1] if is_banner else "",
        "software_version": parts[2].partition(" ")[0] if is_banner else banner,
        "hassh": {"hash": digest},
    }
