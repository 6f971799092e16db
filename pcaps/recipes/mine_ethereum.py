"""Dialects that grew from Ethereum mining, and Alephium's, which copies EIP 1571."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcaps.recipes import wallets
from pcaps.recipes.deflate import gzip_literals
from pcaps.recipes.stratum import (
    PASSWORD,
    POOL_NAME,
    WORKER,
    Dialect,
    Line,
    call,
    down,
    line,
    push,
    reply,
    up,
)

if TYPE_CHECKING:
    from pcaps.recipes.chance import Chance

USER = f"{wallets.ETHEREUM}.{WORKER}"
ALEPHIUM_HEADER_BYTES = 302


def ethereumstratum_v1(chance: Chance) -> Dialect:
    """EthereumStratum/1.0.0: the protocol's name twice, hex without 0x, a short extranonce."""
    extranonce = chance.hex(2)
    seed = chance.hex(32)

    def job(number: int) -> bytes:
        params = [f"{number:08x}", seed, chance.hex(32), True]
        return push("mining.notify", params)

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        request = call(4 + number, "mining.submit", [USER, f"{job_number:08x}", chance.hex(6)])
        return request, reply(4 + number, True)

    session = ["mining.notify", chance.hex(16), "EthereumStratum/1.0.0"]
    return Dialect(
        port=9999,
        opening=(
            up(call(1, "mining.subscribe", ["NBMiner/42.3", "EthereumStratum/1.0.0"])),
            down(reply(1, [session, extranonce])),
            up(call(2, "mining.extranonce.subscribe", [])),
            down(reply(2, True)),
            up(call(3, "mining.authorize", [USER, PASSWORD])),
            down(reply(3, True)),
            down(push("mining.set_difficulty", [0.9999847412109375])),
            down(job(0)),
        ),
        job=job,
        share=share,
        job_every_s=13.0,
        duration_s=150.0,
    )


def _hello(encoding: str) -> tuple[Line, Line]:
    agent = {"agent": "ethminer-0.19.0", "host": POOL_NAME, "port": "a28"}
    node = {"resume": "1", "timeout": "b4", "maxerrors": "5", "node": "Geth/v1.10.26"}
    proto = "EthereumStratum/2.0.0"
    request = line({"id": 0, "method": "mining.hello", "params": {**agent, "proto": proto}})
    answer = line({"id": 0, "result": {"proto": proto, "encoding": encoding, **node}})
    return up(request), down(answer)


def ethereumstratum_v2(chance: Chance) -> Dialect:
    """EthereumStratum/2.0.0 (EIP 1571) in plain text."""
    return _ethereumstratum_v2(chance, compressed=False)


def ethereumstratum_v2_gzip(chance: Chance) -> Dialect:
    """The same after the pool chose gzip: only the hello can be read."""
    return _ethereumstratum_v2(chance, compressed=True)


def _ethereumstratum_v2(chance: Chance, *, compressed: bool) -> Dialect:
    def wire(message: bytes) -> bytes:
        return gzip_literals(message) if compressed else message

    def job(number: int) -> bytes:
        params = [f"b{number:07x}", f"{19_000_000 + number:x}", f"6{chance.hex(32)[1:]}", "0"]
        return wire(line({"method": "mining.notify", "params": params}))

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        params = [f"b{job_number:07x}", f"6{chance.hex(6)[1:]}", "w-123"]
        request = line({"id": 10 + number, "method": "mining.submit", "params": params})
        return wire(request), wire(line({"id": 10 + number}))

    settings = {
        "epoch": "dc",
        "target": f"112e0be826d694b2e{chance.hex(20)}",
        "algo": "ethash",
        "extranonce": "af4c",
    }
    return Dialect(
        port=2600,
        opening=(
            *_hello("gzip" if compressed else "plain"),
            up(wire(line({"id": 1, "method": "mining.subscribe"}))),
            down(wire(line({"id": 1, "result": "s-12345"}))),
            up(wire(line({"id": 2, "method": "mining.authorize", "params": [USER, PASSWORD]}))),
            down(wire(line({"id": 2, "result": "w-123"}))),
            down(wire(line({"method": "mining.set", "params": settings}))),
            down(job(0)),
        ),
        job=job,
        share=share,
        job_every_s=13.0,
        duration_s=150.0,
    )


