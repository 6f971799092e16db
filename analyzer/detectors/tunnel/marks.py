"""Collects what gives tunnel tools and services away, flow by flow and look-up by look-up.

A mark is a fact with the strength that signatures/relays gives it; what marks add up to is judged
in `relay.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from analyzer.detectors.sightings import Contact, Lookup, Reach, contacts, lookups, rows_with
from analyzer.detectors.tunnel import greetings
from analyzer.ruleset import HttpFacts, Relay

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analyzer.observations import Flow, Observations
    from analyzer.ruleset import RelayMatch, RuleSet

BATCH_ROWS = 4096
HTTP_FACTS = ("target", "ws_protocol", "user_agent", "upgrade")
SWITCHING_PROTOCOLS = 101
MAX_SSH_ROWS = 4
MAX_HIT_ROWS = 64

SOCKS = Relay(
    id="socks",
    title="a SOCKS proxy",
    kind="tunnel",
    source="RFC 1928; SOCKS: A protocol for TCP proxy across firewalls (version 4)",
    checked_on=date(2026, 7, 31),
    confidence=0.95,
)
"""A protocol and not a tool, so it is no rule data; any program may speak it."""


SSH_SERVICES = frozenset({"serveo", "localhost-run", "pinggy"})
"""Their tunnels are opened with plain ssh, and their visitors come with HTTP: SSH to a name of
theirs is the inside opening one."""


class Strength(IntEnum):
    """What a mark is worth by itself."""

    NAMED = 1
    """A name in DNS; asked for, nothing more."""
    WEAK = 2
    """Others do it too."""
    SERVICE = 3
    """A name that only the tool asks for, and a connection to it."""
    CLEAR = 4
    """Nothing else speaks so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One sign of one tool.

    Attributes:
        relay: The tool or service.
        kind: `lookup`, `name`, `alpn`, `http`, `ssh`, `udp`, `payload`, `greeting`, `port`.
        text: What was seen, as a clause; holds wire text.
        strength: What it is worth.
        host: The host that has to answer for it.
        flow: Where it was seen.
        frames: Frames that show it.
        rule: What matched, as the rule writes it.
        contact: The contact, for `name`.
        answered: The other end played along, or at least let it happen.
    """

    relay: Relay
    kind: str
    text: str
    strength: Strength
    host: str
    flow: Flow
    frames: tuple[int, ...] = ()
    rule: str = ""
    contact: Contact | None = None
    answered: bool = True


def find_marks(observations: Observations, ruleset: RuleSet) -> Iterator[Mark]:
    """Every mark in a capture; those of one flow are not always next to each other."""
    yield from _lookup_marks(observations, ruleset)
    yield from _name_marks(observations, ruleset)
    yield from _tls_marks(observations, ruleset)
    yield from _http_marks(observations, ruleset)
    yield from _ssh_marks(observations, ruleset)
    yield from _hit_marks(observations, ruleset)
    yield from _label_marks(observations, ruleset)
    yield from _opening_marks(observations, ruleset)


def port_marks(marks: Sequence[Mark], ruleset: RuleSet) -> list[Mark]:
    """The tool's own port besides other marks of it, once a flow: it never stands alone."""
    found: dict[int, Mark] = {}
    for mark in marks:
        flow = mark.flow
        if mark.kind == "lookup" or flow.flow_id in found:
            continue
        for match in ruleset.match_relay_port(flow.dst_port, flow.transport):
            if match.relay.id == mark.relay.id:
                text = f"{match.rule} is where {mark.relay.title} listens unless told otherwise"
                found[flow.flow_id] = Mark(
                    relay=mark.relay,
                    kind="port",
                    text=text,
                    strength=Strength.WEAK,
                    host=mark.host,
                    flow=flow,
                    rule=match.rule,
                )
    return list(found.values())


def _lookup_marks(observations: Observations, ruleset: RuleSet) -> Iterator[Mark]:
    def match_of(name: str) -> RelayMatch | None:
        return ruleset.match_relay_name(name) or ruleset.match_relay_query(name)

    for lookup in lookups(observations, lambda name: match_of(name) is not None):
        if match := match_of(lookup.name):
            yield Mark(
                relay=match.relay,
                kind="lookup",
                text=_lookup_text(lookup, match),
                strength=Strength.NAMED if match.strength == "clear" else Strength.WEAK,
                host=lookup.asker,
                flow=lookup.flow,
                frames=lookup.frames,
                rule=match.rule,
                answered=not lookup.failure,
            )


