"""Text encodings of addresses, decoded with every length and digit checked.

Each decoder returns `None` for text that is not of its encoding; none raises. Sources: BIP 13 and
the base58 alphabet of Bitcoin, CNS007 (CryptoNote base58 blocks), BIP 173 and BIP 350 (bech32 and
bech32m), the Bitcoin Cash address specification (40-bit polymod, reused by Kaspa and CIP-37),
EIP-55 (letter case as checksum).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from Crypto.Hash import keccak

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BASE58_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
CIP37_ALPHABET = "abcdefghjkmnprstuvwxyz0123456789"
BECH32_RESIDUE = 1
BECH32M_RESIDUE = 0x2BC830A3

_CHECKSUM_BYTES = 4
_CRYPTONOTE_BLOCK_CHARS = 11
_CRYPTONOTE_BLOCK_BYTES = {2: 1, 3: 2, 5: 3, 6: 4, 7: 5, 9: 6, 10: 7, 11: 8}
_BECH32_CHECKSUM_WORDS = 6
_CASH_CHECKSUM_WORDS = 8
_BECH32_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CASH_GENERATORS = (0x98F2BC8E61, 0x79B76D99E2, 0xF33E5FB3C4, 0xAE2EABE2A8, 0x1E4F43E470)


def keccak256(data: bytes) -> bytes:
    """Keccak-256 with the padding from before FIPS 202, as Monero and Ethereum use it."""
    return keccak.new(digest_bits=256, data=data).digest()


def base58_bytes(text: str) -> bytes | None:
    """Plain base58; a leading `1` stands for a zero byte."""
    number = _base58_number(text)
    if number is None:
        return None
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def base58check_body(text: str) -> bytes | None:
    """The bytes before a double SHA-256 checksum, or `None` if it does not hold."""
    data = base58_bytes(text)
    if data is None or len(data) <= _CHECKSUM_BYTES:
        return None
    body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    digest = hashlib.sha256(hashlib.sha256(body).digest()).digest()
    return body if digest.startswith(checksum) else None


def blake2b_body(text: str) -> bytes | None:
    """The bytes before a Blake2b-256 checksum in base58 (Ergo), or `None` if it does not hold."""
    data = base58_bytes(text)
    if data is None or len(data) <= _CHECKSUM_BYTES:
        return None
    body, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    return body if hashlib.blake2b(body, digest_size=32).digest().startswith(checksum) else None


def cryptonote_body(text: str) -> bytes | None:
    """The bytes before a Keccak-256 checksum in CryptoNote base58, or `None`."""
    data = bytearray()
    for start in range(0, len(text), _CRYPTONOTE_BLOCK_CHARS):
        block = text[start : start + _CRYPTONOTE_BLOCK_CHARS]
        size = _CRYPTONOTE_BLOCK_BYTES.get(len(block))
        number = _base58_number(block)
        if size is None or number is None or number >> 8 * size:
            return None
        data += number.to_bytes(size, "big")
    if len(data) <= _CHECKSUM_BYTES:
        return None
    body, checksum = bytes(data[:-_CHECKSUM_BYTES]), bytes(data[-_CHECKSUM_BYTES:])
    return body if keccak256(body).startswith(checksum) else None


def bech32_words(prefix: str, text: str) -> tuple[list[int], int] | None:
    """Five-bit words without the checksum, and the checksum's residue.

    The residue is `BECH32_RESIDUE` or `BECH32M_RESIDUE` for a checksum that holds, `None` stands
    for characters outside the alphabet or a text too short to hold a checksum.
    """
    words = _words(text, BECH32_ALPHABET)
    if words is None or len(words) < _BECH32_CHECKSUM_WORDS:
        return None
    expanded = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    return words[:-_BECH32_CHECKSUM_WORDS], _bech32_polymod([*expanded, *words])


def cash_body(prefix: str, text: str, alphabet: str) -> bytes | None:
    """The bytes before a 40-bit checksum that covers the prefix, or `None`."""
    words = _words(text, alphabet)
    if words is None or len(words) <= _CASH_CHECKSUM_WORDS:
        return None
    expanded = [ord(char) & 31 for char in prefix] + [0]
    if _cash_polymod([*expanded, *words]) != 0:
        return None
    return bytes_of_words(words[:-_CASH_CHECKSUM_WORDS])


def bytes_of_words(words: Sequence[int]) -> bytes | None:
    """Five-bit words as bytes; `None` if the padding is longer than four bits or not zero."""
    number = 0
    for word in words:
        number = number << 5 | word
    padding_bits = len(words) * 5 % 8
    if padding_bits > 4 or number & (1 << padding_bits) - 1:
        return None
    return (number >> padding_bits).to_bytes(len(words) * 5 // 8, "big")


def eip55_case(digits: str) -> str:
    """Forty hexadecimal digits in the letter case that EIP-55 asks for."""
    lower = digits.lower()
    digest = keccak256(lower.encode("ascii")).hex()
    return "".join(
        digit.upper() if int(nibble, 16) >= 8 else digit
        for digit, nibble in zip(lower, digest, strict=False)
    )


def _base58_number(text: str) -> int | None:
    number = 0
    for char in text:
        digit = BASE58_ALPHABET.find(char)
        if digit < 0:
            return None
        number = number * 58 + digit
    return number


def _words(text: str, alphabet: str) -> list[int] | None:
    words = [alphabet.find(char) for char in text]
    return None if -1 in words else words


def _bech32_polymod(words: Iterable[int]) -> int:
    residue = 1
    for word in words:
        top = residue >> 25
        residue = (residue & 0x1FFFFFF) << 5 ^ word
        for bit, generator in enumerate(_BECH32_GENERATORS):
            if top >> bit & 1:
                residue ^= generator
    return residue


def _cash_polymod(words: Iterable[int]) -> int:
    residue = 1
    for word in words:
        top = residue >> 35
        residue = (residue & 0x07FFFFFFFF) << 5 ^ word
        for bit, generator in enumerate(_CASH_GENERATORS):
            if top >> bit & 1:
                residue ^= generator
    return residue ^ 1
