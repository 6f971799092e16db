"""Addresses in networks, as SQL judges their text."""

from __future__ import annotations

import ipaddress
import random

import duckdb
import pytest

from analyzer.settings import parse_network
from analyzer.store.tables.engine import Binder
from analyzer.store.tables.networks import in_network, is_in_any, six_digits

RANDOM = random.Random(7)
JUNK = ["", "x", ":::::", "a" * 100, ":" * 50, "....", "1.2", "[::1]", ".1.2.3", "300.1.1.1"]


def six() -> str:
    groups = [
        RANDOM.choice([0, 0, 0, RANDOM.getrandbits(16), RANDOM.getrandbits(8)]) for _ in range(8)
    ]
    return str(ipaddress.IPv6Address(sum(group << (16 * at) for at, group in enumerate(groups))))


ADDRESSES = [
    *(str(ipaddress.IPv4Address(RANDOM.getrandbits(32))) for _ in range(200)),
    *(f"10.0.{RANDOM.randrange(256)}.{RANDOM.randrange(256)}" for _ in range(200)),
    *(six() for _ in range(400)),
    *("::", "::1", "1::", "::ffff:10.1.2.3", "2001:db8::1", "2001:db8:1:2:3:4:5:6", "fe80::"),
]


def chosen(sql: str, binder: Binder) -> set[str]:
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT a FROM (SELECT unnest($all) AS a) WHERE {sql}",
            {"all": ADDRESSES + JUNK, **binder.values},
        ).fetchall()
    return {row[0] for row in rows}


@pytest.mark.parametrize("seed", range(25))
def test_a_network_holds_the_addresses_that_python_says(seed: int) -> None:
    chooser = random.Random(seed)
    address = ipaddress.ip_address(chooser.choice(ADDRESSES))
    prefix = chooser.randrange(address.max_prefixlen + 1)
    network = ipaddress.ip_network((str(address), prefix), strict=False)
    binder = Binder()

    found = chosen(in_network("a", network, binder), binder)

    assert found - set(JUNK) == {text for text in ADDRESSES if is_in_any(text, [network])}


@pytest.mark.parametrize("text", ["10.0.0.0/8", "10.0.0.0/9", "fc00::/7", "::ffff:0:0/96"])
def test_any_text_can_be_judged(text: str) -> None:
    binder = Binder()
    sql = in_network("a", parse_network(text), binder)
    inside, outside = chosen(sql, binder), chosen(f"NOT {sql}", binder)
    assert inside | outside == set(ADDRESSES + JUNK)
    assert inside.isdisjoint(outside)


def test_the_digits_of_version_6_are_those_of_python() -> None:
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT a, {six_digits('a')} FROM (SELECT unnest($all) AS a)", {"all": ADDRESSES}
        ).fetchall()
    for text, digits in rows:
        address = ipaddress.ip_address(text)
        assert digits == (address.packed.hex() if address.version == 6 else None)
