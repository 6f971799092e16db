"""PEARL: named parameters under `mining.*`, and proofs of hundreds of kilobytes as shares."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from pcaps.recipes import wallets
from pcaps.recipes.deflate import gzip_literals
from pcaps.recipes.stratum import PASSWORD, WORKER, Dialect, down, line, push, up

if TYPE_CHECKING:
    from pcaps.recipes.chance import Chance

PROOF_BYTES = 276_000
COMPRESSED_PROOF_BYTES = 55_400
AGENT = "SRBMiner-MULTI/3.7.0"
TARGET = "0000000000ffff" + "00" * 25


def pearl(chance: Chance) -> Dialect:
    """Version 1: the proof as plain base64, a line of about 368 kB."""
    return _pearl(chance, kind="pearlhash", duration_s=32.0)


def pearl_v2(chance: Chance) -> Dialect:
    """Version 2: the proof is gzip before base64, a line of about 74 kB."""
    return _pearl(chance, kind="v2", duration_s=75.0)


def _proof(chance: Chance, kind: str) -> tuple[str, str]:
    """Encoding and text of a proof; few distinct values, as small integers have."""
    size = COMPRESSED_PROOF_BYTES if kind == "v2" else PROOF_BYTES
    tile = bytes(byte & 3 for byte in chance.bytes(2048))
    data = (chance.bytes(256) + tile * (size // len(tile) + 1))[:size]
    if kind == "v2":
        return "gzip", base64.b64encode(gzip_literals(data)).decode()
    return "none", base64.b64encode(data).decode()


def _pearl(chance: Chance, *, kind: str, duration_s: float) -> Dialect:
    who = {"wallet": wallets.PEARL, "worker": WORKER}

    def job(number: int) -> bytes:
        work = {"header": chance.hex(76), "height": 61_000 + number, "job_id": f"{number:08x}"}
        return push("mining.notify", {**work, "target": TARGET, "cert_version": 1})

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        encoding, proof = _proof(chance, kind)
        params = {**who, "job_id": f"{job_number:08x}", "plain_proof": proof}
        request = {
            "id": 2 + number,
            "method": "mining.submit",
            "params": {**params, "proof_encoding": encoding},
        }
        return line(request), line({"id": 2 + number, "result": True, "error": None})

    hello = {**who, "password": PASSWORD, "agent": AGENT, "type": kind}
    welcome = {"id": 1, "result": True, "error": None}
    return Dialect(
        port=9000,
        opening=(
            up(line({"id": 1, "method": "mining.authorize", "params": hello})),
            down(line({**welcome, "type": "v2"} if kind == "v2" else welcome)),
            down(push("mining.set_difficulty", {"difficulty": 4096})),
            down(job(0)),
        ),
        job=job,
        share=share,
        job_every_s=25.0,
        share_every_s=10.0,
        duration_s=duration_s,
    )
