"""What one host had to do with one pool's operator: look-ups, attempts, contacts, page visits."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from analyzer.detectors.sightings import Contact, Lookup, Reach, contacts, lookups

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analyzer.observations import Flow, Observations
    from analyzer.ruleset import PoolMatch, RuleSet


class Level(StrEnum):
    """What dealings amount to, the least first."""

    PAGE_LOOKUP = "page name looked up"
    PAGE = "page visited"
    LOOKUP = "looked up"
    TRIED = "tried"
    CONTACT = "contact"

    @property
    def rank(self) -> int:
        """0 for the least."""
        return list(Level).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealing:
    """One DNS conversation or one flow, and the pool it is about."""

    match: PoolMatch
    level: Level
    lookup: Lookup | None = None
    contact: Contact | None = None

    @property
    def flow(self) -> Flow:
        """The flow it was seen in."""
        seen = self.contact or self.lookup
        if seen is None:
            raise ValueError("a dealing is a look-up or a contact")
        return seen.flow

    @property
    def name(self) -> str:
        """The pool's name, "" if it is known by its address alone."""
        seen = self.contact or self.lookup
        return seen.name if seen else ""

    @property
    def order(self) -> tuple[int, int, int]:
        """The gravest first, then the furthest, then the earliest."""
        reach = self.contact.reach.rank if self.contact else -1
        return (-self.level.rank, -reach, self.flow.start_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealings:
    """All dealings of one host with one operator, the gravest first."""

    host: str
    operator: str
    all: tuple[Dealing, ...] = field(default=())

    @property
    def gravest(self) -> Dealing:
        """What the rest is measured by."""
        return self.all[0]

    @property
    def names(self) -> list[str]:
        """The pool's names that were seen, those of the gravest dealings first."""
        return list(dict.fromkeys(dealing.name for dealing in self.all if dealing.name))

    def at(self, *levels: Level) -> list[Dealing]:
        """Those of some levels."""
        return [dealing for dealing in self.all if dealing.level in levels]

    def contacts(self) -> list[Contact]:
        """The flows to the pool itself, tried ones and page visits among them."""
        return [dealing.contact for dealing in self.all if dealing.contact]

    def lookups(self) -> list[Lookup]:
        """The DNS conversations."""
        return [dealing.lookup for dealing in self.all if dealing.lookup]


def dealings_of(observations: Observations, ruleset: RuleSet) -> list[Dealings]:
    """Everything hosts had to do with pools, by host and operator, in order of flow id."""
    groups: dict[tuple[str, str], list[Dealing]] = defaultdict(list)
    for lookup in lookups(observations, lambda name: ruleset.match_name(name) is not None):
        if match := ruleset.match_name(lookup.name):
            level = Level.PAGE_LOOKUP if match.web else Level.LOOKUP
            dealing = Dealing(match=match, level=level, lookup=lookup)
            groups[lookup.asker, match.pool.operator].append(dealing)
    for contact in _pool_contacts(observations, ruleset):
        by_name = ruleset.match_name(contact.name) if contact.name else None
        if match := by_name or ruleset.match_address(contact.address):
            dealing = Dealing(match=match, level=_level(match, contact), contact=contact)
            groups[contact.host, match.pool.operator].append(dealing)
    return [
        Dealings(host=host, operator=operator, all=_gravest_first(found))
        for (host, operator), found in groups.items()
    ]


def _pool_contacts(observations: Observations, ruleset: RuleSet) -> Iterable[Contact]:
    return contacts(
        observations,
        lambda name: ruleset.match_name(name) is not None,
        lambda address: ruleset.match_address(address) is not None,
    )


def _level(match: PoolMatch, contact: Contact) -> Level:
    if match.role(contact.port) == "web":
        return Level.PAGE
    return Level.TRIED if contact.reach is Reach.TRIED else Level.CONTACT


def _gravest_first(found: Iterable[Dealing]) -> tuple[Dealing, ...]:
    return tuple(sorted(found, key=lambda dealing: dealing.order))
