"""The rule data and the detectors that findings are made with, to be read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, get_args

from fastapi import Path, Query

from analyzer import ruleset
from analyzer.detectors import BUILTIN
from analyzer.ruleset import Coin, Payload, Pool, Relay, Rule, RuleSet
from api.dependencies import FindingsReader
from api.errors import Problem
from api.routing import ServiceRouter
from api.schemas import DEFAULT_PAGE, MAX_ID_CHARS, MAX_PAGE
from api.schemas_rules import (
    DetectorOut,
    Detectors,
    RuleExplained,
    RuleKind,
    RuleOut,
    Rules,
    RulesPage,
)

router = ServiceRouter(prefix="/v1", tags=["rules"])
RuleId = Annotated[str, Path(min_length=1, max_length=MAX_ID_CHARS, description="id of the rule")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Every rule there is.

    Attributes:
        used: Those of analyses.
        every: Those and the nursery's.
        rules: All of them by kind and id, in the order of kinds and ids.
    """

    used: RuleSet
    every: RuleSet
    rules: Mapping[str, RuleOut]


@router.get("/rules", summary="Rules, by id")
def list_rules(
    caller: FindingsReader,  # noqa: ARG001 - checks the scope
    kind: Annotated[RuleKind | None, Query(description="of this kind alone")] = None,
    text: Annotated[str, Query(max_length=100, description="part of id or title")] = "",
    after: Annotated[str, Query(max_length=MAX_ID_CHARS, description="ids behind this one")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> Rules:
    """Lists pools, relays, coins and payload patterns. They come with the program: read only."""
    catalogue = _catalogue()
    wanted = text.casefold()
    found = [
        rule
        for rule in catalogue.rules.values()
        if kind in {None, rule.kind} and wanted in f"{rule.id}\n{rule.title}".casefold()
    ]
    start = bisect_right([rule.id for rule in found], after) if after else 0
    shown = found[start : start + limit]
    return Rules(
        data=shown,
        page=RulesPage(
            next_cursor=shown[-1].id if shown else after,
            has_more=len(found) > start + limit,
            ruleset_version=catalogue.used.version,
        ),
    )


@router.get("/rules/{rule_id}", summary="One rule, explained")
def read_rule(rule_id: RuleId, caller: FindingsReader) -> RuleExplained:  # noqa: ARG001 - the scope
    """Says what a rule holds, where it comes from and when that was checked."""
    catalogue = _catalogue()
    rule = catalogue.rules.get(rule_id)
    if rule is None:
        raise Problem(
            "not-found",
            detail=f"cannot find a rule with the id {rule_id}",
            hint="GET /v1/rules lists them",
        )
    lines = ruleset.explain(catalogue.every, rule_id).splitlines()
    return RuleExplained(**rule.model_dump(), explanation=[line.strip() for line in lines])


@router.get("/detectors", summary="What makes findings")
def list_detectors(caller: FindingsReader) -> Detectors:  # noqa: ARG001 - checks the scope
    """Lists the detectors with what each needs to see."""
    metas = [detector.meta for detector in BUILTIN]
    return Detectors(
        data=[
            DetectorOut(
                id=meta.id,
                version=meta.version,
                title=meta.title,
                category=meta.category,
                needs=sorted(meta.needs),
                attack=list(meta.attack),
            )
            for meta in metas
        ]
    )


@lru_cache(maxsize=1)
def _catalogue() -> Catalogue:
    """Read once: rule data comes with the program and does not change while it runs."""
    used, every = ruleset.load(), ruleset.load(nursery=True)
    in_use = {rule.id for rule in _rules(used)}
    listed = sorted((_rule_out(rule, rule.id in in_use) for rule in _rules(every)), key=_by_id)
    return Catalogue(used=used, every=every, rules={rule.id: rule for rule in listed})


def _by_id(rule: RuleOut) -> str:
    return rule.id


def _rules(loaded: RuleSet) -> Iterator[Rule]:
    yield from loaded.pools
    yield from loaded.relays
    yield from loaded.coins
    yield from loaded.payloads


def _rule_out(rule: Rule, in_use: bool) -> RuleOut:
    checked_on = getattr(rule, "checked_on", None)
    return RuleOut(
        id=rule.id,
        kind=_kind(rule),
        title=_title(rule),
        source=rule.source,
        checked_on=checked_on.isoformat() if checked_on else None,
        confidence=getattr(rule, "confidence", None),
        enabled=in_use,
        nursery=not in_use,
    )


def _kind(rule: Rule) -> RuleKind:
    name = type(rule).__name__.lower()
    return next(kind for kind in get_args(RuleKind) if kind == name)


def _title(rule: Rule) -> str:
    match rule:
        case Pool():
            return rule.operator
        case Coin():
            return rule.name
        case Relay() | Payload():
            return rule.title
