"""Dialects that grew from Bitcoin's stratum: subscribe, authorize, notify, submit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcaps.recipes import wallets
from pcaps.recipes.stratum import (
    PASSWORD,
    POOL_NAME,
    WORKER,
    Dialect,
    call,
    down,
    ntime,
    push,
    reply,
    up,
)

if TYPE_CHECKING:
    from pcaps.recipes.chance import Chance

VERSION_MASK = "1fffe000"
EQUIHASH_SOLUTION_BYTES = 1344
EQUIHASH_LENGTH_PREFIX = "fd4005"
KADENA_WORK_BYTES = 286


def stratum_v1(chance: Chance) -> Dialect:
    """Bitcoin with version rolling (BIP 310)."""
    user = f"{wallets.BITCOIN}.{WORKER}"
    subscription = chance.hex(4)
    features = {"version-rolling.mask": VERSION_MASK, "version-rolling.min-bit-count": 2}
    granted = {"version-rolling": True, "version-rolling.mask": VERSION_MASK}
    details = [["mining.set_difficulty", subscription], ["mining.notify", subscription]]
    return Dialect(
        port=3333,
        opening=(
            up(call(1, "mining.configure", [["version-rolling"], features])),
            down(reply(1, granted)),
            up(call(2, "mining.subscribe", ["cgminer/4.12.1"])),
            down(reply(2, [details, chance.hex(4), 8])),
            up(call(3, "mining.authorize", [user, PASSWORD])),
            down(reply(3, True)),
            down(push("mining.set_difficulty", [65536])),
            down(bitcoin_job(chance, 0)),
        ),
        job=lambda number: bitcoin_job(chance, number),
        share=lambda number, job: (
            call(
                4 + number,
                "mining.submit",
                [user, f"{job:x}", chance.hex(8), ntime(job), chance.hex(4), "00c00000"],
            ),
            reply(4 + number, True),
        ),
    )


def bitcoin_job(chance: Chance, number: int) -> bytes:
    """A `mining.notify` with nine parameters."""
    coinbase_head = "01000000010000000000000000" + chance.hex(36)
    branches = [chance.hex(32) for _ in range(8)]
    return push(
        "mining.notify",
        [
            f"{number:x}",
            chance.hex(32),
            coinbase_head,
            "ffffffff02" + chance.hex(70) + "00000000",
            branches,
            "20000000",
            "17034219",
            ntime(number),
            number % 4 == 0,
        ],
    )


def nicehash(chance: Chance) -> Dialect:
    """The same, from a worker that says it is NiceHash: a time in ms and a keyed hash."""
    user = f"{wallets.BITCOIN}.{WORKER}"
    subscribe = ["NiceHash/1.0.0", None, "1772442000123", chance.hex(32)]
    return Dialect(
        port=9200,
        opening=(
            up(call(1, "mining.subscribe", subscribe)),
            down(reply(1, [[["mining.notify", chance.hex(8)]], chance.hex(4), 4])),
            up(call(2, "mining.authorize", [user, PASSWORD])),
            up(call(3, "mining.extranonce.subscribe", [])),
            down(reply(2, True)),
            down(reply(3, True)),
            down(push("mining.set_difficulty", [500000])),
            down(bitcoin_job(chance, 0)),
        ),
        job=lambda number: bitcoin_job(chance, number),
        share=lambda number, job: (
            call(
                4 + number,
                "mining.submit",
                [user, f"{job:x}", chance.hex(4), ntime(job), chance.hex(4)],
            ),
            reply(4 + number, True),
        ),
    )


def equihash(chance: Chance) -> Dialect:
    """Zcash: a submit does not fit into one segment."""
    target = "0004189374bc6a7ef9db22d0e5604189" + "00" * 16
    user = f"{wallets.ZCASH}.{WORKER}"

    def job(number: int) -> bytes:
        hashes = [chance.hex(32), chance.hex(32), "00" * 32]
        return push(
            "mining.notify",
            [f"{number:04x}", "04000000", *hashes, ntime(number), "1c1bbfa5", True],
        )

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        solution = EQUIHASH_LENGTH_PREFIX + chance.hex(EQUIHASH_SOLUTION_BYTES)
        params = [user, f"{job_number:04x}", ntime(job_number), chance.hex(28), solution]
        return call(4 + number, "mining.submit", params), reply(4 + number, True)

    return Dialect(
        port=3333,
        opening=(
            up(call(1, "mining.subscribe", ["EWBF/0.3.4b", None, POOL_NAME, "3333"])),
            down(reply(1, [None, chance.hex(4)])),
            up(call(2, "mining.authorize", [user, PASSWORD])),
            down(reply(2, True)),
            down(push("mining.set_target", [target])),
            down(job(0)),
        ),
        job=job,
        share=share,
    )


def kawpow(chance: Chance) -> Dialect:
    """Ravencoin: header, seed and target in the job; nonce, header and mix in the share."""
    user = f"{wallets.RAVENCOIN}.{WORKER}"
    seed, target = chance.hex(32), "00000000ffff" + "00" * 26
    headers = {0: chance.hex(32)}
    prefix = chance.hex(2)

    def job(number: int) -> bytes:
        headers[number] = chance.hex(32)
        params = [
            f"{number:04x}",
            headers[number],
            seed,
            target,
            True,
            3_300_000 + number,
            "1b00c5a1",
        ]
        return push("mining.notify", params)

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        nonce = f"0x{prefix}{chance.hex(6)}"
        header = f"0x{headers[job_number]}"
        params = [user, f"{job_number:04x}", nonce, header, f"0x{chance.hex(32)}"]
        return call(4 + number, "mining.submit", params), reply(4 + number, True)

    return Dialect(
        port=6060,
        opening=(
            up(call(1, "mining.subscribe", ["GMiner/2.09"])),
            down(reply(1, [None, prefix])),
            up(call(2, "mining.authorize", [user, PASSWORD])),
            down(reply(2, True)),
            down(push("mining.set_target", [target])),
            down(job(0)),
        ),
        job=job,
        share=share,
    )


def kaspa(chance: Chance) -> Dialect:
    """Kaspa through the stratum bridge: the header's hash as four numbers."""
    user = f"{wallets.KASPA}.{WORKER}"
    prefix = chance.hex(2)

    def job(number: int) -> bytes:
        words = [int.from_bytes(chance.bytes(8), "big") for _ in range(4)]
        return push("mining.notify", [str(number), words, 1_772_442_000_000 + 1000 * number])

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        params = [user, str(job_number), f"0x{prefix}{chance.hex(6)}"]
        return call(4 + number, "mining.submit", params), reply(4 + number, True)

    return Dialect(
        port=5555,
        opening=(
            up(call(1, "mining.subscribe", ["BzMiner/v12.1.1", "EthereumStratum/1.0.0"])),
            down(reply(1, [True, "EthereumStratum/1.0.0"])),
            up(call(2, "mining.authorize", [user, PASSWORD])),
            down(reply(2, True)),
            down(push("set_extranonce", [prefix])),
            down(push("mining.set_difficulty", [4.0])),
            down(job(0)),
        ),
        job=job,
        share=share,
        job_every_s=2.0,
        share_every_s=3.0,
        duration_s=60.0,
    )


