"""Finds tunnel tools and services by their clear marks: banners, requests, first bytes, names.

The marks are data in signatures/relays. Here they are weighed: what only the tool itself says is an
alarm, what visitors of a published page or other programs say as well is a note. A reverse tunnel
is reported as one only where the wire shows the tool at work, never for a look-up.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from analyzer.detectors.base import Context, DetectorMeta, make_finding
from analyzer.detectors.evidence import Case
from analyzer.detectors.tunnel.greetings import WstunnelToken, wstunnel_token
from analyzer.detectors.tunnel.marks import SOCKS, Mark, Strength, find_marks, port_marks
from analyzer.model import Category, Severity, endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analyzer.model import Finding
    from analyzer.observations import Flow, Observations
    from analyzer.ruleset import Relay as Tool

PRIOR = -2.0
"""One in eight: of all that a mark of any strength points at, most are visitors of pages that
somebody else published, names in passing, and other programs that look alike."""
WEIGHTS = {
    # Nothing else says so, and where it is said nothing is quoted: the tool itself is speaking.
    # http: the tools that name themselves there say it in one request; a scanner may, too.
    ("ssh", Strength.CLEAR): 6.0,
    ("http", Strength.CLEAR): 5.0,
    ("alpn", Strength.CLEAR): 5.0,
    ("greeting", Strength.CLEAR): 5.0,
    ("udp", Strength.CLEAR): 4.0,
    ("payload", Strength.CLEAR): 4.0,
    # A name that only the program inside asks for, and a server that answered there.
    ("name", Strength.SERVICE): 3.5,
    ("lookup", Strength.NAMED): 2.5,
    # Few bytes, or one side of an exchange only.
    ("greeting", Strength.WEAK): 2.5,
    # Whoever opens a page that is published through the service asks for such a name.
    ("name", Strength.WEAK): 1.5,
    ("lookup", Strength.WEAK): 1.5,
    ("port", Strength.WEAK): 0.7,
}
WEIGHT_OTHERWISE = 1.0
"""Weak requests, banners, datagrams and patterns in mid-stream: alone below what is reported."""
UNANSWERED = -1.5
"""A server that never answers is no tunnel; that somebody tried remains."""
MIN_CONFIDENCE = 0.3
"""Below, it is likelier than two to one that nothing was there, and nobody wants to read it."""

FAMILIES = {
    "ssh": "protocol",
    "http": "protocol",
    "alpn": "protocol",
    "greeting": "protocol",
    "udp": "signature",
    "payload": "signature",
    "name": "intel",
    "lookup": "intel",
    "port": "port",
}
CATEGORIES = {
    "reverse_tunnel": Category.REVERSE_TUNNEL,
    "tunnel": Category.TUNNEL,
    "vpn": Category.VPN,
}
MAX_REASONS = 12
MAX_LISTED = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The marks of one tool on one host, the strongest first."""

    tool: Tool
    host: str
    marks: tuple[Mark, ...]
    token: WstunnelToken | None
    leaves: bool

    @property
    def best(self) -> Mark:
        """The mark that the rest supports."""
        return self.marks[0]

    @property
    def flows(self) -> list[Flow]:
        """The flows, that of the best mark first."""
        return list({mark.flow.flow_id: mark.flow for mark in self.marks}.values())

    @property
    def is_sure(self) -> bool:
        """The tool itself was seen, and somebody answered it."""
        return self.best.strength >= Strength.SERVICE and self.best.answered

    @property
    def is_tried(self) -> bool:
        """The tool itself was seen, and nobody answered."""
        return self.best.strength >= Strength.SERVICE and not self.best.answered

    @property
    def category(self) -> Category:
        """By the tool's kind; a way in is claimed only where the tool itself was seen."""
        if self.token and self.token.is_reverse:
            return Category.REVERSE_TUNNEL
        kind = CATEGORIES[self.tool.kind]
        on_wire = self.is_sure or (self.is_tried and self.best.strength is Strength.CLEAR)
        return Category.TUNNEL if kind is Category.REVERSE_TUNNEL and not on_wire else kind

    @property
    def is_server(self) -> bool:
        """The host did not open the connection: somebody came to it."""
        return self.host != self.best.flow.src_ip

    @property
    def place(self) -> str:
        """The other end, by name where the flow has one."""
        flow, contact = self.best.flow, self.best.contact
        if contact:
            return f"{contact.name}:{contact.port}"
        return flow.src_ip if self.is_server else endpoint(flow.dst_ip, flow.dst_port)


