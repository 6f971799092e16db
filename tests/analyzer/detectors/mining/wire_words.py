"""Messages of miners, pools and look-alikes that several conversations are put together from."""

from __future__ import annotations

from typing import Any

from tests import builders_wallets
from tests.analyzer.detectors.mining.wire import Line, digits

Json = dict[str, Any]

MONERO = builders_wallets.monero_address(1)
ETHER = builders_wallets.ethereum(3)
ETHER_UNCHECKED = ETHER.lower()
BITCOIN = builders_wallets.bitcoin_p2pkh(1)
ZCASH = builders_wallets.zcash_t1(1)
RAVEN = builders_wallets.ravencoin(1)
ACCOUNT = "user.w1"
SMALL_TARGET = "0x0112e0be826d694b2e62d01511f12a6061fbaec8bc02357593e70e52ba"
"""What eth-proxy pools send: leading zeros dropped."""


def ask(number: int | str | None, method: str, params: Any, **more: Any) -> Json:
    """A request as stratum v1 has it."""
    return {"id": number, "method": method, "params": params, **more}


def rpc(number: int | str | None, method: str, params: Any, **more: Any) -> Json:
    """A JSON-RPC 2.0 request."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params, **more}


def say(number: int | str | None, result: Any, error: Any = None) -> Json:
    """An answer."""
    return {"id": number, "result": result, "error": error}


def v1_job(number: int = 1) -> Json:
    """A Bitcoin pool's job."""
    branches = [digits(64, (number, 1)), digits(64, (number, 2))]
    halves = [digits(100, number), digits(80, number)]
    numbers = ["20000000", "1a05db8b", "5b646541"]
    job = [f"j{number}", digits(64, number), *halves, branches, *numbers, True]
    return ask(None, "mining.notify", job)


def v1_share(number: int) -> Json:
    """A Bitcoin miner's share."""
    words = ["j1", "00000001", digits(8, number), digits(8, (number, 2))]
    return ask(number, "mining.submit", [ACCOUNT, *words])


def eth_work(number: int = 1, answers: int = 0) -> Json:
    """Work of an eth-proxy pool, pushed (id 0) or as an answer."""
    work = ["0x" + digits(64, number), "0x" + digits(64, "seed"), SMALL_TARGET]
    return {"id": answers, "jsonrpc": "2.0", "result": work}


def eth_share(number: int) -> Json:
    """A share of an eth-proxy miner."""
    words = ["0x" + digits(16, number), "0x" + digits(64, 2), "0x" + digits(64, 3)]
    return rpc(number, "eth_submitWork", words)


def xmr_job(number: int = 1) -> Json:
    """A job of a CryptoNote pool."""
    blob = "0707" + digits(148, number)
    return {"blob": blob, "job_id": digits(15, number), "target": "b88d0600", "id": "87"}


def xmr_share(number: int, nonce: str = "9f000000") -> Json:
    """A share of a CryptoNote miner."""
    share = {"id": "87", "job_id": digits(15, 2), "nonce": nonce, "result": digits(64, number)}
    return rpc(number, "submit", share)


def xmr_welcome(**job: Any) -> Json:
    """A CryptoNote pool's answer to a login."""
    return say(1, {"id": "87", "job": xmr_job() | job, "status": "OK"})


SUBSCRIBE = ask(1, "mining.subscribe", ["cgminer/4.9.2"])
SUBSCRIBED = say(1, [[["mining.set_difficulty", "b4"], ["mining.notify", "ae"]], "08000002", 4])
DIFFICULTY = ask(None, "mining.set_difficulty", [32])
OPENING: tuple[Line, ...] = (
    (">", SUBSCRIBE),
    ("<", SUBSCRIBED),
    (">", ask(2, "mining.authorize", [ACCOUNT, "x"])),
    ("<", say(2, True)),
    ("<", DIFFICULTY),
    ("<", v1_job()),
)
SESSION: tuple[Line, ...] = (*OPENING, (">", v1_share(3)), ("<", say(3, True)))
