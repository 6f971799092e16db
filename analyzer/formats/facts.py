"""What the formats need from a finding, read once from its native document, typed and bounded.

The document is `outgate/finding/1`; what the service adds (version, status, …) may be missing, and
then the finding counts as new. Attributes hold wire text of any kind, so every reader here takes
what is of the right kind and leaves the rest.
"""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import analyzer
from analyzer.formats import wording
from analyzer.formats.attack import Technique, technique
from analyzer.model import Severity
from analyzer.times import parse_rfc3339, rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VENDOR = "Outgate"
PRODUCT = "outgate"
NS_PER_MS = 1_000_000
NS_PER_US = 1_000

ALARM_CONFIDENCE = 0.5
"""From there on a finding of medium severity or worse is an alarm, by contract."""
UNFOUNDED = frozenset({"false_positive", "benign"})
MAX_TECHNIQUES = 16
MAX_WALLETS = 16
MAX_TAGS = 64
MAX_HOST_NAME_CHARS = 253

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))+")
_PROTOCOL_NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "sctp": 132}
_ICMP_V6 = 58


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a conversation; `ip` is "" where the text is no address."""

    address: str
    ip: str
    port: int | None
    is_inside: bool

    @property
    def is_v6(self) -> bool:
        """Whether it is an IPv6 address."""
        return ":" in self.ip


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One entry of the evidence, made safe to show."""

    kind: str
    summary: str
    weight: float
    signature: str
    packets: tuple[int, ...]

    @property
    def text(self) -> str:
        """Its weight and what it says."""
        return f"{self.weight:+.2f} {self.summary}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The pool's end as the detector names it.

    Attributes:
        ip: "" if the capture does not show it.
        name: A host name, or "".
        operator: As a list knows it, or "".
        is_name_backed: The name is more than what a client says: a list or DNS has it.
    """

    ip: str
    port: int | None
    name: str
    operator: str
    is_inside: bool
    is_name_backed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One finding. Times are nanoseconds since 1970-01-01 UTC, 0 for one that is not known."""

    id: str
    detector: str
    detector_version: int
    category: str
    title: str
    severity: Severity
    confidence: float
    first_ns: int
    last_ns: int
    resolution_ns: int
    source: End
    destination: End
    transport: str
    community_id: str
    flows: int
    flow_ids: tuple[int, ...]
    reasons: tuple[Reason, ...]
    techniques: tuple[Technique, ...]
    attributes: Mapping[str, Any]
    not_visible: tuple[str, ...]
    next_steps: tuple[str, ...]
    capture_path: str
    capture_sha256: str
    tool_version: str
    ruleset_version: str
    pool: Pool | None
    sequence: int | None
    version: int
    current: bool
    status: str
    verdict: str
    assignee: str
    tags: tuple[str, ...]
    suppressed_by: str
    created_ns: int
    updated_ns: int

    @property
    def duration_ns(self) -> int:
        """From first to last seen."""
        return self.last_ns - self.first_ns

    @property
    def made_ns(self) -> int:
        """When the finding was stored, or, if it was not, last seen."""
        return self.created_ns or self.last_ns

    @property
    def changed_ns(self) -> int:
        """When this version came to be; never before `made_ns`."""
        return max(self.updated_ns, self.made_ns)

    @property
    def percent(self) -> int:
        """The confidence in whole percent, rounded down: 100 is said of certainty alone."""
        return round(self.confidence * 1_000_000) // 10_000

    @property
    def risk(self) -> int:
        """0 to 100: how bad it is if it is true, times how likely it is."""
        return math.floor((1, 21, 47, 73, 99)[self.severity.rank] * self.confidence + 0.5)

    @property
    def severity_of_ten(self) -> int:
        """The severity as CEF and LEEF count it: 1 for info, 10 for critical."""
        return (1, 3, 6, 8, 10)[self.severity.rank]

    @property
    def is_alarm(self) -> bool:
        """Likely enough and bad enough to wake somebody."""
        return self.is_likely and self.severity.rank >= Severity.MEDIUM.rank

    @property
    def is_likely(self) -> bool:
        """More likely than not."""
        return self.confidence >= ALARM_CONFIDENCE

    @property
    def is_refuted(self) -> bool:
        """Somebody found it wrong, or harmless."""
        return self.verdict in UNFOUNDED

    @property
    def is_actionable(self) -> bool:
        """Whether what it names may be searched for elsewhere."""
        return self.is_likely and not self.is_refuted

    @property
    def is_v6(self) -> bool:
        """Whether it is about IPv6."""
        return self.source.is_v6 or self.destination.is_v6

    @property
    def protocol_number(self) -> int | None:
        """The IP protocol, as IANA numbers it."""
        if self.transport == "icmp" and self.is_v6:
            return _ICMP_V6
        return _PROTOCOL_NUMBERS.get(self.transport)

    @property
    def direction(self) -> str:
        """`outbound`, `inbound`, `internal` or `external`, seen from the private networks."""
        sides = (self.source.is_inside, self.destination.is_inside)
        if sides == (True, True):
            return "internal"
        if sides == (False, False):
            return "external"
        return "outbound" if self.source.is_inside else "inbound"

    @property
    def application(self) -> str:
        """What is spoken above the transport, in lower case, or ""."""
        if self.text("client_software") or self.text("server_software"):
            return "ssh"
        if self.category == "mining" or self.text("dialect"):
            return "stratum"
        return "tls" if self.text("sni") else ""

    @property
    def wallets(self) -> tuple[str, ...]:
        """The wallets the miner names, the first one first."""
        named = (*self.texts("wallet"), *self.texts("wallets"))
        return tuple(dict.fromkeys(named))[:MAX_WALLETS]

    @property
    def names(self) -> tuple[str, ...]:
        """Host names of the far end, plausible ones only."""
        found = [self.pool.name] if self.pool else []
        found += [*self.texts("names"), *self.texts("sni")]
        return tuple(dict.fromkeys(name for name in found if is_host_name(name)))

    @property
    def source_name(self) -> str:
        """Host name of the initiator: of a pool that opened the connection itself."""
        return self.pool.name if self.pool and self.pool.ip == self.source.ip else ""

    @property
    def destination_name(self) -> str:
        """Host name of the responder; a pool behind a proxy or only looked up is another end."""
        if self.pool:
            return self.pool.name if self.pool.ip == self.destination.ip else ""
        return next(iter(self.names), "")

    @property
    def packets(self) -> tuple[int, ...]:
        """Every frame number the evidence names, ascending."""
        return tuple(sorted({number for reason in self.reasons for number in reason.packets}))

    @property
    def reason_text(self) -> str:
        """The evidence in one line: each reason with its weight in log-odds."""
        return "; ".join(reason.text for reason in self.reasons)

    def text(self, name: str) -> str:
        """An attribute that is text, or the first of a list of texts; "" if there is none."""
        return next(iter(self.texts(name)), "")

    def texts(self, name: str) -> tuple[str, ...]:
        """An attribute that is a text or a list of texts."""
        item = self.attributes.get(name)
        items = item if isinstance(item, (list, tuple)) else [item]
        texts = [wording.value(text) for text in items if isinstance(text, str) and text]
        return tuple(texts[: wording.MAX_LISTED])

    def number(self, name: str) -> int | None:
        """An attribute that is a whole number and not negative."""
        return _whole(self.attributes.get(name), 2**63 - 1)

    def time(self, time_ns: int, resolution_ns: int = 0) -> str:
        """RFC 3339 text with the digits of the capture's clock, or of a clock that is named."""
        return rfc3339(time_ns, resolution_ns or self.resolution_ns)


