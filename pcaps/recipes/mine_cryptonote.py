"""Dialects with a login: CryptoNote, Grin, Beam, and the ones of newer coins."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from pcaps.recipes import wallets
from pcaps.recipes.stratum import PASSWORD, WORKER, Dialect, down, line, ntime, up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcaps.recipes.chance import Chance

XMRIG = "XMRig/6.26.0 (Linux x86_64) libuv/1.51.0 gcc/13.1"
ALGORITHMS = [
    "cn/1",
    "cn/2",
    "cn/r",
    "cn/fast",
    "cn/half",
    "cn/xao",
    "cn/rto",
    "cn/rwz",
    "cn/zls",
    "cn/double",
    "cn/ccx",
    "cn-lite/1",
    "cn-heavy/0",
    "cn-heavy/tube",
    "cn-heavy/xhv",
    "cn-pico",
    "cn-pico/tlo",
    "cn/upx2",
    "rx/0",
    "rx/wow",
    "rx/arq",
    "rx/graft",
    "rx/sfx",
    "rx/yada",
    "argon2/chukwa",
    "argon2/chukwav2",
    "argon2/ninja",
    "ghostrider",
]
SHARE_TARGET = "b88d0600"
CUCKATOO_CYCLE = 42
GRIN_PRE_POW_BYTES = 238
BEAM_SOLUTION_BYTES = 104
IRONFISH_HEADER_BYTES = 180
XELIS_BLOB_BYTES = 96
XELIS_MINER_BYTES = 112


def cryptonote(chance: Chance, wallet: str = wallets.MONERO) -> Dialect:
    """Monero as XMRig speaks it, keys in XMRig's order."""
    session, seed = chance.hex(8), chance.hex(32)

    def job_of(number: int) -> dict[str, object]:
        blob = "1010" + chance.hex(37) + "00000000" + chance.hex(33)
        return {
            "blob": blob,
            "job_id": f"{number:08x}",
            "target": SHARE_TARGET,
            "algo": "rx/0",
            "height": 3_600_000 + number,
            "seed_hash": seed,
        }

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        if number % 8 == 7:
            return (
                _rpc(2 + number, "keepalived", {"id": session}),
                _ok(2 + number, {"status": "KEEPALIVED"}),
            )
        proof = {"nonce": chance.hex(4), "result": chance.hex(32)}
        params = {"id": session, "job_id": f"{job_number:08x}", **proof, "algo": "rx/0"}
        return _rpc(2 + number, "submit", params), _ok(2 + number, {"status": "OK"})

    extensions = ["algo", "nicehash", "connect", "tls", "keepalive"]
    welcome = {"id": session, "job": job_of(0), "extensions": extensions, "status": "OK"}
    return Dialect(
        port=3333,
        opening=(up(cryptonote_login(wallet)), down(_ok(1, welcome))),
        job=lambda number: line({"jsonrpc": "2.0", "method": "job", "params": job_of(number)}),
        share=share,
    )


def cryptonote_login(wallet: str) -> bytes:
    """XMRig's first line, with its list of algorithms."""
    params = {"login": wallet, "pass": WORKER, "agent": XMRIG, "algo": ALGORITHMS}
    return _rpc(1, "login", params)


def _rpc(ident: int | str, method: str, params: object) -> bytes:
    return line({"id": ident, "jsonrpc": "2.0", "method": method, "params": params})


def _ok(ident: int, result: object) -> bytes:
    return line({"id": ident, "jsonrpc": "2.0", "error": None, "result": result})


def grin(chance: Chance) -> Dialect:
    """Grin: string ids, jobs with a long pre-proof, a cycle of 42 edges as the share."""

    def job_of(number: int) -> dict[str, object]:
        return {
            "difficulty": 4,
            "height": 3_200_000 + number,
            "job_id": number,
            "pre_pow": chance.hex(GRIN_PRE_POW_BYTES),
        }

    def answer(method: str, result: object) -> bytes:
        return line(
            {"id": "0", "jsonrpc": "2.0", "method": method, "result": result, "error": None}
        )

    def share(_number: int, job_number: int) -> tuple[bytes, bytes]:
        edges = sorted(chance.integer(0, (1 << 32) - 1) for _ in range(CUCKATOO_CYCLE))
        params = {
            "edge_bits": 32,
            "height": 3_200_000 + job_number,
            "job_id": job_number,
            "nonce": chance.integer(1 << 40, 1 << 62),
            "pow": edges,
        }
        return _rpc("0", "submit", params), answer("submit", "ok")

    login = {"login": "trainer@example.net", "pass": PASSWORD, "agent": "GMiner/2.09"}
    return Dialect(
        port=3030,
        opening=(
            up(_rpc("0", "login", login)),
            down(answer("login", "ok")),
            up(_rpc("0", "getjobtemplate", None)),
            down(answer("getjobtemplate", job_of(0))),
        ),
        job=lambda number: _rpc("Stratum", "job", job_of(number)),
        share=share,
    )


def beam(chance: Chance) -> Dialect:
    """Beam: no `params`, everything at the top level."""
    api_key = f"{wallets.BEAM}.{WORKER}"

    def job(number: int) -> bytes:
        fields = {"difficulty": 201_345_678, "height": 2_900_000 + number, "id": str(number)}
        work = {"input": chance.hex(32), "jsonrpc": "2.0", "method": "job"}
        return line({**fields, **work, "nonceprefix": "a1b2c3"})

    def share(_number: int, job_number: int) -> tuple[bytes, bytes]:
        proof = {"nonce": f"a1b2c3{chance.hex(5)}", "output": chance.hex(BEAM_SOLUTION_BYTES)}
        ident = str(job_number)
        request = {"method": "solution", "id": ident, **proof, "jsonrpc": "2.0"}
        verdict = {"code": 1, "description": "accepted", "id": ident}
        return line(request), line({**verdict, "jsonrpc": "2.0", "method": "result"})

    login = {"method": "login", "api_key": api_key, "id": "login", "jsonrpc": "2.0"}
    welcome = {
        "code": 0,
        "description": "Login successful",
        "id": "login",
        "jsonrpc": "2.0",
        "method": "result",
        "nonceprefix": "a1b2c3",
    }
    return Dialect(
        port=5252,
        opening=(up(line(login)), down(line(welcome)), down(job(0))),
        job=job,
        share=share,
    )


