"""Suppressions and allow-lists: what hides findings from readers, and is undone as easily."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response

from analyzer.store.records import Suppression, SuppressionState
from analyzer.store.suppressions import MAX_REASON_CHARS, NewSuppression
from api.dependencies import FindingsReader, FindingsTriager, StoreDep
from api.errors import Problem, responses
from api.expiry import expiry_ns
from api.routing import ServiceRouter
from api.schemas import DEFAULT_PAGE, MAX_ID_CHARS, MAX_PAGE, Page, time_text
from api.schemas_rules import (
    DryRunOut,
    ImportedOut,
    ListedSuppression,
    NewSuppressionIn,
    ScopeToTry,
    SuppressionKind,
    SuppressionList,
    SuppressionOut,
    SuppressionScope,
    SuppressionsOut,
)

router = ServiceRouter(prefix="/v1/suppressions", tags=["suppressions"])
SuppressionId = Annotated[
    str, Path(min_length=1, max_length=MAX_ID_CHARS, description="id of the suppression")
]


@router.get("", summary="Suppressions, the newest first")
def list_suppressions(
    store: StoreDep,
    caller: FindingsReader,  # noqa: ARG001 - checks the scope
    state: Annotated[SuppressionState | None, Query(description="in this state alone")] = None,
    after: Annotated[str, Query(max_length=MAX_ID_CHARS, description="those behind it")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
) -> SuppressionsOut:
    """Lists suppressions and allow-lists, ended ones too."""
    found = list(store.suppressions.list(state))
    ids = [item.id for item in found]
    if after and after not in ids:
        raise Problem(
            "bad-request",
            detail="cannot go on behind `after`: no suppression of the list has that id",
            hint="send `page.next_cursor` of the page before",
        )
    start = ids.index(after) + 1 if after else 0
    shown = found[start : start + limit]
    return SuppressionsOut(
        data=[suppression_out(item) for item in shown],
        page=Page(
            next_cursor=shown[-1].id if shown else after, has_more=len(found) > start + limit
        ),
    )


@router.post(
    "",
    status_code=201,
    summary="Hide what matches a scope",
    responses=responses("bad-request", "limit-reached"),
)
def create_suppression(
    wanted: NewSuppressionIn, store: StoreDep, caller: FindingsTriager, response: Response
) -> SuppressionOut:
    """Hides, from now on, findings that match every field of the scope; try it with a dry run.

    It ends in 30 days unless `expires_at` says otherwise. Nothing is deleted: `suppressed=show`
    shows what is hidden, and revoking it brings everything back, also to pollers.
    """
    made = store.suppressions.add(
        kind=wanted.kind,
        scope=wanted.scope.model_dump(mode="json"),
        reason=wanted.reason,
        expires_ns=expiry_ns(store, wanted),
        by=caller,
    )
    response.headers["Location"] = f"/v1/suppressions/{made.id}"
    return suppression_out(made)


@router.post("/dry-run", summary="What a scope would hide", responses=responses("bad-request"))
def dry_run_suppression(
    wanted: ScopeToTry,
    store: StoreDep,
    caller: FindingsReader,  # noqa: ARG001 - checks the scope
) -> DryRunOut:
    """Counts the findings a scope matches and changes nothing."""
    found = store.suppressions.dry_run(wanted.scope.model_dump(mode="json"))
    return DryRunOut(
        count=found.count,
        by_severity=dict(found.by_severity),
        confirmed=found.confirmed,
        examples=list(found.examples),
    )


@router.get("/export", summary="Active suppressions, to take elsewhere")
def export_suppressions(
    store: StoreDep,
    caller: FindingsReader,  # noqa: ARG001 - checks the scope
    kind: Annotated[SuppressionKind | None, Query(description="of this kind alone")] = None,
) -> SuppressionList:
    """Gives active suppressions as a list that `import` of another service takes."""
    active = store.suppressions.list(SuppressionState.ACTIVE)
    return SuppressionList(items=[_listed(item) for item in active if kind in {None, item.kind}])


@router.post(
    "/import",
    summary="Take in an exported list",
    responses=responses("bad-request", "limit-reached"),
)
def import_suppressions(
    wanted: SuppressionList, store: StoreDep, caller: FindingsTriager
) -> ImportedOut:
    """Adds every entry that is not active already, all of them or none."""
    active = store.suppressions.list(SuppressionState.ACTIVE)
    known = [(item.kind, dict(item.scope)) for item in active]
    fresh: list[NewSuppression] = []
    repeated = over = 0
    for item in wanted.items:
        entry = NewSuppression(
            kind=item.kind,
            scope=item.scope.model_dump(mode="json"),
            reason=item.reason,
            expires_ns=expiry_ns(store, item),
        )
        if (entry.kind, entry.scope) in known:
            repeated += 1
        elif entry.expires_ns and entry.expires_ns <= store.now_ns():
            over += 1
        else:
            known.append((entry.kind, dict(entry.scope)))
            fresh.append(entry)
    added = store.suppressions.add_all(fresh, by=caller) if fresh else ()
    return ImportedOut(added=[suppression_out(item) for item in added], known=repeated, over=over)


@router.get("/{suppression_id}", summary="One suppression")
def read_suppression(
    suppression_id: SuppressionId,
    store: StoreDep,
    caller: FindingsReader,  # noqa: ARG001 - checks the scope
) -> SuppressionOut:
    """Shows one suppression, also after its end."""
    return suppression_out(store.suppressions.get(suppression_id))


@router.delete("/{suppression_id}", summary="Revoke a suppression", responses=responses("conflict"))
def revoke_suppression(
    suppression_id: SuppressionId,
    store: StoreDep,
    caller: FindingsTriager,
    reason: Annotated[str, Query(min_length=1, max_length=MAX_REASON_CHARS, pattern=r"\S")],
) -> SuppressionOut:
    """Ends it; what it hid is shown again and comes anew to pollers and sinks."""
    return suppression_out(store.suppressions.revoke(suppression_id, reason=reason, by=caller))


def suppression_out(item: Suppression) -> SuppressionOut:
    """A suppression as JSON."""
    return SuppressionOut.model_validate(
        {
            "id": item.id,
            "kind": item.kind,
            "scope": dict(item.scope),
            "reason": item.reason,
            "state": item.state,
            "created_at": time_text(item.created_ns),
            "created_by": item.created_by,
            "expires_at": time_text(item.expires_ns),
            "ended_at": time_text(item.ended_ns),
            "ended_by": item.ended_by,
            "end_reason": item.end_reason,
            "hits": item.hits,
            "last_hit_at": time_text(item.last_hit_ns),
        }
    )


def _listed(item: Suppression) -> ListedSuppression:
    return ListedSuppression.model_validate(
        {
            "kind": item.kind,
            "scope": SuppressionScope.model_validate(dict(item.scope)),
            "reason": item.reason,
            "expires_at": time_text(item.expires_ns),
        }
    )