def facts_of(document: Mapping[str, Any], inside: Sequence[str]) -> Facts:
    """Reads a native finding.

    Args:
        document: The finding by contract `outgate/finding/1`.
        inside: Networks that count as inside, as CIDR text.

    Raises:
        KeyError, TypeError, ValueError: It lacks what the contract demands.
    """
    networks = [ipaddress.ip_network(text, strict=False) for text in inside]
    first_ns, resolution_ns = parse_rfc3339(document["first_seen"])
    flow, capture = document["flow"], document.get("capture") or {}
    attributes = document.get("attributes") or {}
    return Facts(
        id=wording.value(str(document["id"]), 200),
        detector=wording.value(str(document["detector"]), 200),
        detector_version=int(document.get("detector_version", 1)),
        category=str(document["category"]),
        title=wording.shown(str(document["title"])),
        severity=Severity(document["severity"]),
        confidence=min(1.0, max(0.0, float(document["confidence"]))),
        first_ns=first_ns,
        last_ns=max(first_ns, parse_rfc3339(document["last_seen"])[0]),
        resolution_ns=resolution_ns,
        source=_end(flow["src_ip"], flow.get("src_port"), networks),
        destination=_end(flow["dst_ip"], flow.get("dst_port"), networks),
        transport=str(flow["transport"]),
        community_id=wording.value(str(flow.get("community_id") or "")),
        flows=max(1, int(document.get("flows", 1))),
        flow_ids=tuple(document.get("flow_ids") or ()),
        reasons=tuple(_reason(item) for item in document["evidence"][: wording.MAX_LISTED]),
        techniques=tuple(technique(name) for name in document["attack"][:MAX_TECHNIQUES]),
        attributes=attributes,
        not_visible=_sentences(document.get("not_visible")),
        next_steps=_sentences(document.get("next_steps")),
        capture_path=wording.value(str(capture.get("path", ""))),
        capture_sha256=str(capture.get("sha256", "")),
        pool=_pool(attributes.get("pool"), networks),
        **_of_service(document),
    )