def _lookup_text(lookup: Lookup, match: RelayMatch) -> str:
    only = "only its program asks for" if match.strength == "clear" else "visitors ask for too"
    kind = "begins as its queries do" if match.mark == "query" else f"is a name {only}"
    failed = f", answered with {lookup.failure}" if lookup.failure else ""
    return f"asks DNS for {lookup.name}, which {kind}{failed}"


def _name_marks(observations: Observations, ruleset: RuleSet) -> Iterator[Mark]:
    for contact in contacts(observations, lambda name: ruleset.match_relay_name(name) is not None):
        match = ruleset.match_relay_name(contact.name)
        if match is None:
            continue
        opens = match.relay.id in SSH_SERVICES and contact.flow.app == "ssh"
        clear = (match.strength == "clear" or opens) and not contact.shared
        yield Mark(
            relay=match.relay,
            kind="name",
            text=_contact_text(contact, clear=clear, over_ssh=opens),
            strength=Strength.SERVICE if clear else Strength.WEAK,
            host=contact.host,
            flow=contact.flow,
            frames=(contact.frame, contact.flow.first_frame),
            rule=match.rule,
            contact=contact,
            answered=contact.reach is Reach.TALKED,
        )


def _contact_text(contact: Contact, *, clear: bool, over_ssh: bool) -> str:
    way = {
        "sni": "names {} in TLS",
        "host": "names {} in HTTP",
        "connect": "asks a proxy for {}",
        "dns": "connects to the address that {} resolved to",
    }[contact.source].format(contact.name)
    reach = {
        Reach.TRIED: ", without an answer",
        Reach.CONNECTED: ", without an answer in data",
        Reach.TALKED: "",
    }[contact.reach]
    only = "only the program inside uses it" if clear else "visitors and others use it too"
    if over_ssh:
        only = "it speaks SSH to it, which is how its tunnels are opened"
    return f"{way}{reach}: {only}"


def _tls_marks(observations: Observations, ruleset: RuleSet) -> Iterator[Mark]:
    for row in rows_with(observations, "tls", "alpn", lambda alpn: bool(ruleset.match_alpn(alpn))):
        for match in ruleset.match_alpn(row["alpn"]) if row["up"] else ():
            text = f"offers the application protocol {match.rule} in TLS"
            yield _mark(observations, match, row, "alpn", text)


def _http_marks(observations: Observations, ruleset: RuleSet) -> Iterator[Mark]:
    seen: set[tuple[int, str, str]] = set()
    for row in _requests(observations):
        facts = HttpFacts(**{name: row[name] for name in HTTP_FACTS})
        for match in ruleset.match_http(facts):
            key = (row["flow_id"], match.relay.id, match.rule)
            if key in seen:
                continue
            seen.add(key)
            switched = _is_switched(observations, row["flow_id"])
            ended = "and the server switches" if switched else "and no switch was seen"
            text = f"sends an HTTP request as it does ({match.rule}), {ended}"
            yield _mark(observations, match, row, "http", text, answered=switched)


def _requests(observations: Observations) -> Iterator[dict[str, Any]]:
    table = observations.arrow("http").select(["flow_id", "frame", "kind", *HTTP_FACTS])
    for batch in table.to_batches(max_chunksize=BATCH_ROWS):
        yield from (row for row in batch.to_pylist() if row["kind"] == "request")


def _is_switched(observations: Observations, flow_id: int) -> bool:
    return any(row["status"] == SWITCHING_PROTOCOLS for row in observations.rows("http", flow_id))


def _ssh_marks(observations: Observations, ruleset: RuleSet) -> Iterator[Mark]:
    for flow_id in observations.flow_ids("ssh"):
        for row in observations.rows("ssh", flow_id)[:MAX_SSH_ROWS]:
            client, server = row["client_banner"], row["server_banner"]
            for match in ruleset.match_ssh(client_banner=client, server_banner=server):
                inside = f" inside {row['carrier']}" if row["carrier"] else ""
                text = f"introduces itself in SSH{inside}: {client} to {server or '(no answer)'}"
                both = bool(client and server)
                yield _mark(observations, match, row, "ssh", text, answered=both)


