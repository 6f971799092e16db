"""Addresses: published vectors, made-up ones, and everything that is none."""

from __future__ import annotations

import string
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analyzer.wallets import MAX_LOGIN_CHARS, check
from tests import builders_wallets as wallets

MONERO_DONATIONS = (  # getmonero.org, main address and subaddress
    "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A",
    "888tNkZrPN6JsEgekjMnABU4TBzc2Dt29EPAvkRxbANsAnjyPbb3iQ1YBRk1UXcdRsiKc9dhwMVgN5S9cQUiyoogDavup3H",
)
PUBLISHED = dict.fromkeys(MONERO_DONATIONS, "XMR") | {
    # the first Bitcoin block
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa": "BTC",
    # BIP 173 and BIP 350
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4": "BTC",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0": "BTC",
    "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y": "BTC",
    # EIP-55
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed": "ETC",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359": "ETC",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB": "ETC",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb": "ETC",
    # CIP-37
    "cfx:aarc9abycue0hhzgyrr53m6cxedgccrmmyybjgh4xg": "CFX",
    "CFX:TYPE.USER:AARC9ABYCUE0HHZGYRR53M6CXEDGCCRMMYYBJGH4XG": "CFX",
    # Kaspa: the zero key
    "kaspa:qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqkx9awp4e": "KAS",
    # Ergo documentation
    "9f4QF8AD1nQ3nJahQVkMj8hFSVVzVom77b52JU7EW71Zexg6N8v": "ERG",
}

CHECKSUMMED = {
    "XMR": (wallets.monero_address, wallets.monero_subaddress, wallets.monero_integrated),
    "BTC": (wallets.bitcoin_p2pkh, wallets.bitcoin_p2wpkh, wallets.bitcoin_taproot),
    "LTC": (wallets.litecoin,),
    "ZEC": (wallets.zcash_t1,),
    "RVN": (wallets.ravencoin,),
    "KAS": (wallets.kaspa,),
    "PRL": (wallets.pearl,),
    "XEL": (wallets.xelis,),
    "ERG": (wallets.ergo,),
    "CFX": (wallets.conflux,),
}
Choice = tuple[str, Callable[[int], str]]
BUILDERS: list[Choice] = [(coin, build) for coin, builds in CHECKSUMMED.items() for build in builds]
BASE58 = wallets.BASE58


@pytest.mark.parametrize(("address", "coin"), PUBLISHED.items())
def test_a_published_address_is_valid(address: str, coin: str) -> None:
    found = check(address)

    assert found.checksum == "valid"
    assert coin in found.coins


@pytest.mark.parametrize(
    "address",
    [
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",  # BIP 173: wrong checksum
        "bc1zw508d6qejxtdg4y5r3zarvaryvqyzf3du",  # BIP 350: version 2 with the checksum of bech32
        "bc1gmk9yu",  # BIP 173: no data
        "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P",  # BIP 173: version 0 with 16 bytes
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sL5k7",  # another network
        "bc1qW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",  # mixed case
    ],
)
def test_what_the_standards_call_invalid_is_not_valid(address: str) -> None:
    assert check(address).checksum != "valid"


@given(choice=st.sampled_from(BUILDERS), seed=st.integers(0, 10_000))
def test_a_built_address_is_valid_for_its_coin_alone(choice: Choice, seed: int) -> None:
    coin, build = choice

    found = check(f"{build(seed)}.worker-7")

    assert found.checksum == "valid"
    assert found.coins in {(coin,), ("ZEC", "FLUX")}
    assert found.address == build(seed)


@given(
    choice=st.sampled_from(BUILDERS),
    seed=st.integers(0, 10_000),
    place=st.integers(0, 200),
    other=st.sampled_from(BASE58 + "0l"),
)
def test_one_wrong_character_is_never_valid(
    choice: Choice, seed: int, place: int, other: str
) -> None:
    address = choice[1](seed)
    place %= len(address)
    wrong = address[:place] + (other if address[place] != other else "z") + address[place + 1 :]

    assert wrong == address or check(wrong).checksum != "valid"


@given(seed=st.integers(0, 10_000), place=st.integers(0, 39))
def test_one_letter_in_the_wrong_case_breaks_eip55(seed: int, place: int) -> None:
    address = wallets.ethereum(seed)
    digit = address[2 + place]
    wrong = address[: 2 + place] + digit.swapcase() + address[3 + place :]

    assume(check(address).checksum == "valid" and digit.isalpha())
    assert check(wrong).checksum != "valid"


def test_letters_of_one_case_carry_no_checksum() -> None:
    assert check(wallets.ethereum(1).lower()).checksum == "none"