def ergo(chance: Chance) -> Dialect:
    """Ergo (Autolykos 2): difficulty stays 1, the target is a decimal number in the job."""
    user = f"{wallets.ERGO}.{WORKER}"
    target = str(1 << 232)

    def job(number: int) -> bytes:
        params = [
            f"{number:x}",
            1_400_000 + number,
            chance.hex(32),
            "",
            "",
            "00000003",
            target,
            "",
            True,
        ]
        return push("mining.notify", params)

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        params = [user, f"{job_number:x}", chance.hex(4), ntime(job_number), chance.hex(8)]
        return call(4 + number, "mining.submit", params), reply(4 + number, True)

    details = [["mining.set_difficulty", "1"], ["mining.notify", chance.hex(8)]]
    return Dialect(
        port=8888,
        opening=(
            up(call(1, "mining.subscribe", ["lolMiner 1.76"])),
            down(reply(1, [details, chance.hex(4), 4])),
            up(call(2, "mining.authorize", [user, PASSWORD])),
            down(reply(2, True)),
            down(push("mining.set_difficulty", [1])),
            down(job(0)),
        ),
        job=job,
        share=share,
    )


def conflux(chance: Chance) -> Dialect:
    """Conflux (Octopus): height, header and boundary in the job."""
    user = f"{wallets.CONFLUX}.{WORKER}"
    boundary = "0x00000000" + "ff" * 28
    headers: dict[int, str] = {}

    def job(number: int) -> bytes:
        headers[number] = f"0x{chance.hex(32)}"
        return push(
            "mining.notify", [f"{number:x}", str(99_000_000 + number), headers[number], boundary]
        )

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        params = [user, f"{job_number:x}", f"0x{chance.hex(8)}", headers[job_number]]
        return call(4 + number, "mining.submit", params), reply(4 + number, True)

    return Dialect(
        port=3094,
        opening=(
            up(call(1, "mining.subscribe", ["trex/0.24.4", ""])),
            down(reply(1, [chance.hex(4), ""])),
            up(call(2, "mining.authorize", [user, PASSWORD])),
            down(reply(2, True)),
            down(job(0)),
        ),
        job=job,
        share=share,
        job_every_s=1.5,
        share_every_s=5.0,
        duration_s=60.0,
    )


