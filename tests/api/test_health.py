import asyncio
from typing import Any

import httpx

from analyzer import __version__
from api.main import create_app


def get(path: str) -> Any:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://outgate") as client:
            return await client.get(path)

    response = asyncio.run(ask())
    assert response.status_code == 200
    return response.json()


def test_the_service_says_that_it_is_up() -> None:
    assert get("/healthz") == {"status": "ok"}


def test_the_service_says_which_version_it_is() -> None:
    assert get("/version") == {"version": __version__, "finding_schema": "outgate/finding/1"}