def ironfish(chance: Chance) -> Dialect:
    """Iron Fish: `body` for `params`, and answers that are methods of their own."""
    numbers = iter(range(23_299, 30_000))

    def from_pool(method: str, body: dict[str, object]) -> bytes:
        return line({"id": next(numbers), "method": method, "body": body})

    def job(number: int) -> bytes:
        work = {"miningRequestId": number, "header": chance.hex(IRONFISH_HEADER_BYTES)}
        return from_pool("mining.notify", work)

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        proof = {"randomness": f"0005{chance.hex(6)}", "graffiti": chance.hex(32)}
        body = {"miningRequestId": job_number, **proof}
        request = line({"id": 2 + number, "method": "mining.submit", "body": body})
        return request, from_pool("mining.submitted", {"id": 2 + number, "result": True})

    who = {"publicAddress": wallets.IRONFISH, "name": WORKER}
    hello = {"version": 2, "agent": "teamredminer/0.10.9", **who}
    return Dialect(
        port=9034,
        opening=(
            up(line({"id": 1, "method": "mining.subscribe", "body": hello})),
            down(from_pool("mining.subscribed", {"clientId": 5, "xn": "0005"})),
            down(from_pool("mining.set_target", {"target": f"00000000{chance.hex(28)}"})),
            down(job(0)),
        ),
        job=job,
        share=share,
    )


def xelis(chance: Chance) -> Dialect:
    """Xelis stratum: algorithm in the subscription, public key in the answer, ping and pong."""

    def push(method: str, params: list[object]) -> bytes:
        return line({"id": None, "method": method, "params": params})

    def job(number: int) -> bytes:
        stamp = f"{1_772_442_000_000 + 5000 * number:x}"
        return push("mining.notify", [f"{number:08x}", stamp, chance.hex(32), "xel/v2", True])

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        params = [WORKER, f"{job_number:08x}", chance.hex(8)]
        request = {"id": 3 + number, "method": "mining.submit", "params": params}
        return line(request), line({"id": 3 + number, "result": True})

    subscribe = ["Rigel/1.19.3", ["xel/v2"]]
    authorize = [wallets.XELIS, WORKER, PASSWORD]
    return Dialect(
        port=3333,
        opening=(
            up(line({"id": 1, "method": "mining.subscribe", "params": subscribe})),
            down(line({"id": 1, "result": [chance.hex(4), chance.hex(32), 32, chance.hex(32)]})),
            up(line({"id": 2, "method": "mining.authorize", "params": authorize})),
            down(line({"id": 2, "result": True})),
            down(push("mining.set_difficulty", [40_000])),
            down(job(0)),
            down(line({"id": 4, "method": "mining.ping"})),
            up(line({"id": 4, "method": "mining.pong"})),
        ),
        job=job,
        share=share,
        job_every_s=5.0,
        share_every_s=7.0,
        duration_s=120.0,
    )


def xatum(chance: Chance) -> Dialect:
    """Xatum: a method, a tilde, a JSON object. It runs in TLS; here without, to be readable."""

    def packet(method: str, body: dict[str, object]) -> bytes:
        return method.encode() + b"~" + line(body)

    def job(_number: int) -> bytes:
        blob = base64.b64encode(chance.bytes(XELIS_BLOB_BYTES)).decode()
        return packet("job", {"diff": 15_021, "blob": blob, "algo": "xel/0"})

    def share(_number: int, _job_number: int) -> tuple[bytes, bytes]:
        data = base64.b64encode(chance.bytes(XELIS_MINER_BYTES)).decode()
        request = packet("submit", {"data": data, "hash": chance.hex(32)})
        return request, packet("success", {"msg": "ok"})

    shake = {"addr": wallets.XELIS, "work": WORKER, "agent": "xelminer/v0.1.0"}
    return Dialect(
        port=5212,
        opening=(
            up(packet("shake", {**shake, "algos": ["xel/0"]})),
            down(job(0)),
            down(packet("ping", {})),
            up(packet("pong", {})),
        ),
        job=job,
        share=share,
        job_every_s=5.0,
        share_every_s=8.0,
        duration_s=120.0,
    )


def browser_messages(chance: Chance) -> Dialect:
    """The Coinhive family's messages; the caller puts them into WebSocket frames."""

    def say(kind: str, params: Mapping[str, object]) -> bytes:
        return line({"type": kind, "params": params}).rstrip(b"\n")

    def job(number: int) -> bytes:
        work = {"job_id": f"{number:015d}", "blob": chance.hex(76), "target": "ffffff00"}
        return say("job", work)

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        proof = {"job_id": f"{job_number:015d}", "nonce": chance.hex(4), "result": chance.hex(32)}
        return say("submit", proof), say("hash_accepted", {"hashes": 256 * (number + 1)})

    site_key = chance.hex(16)
    return Dialect(
        port=80,
        opening=(
            up(say("auth", {"site_key": site_key, "type": "anonymous", "user": None, "goal": 0})),
            down(say("authed", {"token": ntime(), "hashes": 0})),
            down(job(0)),
        ),
        job=job,
        share=share,
        share_every_s=5.0,
        duration_s=120.0,
    )
