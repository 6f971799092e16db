"""Stratum V2: under Noise, where sizes are all that shows, and in clear as on a test network."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from pcaps.recipes import wallets
from pcaps.recipes.stratum import POOL_NAME, START_SECONDS, WORKER, Dialect, down, up

if TYPE_CHECKING:
    from pcaps.recipes.chance import Chance

HEADER_CIPHERTEXT_BYTES = 22
MAC_BYTES = 16
ACT_ONE_BYTES = 64
ACT_TWO_BYTES = 234
CHANNEL_MESSAGE = 0x8000
SETUP_CONNECTION, SETUP_SUCCESS = 0x00, 0x01
OPEN_CHANNEL, OPEN_SUCCESS = 0x10, 0x11
NEW_JOB, NEW_PREVIOUS_HASH = 0x15, 0x20
SUBMIT, SUBMIT_SUCCESS = 0x1A, 0x1C
VERSION_2 = 2
BLOCK_VERSION = 0x20000000
BITS = 0x17034219

Wire = Callable[[int, bytes], bytes]


def stratum_v2(chance: Chance) -> Dialect:
    """Noise NX: 64 and 234 bytes of handshake, then frames of 22 + payload + 16."""
    sealed = _messages(chance, lambda _kind, body: _seal(chance, body))
    return Dialect(
        port=34254,
        opening=(
            up(chance.bytes(ACT_ONE_BYTES)),
            down(chance.bytes(ACT_TWO_BYTES)),
            *sealed.opening,
        ),
        job=sealed.job,
        share=sealed.share,
        share_every_s=8.0,
    )


def stratum_v2_plain(chance: Chance) -> Dialect:
    """The same messages without encryption."""
    return _messages(chance, _plain)


def _seal(chance: Chance, body: bytes) -> bytes:
    return chance.bytes(HEADER_CIPHERTEXT_BYTES + len(body) + MAC_BYTES)


def _plain(kind: int, body: bytes) -> bytes:
    channel = 0 if kind in (SETUP_CONNECTION, SETUP_SUCCESS, OPEN_CHANNEL, OPEN_SUCCESS) else 1
    size = struct.pack("<I", len(body))[:3]
    return struct.pack("<HB", channel * CHANNEL_MESSAGE, kind) + size + body


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _messages(chance: Chance, wire: Wire) -> Dialect:
    jobs = iter(range(1, 10_000))

    def new_job(job_number: int) -> bytes:
        head = struct.pack("<IIB", 1, job_number, 0)
        return wire(NEW_JOB, head + struct.pack("<I", BLOCK_VERSION) + chance.bytes(32))

    def previous_hash(job_number: int) -> bytes:
        head = struct.pack("<II", 1, job_number) + chance.bytes(32)
        return wire(NEW_PREVIOUS_HASH, head + struct.pack("<II", START_SECONDS, BITS))

    def job(number: int) -> bytes:
        job_number = next(jobs)
        if number % 3:
            ready = struct.pack("<IIBI", 1, job_number, 1, START_SECONDS + number)
            return wire(NEW_JOB, ready + struct.pack("<I", BLOCK_VERSION) + chance.bytes(32))
        return new_job(job_number) + previous_hash(job_number)

    def share(number: int, job_number: int) -> tuple[bytes, bytes]:
        nonce = int.from_bytes(chance.bytes(4), "big")
        body = struct.pack(
            "<IIIIII", 1, number, job_number, nonce, START_SECONDS + number, BLOCK_VERSION
        )
        done = struct.pack("<IIIQ", 1, number, 1, 4096)
        return wire(SUBMIT, body), wire(SUBMIT_SUCCESS, done)

    return Dialect(
        port=34250,
        opening=(
            up(wire(SETUP_CONNECTION, _setup())),
            down(wire(SETUP_SUCCESS, struct.pack("<HI", VERSION_2, 0))),
            up(wire(OPEN_CHANNEL, _open_channel())),
            down(wire(OPEN_SUCCESS, _open_success(chance))),
            down(new_job(0)),
            down(previous_hash(0)),
        ),
        job=job,
        share=share,
        share_every_s=8.0,
    )


def _setup() -> bytes:
    versions = struct.pack("<BHHI", 0, VERSION_2, VERSION_2, 1)
    pool = _text(POOL_NAME) + struct.pack("<H", 34254)
    device = _text("Bitmain") + _text("S21") + _text("braiins-os-2026.01") + _text(WORKER)
    return versions + pool + device


def _open_channel() -> bytes:
    user = _text(f"{wallets.BITCOIN}.{WORKER}")
    return struct.pack("<I", 1) + user + struct.pack("<f", 2.0e14) + b"\xff" * 32


def _open_success(chance: Chance) -> bytes:
    prefix = chance.bytes(8)
    head = struct.pack("<II", 1, 1) + b"\xff" * 28 + b"\0" * 4
    return head + bytes([len(prefix)]) + prefix + struct.pack("<I", 0)
