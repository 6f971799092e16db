"""Made-up wallet addresses with correct checksums, the same for the same seed.

Nobody holds the keys: the key material is a hash of the coin's name and the seed. The module stands
alone (standard library only), and its encoders share nothing with `analyzer.wallets`, so that each
checks the other.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
CONFLUX_BASE32 = "abcdefghjkmnprstuvwxyz0123456789"
BECH32_CONSTANT = 1
BECH32M_CONSTANT = 0x2BC830A3
_LANES = 25
_LANE_MASK = (1 << 64) - 1
_KECCAK_RATE_BYTES = 136


def key_material(coin: str, seed: int, size_bytes: int) -> bytes:
    """Bytes that stand for a public key: a hash of the coin's name and the seed."""
    return hashlib.shake_256(f"sample wallet {coin} {seed}".encode()).digest(size_bytes)


def monero_address(seed: int) -> str:
    """A standard Monero main-net address (prefix 18), 95 characters."""
    return cryptonote_encode(bytes([18]) + key_material("monero", seed, 64))


def monero_subaddress(seed: int) -> str:
    """A Monero main-net subaddress (prefix 42), 95 characters."""
    return cryptonote_encode(bytes([42]) + key_material("monero sub", seed, 64))


def monero_integrated(seed: int) -> str:
    """A Monero main-net integrated address (prefix 19, 8-byte payment id), 106 characters."""
    return cryptonote_encode(bytes([19]) + key_material("monero integrated", seed, 72))


def bitcoin_p2pkh(seed: int) -> str:
    """A Bitcoin pay-to-public-key-hash address, `1…`."""
    return base58check_encode(b"\x00" + key_material("bitcoin", seed, 20))


def bitcoin_p2wpkh(seed: int) -> str:
    """A Bitcoin native segwit version 0 address, `bc1q…`."""
    return segwit_encode("bc", 0, key_material("bitcoin segwit", seed, 20))


def bitcoin_taproot(seed: int) -> str:
    """A Bitcoin taproot address, `bc1p…`."""
    return segwit_encode("bc", 1, key_material("bitcoin taproot", seed, 32))


def litecoin(seed: int) -> str:
    """A Litecoin pay-to-public-key-hash address, `L…`."""
    return base58check_encode(b"\x30" + key_material("litecoin", seed, 20))


def zcash_t1(seed: int) -> str:
    """A Zcash transparent address, `t1…`."""
    return base58check_encode(b"\x1c\xb8" + key_material("zcash", seed, 20))


def ravencoin(seed: int) -> str:
    """A Ravencoin address, `R…`."""
    return base58check_encode(b"\x3c" + key_material("ravencoin", seed, 20))


def ethereum(seed: int) -> str:
    """An Ethereum-style address whose letter case carries the EIP-55 checksum."""
    digits = key_material("ethereum", seed, 20).hex()
    digest = keccak256(digits.encode()).hex()
    letters = (
        digit.upper() if int(nibble, 16) >= 8 else digit
        for digit, nibble in zip(digits, digest, strict=False)
    )
    return "0x" + "".join(letters)


def kaspa(seed: int) -> str:
    """A Kaspa address of a Schnorr public key (version 0), `kaspa:` and 61 characters."""
    return cash_encode("kaspa", b"\x00" + key_material("kaspa", seed, 32), BECH32)


def conflux(seed: int) -> str:
    """A Conflux user address (CIP-37), `cfx:aa…`."""
    key = bytearray(key_material("conflux", seed, 20))
    key[0] = 0x10 | key[0] & 0x0F
    return cash_encode("cfx", b"\x00" + bytes(key), CONFLUX_BASE32)


def pearl(seed: int) -> str:
    """A Pearl address: bech32m, human-readable part `prl`, witness version 1."""
    return segwit_encode("prl", 1, key_material("pearl", seed, 32))


def xelis(seed: int) -> str:
    """A Xelis address: bech32 over a 32-byte key and a type byte, with `:` for the separator."""
    words = regroup(key_material("xelis", seed, 32) + b"\x00")
    return "xel:" + bech32_text("xel", words, BECH32_CONSTANT)


def ergo(seed: int) -> str:
    """An Ergo main-net pay-to-public-key address, `9…`."""
    body = b"\x01\x02" + key_material("ergo", seed, 32)
    return base58_encode(body + hashlib.blake2b(body, digest_size=32).digest()[:4])


def alephium(seed: int) -> str:
    """An Alephium pay-to-public-key-hash address: `1…`, no checksum in this form."""
    return base58_encode(b"\x00" + key_material("alephium", seed, 32))


def cryptonote_encode(body: bytes) -> str:
    """CryptoNote base58 of `body` and four bytes of its Keccak-256."""
    data = body + keccak256(body)[:4]
    widths = {1: 2, 2: 3, 3: 5, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11}
    blocks = (data[start : start + 8] for start in range(0, len(data), 8))
    return "".join(
        _base58_number(int.from_bytes(block, "big")).rjust(widths[len(block)], "1")
        for block in blocks
    )