def is_host_name(text: str) -> bool:
    """Whether a text is of the form of a host name with two labels or more (RFC 1123, and `_`)."""
    return (
        len(text) <= MAX_HOST_NAME_CHARS
        and _HOST_NAME.fullmatch(text) is not None
        and not text.rpartition(".")[2].isdigit()
    )


def _of_service(document: Mapping[str, Any]) -> dict[str, Any]:
    sequence = document.get("sequence")
    return {
        "tool_version": str(document.get("tool_version") or analyzer.__version__),
        "ruleset_version": wording.value(str(document.get("ruleset_version") or "")),
        "sequence": sequence if isinstance(sequence, int) else None,
        "version": int(document.get("version") or 1),
        "current": bool(document.get("current", True)),
        "status": str(document.get("status") or "new"),
        "verdict": str(document.get("verdict") or ""),
        "assignee": wording.value(str(document.get("assignee") or "")),
        "tags": tuple(wording.value(str(tag)) for tag in (document.get("tags") or ())[:MAX_TAGS]),
        "suppressed_by": wording.value(str(document.get("suppressed_by") or "")),
        "created_ns": _time_ns(document.get("created_at")),
        "updated_ns": _time_ns(document.get("updated_at")),
    }


def _time_ns(text: object) -> int:
    return parse_rfc3339(text)[0] if isinstance(text, str) and text else 0


def _end(address: object, port: object, networks: Sequence[Any]) -> End:
    text = wording.value(str(address))
    ip = _plain_ip(text)
    inside = bool(ip) and any(ipaddress.ip_address(ip) in network for network in networks)
    return End(address=text, ip=ip, port=_whole(port, 0xFFFF), is_inside=inside)


def _plain_ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return ""


def _whole(item: object, most: int) -> int | None:
    whole = isinstance(item, int) and not isinstance(item, bool) and 0 <= item <= most
    return item if whole and isinstance(item, int) else None


def _reason(item: Mapping[str, Any]) -> Reason:
    packets = item.get("packets") or ()
    return Reason(
        kind=wording.value(str(item["kind"]), 200),
        summary=wording.shown(str(item["summary"])),
        weight=float(item["weight"]),
        signature=wording.value(str(item.get("signature") or "")),
        packets=tuple(int(number) for number in packets[: wording.MAX_LISTED]),
    )


def _sentences(items: object) -> tuple[str, ...]:
    listed = items if isinstance(items, (list, tuple)) else ()
    return tuple(wording.shown(str(item)) for item in listed[: wording.MAX_LISTED])


def _pool(item: object, networks: Sequence[Any]) -> Pool | None:
    if not isinstance(item, dict):
        return None
    end = _end(item.get("ip") or "", item.get("port"), networks)
    name, operator = (item.get(key) or "" for key in ("name", "operator"))
    name = name if isinstance(name, str) and is_host_name(name) else ""
    operator = wording.value(operator) if isinstance(operator, str) else ""
    if not (end.ip or name):
        return None
    return Pool(
        ip=end.ip,
        port=end.port,
        name=name.lower(),
        operator=operator,
        is_inside=end.is_inside,
        is_name_backed=bool(operator) or item.get("name_source") == "dns",
    )
