"""The address forms of the coins that are mined, each with its shape and its check."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from analyzer.wallets import codecs

if TYPE_CHECKING:
    from collections.abc import Callable

Checksum = Literal["valid", "invalid", "none"]

MAX_LOGIN_CHARS = 256
"""Longest text looked at: twice the longest address known here with its worker name."""

_WORKER_STARTS = re.compile(r"[./#+=]")
_BASE58 = "1-9A-HJ-NP-Za-km-z"
_BECH32 = "02-9ac-hj-np-z"
_ETHEREUM_COINS = ("ETC", "ETH", "ETHW", "OCTA", "QUAI")
_CRYPTONOTE_KINDS = {18: "main address", 19: "integrated address", 42: "subaddress"}
_VERBOSE_CONFLUX = re.compile(r"cfx:type\.[a-z]{1,16}:([a-z0-9]{42})")
_UNMINEABLE = re.compile(r"([A-Z][A-Z0-9]{1,9}):(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletCheck:
    """What is known about one login.

    Attributes:
        coins: Symbols of the coins that write addresses this way, () if the form is unknown.
        form: Name of the form, such as `cryptonote` or `bech32m`; "" if none fits.
        checksum: `none` where the form has no checksum or no form fits.
        detail: One phrase for the evidence; of the login it repeats a coin's symbol at most.
        address: The part of the login that was checked, "" if no form fits.
    """

    coins: tuple[str, ...] = ()
    form: str = ""
    checksum: Checksum = "none"
    detail: str = "no known address form"
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """One way of writing an address; `verify` gives the checksum's state and the detail."""

    name: str
    coins: tuple[str, ...]
    shape: re.Pattern[str]
    verify: Callable[[str], tuple[Checksum, str]]
    dialect: str = ""


UNKNOWN = WalletCheck()


def check(login: str, *, dialect: str = "") -> WalletCheck:
    """Reads a login: the address before any worker name, its coins and its checksum.

    Args:
        login: The text as sent. What follows the first of `.`, `/`, `#`, `+`, `=` is the worker.
            The `COIN:address` of unMineable is unwrapped.
        dialect: The mining dialect it was sent in. Forms without a shape of their own (64
            hexadecimal digits) name a coin only inside their dialect.
    """
    if len(login) > MAX_LOGIN_CHARS:
        return replace(UNKNOWN, detail=f"longer than {MAX_LOGIN_CHARS} characters")
    text = login.strip()
    return _check_address(text, dialect) or _unwrap(text, dialect) or UNKNOWN


def _check_address(text: str, dialect: str) -> WalletCheck | None:
    """The first form whose checksum holds, else the first that has the right shape."""
    address = _without_worker(text)
    failed: WalletCheck | None = None
    for form in _FORMS:
        if form.dialect not in ("", dialect) or not form.shape.fullmatch(address):
            continue
        checksum, detail = form.verify(address)
        result = WalletCheck(
            coins=form.coins, form=form.name, checksum=checksum, detail=detail, address=address
        )
        if checksum != "invalid":
            return result
        failed = failed or (result if form.coins else None)
    return failed


def _without_worker(text: str) -> str:
    verbose = _VERBOSE_CONFLUX.match(text.lower())
    if verbose:
        return "cfx:" + verbose.group(1)
    return _WORKER_STARTS.split(text, maxsplit=1)[0]


def _unwrap(text: str, dialect: str) -> WalletCheck | None:
    """An address behind the symbol of the coin it is paid in, as unMineable takes it."""
    wrapped = _UNMINEABLE.fullmatch(text)
    if wrapped is None:
        return None
    coin, inner = wrapped.group(1), wrapped.group(2)
    address = _without_worker(inner)
    found = _check_address(inner, dialect) or WalletCheck(form="unmineable", address=address)
    if coin in found.coins:
        return replace(found, coins=(coin,), detail=f"paid in {coin}; {found.detail}")
    if coin in _CHECKED_COINS:
        detail = f"paid in {coin}, but not an address of it"
        return replace(found, coins=(coin,), checksum="invalid", detail=detail)
    if found.coins:
        detail = f"paid in {coin}, whose addresses are not checked here"
        return replace(found, coins=(coin,), checksum="none", detail=detail)
    return replace(found, coins=(coin,), detail=f"paid in {coin}; {found.detail}")


