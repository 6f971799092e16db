"""Pools that miners inside were seen with, over all captures."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from analyzer.store.tables import MiningPage
from analyzer.store.tables.pools import MiningRow, masked
from analyzer.times import rfc3339
from api.dependencies import FindingsReader, StoreDep
from api.errors import responses
from api.routing import ServiceRouter
from api.schemas_table_answers import PoolOut, PoolsOut, SharesOut, TablePage, gaps_out
from api.schemas_tables import MiningList

router = ServiceRouter(prefix="/v1/pools", tags=["hosts"])


@router.get(
    "",
    summary="Mining pools of all captures",
    responses=responses("bad-request", "not-found", "limit-reached"),
)
def list_pools(
    store: StoreDep,
    caller: FindingsReader,  # noqa: ARG001 - checks the scope
    asked: Annotated[MiningList, Query()],
) -> PoolsOut:
    """Lists pools with their miners, wallets, shares and captures, the gravest first."""
    page = store.tables.pools(asked.query())
    return PoolsOut(
        data=[
            PoolOut(
                pool=row.key,
                wallets=[masked(one) if asked.mask else one for one in row.wallets],
                **common_out(row),
            )
            for row in page.rows
        ],
        **page_out(page),
    )


def common_out(row: MiningRow) -> dict[str, Any]:
    """What pools and wallets have in common, as JSON."""
    return {
        "addresses": list(row.addresses),
        "operators": list(row.operators),
        "coins": list(row.coins),
        "dialects": list(row.dialects),
        "miners": list(row.miners),
        "workers": list(row.workers),
        "agents": list(row.agents),
        "captures": list(row.captures),
        "finding_ids": list(row.finding_ids),
        "findings": dict(row.findings),
        "counts": dict(row.counts),
        "shares": SharesOut(
            submitted=row.shares.submitted,
            accepted=row.shares.accepted,
            rejected=row.shares.rejected,
        ),
        "first_seen": rfc3339(row.first_ns),
        "last_seen": rfc3339(row.last_ns),
    }


def page_out(page: MiningPage) -> dict[str, Any]:
    """Where the list goes on, and what was not read, as JSON."""
    return {
        "page": TablePage(
            next_cursor=page.next,
            has_more=bool(page.next),
            shown=len(page.rows),
            total=page.total,
        ),
        "not_read": gaps_out(page.gaps),
        "not_read_total": len(set(page.gaps)),
    }
