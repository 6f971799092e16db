"""One action on many findings, as the store is told to do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from analyzer.store import Store
from analyzer.store.findings import MAX_BULK, TriageChange
from analyzer.store.queries import Position, Sort
from analyzer.store.records import Actor, TriageStatus, Verdict
from api.errors import Problem
from api.expiry import expiry_ns
from api.schemas import MAX_PAGE
from api.schemas_findings import (
    ActionResult,
    ActionResults,
    BulkAction,
    FindingFilter,
    verdict_of,
)

NEEDS: Mapping[str, str] = MappingProxyType(
    {"assign": "assignee", "tag": "tags", "untag": "tags", "comment": "text"}
)
"""The member each action cannot do without."""

MEMBERS = ("assignee", "tags", "text", "verdict", "expires_at")
MAY_HAVE: Mapping[str, str] = MappingProxyType({"resolve": "verdict", "suppress": "expires_at"})


def act(store: Store, wanted: BulkAction, *, by: Actor) -> ActionResults:
    """Does it.

    Raises:
        Problem: Members are missing or do not belong to the action, or too many findings match.
    """
    _check(wanted)
    ids = list(dict.fromkeys(wanted.ids)) if wanted.ids else _matching(store, wanted.filter)
    known = store.findings.known(ids)
    chosen = [finding_id for finding_id in ids if finding_id in known]
    suppression_id = _perform(store, wanted, chosen, by) if chosen else ""
    versions = store.findings.known(chosen)
    results = [
        ActionResult(
            id=finding_id,
            result="done" if finding_id in known else "not-found",
            version=versions.get(finding_id),
        )
        for finding_id in ids
    ]
    return ActionResults(
        action=wanted.action,
        done=len(chosen),
        not_found=len(ids) - len(chosen),
        suppression_id=suppression_id,
        data=results,
    )


def _check(wanted: BulkAction) -> None:
    if (wanted.ids is None) == (wanted.filter is None):
        raise Problem(
            "bad-request",
            detail="cannot tell which findings are meant",
            hint="send either ids or filter",
        )
    if wanted.filter is not None and not wanted.filter.model_fields_set:
        raise Problem(
            "bad-request",
            detail="cannot act on every finding there is: the filter is empty",
            hint='say so: "filter": {"confidence_at_least": 0}',
        )
    needed = NEEDS.get(wanted.action, "")
    if needed and getattr(wanted, needed) is None:
        raise Problem("bad-request", detail=f"cannot {wanted.action} without {needed}")
    allowed = {needed, MAY_HAVE.get(wanted.action, "")}
    for name in MEMBERS:
        if getattr(wanted, name) is not None and name not in allowed:
            raise Problem("bad-request", detail=f"cannot use {name} with {wanted.action}")


def _matching(store: Store, asked: FindingFilter | None) -> list[str]:
    query = (asked or FindingFilter()).query(Sort.WORST)
    ids: list[str] = []
    after: Position | None = None
    more = True
    while more and len(ids) <= MAX_BULK:
        page = store.findings.page(query, after=after, limit=MAX_PAGE)
        ids += [finding.id for finding in page.findings]
        after, more = page.next, page.has_more
    if len(ids) > MAX_BULK:
        raise Problem(
            "limit-reached",
            detail=f"cannot act on more than {MAX_BULK} findings at once",
            hint="narrow the filter",
        )
    return ids


def _perform(store: Store, wanted: BulkAction, ids: Sequence[str], by: Actor) -> str:
    if wanted.action == "comment":
        store.findings.comment_on(ids, wanted.text or "", by=by)
        return ""
    if wanted.action == "suppress":
        made = store.suppressions.add(
            kind="suppress",
            scope={"finding": list(ids)},
            reason=wanted.reason,
            expires_ns=expiry_ns(store, wanted),
            by=by,
        )
        return made.id
    store.findings.triage(ids, _change(wanted), reason=wanted.reason, by=by)
    return ""


def _change(wanted: BulkAction) -> TriageChange:
    match wanted.action:
        case "acknowledge":
            return TriageChange(status=TriageStatus.ACKNOWLEDGED)
        case "resolve":
            verdict = verdict_of(wanted.verdict) if wanted.verdict else None
            return TriageChange(status=TriageStatus.RESOLVED, verdict=verdict)
        case "reopen":
            return TriageChange(status=TriageStatus.NEW, verdict=Verdict.NONE)
        case "assign":
            return TriageChange(assignee=wanted.assignee)
        case "tag":
            return TriageChange(add_tags=tuple(wanted.tags or ()))
        case _:
            return TriageChange(remove_tags=tuple(wanted.tags or ()))