def _cryptonote(address: str) -> tuple[Checksum, str]:
    body = codecs.cryptonote_body(address)
    kind = _CRYPTONOTE_KINDS.get(body[0]) if body else None
    if body is None or kind is None:
        return "invalid", "Keccak-256 checksum or network prefix is wrong"
    expected_bytes = 73 if body[0] == 19 else 65
    if len(body) != expected_bytes:
        return "invalid", "wrong length for its network prefix"
    return "valid", f"Keccak-256 checksum holds, Monero {kind}"


def _other_cryptonote(address: str) -> tuple[Checksum, str]:
    body = codecs.cryptonote_body(address)
    if body is None:
        return "invalid", "Keccak-256 checksum is wrong"
    return "valid", "Keccak-256 checksum holds, a CryptoNote coin other than Monero"


def _base58check(*versions: bytes) -> Callable[[str], tuple[Checksum, str]]:
    def verify(address: str) -> tuple[Checksum, str]:
        body = codecs.base58check_body(address)
        if body is None:
            return "invalid", "double SHA-256 checksum is wrong"
        if not any(
            body.startswith(version) and len(body) == 20 + len(version) for version in versions
        ):
            return "invalid", "checksum holds, but for another coin or network"
        return "valid", "double SHA-256 checksum holds"

    return verify


def _other_base58check(address: str) -> tuple[Checksum, str]:
    body = codecs.base58check_body(address)
    if body is None or len(body) not in (21, 22):
        return "invalid", "double SHA-256 checksum is wrong"
    return "valid", "double SHA-256 checksum holds, a coin or test network not told by its prefix"


def _segwit(prefix: str, lowest: int, highest: int) -> Callable[[str], tuple[Checksum, str]]:
    def verify(address: str) -> tuple[Checksum, str]:
        decoded = codecs.bech32_words(prefix, address.lower()[len(prefix) + 1 :])
        if decoded is None or not decoded[0]:
            return "invalid", "not bech32"
        (version, *words), residue = decoded
        program = codecs.bytes_of_words(words)
        constant = codecs.BECH32_RESIDUE if version == 0 else codecs.BECH32M_RESIDUE
        name = "bech32" if version == 0 else "bech32m"
        if residue != constant or program is None or not lowest <= version <= highest:
            return "invalid", f"{name} checksum or witness version is wrong"
        if not _is_witness_size(version, len(program)):
            return "invalid", "witness program has a wrong length"
        return "valid", f"{name} checksum holds, witness version {version}"

    return verify


def _is_witness_size(version: int, size: int) -> bool:
    """Lengths of BIP 141: 20 or 32 bytes in version 0, 2 to 40 in later ones."""
    return size in (20, 32) if version == 0 else 2 <= size <= 40


def _xelis(address: str) -> tuple[Checksum, str]:
    decoded = codecs.bech32_words("xel", address.removeprefix("xel:"))
    if decoded is None or decoded[1] != codecs.BECH32_RESIDUE:
        return "invalid", "bech32 checksum is wrong"
    return "valid", "bech32 checksum holds"


def _kaspa(address: str) -> tuple[Checksum, str]:
    body = codecs.cash_body("kaspa", address.removeprefix("kaspa:"), codecs.BECH32_ALPHABET)
    if body is None:
        return "invalid", "40-bit checksum is wrong"
    return "valid", "40-bit checksum holds"


def _conflux(address: str) -> tuple[Checksum, str]:
    body = codecs.cash_body("cfx", address.lower().removeprefix("cfx:"), codecs.CIP37_ALPHABET)
    if body is None or len(body) != 21:
        return "invalid", "40-bit checksum is wrong"
    return "valid", "40-bit checksum holds"