@dataclass(frozen=True, slots=True)
class Relay:
    """Finds tunnel tools and services."""

    meta: ClassVar[DetectorMeta] = DetectorMeta(
        id="tunnel.relay",
        version=1,
        title="marks of tunnel tools and services",
        category=Category.TUNNEL,
        needs=frozenset({"flows"}),
        attack=("T1572", "T1090"),
    )

    def run(self, observations: Observations, context: Context) -> Iterator[Finding]:
        """Yields one finding for each host and tool, and server where it is one of one's own."""
        for marks in _grouped(list(find_marks(observations, context.ruleset))):
            ports = port_marks(marks, context.ruleset)
            sighting = _sighting(observations, [*marks, *ports])
            case = _case(sighting)
            if case.confidence < MIN_CONFIDENCE:
                continue
            yield make_finding(
                self.meta,
                observations,
                case,
                sighting.flows,
                title=_title(sighting),
                severity=_severity(sighting),
                attributes=_attributes(observations, sighting),
                not_visible=_not_visible(sighting),
                next_steps=_next_steps(sighting),
                category=sighting.category,
            )


def _grouped(marks: Sequence[Mark]) -> list[list[Mark]]:
    """By host and tool; flows to servers that no name of the service leads to are kept apart.

    A network of peers (a VPN) is one finding, however many peers there are.
    """
    named = {(mark.flow.flow_id, mark.relay.id) for mark in marks if mark.kind == "name"}
    groups: dict[tuple[str, str, str], list[Mark]] = defaultdict(list)
    for mark in marks:
        flow = mark.flow
        together = (
            mark.kind == "lookup"
            or mark.relay.kind == "vpn"
            or (flow.flow_id, mark.relay.id) in named
        )
        other = flow.dst_ip if mark.host == flow.src_ip else flow.src_ip
        groups[mark.host, mark.relay.id, "" if together else other].append(mark)
    return list(groups.values())


def _sighting(observations: Observations, marks: Sequence[Mark]) -> Sighting:
    ordered = sorted(
        marks, key=lambda m: (-m.strength * m.answered, -m.strength, m.flow.start_ns, m.kind)
    )
    best = ordered[0]
    flow = best.flow
    other = flow.dst_ip if best.host == flow.src_ip else flow.src_ip
    leaves = observations.is_inside(best.host) and not observations.is_inside(other)
    return Sighting(
        tool=best.relay,
        host=best.host,
        marks=tuple(ordered),
        token=_token(observations, best) if best.relay.id == "wstunnel" else None,
        leaves=leaves,
    )


def _token(observations: Observations, mark: Mark) -> WstunnelToken | None:
    for row in observations.rows("http", mark.flow.flow_id):
        if row["ws_protocol"] and (token := wstunnel_token(row["ws_protocol"])):
            return token
    return None


def _case(sighting: Sighting) -> Case:
    case = Case(
        prior=PRIOR,
        prior_summary="before any reason: most of what such marks point at is in passing",
    )
    groups: dict[tuple[str, str], list[Mark]] = defaultdict(list)
    for mark in sighting.marks:
        groups[mark.kind, mark.rule].append(mark)
    for (kind, _), marks in list(groups.items())[:MAX_REASONS]:
        first = marks[0]
        weight = WEIGHTS.get((kind, first.strength), WEIGHT_OTHERWISE)
        if not first.answered and first.strength >= Strength.SERVICE:
            weight += UNANSWERED
        flows = len({mark.flow.flow_id for mark in marks})
        again = f" (on {flows} flows)" if flows > 1 else ""
        frames = [frame for mark in marks for frame in mark.frames]
        case.add(
            FAMILIES[kind],
            f"{first.text}{again}",
            weight,
            frames=frames,
            signature=first.rule if kind == "payload" else sighting.tool.id,
        )
    if sighting.token:
        text = f"its token asks for {sighting.token.mode}"
        to = f" to {sighting.token.target}" if sighting.token.target else ""
        case.add("protocol", text + to, 3.0, frames=sighting.best.frames)
    return case


def _severity(sighting: Sighting) -> Severity:
    best, category = sighting.best, sighting.category
    if sighting.is_tried:
        # whoever comes from outside and is not answered may be looking for such servers
        own_try = best.strength is Strength.CLEAR and not sighting.is_server
        return Severity.MEDIUM if own_try else Severity.LOW
    if not sighting.is_sure:
        visitor = best.kind == "lookup" and best.strength is Strength.WEAK
        return Severity.INFO if visitor else Severity.LOW
    if category is Category.REVERSE_TUNNEL:
        by_itself = best.strength is Strength.CLEAR and sighting.leaves
        return Severity.HIGH if by_itself else Severity.MEDIUM
    return Severity.MEDIUM if sighting.leaves else Severity.LOW


