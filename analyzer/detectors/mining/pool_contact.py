"""Finds hosts that look up or contact mining pools, by the names and addresses of signatures/pools.

It says who dealt with a pool, not that anybody mines: what the connection carries is for
`mining.stratum` to judge, and a look-up proves no more than that something knew the name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from analyzer.detectors.base import Context, DetectorMeta, make_finding
from analyzer.detectors.evidence import Case
from analyzer.detectors.mining.pool_dealings import Dealing, Dealings, Level, dealings_of
from analyzer.detectors.sightings import Reach
from analyzer.model import Category, Severity
from analyzer.times import NS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from analyzer.model import Finding
    from analyzer.observations import Observations
    from analyzer.ruleset import Pool, RuleSet

PRIOR = -1.0
"""About one in four: names and addresses that a list points at are still the operator's, and not
handed on, parked or shared, before it is asked how good the list is. The claim is contact with the
operator, nothing more, so there is little to overcome."""
LIST_CONFIDENCE = (0.5, 0.98)
"""Bounds of what a list is believed; its confidence in log-odds undoes the prior and speaks."""
TALKED = 1.0
CONNECTED = 0.5
LISTED_PORT = 1.0
"""The operator's own port besides the name: a page or another tenant would have another."""
SHARED_ADDRESS = -1.5
"""Of several names that led to an address any may be meant."""
MINING_SEEN = 2.0
ADDRESS_AGING = ((90, 0.0), (365, -1.0), (math.inf, -2.0))
"""Days between the capture and the day an address was seen, and what is lost: clouds hand
addresses on within months."""

MAX_NAMED = 3
MAX_LISTED = 32
SEVERITIES = {
    Level.PAGE_LOOKUP: Severity.INFO,
    Level.PAGE: Severity.INFO,
    Level.LOOKUP: Severity.LOW,
    Level.TRIED: Severity.LOW,
    Level.CONTACT: Severity.MEDIUM,
}
SOURCES = {
    "sni": "names it in TLS",
    "host": "names it in HTTP",
    "connect": "asks a proxy for it",
    "dns": "connects to the address it resolved to",
    "address": "connects to an address of the list",
}


@dataclass(frozen=True, slots=True)
class PoolContact:
    """Finds look-ups of pools and connections to them."""

    meta: ClassVar[DetectorMeta] = DetectorMeta(
        id="mining.pool_contact",
        version=1,
        title="names and addresses of mining pools",
        category=Category.POLICY,
        needs=frozenset({"flows"}),
        attack=("T1496",),
    )

    def run(self, observations: Observations, context: Context) -> Iterator[Finding]:
        """Yields one finding for each host and operator."""
        mining = set(observations.flow_ids("mining"))
        for dealings in dealings_of(observations, context.ruleset):
            yield self._finding(observations, context.ruleset, dealings, mining)

    def _finding(
        self, observations: Observations, ruleset: RuleSet, dealings: Dealings, mining: set[int]
    ) -> Finding:
        spoken = [item for item in dealings.all if item.contact and item.flow.flow_id in mining]
        case = Case(
            prior=PRIOR,
            prior_summary="before any reason: a list's names and addresses grow old or are shared",
        )
        _add_list(case, dealings)
        _add_contact(case, dealings)
        if spoken:
            text = "the same connection speaks a mining protocol, which another finding judges"
            frames = [item.flow.first_frame for item in spoken]
            case.add("protocol", text, MINING_SEEN, frames=frames)
        flows = list({item.flow.flow_id: item.flow for item in dealings.all}.values())
        return make_finding(
            self.meta,
            observations,
            case,
            flows,
            title=_title(dealings),
            severity=_severity(dealings),
            attributes=_attributes(dealings, ruleset, speaks_mining=bool(spoken)),
            not_visible=_not_visible(dealings),
            next_steps=_next_steps(dealings),
        )


def _add_list(case: Case, dealings: Dealings) -> None:
    """Why the list is believed; the weight is the rule's confidence."""
    gravest = dealings.gravest
    pool = gravest.match.pool
    closed = ", which has closed" if pool.closed else ""
    listed = f"a pool{closed}; listed by {pool.source}, checked on {pool.checked_on}"
    if gravest.match.by == "address":
        loss, seen = _aging(gravest)
        text = f"{_place(gravest)} was an address of {pool.operator} on {seen}, {listed}"
        case.add("intel", text, _list_weight(pool), signature=pool.id, frames=_frames([gravest]))
        if loss:
            case.add("intel", "addresses change hands, and this one was seen long ago", loss)
        return
    text = f"{_and_more(dealings.names)} belongs to {pool.operator}, {listed}"
    case.add("intel", text, _list_weight(pool), signature=pool.id, frames=_frames(dealings.all))


def _add_contact(case: Case, dealings: Dealings) -> None:
    """How far it came, in what the gravest dealing is about."""
    gravest = dealings.gravest
    asked = dealings.lookups()
    if asked:
        failures = sorted({lookup.failure for lookup in asked if lookup.failure})
        failed = f", answered with {' and '.join(failures)}" if failures else ""
        text = f"{_times(len(asked), 'DNS look-up')} by {dealings.host}{failed}"
        frames = [frame for lookup in asked for frame in lookup.frames]
        case.add("behaviour", text, 0.0, frames=frames)
    contact = gravest.contact
    if contact is None:
        return
    alike = dealings.at(gravest.level)
    up = sum(item.flow.up_payload for item in alike)
    down = sum(item.flow.down_payload for item in alike)
    flows = _times(len(alike), "connection")
    text = f"{flows}, {up} bytes out and {down} in; the host {SOURCES[contact.source]}"
    weight = {Reach.TALKED: TALKED, Reach.CONNECTED: CONNECTED}.get(contact.reach, 0.0)
    if contact.reach is Reach.TRIED:
        text = f"{_times(len(alike), 'attempt')} without an answer, or refused"
    case.add("behaviour", text, weight, frames=_frames(alike))
    if contact.shared:
        text = f"other names led to {contact.address} as well"
        case.add("intel", text, SHARED_ADDRESS, frames=[contact.frame])
    if gravest.match.role(contact.port) == "mining":
        text = f"{gravest.match.pool.operator} serves miners on port {contact.port}"
        case.add("port", text, LISTED_PORT, signature=gravest.match.pool.id)