def _ethereum(address: str) -> tuple[Checksum, str]:
    digits = address[2:]
    if digits in (digits.lower(), digits.upper()):
        return "none", "letters of one case carry no checksum"
    if digits == codecs.eip55_case(digits):
        return "valid", "letter case holds the EIP-55 checksum"
    return "invalid", "letter case is not the EIP-55 checksum"


def _ergo(address: str) -> tuple[Checksum, str]:
    body = codecs.blake2b_body(address)
    if body is None or len(body) != 34 or body[0] != 1:
        return "invalid", "Blake2b-256 checksum is wrong"
    return "valid", "Blake2b-256 checksum holds"


def _alephium(address: str) -> tuple[Checksum, str]:
    data = codecs.base58_bytes(address)
    if data is None or len(data) != 33 or data[0] != 0:
        return "invalid", "does not decode to a type byte and 32 bytes"
    return "none", "shape only: the form has no checksum"


def _shape_only(_: str) -> tuple[Checksum, str]:
    return "none", "shape only: no checksum is checked"


def _form(
    name: str,
    coins: tuple[str, ...],
    shape: str,
    verify: Callable[[str], tuple[Checksum, str]],
    dialect: str = "",
) -> _Form:
    return _Form(name=name, coins=coins, shape=re.compile(shape), verify=verify, dialect=dialect)


_FORMS = (
    _form("cryptonote", ("XMR",), rf"[48][{_BASE58}]{{94}}|4[{_BASE58}]{{105}}", _cryptonote),
    _form("base58check", ("BTC",), rf"[13][{_BASE58}]{{25,34}}", _base58check(b"\x00", b"\x05")),
    _form(
        "bech32",
        ("BTC",),
        rf"bc1[{_BECH32}]{{11,71}}|BC1[02-9AC-HJ-NP-Z]{{11,71}}",
        _segwit("bc", 0, 16),
    ),
    _form("base58check", ("LTC",), rf"[LM][{_BASE58}]{{26,33}}", _base58check(b"\x30", b"\x32")),
    _form(
        "bech32",
        ("LTC",),
        rf"ltc1[{_BECH32}]{{11,71}}|LTC1[02-9AC-HJ-NP-Z]{{11,71}}",
        _segwit("ltc", 0, 16),
    ),
    _form(
        "base58check",
        ("ZEC", "FLUX"),
        rf"t[13][{_BASE58}]{{33}}",
        _base58check(b"\x1c\xb8", b"\x1c\xbd"),
    ),
    _form("base58check", ("RVN",), rf"R[{_BASE58}]{{33}}", _base58check(b"\x3c")),
    _form("ethereum", _ETHEREUM_COINS, r"0x[0-9a-fA-F]{40}", _ethereum),
    _form("kaspa", ("KAS",), rf"(?:kaspa:)?[qp](?:[{_BECH32}]{{60}}|[{_BECH32}]{{62}})", _kaspa),
    _form("xelis", ("XEL",), rf"xel:[{_BECH32}]{{59,200}}", _xelis),
    _form("bech32m", ("PRL",), rf"prl1p[{_BECH32}]{{58}}", _segwit("prl", 1, 1)),
    _form("ergo", ("ERG",), rf"9[{_BASE58}]{{50}}", _ergo),
    _form("conflux", ("CFX",), r"cfx:[a-z0-9]{42}|CFX:[A-Z0-9]{42}", _conflux),
    _form("alephium", ("ALPH",), rf"1[{_BASE58}]{{42,44}}", _alephium),
    _form("ironfish", ("IRON",), r"[0-9a-f]{64}", _shape_only, dialect="ironfish"),
    _form("tari", ("XTM",), rf"12[{_BASE58}]{{86,90}}", _shape_only),
    _form("cryptonote", (), rf"[{_BASE58}]{{95,110}}", _other_cryptonote),
    _form("base58check", (), rf"[{_BASE58}]{{26,36}}", _other_base58check),
)
"""In the order they are tried; shapes that overlap are told apart by their checksum.

A form without coins counts only if its checksum holds: its shape alone says nothing.
"""

_CHECKED_COINS = frozenset(coin for form in _FORMS for coin in form.coins)
