"""Mining over HTTP: getwork, getblocktemplate, and the WebSocket miner in a web page."""

from __future__ import annotations

import json
from dataclasses import replace

from pcaps.recipes.chance import Chance
from pcaps.recipes.dns import lookup
from pcaps.recipes.mine_cryptonote import browser_messages
from pcaps.recipes.model import Capture, merge
from pcaps.recipes.packets import Endpoint
from pcaps.recipes.stratum import (
    DNS_BEFORE_S,
    MINER_IP,
    POOL_IP,
    POOL_NAME,
    Dialect,
    mine,
    ntime,
)
from pcaps.recipes.talk import UP, Talk
from pcaps.recipes.web import frame, masked, request, response, upgrade

ROUNDS = 8
CREDENTIALS = "Authorization: Basic bm9kZTE0Ong="
JSON_TYPE = "Content-Type: application/json"


def _talk(chance: Chance, port: int) -> Talk:
    client = Endpoint(MINER_IP, chance.integer(32768, 60999))
    return Talk(client, Endpoint(POOL_IP, port), chance=chance, start_s=DNS_BEFORE_S)


def _with_lookup(talk: Talk, chance: Chance, name: str) -> Capture:
    names = lookup(MINER_IP, name, POOL_IP, chance=chance, at_s=0.0)
    return Capture(frames=merge(names, talk.frames()))


def _post(ident: int, method: str, params: list[object], *fields: str) -> bytes:
    body = json.dumps({"method": method, "params": params, "id": ident}).encode()
    return request("POST", "/", f"{POOL_NAME}:8332", *fields, CREDENTIALS, JSON_TYPE, body=body)


def _answer(ident: int, result: object, *fields: str) -> bytes:
    body = json.dumps({"result": result, "error": None, "id": ident}).encode()
    return response("200 OK", JSON_TYPE, *fields, body=body)


def getwork_http() -> Capture:
    """The call getwork: 128 bytes of work in, the same with a nonce out."""
    chance = Chance("getwork_http")
    talk = _talk(chance, 8332)
    miner = (
        "User-Agent: cgminer 3.7.2",
        "X-Mining-Extensions: longpoll midstate rollntime submitold",
    )
    for number in range(ROUNDS):
        work = {
            "data": chance.hex(128),
            "midstate": chance.hex(32),
            "hash1": "00" * 32 + "00000080" + "00" * 24 + "00010000",
            "target": "ff" * 28 + "00000000",
        }
        talk.up(_post(number, "getwork", [], *miner), chance.between(1.0, 3.0))
        talk.down(_answer(number, work, "X-Long-Polling: /LP", "X-Roll-NTime: expire=120"))
        if number % 2 == 1:
            talk.up(_post(number, "getwork", [chance.hex(128)], *miner), chance.exponential(6.0))
            talk.down(_answer(number, True))
    talk.close()
    return _with_lookup(talk, chance, POOL_NAME)


def getblocktemplate_http() -> Capture:
    """The calls getblocktemplate and submitblock from bfgminer."""
    chance = Chance("getblocktemplate_http")
    talk = _talk(chance, 8332)
    agent = "User-Agent: bfgminer/5.2.0"
    wanted = {"capabilities": ["coinbasetxn", "workid", "coinbase/append"], "rules": ["segwit"]}
    for number in range(ROUNDS // 2):
        template = {
            "version": 536870912,
            "previousblockhash": chance.hex(32),
            "transactions": [{"data": chance.hex(220), "txid": chance.hex(32), "fee": 1320}],
            "coinbasevalue": 313_001_320,
            "longpollid": chance.hex(32),
            "target": "00000000000000000003" + "42190000" + "00" * 18,
            "mintime": 1_772_441_000,
            "curtime": int(ntime(30 * number), 16),
            "mutable": ["time", "transactions", "prevblock"],
            "noncerange": "00000000ffffffff",
            "bits": "17034219",
            "height": 938_000 + number,
        }
        extension = "X-Mining-Extensions: longpoll midstate rollntime submitold"
        talk.up(
            _post(number, "getblocktemplate", [wanted], agent, extension),
            chance.between(20.0, 30.0),
        )
        talk.down(_answer(number, template))
    talk.up(_post(99, "submitblock", [chance.hex(400)], agent), 12.0)
    talk.down(_answer(99, None))
    talk.close()
    return _with_lookup(talk, chance, POOL_NAME)


def browser_websocket() -> Capture:
    """A web page that mines: JSON in WebSocket frames, the client's masked."""
    chance = Chance("browser_websocket")
    name = "ws.miner.example.net"
    talk = _talk(chance, 80)
    upgrade(talk, chance, name, "/proxy", "Origin: http://www.example.com")
    mine(talk, _framed(browser_messages(chance), chance), chance)
    talk.close()
    return _with_lookup(talk, chance, name)


def _framed(dialect: Dialect, chance: Chance) -> Dialect:
    """The same messages in WebSocket frames."""
    opening = tuple(
        (side, masked(chance, data) if side == UP else frame(data))
        for side, data in dialect.opening
    )

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        wanted, answer = dialect.share(number, job_number)
        return masked(chance, wanted), frame(answer)

    return replace(
        dialect, opening=opening, job=lambda number: frame(dialect.job(number)), share=share
    )
