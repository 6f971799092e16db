"""What all dialects share: JSON lines, the rhythm of jobs and shares, the capture around them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pcaps.recipes.chance import Chance
from pcaps.recipes.dns import RESOLVER, lookup
from pcaps.recipes.model import EPOCH_NS, NS_PER_S, Capture, Frame, merge
from pcaps.recipes.packets import Endpoint, Wrap, ethernet
from pcaps.recipes.talk import DOWN, UP, Talk

Json = Mapping[str, object]
Line = tuple[int, bytes]

MINER_IP = "10.20.0.14"
POOL_IP = "198.51.100.23"
POOL_NAME = "pool.example.org"
WORKER = "node14"
PASSWORD = "x"  # noqa: S105 -- what miners send where pools want no password
DNS_BEFORE_S = 0.05
ACK_AFTER_S = 0.044
START_SECONDS = EPOCH_NS // NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One mining conversation.

    `opening` is said in turn. Then jobs (`job(number)`) and shares (`share(number, job_number)`,
    a request and its answer) run side by side: jobs roughly every `job_every_s`, shares as a
    Poisson process, both for `duration_s`.
    """

    port: int
    opening: tuple[Line, ...]
    job: Callable[[int], bytes]
    share: Callable[[int, int], tuple[bytes, bytes]]
    job_every_s: float = 30.0
    share_every_s: float = 14.0
    duration_s: float = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where and how a conversation was captured. An empty `pool_name` means no look-up."""

    miner_ip: str = MINER_IP
    pool_ip: str = POOL_IP
    pool_name: str = POOL_NAME
    resolver: Endpoint = RESOLVER
    port: int = 0
    start_s: float = 0.0
    wrap: Wrap = ethernet
    mtu_bytes: int = 1500
    handshake: bool = True
    pool_connects: bool = False
    cut: int = 0
    fault: str = ""


def line(message: Json) -> bytes:
    """A message as one line of compact JSON."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def call(ident: int | str, method: str, params: object, **more: object) -> bytes:
    """A request with positional or named parameters."""
    return line({"id": ident, "method": method, "params": params, **more})


def reply(ident: int | str, result: object) -> bytes:
    """A successful answer as most pools write it."""
    return line({"id": ident, "result": result, "error": None})


def push(method: str, params: object) -> bytes:
    """A notification from the pool."""
    return line({"id": None, "method": method, "params": params})


def ntime(elapsed_s: float = 0) -> str:
    """A block time as eight hex digits."""
    return f"{START_SECONDS + int(elapsed_s):08x}"


def mine(talk: Talk, dialect: Dialect, chance: Chance, *, cut: int = 0, fault: str = "") -> None:
    """Plays the whole conversation; `cut` and `fault` apply to every third share."""
    for side, data in dialect.opening:
        (talk.up if side == UP else talk.down)(data)
    began_s = talk.now_s
    job_times_s = _job_times(dialect, chance)
    share_times_s = _share_times(dialect, chance)
    for number, at_s in enumerate(job_times_s):
        talk.now_s = began_s + at_s
        talk.down(dialect.job(number + 1), 0.0)
    for number, at_s in enumerate(share_times_s):
        current_job = sum(1 for job_s in job_times_s if job_s <= at_s)
        request, answer = dialect.share(number, current_job)
        special = number % 3 == 2
        talk.now_s = began_s + at_s
        talk.up(request, 0.0, cut=cut if special else 0, fault=fault if special else "")
        talk.down(answer, ACK_AFTER_S + chance.between(0.0, 0.004))
    talk.now_s = began_s + dialect.duration_s


def _job_times(dialect: Dialect, chance: Chance) -> list[float]:
    """Refreshes with some jitter and now and then a new block in between."""
    times: list[float] = []
    now_s = 0.0
    while True:
        now_s += dialect.job_every_s * chance.between(0.6, 1.4)
        if now_s >= dialect.duration_s:
            return times
        times.append(now_s)


def _share_times(dialect: Dialect, chance: Chance) -> list[float]:
    times: list[float] = []
    now_s = 1.0
    while True:
        now_s += 0.2 + chance.exponential(dialect.share_every_s)
        if now_s >= dialect.duration_s - 1.0:
            return times
        times.append(now_s)


def mining_frames(dialect: Dialect, chance: Chance, setting: Setting | None = None) -> list[Frame]:
    """One miner's frames: the look-up of the pool's name, then the conversation."""
    where = setting or Setting()
    miner = Endpoint(where.miner_ip, chance.integer(32768, 60999))
    pool = Endpoint(where.pool_ip, where.port or dialect.port)
    ends = (pool, miner) if where.pool_connects else (miner, pool)
    talk = Talk(
        *ends,
        chance=chance,
        start_s=where.start_s + DNS_BEFORE_S,
        handshake=where.handshake,
        mtu_bytes=where.mtu_bytes,
        swapped=where.pool_connects,
    )
    mine(talk, dialect, chance, cut=where.cut, fault=where.fault)
    if where.handshake:
        talk.close()
    frames = talk.frames(where.wrap)
    if where.pool_name:
        name, address = where.pool_name, where.pool_ip
        kind = "AAAA" if ":" in address else "A"
        frames += lookup(
            where.miner_ip,
            name,
            address,
            chance=chance,
            at_s=where.start_s,
            kind=kind,
            wrap=where.wrap,
            resolver=where.resolver,
        )
    return frames


def mining_capture(
    make: Callable[[Chance], Dialect], seed: str, setting: Setting | None = None
) -> Capture:
    """A capture of one miner."""
    chance = Chance(seed)
    return Capture(frames=merge(mining_frames(make(chance), chance, setting)))


def up(data: bytes) -> Line:
    """A line of the miner."""
    return (UP, data)


def down(data: bytes) -> Line:
    """A line of the pool."""
    return (DOWN, data)