def _list_weight(pool: Pool) -> float:
    low, high = LIST_CONFIDENCE
    confidence = max(low, min(high, pool.confidence))
    return math.log(confidence / (1 - confidence)) - PRIOR


def _aging(dealing: Dealing) -> tuple[float, date]:
    """What the age of an address costs, and the day it was seen."""
    rule = dealing.match.rule
    seen = next(item.seen for item in dealing.match.pool.networks if str(item.cidr) == rule)
    start_s = dealing.flow.start_ns // NS_PER_SECOND
    day = datetime.fromtimestamp(max(0, min(start_s, 2**33)), UTC).date()
    days = abs((day - seen).days)
    return next(loss for limit, loss in ADDRESS_AGING if days <= limit), seen


def _severity(dealings: Dealings) -> Severity:
    gravest = dealings.gravest
    contact = gravest.contact
    if contact is None:
        return SEVERITIES[gravest.level]
    if gravest.level is Level.TRIED and gravest.match.role(contact.port) == "mining":
        return Severity.MEDIUM
    if gravest.level is Level.PAGE and not gravest.match.web:
        # a miners' host on a port of the web: most likely a page, but not sure to be one
        return Severity.LOW
    return SEVERITIES[gravest.level]


def _title(dealings: Dealings) -> str:
    host, operator, place = dealings.host, dealings.operator, _place(dealings.gravest)
    match dealings.gravest.level:
        case Level.CONTACT:
            return f"{host} was in contact with the pool {operator} at {place}"
        case Level.TRIED:
            return f"{host} tried to reach the pool {operator} at {place}"
        case Level.LOOKUP:
            return f"{host} looked up {_and_more(dealings.names)} of the pool {operator}"
        case Level.PAGE:
            return f"{host} visited a web page of the pool {operator} at {place}"
    return f"{host} looked up a web page of the pool {operator}, {place}"


def _place(dealing: Dealing) -> str:
    contact = dealing.contact
    if contact is None:
        return dealing.name
    return f"{contact.name or contact.address}:{contact.port}"


def _attributes(dealings: Dealings, ruleset: RuleSet, *, speaks_mining: bool) -> dict[str, object]:
    gravest = dealings.gravest
    contact, pool = gravest.contact, gravest.match.pool
    port = contact.port if contact else 0
    servers = [f"{item.address}:{item.port}" for item in dealings.contacts()]
    return {
        "host": dealings.host,
        "level": str(gravest.level),
        "role": gravest.match.role(port) if contact else "web" if gravest.match.web else "",
        "pool": {
            "ip": contact.address if contact else "",
            "port": port or None,
            "name": gravest.name,
            "name_source": contact.source if contact else "dns",
            "operator": dealings.operator,
        },
        "coin": ruleset.coin_of(pool, gravest.name, port),
        "names": dealings.names[:MAX_LISTED],
        "servers": list(dict.fromkeys(servers))[:MAX_LISTED],
        "lookups": len(dealings.lookups()),
        "resolvers": sorted({lookup.server for lookup in dealings.lookups()})[:MAX_LISTED],
        "connections": len(dealings.at(Level.CONTACT)),
        "attempts": len(dealings.at(Level.TRIED)),
        "page_visits": len(dealings.at(Level.PAGE)),
        "bytes_out": sum(item.flow.up_payload for item in dealings.all if item.contact),
        "bytes_in": sum(item.flow.down_payload for item in dealings.all if item.contact),
        "speaks_mining": True if speaks_mining else None,
        "list": {"rule": pool.id, "source": pool.source, "checked_on": str(pool.checked_on)},
        "closed": True if pool.closed else None,
    }


def _not_visible(dealings: Dealings) -> list[str]:
    level = dealings.gravest.level
    hidden: list[str] = []
    if level in (Level.LOOKUP, Level.PAGE_LOOKUP):
        hidden.append("what the name was asked for, and any connection outside this capture")
        hidden.append(f"who asked, if {dealings.host} is a resolver")
    if level is Level.PAGE:
        hidden.append("whether a person or a program reads the page")
    if level is Level.TRIED:
        hidden.append("what would have been said")
    contact = dealings.gravest.contact
    if contact and contact.source == "address":
        hidden.append("a name of the server: it is known by its address alone")
    return hidden


def _next_steps(dealings: Dealings) -> list[str]:
    host = dealings.host
    if dealings.gravest.level in (Level.PAGE, Level.PAGE_LOOKUP):
        return [f"nothing, unless {host} is no place where people read web pages"]
    steps = [f"find the job or process on {host} that asked for or held the connection"]
    if dealings.gravest.level is Level.LOOKUP:
        steps.append("look for connections to addresses it may know by another way")
    else:
        steps.append("look at the same host for mining under encryption or through a relay")
    return steps


def _and_more(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MAX_NAMED])
    rest = len(names) - MAX_NAMED
    return f"{shown} and {rest} more" if rest > 0 else shown


def _times(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _frames(dealings: Sequence[Dealing]) -> list[int]:
    frames: list[int] = []
    for item in dealings:
        if item.lookup:
            frames.extend(item.lookup.frames)
        if item.contact:
            frames.extend((item.contact.frame, item.flow.first_frame))
    return frames