def eth_proxy(chance: Chance) -> Dialect:
    """Getwork over a raw connection; new work is pushed as an answer with id 0."""
    seed, target = f"0x{chance.hex(32)}", "0x" + "00000000ffff" * 5 + "0000"
    headers: dict[int, str] = {}
    rig = f"0x{chance.hex(32)}"

    def work(ident: int, number: int) -> bytes:
        headers[number] = f"0x{chance.hex(32)}"
        result = [headers[number], seed, target, f"0x{19_000_000 + number:x}"]
        return line({"id": ident, "jsonrpc": "2.0", "result": result})

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        accepted = line({"id": 10 + number, "jsonrpc": "2.0", "result": True})
        if number % 5 == 4:
            rate = [f"0x{chance.integer(1 << 26, 1 << 27):064x}", rig]
            return _rpc(10 + number, "eth_submitHashrate", rate), accepted
        proof = [f"0x{chance.hex(8)}", headers[job_number], f"0x{chance.hex(32)}"]
        return _rpc(10 + number, "eth_submitWork", proof), accepted

    return Dialect(
        port=8008,
        opening=(
            up(_rpc(1, "eth_submitLogin", [wallets.ETHEREUM, PASSWORD])),
            down(line({"id": 1, "jsonrpc": "2.0", "result": True})),
            up(_rpc(2, "eth_getWork", [])),
            down(work(2, 0)),
        ),
        job=lambda number: work(0, number),
        share=share,
        job_every_s=6.0,
        duration_s=150.0,
    )


def _rpc(ident: int, method: str, params: list[str]) -> bytes:
    return line(
        {"worker": WORKER, "jsonrpc": "2.0", "params": params, "id": ident, "method": method}
    )


def alephium(chance: Chance) -> Dialect:
    """AlephiumStratum/1.0.0, which turns to gzip after `connection.set_gzip`."""
    user = f"{wallets.ALEPHIUM}.{WORKER}"
    agreed = ["AlephiumStratum/1.0.0", False, "b4", "5", "pool.example.org"]

    def wire(message: dict[str, object]) -> bytes:
        return gzip_literals(line(message))

    def job(number: int) -> bytes:
        params = [f"{number:08x}", f"{number % 16:02x}", chance.hex(ALEPHIUM_HEADER_BYTES)]
        return wire({"method": "mining.notify", "params": params})

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        params = [f"{job_number:08x}", chance.hex(22), "w-1"]
        request = wire({"id": str(10 + number), "method": "mining.submit", "params": params})
        return request, wire({"id": str(10 + number), "result": True})

    hello = {"id": "0", "method": "mining.hello", "params": ["SRBMiner-MULTI/2.4.1", agreed[0]]}
    return Dialect(
        port=20032,
        opening=(
            up(line(hello)),
            down(line({"id": "0", "result": agreed})),
            up(line({"id": "1", "method": "connection.set_gzip"})),
            down(line({"id": "1", "result": True})),
            up(wire({"id": "2", "method": "mining.subscribe", "params": ""})),
            down(wire({"id": "2", "result": "s-77"})),
            up(wire({"id": "3", "method": "mining.authorize", "params": [user, PASSWORD]})),
            down(wire({"id": "3", "result": "w-1"})),
            down(wire({"method": "mining.set_extranonce", "params": chance.hex(2)})),
            down(wire({"method": "mining.set_target", "params": f"00000fff{chance.hex(28)}"})),
            down(job(0)),
        ),
        job=job,
        share=share,
        job_every_s=4.0,
        share_every_s=6.0,
        duration_s=90.0,
    )