def _hit_marks(observations: Observations, ruleset: RuleSet) -> Iterator[Mark]:
    """Payload patterns.

    Only bytes that are no text, at the very beginning, are the tool's own: other text may begin
    alike, and in the middle of a stream anybody may quote it.
    """
    at_start = {payload.id for payload in ruleset.payloads if payload.at_start}
    binary = {payload.id for payload in ruleset.payloads if not _is_text(payload.pattern)}
    titles = {payload.id: payload.title for payload in ruleset.payloads}
    for flow_id in observations.flow_ids("hits"):
        for row in observations.rows("hits", flow_id)[:MAX_HIT_ROWS]:
            for match in ruleset.relays_of_payload(row["pattern"]):
                first = row["pattern"] in at_start
                place = "its first bytes" if first else f"byte {row['offset']} of its payload"
                text = f"{titles[row['pattern']]}, at {place}"
                clear = first and match.strength == "clear" and row["pattern"] in binary
                strength = Strength.CLEAR if clear else Strength.WEAK
                yield _mark(observations, match, row, "payload", text, strength=strength)


def _is_text(pattern: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in pattern)


def _label_marks(observations: Observations, ruleset: RuleSet) -> Iterator[Mark]:
    relays = {relay.id: relay for relay in ruleset.relays}
    for row in rows_with(observations, "labels", "name", greetings.is_label):
        greeting = greetings.of_label(row["name"], row["detail"])
        if greeting is None:
            continue
        relay = SOCKS if greeting.relay == SOCKS.id else relays.get(greeting.relay)
        if relay is None:
            continue
        flow = observations.flow(row["flow_id"])
        yield _greeting_mark(observations, relay, flow, greeting, row["frame"])


def _opening_marks(observations: Observations, ruleset: RuleSet) -> Iterator[Mark]:
    """First bytes of flows that no parser took."""
    relays = {relay.id: relay for relay in ruleset.relays}
    for row in _unknown_openings(observations):
        up, down = bytes(row["prefix_up"] or b""), bytes(row["prefix_down"] or b"")
        if row["proto"] == 17:
            for match in (*ruleset.match_udp(up, "up"), *ruleset.match_udp(down, "down")):
                text = f"a datagram begins with {match.rule}"
                yield _mark(observations, match, _opening_row(row), "udp", text)
            continue
        greeting = greetings.of_opening(up, down)
        if greeting and greeting.relay in relays:
            flow = observations.flow(row["flow_id"])
            frame = _first_data_frame(observations, row)
            yield _greeting_mark(observations, relays[greeting.relay], flow, greeting, frame)


def _unknown_openings(observations: Observations) -> Iterator[dict[str, Any]]:
    from pyarrow import compute  # noqa: PLC0415 - slow to import

    columns = ["flow_id", "proto", "app", "prefix_up", "prefix_down", "first_frame"]
    table = observations.arrow("flows").select(columns)
    unknown = table.filter(compute.equal(table.column("app").cast("string"), ""))
    for batch in unknown.to_batches(max_chunksize=BATCH_ROWS):
        yield from batch.to_pylist()


def _opening_row(row: dict[str, Any]) -> dict[str, Any]:
    return {"flow_id": row["flow_id"], "frame": row["first_frame"]}


def _first_data_frame(observations: Observations, row: dict[str, Any]) -> int:
    """Where the opening stands; the flow's first frame if its segments were not kept."""
    first = observations.first_row("segments", row["flow_id"])
    return int(first["frame"] if first else row["first_frame"])


def _greeting_mark(
    observations: Observations,
    relay: Relay,
    flow: Flow,
    greeting: greetings.Greeting,
    frame: int,
) -> Mark:
    return Mark(
        relay=relay,
        kind="greeting",
        text=greeting.text,
        strength=Strength.CLEAR if greeting.is_clear else Strength.WEAK,
        host=responsible_host(observations, flow),
        flow=flow,
        frames=(frame,),
        rule=greeting.rule,
        answered=bool(flow.up_payload and flow.down_payload),
    )


def _mark(
    observations: Observations,
    match: RelayMatch,
    row: dict[str, Any],
    kind: str,
    text: str,
    *,
    strength: Strength | None = None,
    answered: bool | None = None,
) -> Mark:
    flow = observations.flow(row["flow_id"])
    own = Strength.CLEAR if match.strength == "clear" else Strength.WEAK
    talked = bool(flow.up_payload and flow.down_payload)
    return Mark(
        relay=match.relay,
        kind=kind,
        text=text,
        strength=own if strength is None else strength,
        host=responsible_host(observations, flow),
        flow=flow,
        frames=(row["frame"],),
        rule=match.rule,
        answered=talked if answered is None else answered,
    )


def responsible_host(observations: Observations, flow: Flow) -> str:
    """Which end is to be asked: the inside one, the initiator if both are inside or neither."""
    only_responder = observations.is_inside(flow.dst_ip) and not observations.is_inside(flow.src_ip)
    return flow.dst_ip if only_responder else flow.src_ip