def _title(sighting: Sighting) -> str:
    host, tool, place = sighting.host, sighting.tool.title, sighting.place
    if sighting.best.kind == "lookup":
        names = list(dict.fromkeys(mark.rule for mark in sighting.marks))
        return f"{host} looked up a name of {tool} ({names[0]})"
    if sighting.is_server:
        return _server_title(sighting)
    if sighting.is_tried:
        return f"{host} tried to use {tool} at {place}"
    if not sighting.is_sure:
        visits = ", or visits what it carries," if sighting.best.kind == "name" else ""
        return f"{host} may be using {tool}{visits} at {place}"
    if sighting.token:
        to = f" to {sighting.token.target}" if sighting.token.target else ""
        return f"{host} uses {tool} at {place} for {sighting.token.mode}{to}"
    return f"{host} uses {tool} at {place}"


def _server_title(sighting: Sighting) -> str:
    host, tool, guest = sighting.host, sighting.tool.title, sighting.best.flow.src_ip
    if sighting.is_tried:
        return f"{guest} tried to use {tool} at {host}"
    verb = "serves" if sighting.is_sure else "may be serving"
    return f"{host} {verb} {tool} to {guest}"


def _attributes(observations: Observations, sighting: Sighting) -> dict[str, object]:
    marks, token = sighting.marks, sighting.token
    carriers = [mark for mark in marks if mark.kind != "lookup"]
    ends = [endpoint(mark.flow.dst_ip, mark.flow.dst_port) for mark in carriers]
    flows = {mark.flow.flow_id: mark.flow for mark in carriers}
    rows = [row for number in flows for row in observations.rows("tls", number) if row["up"]]
    banners = [row for number in flows for row in observations.rows("ssh", number)]
    return {
        "tool": sighting.tool.id,
        "tool_title": sighting.tool.title,
        "kind": sighting.tool.kind,
        "host": sighting.host,
        "servers": list(dict.fromkeys(ends))[:MAX_LISTED],
        "names": _distinct(mark.contact.name for mark in marks if mark.contact),
        "looked_up": _distinct(mark.rule for mark in marks if mark.kind == "lookup"),
        "marks": _distinct(f"{mark.kind}: {mark.rule}" for mark in marks),
        "sni": _distinct(row["sni"] for row in rows),
        "ja4": _distinct(row["ja4"] for row in rows),
        "client_software": _distinct(row["client_banner"] for row in banners),
        "server_software": _distinct(row["server_banner"] for row in banners),
        "mode": token.mode if token else "",
        "target": token.target if token else "",
        "bytes_out": sum(flow.up_payload for flow in flows.values()),
        "bytes_in": sum(flow.down_payload for flow in flows.values()),
        "source": sighting.tool.source,
    }


def _distinct(values: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))[:MAX_LISTED]


def _not_visible(sighting: Sighting) -> list[str]:
    best, tool = sighting.best, sighting.tool
    if best.kind == "lookup":
        return [
            "any connection outside this capture",
            f"who asked, if {sighting.host} is a resolver",
        ]
    hidden = ["what runs through it, and which inside service it leads to"]
    if token := sighting.token:
        hidden = [f"what runs through it; that it is {token.mode} is the client's own word"]
    if best.kind == "name" and best.contact and not best.contact.is_exact:
        hidden.append("whether this connection is the service's: it is known by its address")
    if best.kind == "name" and best.contact and best.contact.source == "sni":
        hidden.append("whether the server is who the name says: names in TLS are the client's word")
    if tool.id == "chisel":
        hidden.append("the direction: chisel forwards either way")
    if best.strength is Strength.WEAK and best.kind == "name":
        hidden.append(f"whether {sighting.host} publishes something or visits what others publish")
    return hidden


def _next_steps(sighting: Sighting) -> list[str]:
    host, title = sighting.host, sighting.tool.title
    port = sighting.best.flow.src_port
    if sighting.best.kind == "lookup":
        return [f"find which process on {host} asked, and whether {title} is installed there"]
    steps = [f"find the process on {host} with source port {port}, and who runs it"]
    if sighting.tool is not SOCKS:
        steps.append(f"check whether {title} was approved for {host}")
    if sighting.category is Category.REVERSE_TUNNEL:
        steps.append(f"look for logins on {host} and beside it that came through the tunnel")
    return steps