def kadena(chance: Chance) -> Dialect:
    """Kadena: one work header in the job, jobs faster than one a second over twenty chains."""
    user = f"{wallets.KADENA}.{WORKER}"

    def job(number: int) -> bytes:
        return push("mining.notify", [str(number), chance.hex(KADENA_WORK_BYTES), True])

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        params = [user, str(job_number), chance.hex(6)]
        return call(4 + number, "mining.submit", params), reply(4 + number, True)

    details = [["mining.set_target", chance.hex(4)], ["mining.notify", chance.hex(4)]]
    return Dialect(
        port=1917,
        opening=(
            up(call(1, "mining.subscribe", ["BzMiner/v21.0.0"])),
            down(reply(1, [details, chance.hex(2), 6])),
            up(call(2, "mining.authorize", [user, PASSWORD])),
            down(reply(2, True)),
            down(push("mining.set_target", ["00000000" + "ff" * 28])),
            down(job(0)),
        ),
        job=job,
        share=share,
        job_every_s=0.8,
        share_every_s=6.0,
        duration_s=40.0,
    )


def warthog(chance: Chance) -> Dialect:
    """Warthog: Bitcoin's notify with a Merkle prefix in place of coinbase and branches."""
    user = f"{wallets.WARTHOG}.{WORKER}"

    def job(number: int) -> bytes:
        params = [
            f"{number:x}",
            chance.hex(32),
            chance.hex(24),
            "00000002",
            "1d0fffff",
            ntime(number),
        ]
        return push("mining.notify", [*params, number % 4 == 0])

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        params = [user, f"{job_number:x}", chance.hex(4), ntime(job_number), chance.hex(4)]
        return call(4 + number, "mining.submit", params), reply(4 + number, True)

    prefix = chance.hex(6)
    return Dialect(
        port=7777,
        opening=(
            up(call(1, "mining.subscribe", ["BzMiner/v21.0.0"])),
            down(reply(1, [[["mining.notify", prefix]], prefix, 4])),
            up(call(2, "mining.authorize", [user, PASSWORD])),
            down(reply(2, True)),
            down(push("mining.set_difficulty", [0.25])),
            down(job(0)),
        ),
        job=job,
        share=share,
    )
