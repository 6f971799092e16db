"""Ordinary software whose messages look like stratum at first sight."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pcaps.recipes.chance import Chance
from pcaps.recipes.model import Capture, merge
from pcaps.recipes.packets import Endpoint
from pcaps.recipes.stratum import line
from pcaps.recipes.talk import DOWN, UP, Talk
from pcaps.recipes.web import frame, masked, request, response, upgrade

if TYPE_CHECKING:
    from collections.abc import Iterable

HOST_IP = "10.20.0.31"
Turn = tuple[int, float, bytes]


def played(
    seed: str, port: int, turns: Iterable[Turn], *, server_ip: str = "203.0.113.20"
) -> Capture:
    """A conversation of (side, seconds after the turn before, bytes)."""
    chance = Chance(seed)
    client = Endpoint(HOST_IP, chance.integer(32768, 60999))
    talk = Talk(client, Endpoint(server_ip, port), chance=chance)
    for side, pause_s, data in turns:
        (talk.up if side == UP else talk.down)(data, pause_s)
    talk.close()
    return Capture(frames=merge(talk.frames()))


def electrum() -> Capture:
    """An Electrum wallet: line JSON, called stratum by its authors, pushes with each block."""
    chance = Chance("electrum data")
    turns: list[Turn] = [
        (UP, 0.001, _rpc(0, "server.version", ["4.5.5", "1.4"])),
        (DOWN, 0.042, _result(0, ["ElectrumX 1.16.0", "1.4"])),
        (UP, 0.001, _rpc(1, "blockchain.headers.subscribe", [])),
        (DOWN, 0.042, _result(1, {"hex": chance.hex(80), "height": 938_000})),
    ]
    for number in range(2, 12):
        turns += [
            (UP, 0.3, _rpc(number, "blockchain.scripthash.subscribe", [chance.hex(32)])),
            (DOWN, 0.042, _result(number, chance.hex(32))),
        ]
    for block in range(1, 6):
        header = {"hex": chance.hex(80), "height": 938_000 + block}
        notice = {"jsonrpc": "2.0", "method": "blockchain.headers.subscribe", "params": [header]}
        turns.append((DOWN, chance.exponential(120.0) + 5.0, line(notice)))
    turns += [
        (UP, 20.0, _rpc(12, "mempool.get_fee_histogram", [])),
        (DOWN, 0.042, _result(12, [[12, 128_812], [4, 92_524], [2, 6_478_638]])),
    ]
    return played("electrum", 50001, turns)


def _rpc(ident: int, method: str, params: object) -> bytes:
    return line({"jsonrpc": "2.0", "id": ident, "method": method, "params": params})


def _result(ident: int, result: object) -> bytes:
    return line({"jsonrpc": "2.0", "id": ident, "result": result})


def json_rpc() -> Capture:
    """A plain JSON-RPC service over TCP lines, with notifications."""
    turns: list[Turn] = []
    for number in range(30):
        job = {"node": f"node{number % 8:02d}", "metric": "gpu.util"}
        turns += [
            (UP, 2.0, _rpc(number, "cluster.query", job)),
            (DOWN, 0.043, _result(number, {"value": 90 + number % 10, "unit": "percent"})),
        ]
        if number % 5 == 4:
            notice = {"jsonrpc": "2.0", "method": "cluster.notify", "params": ["drain", number]}
            turns.append((DOWN, 0.7, line(notice)))
    return played("json_rpc", 4000, turns)


def _lsp(body: dict[str, object]) -> bytes:
    text = json.dumps({"jsonrpc": "2.0", **body}).encode()
    return f"Content-Length: {len(text)}\r\n\r\n".encode() + text


def language_server() -> Capture:
    """A language server reached over TCP: JSON-RPC behind a Content-Length header."""
    document = {"uri": "file:///srv/train/loop.py"}
    root = {"processId": 4242, "rootUri": "file:///srv/train", "capabilities": {}}
    turns: list[Turn] = [
        (UP, 0.001, _lsp({"id": 1, "method": "initialize", "params": root})),
        (DOWN, 0.3, _lsp({"id": 1, "result": {"capabilities": {"hoverProvider": True}}})),
        (UP, 0.01, _lsp({"method": "initialized", "params": {}})),
    ]
    for number in range(2, 20):
        where = {"textDocument": document, "position": {"line": number, "character": 4}}
        hover = {"contents": "def submit(job: Job) -> None"}
        turns += [
            (UP, 1.4, _lsp({"id": number, "method": "textDocument/hover", "params": where})),
            (DOWN, 0.06, _lsp({"id": number, "result": hover})),
        ]
    return played("language_server", 2087, turns)


def _post(ident: int, method: str, params: list[object]) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": ident})
    kind = "Content-Type: application/json"
    return request("POST", "/", "rpc.example.org:8545", kind, body=body.encode())


def _posted(ident: int, result: object) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": ident, "result": result}).encode()
    return response("200 OK", "Content-Type: application/json", body=body)


def ethereum_rpc() -> Capture:
    """A client of an Ethereum node: eth_ methods over HTTP, none of them mining."""
    chance = Chance("ethereum_rpc data")
    turns: list[Turn] = []
    for number in range(12):
        block = {"number": hex(19_000_000 + number), "hash": f"0x{chance.hex(32)}"}
        more = {"parentHash": f"0x{chance.hex(32)}", "nonce": "0x0000000000000000"}
        turns += [
            (UP, 3.0, _post(3 * number, "eth_blockNumber", [])),
            (DOWN, 0.043, _posted(3 * number, block["number"])),
            (UP, 0.01, _post(3 * number + 1, "eth_getBlockByNumber", [block["number"], False])),
            (DOWN, 0.043, _posted(3 * number + 1, {**block, **more})),
            (UP, 0.01, _post(3 * number + 2, "eth_getBalance", [f"0x{chance.hex(20)}", "latest"])),
            (DOWN, 0.043, _posted(3 * number + 2, hex(chance.integer(1, 1 << 60)))),
        ]
    return played("ethereum_rpc", 8545, turns)


def job_queue() -> Capture:
    """A batch queue that says login, job, submit and keepalive, and means none of it."""
    turns: list[Turn] = [
        (UP, 0.001, _rpc(1, "login", {"user": "trainer01", "agent": "queue-runner/2.3"})),
        (DOWN, 0.043, _result(1, {"id": "runner-17", "status": "OK"})),
    ]
    for number in range(2, 16):
        work = {"job_id": f"train-{number}", "image": "train:2026.02", "gpus": 8, "target": "a100"}
        done = {"id": "runner-17", "job_id": f"train-{number}", "result": {"loss": 1.9 / number}}
        turns += [
            (DOWN, 8.0, line({"jsonrpc": "2.0", "method": "job", "params": work})),
            (UP, 11.0, _rpc(number, "submit", done)),
            (DOWN, 0.043, _result(number, {"status": "OK"})),
        ]
    return played("job_queue", 7171, turns)


def websocket_chat() -> Capture:
    """A chat over WebSocket whose messages are JSON with a type, some of them auth and job."""
    chance = Chance("websocket_chat")
    client = Endpoint(HOST_IP, chance.integer(32768, 60999))
    talk = Talk(client, Endpoint("203.0.113.21", 80), chance=chance)
    upgrade(talk, chance, "chat.example.com", "/ws")

    def say(kind: str, **params: str) -> bytes:
        return line({"type": kind, "params": params}).rstrip(b"\n")

    talk.up(masked(chance, say("auth", token=chance.hex(16))))
    talk.down(frame(say("welcome", room="training")))
    words = ("node 14 is drained", "the job is done", "shall I submit it?", "yes please")
    for number in range(24):
        text = words[number % len(words)]
        if number % 2:
            talk.up(masked(chance, say("message", text=text)), chance.exponential(9.0))
            talk.down(frame(say("delivered", ident=str(number))))
        else:
            talk.down(frame(say("message", text=text)), chance.exponential(7.0))
        if number % 6 == 5:
            talk.down(frame(b"", opcode=9), 1.0)
            talk.up(masked(chance, b"", 10))
    talk.close()
    return Capture(frames=merge(talk.frames()))


def chia_pool() -> Capture:
    """Chia farming: requests and answers over HTTP, minutes apart, and nothing is pushed."""
    chance = Chance("chia_pool data")
    info = {"name": "Farm", "protocol_version": 1, "minimum_difficulty": 1, "fee": "0.01"}
    host, agent = "farm.example.org", "User-Agent: chia/2.4"
    turns: list[Turn] = [
        (UP, 0.001, request("GET", "/pool_info", host, agent)),
        (DOWN, 0.043, response("200 OK", body=json.dumps(info).encode())),
    ]
    for _ in range(5):
        proof = {"launcher_id": f"0x{chance.hex(32)}", "harvester_id": f"0x{chance.hex(32)}"}
        partial = {"payload": proof, "aggregate_signature": f"0x{chance.hex(96)}"}
        body = json.dumps(partial).encode()
        turns += [
            (UP, 90.0, request("POST", "/partial", host, agent, body=body)),
            (DOWN, 0.05, response("200 OK", body=b'{"new_difficulty": 1}')),
        ]
    return played("chia_pool", 80, turns)
