"""STIX 2.1 cyber observables of a finding, with the ids that the specification gives them."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from analyzer.formats.facts import NS_PER_US
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from analyzer.formats.facts import Facts

NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""Of observables' ids (STIX 2.1 section 2.9)."""

CONTRIBUTING = {
    "ipv4-addr": ("value",),
    "ipv6-addr": ("value",),
    "domain-name": ("value",),
    "software": ("name",),
    "file": ("hashes", "name"),
    "network-traffic": (
        "start", "end", "src_ref", "dst_ref", "src_port", "dst_port", "protocols",
    ),
}  # fmt: skip
"""Properties that make the id, as far as they are used here."""

PROTOCOLS = frozenset({"ssh", "tls"})
"""What is named above the transport; mining protocols have no name at IANA."""

Object = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observables:
    """What was seen.

    Attributes:
        all: The objects, each after those that it refers to.
        refs: Ids of what the conversation shows; the capture's file is not among them.
        pool_refs: Ids of the pool's address and name.
    """

    all: tuple[Object, ...]
    refs: tuple[str, ...]
    pool_refs: tuple[str, ...]


def of(facts: Facts) -> Observables:
    """The observables of a finding, each once."""
    ends = {ip: _address(ip) for ip in (facts.source.ip, facts.destination.ip) if ip}
    pool = facts.pool
    pool_objects = [_address(pool.ip)] if pool and pool.ip else []
    if pool and pool.name:
        pool_objects.append(_object("domain-name", value=pool.name))
    seen = [
        *ends.values(),
        *pool_objects,
        *(_object("domain-name", value=name.lower()) for name in facts.names),
        *_software(facts),
        *([_traffic(facts, ends)] if ends else []),
    ]
    unique = {str(item["id"]): item for item in seen}
    capture = _capture(facts)
    return Observables(
        all=(*unique.values(), *([capture] if capture else [])),
        refs=tuple(unique),
        pool_refs=tuple(str(item["id"]) for item in pool_objects),
    )


def address_type(ip: str) -> str:
    """The type of object an address is."""
    return "ipv6-addr" if ":" in ip else "ipv4-addr"


def observable_id(kind: str, properties: Object) -> str:
    """A deterministic id: a UUIDv5 of the contributing properties as canonical JSON (RFC 8785)."""
    names = CONTRIBUTING[kind]
    contributing = {name: properties[name] for name in names if name in properties}
    text = json.dumps(contributing, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"{kind}--{uuid.uuid5(NAMESPACE, text)}"


def _object(kind: str, **properties: object) -> Object:
    given = {name: value for name, value in properties.items() if value is not None}
    head = {"type": kind, "spec_version": "2.1", "id": observable_id(kind, given)}
    return {**head, **given}


def _address(ip: str) -> Object:
    return _object(address_type(ip), value=ip)


def _software(facts: Facts) -> list[Object]:
    names = ("agent", "client_software", "server_software")
    return [_object("software", name=text) for name in names for text in facts.texts(name)]


def _traffic(facts: Facts, ends: dict[str, Object]) -> Object:
    source, destination = facts.source, facts.destination
    family = "ipv6" if facts.is_v6 else "ipv4"
    transport = facts.transport if facts.transport != "other" else ""
    above = facts.application if facts.application in PROTOCOLS else ""
    one = facts.flows == 1
    return _object(
        "network-traffic",
        start=time(facts.first_ns),
        end=time(facts.last_ns),
        is_active=False,
        src_ref=ends[source.ip]["id"] if source.ip else None,
        dst_ref=ends[destination.ip]["id"] if destination.ip else None,
        src_port=source.port,
        dst_port=destination.port,
        protocols=[name for name in (family, transport, above) if name],
        src_byte_count=facts.number("bytes_out") if one else None,
        dst_byte_count=facts.number("bytes_in") if one else None,
    )


def time(time_ns: int) -> str:
    """Microseconds without trailing zeros, as the reference implementation writes times."""
    whole, _, fraction = rfc3339(time_ns, NS_PER_US).removesuffix("Z").partition(".")
    digits = fraction.rstrip("0")
    return f"{whole}.{digits}Z" if digits else f"{whole}Z"


def _capture(facts: Facts) -> Object | None:
    """The file the packets are in."""
    if not facts.capture_sha256:
        return None
    name = PurePath(facts.capture_path).name or None
    return _object("file", hashes={"SHA-256": facts.capture_sha256}, name=name)