@given(st.text(alphabet=BASE58, min_size=20, max_size=120))
def test_random_base58_is_not_valid(text: str) -> None:
    assert check(text).checksum != "valid"


@given(st.text(alphabet="0123456789abcdef", min_size=1, max_size=130))
def test_random_hexadecimal_is_not_valid_and_names_no_coin(text: str) -> None:
    found = check(text)

    assert found.checksum != "valid"
    assert "IRON" not in found.coins


@given(st.text(max_size=2 * MAX_LOGIN_CHARS))
def test_any_text_gives_an_answer(text: str) -> None:
    assert check(text).checksum != "valid"


@given(
    st.text(alphabet=string.printable, max_size=60),
    st.sampled_from(["XMR:", "kaspa:", "0x", "bc1", "cfx:"]),
)
def test_any_text_behind_a_known_beginning_gives_an_answer(text: str, start: str) -> None:
    assert check(start + text).checksum != "valid"


def test_a_login_that_is_too_long_is_not_looked_at() -> None:
    found = check(wallets.monero_address(1) + "." + "x" * MAX_LOGIN_CHARS)

    assert (found.form, found.coins) == ("", ())


@pytest.mark.parametrize("separator", [".", "/", "#", "+", "="])
def test_what_follows_the_address_is_the_worker(separator: str) -> None:
    found = check(wallets.ravencoin(3) + separator + "rig1")

    assert (found.coins, found.checksum, found.address) == (("RVN",), "valid", wallets.ravencoin(3))


def test_unmineable_names_the_coin_that_is_paid() -> None:
    assert check(f"KAS:{wallets.kaspa(1)}.rig#abcd-1234").coins == ("KAS",)
    assert check(f"ETC:{wallets.ethereum(1)}.rig").coins == ("ETC",)


def test_unmineable_with_an_address_of_another_coin_is_invalid() -> None:
    found = check(f"XMR:{wallets.kaspa(1)}")

    assert (found.coins, found.checksum) == (("XMR",), "invalid")


def test_unmineable_with_a_coin_that_is_not_checked_keeps_the_coin() -> None:
    found = check("DOGE:somebody.w1")

    assert (found.coins, found.form, found.checksum) == (("DOGE",), "unmineable", "none")


def test_unmineable_without_an_address_of_a_checked_coin_is_invalid() -> None:
    found = check("XMR:somebody.w1")

    assert (found.coins, found.checksum) == (("XMR",), "invalid")


def test_sixty_four_digits_name_a_coin_only_in_their_dialect() -> None:
    key = "ab" * 32

    assert check(key).coins == ()
    assert check(key, dialect="ironfish").coins == ("IRON",)


def test_an_alephium_address_has_a_shape_and_no_checksum() -> None:
    found = check(wallets.alephium(5))

    assert (found.coins, found.checksum) == (("ALPH",), "none")


def test_another_cryptonote_coin_is_valid_without_a_name() -> None:
    zephyr_like = wallets.cryptonote_encode(b"\xc7\xd5\x14" + wallets.key_material("x", 1, 64))

    found = check(zephyr_like)

    assert (found.coins, found.form, found.checksum) == ((), "cryptonote", "valid")


def test_a_base58_checksum_counts_without_a_known_prefix() -> None:
    dogecoin = wallets.base58check_encode(b"\x1e" + wallets.key_material("doge", 1, 20))

    assert (check(dogecoin).coins, check(dogecoin).checksum) == ((), "valid")
    assert check("DOGE:" + dogecoin).coins == ("DOGE",)
    assert check(dogecoin[:-1] + ("a" if dogecoin[-1] != "a" else "b")).form == ""


def test_a_kaspa_address_of_another_prefix_is_not_kaspa() -> None:
    karlsen = wallets.cash_encode(
        "karlsen", b"\x00" + wallets.key_material("k", 1, 32), wallets.BECH32
    )

    assert check(karlsen).checksum != "valid"
    assert check(karlsen.replace("karlsen", "kaspa")).checksum == "invalid"
    assert check(wallets.kaspa(1).removeprefix("kaspa:")).coins == ("KAS",)


def test_the_detail_never_repeats_the_wire() -> None:
    assert "\x1b" not in check("XMR:\x1b[2J").detail


def test_builders_know_the_published_vectors() -> None:
    zero_key = wallets.cash_encode("kaspa", bytes(33), wallets.BECH32)
    conflux_body = bytes.fromhex("001a2f80341409639ea6a35bbcab8299066109aa55")

    assert wallets.keccak256(b"").hex().startswith("c5d2460186f7233c927e7db2dcc703c0")
    assert zero_key in PUBLISHED
    assert wallets.cash_encode("cfx", conflux_body, wallets.CONFLUX_BASE32) in PUBLISHED
