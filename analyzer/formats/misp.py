"""A MISP event: the connection, the pool, the wallets, fingerprints and the reasons.

`to_ids`, which makes others search for a value, is set on pools' ends and wallets alone: never on
an address inside, not on what only a client claims, and not once somebody refuted the finding.
Uuids are deterministic, so a later version of a finding updates the event.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analyzer.escape import escape
from analyzer.formats import wording
from analyzer.formats.facts import VENDOR
from analyzer.times import NS_PER_SECOND, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.formats.facts import Facts

NAMESPACE = uuid.UUID("7e1c5f0a-2b63-5d4e-8c8f-90b4f1a6d3c2")
TIME_RESOLUTION_NS = 1_000
THREAT_LEVELS = ("4", "3", "2", "1", "1")
"""By rank: undefined, low, medium, high."""

ANALYSIS = {"new": "0", "acknowledged": "1", "in_case": "1", "resolved": "2"}
"""Initial, ongoing, complete."""

ORGANISATION_ONLY = "0"
MAX_INFO_CHARS = 1000
MD5_FINGERPRINTS = {"hassh": "hassh-md5", "hassh_server": "hasshserver-md5"}
SOFTWARE = ("agent", "client_software", "server_software")

_ADDRESS = re.compile(r"[A-Za-z0-9]{1,128}")
_HEX_DIGEST = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_JA4 = re.compile(r"[a-z0-9_]{1,64}")

Object = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """An object template as MISP publishes it."""

    name: str
    uuid: str
    version: str
    category: str
    description: str


CONNECTION = Template(
    name="network-connection",
    uuid="af16764b-f8e5-4603-9de1-de34d272f80b",
    version="7",
    category="network",
    description="A local or remote network connection",
)
COIN_ADDRESS = Template(
    name="coin-address",
    uuid="d0e6997e-78da-4815-a6a1-cfc1c1cb8a46",
    version="7",
    category="financial",
    description="An address used in a cryptocurrency",
)
IP_PORT = Template(
    name="ip-port",
    uuid="9f8cea74-16fe-4968-a2b4-026676949ac6",
    version="10",
    category="network",
    description="An address with a port",
)
JA4_PLUS = Template(
    name="ja4-plus",
    uuid="2c15c75e-e7db-4b62-8d17-633e7571818f",
    version="2",
    category="network",
    description="A JA4+ fingerprint",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """What attributes and objects take from the event they are in."""

    facts: Facts

    def uuid(self, *parts: str) -> str:
        return str(uuid.uuid5(NAMESPACE, "\n".join((self.facts.id, *parts))))

    @property
    def timestamp(self) -> str:
        return str(self.facts.changed_ns // NS_PER_SECOND)

    def attribute(
        self, kind: str, category: str, text: str, *, to_ids: bool = False, comment: str = ""
    ) -> Object:
        text = escape(text) if kind != "datetime" else text
        return {
            "uuid": self.uuid("attribute", kind, category, text, comment),
            "type": kind,
            "category": category,
            "value": wording.value(text),
            "to_ids": to_ids,
            "comment": comment,
            "distribution": "5",
            "disable_correlation": False,
            "timestamp": self.timestamp,
        }

    def member(
        self, owner: str, relation: str, kind: str, category: str, text: object, *, to_ids: bool
    ) -> Object:
        """An attribute of an object; left out where there is nothing to say."""
        if text in (None, ""):
            return {}
        item = self.attribute(kind, category, str(text), to_ids=to_ids)
        own = self.uuid("member", owner, relation, str(text))
        return {**item, "uuid": own, "object_relation": relation}

    def object(self, template: Template, key: str, members: Sequence[Object]) -> Object:
        return {
            "uuid": self.uuid("object", template.name, key),
            "name": template.name,
            "meta-category": template.category,
            "description": template.description,
            "template_uuid": template.uuid,
            "template_version": template.version,
            "timestamp": self.timestamp,
            "distribution": "5",
            "comment": "",
            "deleted": False,
            "Attribute": [member for member in members if member],
        }


def document(facts: Facts) -> Object:
    """The finding as `{"Event": …}`, as MISP imports and exports events."""
    event = _Event(facts=facts)
    objects = [
        _connection(event),
        *_pool(event),
        *(_wallet(event, wallet) for wallet in facts.wallets),
        *(_ja4(event, text) for text in facts.texts("ja4") if _JA4.fullmatch(text)),
    ]
    return {
        "Event": {
            "uuid": event.uuid("event"),
            "info": wording.cut(f"{VENDOR}: {facts.title}", MAX_INFO_CHARS),
            "date": rfc3339(facts.first_ns, NS_PER_SECOND)[:10],
            "threat_level_id": THREAT_LEVELS[facts.severity.rank],
            "analysis": ANALYSIS.get(facts.status, "0"),
            "distribution": ORGANISATION_ONLY,
            "published": False,
            "timestamp": event.timestamp,
            "Orgc": {"name": VENDOR, "uuid": str(uuid.uuid5(NAMESPACE, VENDOR))},
            "Tag": [{"name": name} for name in _tags(facts)],
            "Attribute": _attributes(event),
            "Object": objects,
        }
    }


def _tags(facts: Facts) -> list[str]:
    attack = [
        f'misp-galaxy:mitre-attack-pattern="{one.name} - {one.id}"' for one in facts.techniques
    ]
    verdict = [f'outgate:verdict="{facts.verdict}"'] if facts.verdict else []
    own = [f'outgate:tag="{escape(tag).replace(chr(34), chr(39))}"' for tag in facts.tags]
    named = [
        "tlp:amber",
        *attack,
        f'outgate:category="{facts.category}"',
        f'outgate:status="{facts.status}"',
        *verdict,
        *own,
    ]
    return list(dict.fromkeys(wording.cut(name, 250) for name in named))


def _attributes(event: _Event) -> list[Object]:
    facts = event.facts
    found = [
        event.attribute("text", "Internal reference", facts.id, comment="id of the finding"),
        event.attribute("text", "Internal reference", facts.detector, comment="detector"),
        event.attribute(
            "text", "Internal reference", f"{facts.confidence:.6f}", comment="confidence"
        ),
        *(
            event.attribute("comment", "Other", one.text, comment=f"reason: {one.kind}")
            for one in facts.reasons
        ),
        *(
            event.attribute(kind, "Network activity", text, comment=name)
            for name, kind in MD5_FINGERPRINTS.items()
            for text in facts.texts(name)
            if _HEX_DIGEST.fullmatch(text)
        ),
        *(
            event.attribute("text", "Network activity", text, comment=name)
            for name in SOFTWARE
            for text in facts.texts(name)
        ),
    ]
    if _SHA256.fullmatch(facts.capture_sha256):
        digest = facts.capture_sha256
        found.append(event.attribute("sha256", "External analysis", digest, comment="the capture"))
    return list({str(item["uuid"]): item for item in found}.values())


def _connection(event: _Event) -> Object:
    facts = event.facts
    one = facts.flows == 1
    rows = (
        ("ip-src", "ip-src", facts.source.ip),
        ("src-port", "port", facts.source.port),
        ("ip-dst", "ip-dst", facts.destination.ip),
        ("dst-port", "port", facts.destination.port),
        ("hostname-src", "hostname", facts.source_name),
        ("hostname-dst", "hostname", facts.destination_name),
        ("layer3-protocol", "text", "ICMP" if facts.transport == "icmp" else "IP"),
        ("layer4-protocol", "text", facts.transport.upper()),
        ("layer7-protocol", "text", facts.application.upper()),
        ("community-id", "community-id", facts.community_id),
        ("first-packet-seen", "datetime", rfc3339(facts.first_ns, TIME_RESOLUTION_NS)),
        ("last-packet-seen", "datetime", rfc3339(facts.last_ns, TIME_RESOLUTION_NS)),
        ("src-bytes-count", "size-in-bytes", facts.number("bytes_out") if one else None),
        ("dst-bytes-count", "size-in-bytes", facts.number("bytes_in") if one else None),
    )
    members = [
        event.member("connection", relation, kind, _category(kind), text, to_ids=False)
        for relation, kind, text in rows
    ]
    return event.object(CONNECTION, "", members)


def _category(kind: str) -> str:
    return "Other" if kind in {"datetime", "size-in-bytes", "text"} else "Network activity"


def _pool(event: _Event) -> list[Object]:
    facts, pool = event.facts, event.facts.pool
    if pool is None:
        return []
    wanted = facts.is_actionable and not pool.is_inside
    rows = (
        ("ip-dst", "ip-dst", pool.ip, wanted),
        ("dst-port", "port", pool.port, False),
        ("hostname", "hostname", pool.name, wanted and pool.is_name_backed),
        ("text", "text", pool.operator, False),
        ("first-seen", "datetime", rfc3339(facts.first_ns, TIME_RESOLUTION_NS), False),
        ("last-seen", "datetime", rfc3339(facts.last_ns, TIME_RESOLUTION_NS), False),
    )
    members = [
        event.member("pool", relation, kind, _category(kind), text, to_ids=to_ids)
        for relation, kind, text, to_ids in rows
    ]
    return [event.object(IP_PORT, "pool", members)]


def _wallet(event: _Event, wallet: str) -> Object:
    """MISP knows Monero's and Bitcoin's addresses by type, others and logins as text.

    A login that is not proven to be an address may be any word, which nobody should search for.
    """
    facts = event.facts
    proven = wallet == facts.text("wallet") and facts.text("wallet_checksum") == "valid"
    coin = facts.text("coin")
    typed = {"XMR": ("address-xmr", "xmr"), "BTC": ("address", "btc")}.get(coin)
    relation, kind = typed if typed and _ADDRESS.fullmatch(wallet) else ("address-crypto", "text")
    members = [
        event.member(
            wallet, relation, kind, "Financial fraud", wallet,
            to_ids=proven and facts.is_actionable,
        ),
        event.member(wallet, "symbol", "text", "Other", coin, to_ids=False),
        event.member(
            wallet, "first-seen", "datetime", "Other",
            rfc3339(facts.first_ns, TIME_RESOLUTION_NS), to_ids=False,
        ),
        event.member(
            wallet, "last-seen", "datetime", "Other",
            rfc3339(facts.last_ns, TIME_RESOLUTION_NS), to_ids=False,
        ),
    ]  # fmt: skip
    return event.object(COIN_ADDRESS, wallet, members)


def _ja4(event: _Event, text: str) -> Object:
    members = [
        event.member(text, "ja4-fingerprint", "text", "Other", text, to_ids=False),
        event.member(text, "ja4-type", "text", "Other", "JA4", to_ids=False),
    ]
    return event.object(JA4_PLUS, text, members)