def base58check_encode(body: bytes) -> str:
    """Base58 of `body` and four bytes of its double SHA-256."""
    return base58_encode(body + hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4])


def base58_encode(data: bytes) -> str:
    """Plain base58, a `1` for each leading zero byte."""
    zeros = len(data) - len(data.lstrip(b"\x00"))
    return "1" * zeros + _base58_number(int.from_bytes(data, "big"))


def segwit_encode(prefix: str, version: int, program: bytes) -> str:
    """A witness program as BIP 173 (version 0) or BIP 350 (later versions) writes it."""
    constant = BECH32_CONSTANT if version == 0 else BECH32M_CONSTANT
    return prefix + "1" + bech32_text(prefix, [version, *regroup(program)], constant)


def bech32_text(prefix: str, words: Sequence[int], constant: int) -> str:
    """Data and checksum characters of BIP 173, without prefix and separator."""
    expanded = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    residue = _bech32_polymod([*expanded, *words, *[0] * 6]) ^ constant
    checksum = [residue >> 5 * (5 - place) & 31 for place in range(6)]
    return "".join(BECH32[word] for word in [*words, *checksum])


def cash_encode(prefix: str, body: bytes, alphabet: str) -> str:
    """Prefix, colon, data and the 40-bit checksum that Kaspa and Conflux took from Bitcoin Cash."""
    words = regroup(body)
    expanded = [ord(char) & 31 for char in prefix] + [0]
    residue = _cash_polymod([*expanded, *words, *[0] * 8])
    checksum = [residue >> 5 * (7 - place) & 31 for place in range(8)]
    return f"{prefix}:" + "".join(alphabet[word] for word in [*words, *checksum])


def regroup(data: bytes) -> list[int]:
    """Eight-bit bytes as five-bit words, zero bits at the end."""
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return [int(bits[start : start + 5], 2) for start in range(0, len(bits), 5)]


def keccak256(data: bytes) -> bytes:
    """Keccak-256 with the original padding byte 0x01 (not the SHA-3 of FIPS 202)."""
    padded = bytearray(data + bytes(_KECCAK_RATE_BYTES - len(data) % _KECCAK_RATE_BYTES))
    padded[len(data)] ^= 0x01
    padded[-1] ^= 0x80
    state = [0] * _LANES
    for start in range(0, len(padded), _KECCAK_RATE_BYTES):
        for lane in range(_KECCAK_RATE_BYTES // 8):
            offset = start + 8 * lane
            state[lane] ^= int.from_bytes(padded[offset : offset + 8], "little")
        state = _keccak_permutation(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state[:4])


def _keccak_permutation(state: list[int]) -> list[int]:
    """Keccak-f[1600] on lanes indexed x + 5 * y (FIPS 202 section 3.2)."""
    register = 1
    for _ in range(24):
        columns = [
            state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20]
            for x in range(5)
        ]
        mixes = [columns[(x + 4) % 5] ^ _rotate(columns[(x + 1) % 5], 1) for x in range(5)]
        state = [lane ^ mixes[index % 5] for index, lane in enumerate(state)]
        state = _chi(_rho_and_pi(state))
        for power in range(7):
            if register & 1:
                state[0] ^= 1 << (1 << power) - 1
            register = register << 1 ^ (0x171 if register & 0x80 else 0)
    return state


def _rho_and_pi(state: list[int]) -> list[int]:
    moved = [0] * _LANES
    moved[0] = state[0]
    x, y = 1, 0
    for step in range(24):
        rotation = (step + 1) * (step + 2) // 2 % 64
        target = y + 5 * ((2 * x + 3 * y) % 5)
        moved[target] = _rotate(state[x + 5 * y], rotation)
        x, y = y, (2 * x + 3 * y) % 5
    return moved


def _chi(state: list[int]) -> list[int]:
    return [
        lane
        ^ (
            ~state[index - index % 5 + (index + 1) % 5]
            & _LANE_MASK
            & state[index - index % 5 + (index + 2) % 5]
        )
        for index, lane in enumerate(state)
    ]


def _rotate(lane: int, places: int) -> int:
    return (lane << places | lane >> 64 - places) & _LANE_MASK


def _base58_number(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return text


def _bech32_polymod(words: Iterable[int]) -> int:
    generators = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
    residue = 1
    for word in words:
        top = residue >> 25
        residue = (residue & 0x1FFFFFF) << 5 ^ word
        for bit, generator in enumerate(generators):
            residue ^= generator if top >> bit & 1 else 0
    return residue


def _cash_polymod(words: Iterable[int]) -> int:
    generators = (0x98F2BC8E61, 0x79B76D99E2, 0xF33E5FB3C4, 0xAE2EABE2A8, 0x1E4F43E470)
    residue = 1
    for word in words:
        top = residue >> 35
        residue = (residue & 0x07FFFFFFFF) << 5 ^ word
        for bit, generator in enumerate(generators):
            residue ^= generator if top >> bit & 1 else 0
    return residue ^ 1
