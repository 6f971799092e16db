"""Wallets that miners inside logged in with, over all captures."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from analyzer.store.tables.pools import masked, wallet_id
from api.dependencies import FindingsReader, StoreDep
from api.errors import responses
from api.routes.pools import common_out, page_out
from api.routing import ServiceRouter
from api.schemas_table_answers import WalletOut, WalletsOut
from api.schemas_tables import MiningList

router = ServiceRouter(prefix="/v1/wallets", tags=["hosts"])


@router.get(
    "",
    summary="Wallets of all captures",
    responses=responses("bad-request", "not-found", "limit-reached"),
)
def list_wallets(
    store: StoreDep,
    caller: FindingsReader,  # noqa: ARG001 - checks the scope
    asked: Annotated[MiningList, Query()],
) -> WalletsOut:
    """Lists wallets with their miners, pools, shares and captures, the gravest first."""
    page = store.tables.wallets(asked.query())
    return WalletsOut(
        data=[
            WalletOut(
                id=wallet_id(row.key),
                wallet=masked(row.key) if asked.mask else row.key,
                pools=list(row.pools),
                **common_out(row),
            )
            for row in page.rows
        ],
        **page_out(page),
    )
