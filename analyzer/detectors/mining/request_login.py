"""The login that a miner over HTTP puts into the address of its requests.

Work over HTTP is asked for with `POST /0x.../rig` or `POST /?wallet=...&rig=...`. The messages
themselves are those of any tool of a node; with a wallet in the address only a miner sends them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from analyzer import wallets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyzer.detectors.mining.conversation import Message

WALLET_KEYS = frozenset({"wallet", "address", "addr", "login", "user"})
WORKER_KEYS = frozenset({"rig", "worker", "rigname"})
BARE_ETHEREUM_DIGITS = 40
MAX_PARTS = 16
"""Parts of a path or query that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLogin:
    """Who asks, by the address of the request."""

    wallet: str
    worker: str


def with_request_logins(rows: Sequence[Message], requests: Sequence[Message]) -> Sequence[Message]:
    """The mining messages of a flow, those of a miner over HTTP with the login of their request.

    Args:
        rows: The flow's rows of the `mining` table.
        requests: Its rows of the `http` table.
    """
    if not any(row["carrier"] == "http" for row in rows):
        return rows
    logins = [
        (row["frame"], login)
        for row in requests
        if row["kind"] == "request" and (login := login_of(row["target"]))
    ]
    return [_with_login(row, logins) for row in rows]


def login_of(target: str) -> RequestLogin | None:
    """The wallet and worker in a request's target; None if it holds no address of a coin."""
    try:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, max_num_fields=MAX_PARTS))
    except ValueError:
        return None
    segments = [unquote(part) for part in parts.path.split("/")[:MAX_PARTS] if part]
    worker = next((value for key, value in query.items() if key.lower() in WORKER_KEYS), "")
    for key, value in query.items():
        address = _address(value, bare=True) if key.lower() in WALLET_KEYS else ""
        if address:
            return RequestLogin(wallet=address, worker=worker)
    for place, segment in enumerate(segments):
        wallet, _, rig = segment.partition(".")
        if address := _address(wallet):
            after = segments[place + 1] if place + 1 < len(segments) else ""
            return RequestLogin(wallet=address, worker=rig or after or worker)
    return None


def _address(text: str, *, bare: bool = False) -> str:
    """The text if it is an address of a coin; `bare` allows for one that lost its `0x`."""
    if bare and len(text) == BARE_ETHEREUM_DIGITS:
        text = f"0x{text}"
    checked = wallets.check(text)
    return text if checked.coins and checked.checksum != "invalid" else ""


def _with_login(row: Message, logins: Sequence[tuple[int, RequestLogin]]) -> Message:
    if row["carrier"] != "http" or row["role"] != "miner" or row["wallet"]:
        return row
    before = [login for frame, login in logins if frame <= row["frame"]]
    if not before:
        return row
    login = before[-1]
    return {**row, "wallet": login.wallet, "worker": login.worker, "specific": True}
