"""The same mining under less friendly circumstances."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pcaps.recipes.chance import Chance
from pcaps.recipes.mine_bitcoin import stratum_v1
from pcaps.recipes.mine_cryptonote import ALGORITHMS, XMRIG, cryptonote
from pcaps.recipes.mine_ethereum import ethereumstratum_v1
from pcaps.recipes.model import LINK_RAW_IP, LINK_SLL2, Capture, Interface, merge
from pcaps.recipes.packets import Endpoint, qinq, raw_ip, sll2
from pcaps.recipes.stratum import (
    DNS_BEFORE_S,
    MINER_IP,
    POOL_IP,
    POOL_NAME,
    Dialect,
    Setting,
    call,
    line,
    mine,
    mining_capture,
    mining_frames,
)
from pcaps.recipes.talk import Talk
from pcaps.recipes.web import request

if TYPE_CHECKING:
    from collections.abc import Callable

PROXY = Endpoint("203.0.113.80", 3128)
MINER_IP6 = "2001:db8:20::14"
POOL_IP6 = "2001:db8:1::23"
RESOLVER_IP6 = Endpoint("2001:db8:53::53", 53)
SMALL_MTU_BYTES = 256


def midstream() -> Capture:
    """The capture begins after the login; the pool speaks first, nothing ends."""

    def without_opening(chance: Chance) -> Dialect:
        return replace(cryptonote(chance), opening=())

    return mining_capture(without_opening, "midstream", Setting(handshake=False, pool_name=""))


def split_segments() -> Capture:
    """Every third share arrives one byte to a segment."""
    return mining_capture(_short(stratum_v1), "split_segments", Setting(cut=1))


def retransmission() -> Capture:
    """Every third share is captured twice."""
    return mining_capture(stratum_v1, "retransmission", Setting(fault="retransmitted"))


def out_of_order() -> Capture:
    """Every third share is captured late, behind its neighbours, in pieces."""
    return mining_capture(stratum_v1, "out_of_order", Setting(fault="reordered", cut=40))


def lost_segments() -> Capture:
    """Every third share is missing from the capture, though the pool had it."""
    return mining_capture(stratum_v1, "lost_segments", Setting(fault="lost"))


def ipv6() -> Capture:
    """Miner and pool on IPv6, the name answered with an AAAA record."""
    where = Setting(miner_ip=MINER_IP6, pool_ip=POOL_IP6, resolver=RESOLVER_IP6)
    return mining_capture(ethereumstratum_v1, "ipv6", where)


def on_port_443() -> Capture:
    """Plain stratum on a port where TLS is expected."""
    return mining_capture(cryptonote, "on_port_443", Setting(port=443))


def server_initiated() -> Capture:
    """The pool's relay opens the connection to the node."""
    where = Setting(pool_connects=True, port=41_414, pool_name="")
    return mining_capture(cryptonote, "server_initiated", where)


def vlan_qinq() -> Capture:
    """Behind two VLAN tags."""
    return mining_capture(stratum_v1, "vlan_qinq", Setting(wrap=qinq))


def linux_sll2() -> Capture:
    """Linux cooked capture v2, as `tcpdump -i any` writes it."""
    where = Setting(wrap=sll2)
    return replace(mining_capture(stratum_v1, "sll2", where), link_type=LINK_SLL2)


def raw_link() -> Capture:
    """Packets without a link layer, as on a tunnel interface."""
    where = Setting(wrap=raw_ip)
    return replace(mining_capture(stratum_v1, "raw_ip", where), link_type=LINK_RAW_IP)


def fragmented_ip() -> Capture:
    """A path so narrow that every job and share comes as IP fragments."""
    where = Setting(mtu_bytes=SMALL_MTU_BYTES)
    return mining_capture(_short(stratum_v1), "fragmented_ip", where)


def big_endian_nanoseconds() -> Capture:
    """A pcap written on a big-endian machine with nanosecond times."""
    capture = mining_capture(cryptonote, "big_endian_nanoseconds")
    return replace(capture, big_endian=True, nanoseconds=True)


def two_interfaces() -> Capture:
    """A pcapng with an Ethernet and a raw IP interface, one miner on each."""
    chance = Chance("two_interfaces")
    first = mining_frames(cryptonote(chance), chance)
    where = Setting(miner_ip="10.20.0.15", pool_ip="198.51.100.24", wrap=raw_ip, start_s=7.5)
    second = mining_frames(stratum_v1(chance), chance, where)
    return Capture(
        frames=merge(first, [replace(frame, interface=1) for frame in second]),
        container="pcapng",
        interfaces=(
            Interface(name="eth0", description="rack 3 uplink"),
            Interface(name="tun0", link_type=LINK_RAW_IP, description="site tunnel"),
        ),
    )


def subscribe_unanswered() -> Capture:
    """One `mining.subscribe` that nobody answers: an attempt."""
    chance = Chance("subscribe_unanswered")
    talk = _talk(chance, 3333)
    talk.up(call(1, "mining.subscribe", ["cgminer/4.12.1"]), 0.002)
    talk.wait(30.0)
    talk.close()
    return Capture(frames=merge(talk.frames()))


def login_refused() -> Capture:
    """An XMRig login by account name (no wallet) that the pool refuses: an attempt."""
    chance = Chance("login_refused")
    talk = _talk(chance, 3333)
    params = {"login": "trainer01", "pass": "x", "agent": XMRIG, "algo": ALGORITHMS}
    talk.up(line({"id": 1, "jsonrpc": "2.0", "method": "login", "params": params}), 0.002)
    error = {"code": -1, "message": "Access denied"}
    talk.down(line({"id": 1, "jsonrpc": "2.0", "error": error, "result": None}))
    talk.close(side=1)
    return Capture(frames=merge(talk.frames()))


def http_connect() -> Capture:
    """Stratum through an HTTP proxy; the proxy's address is all a flow record shows."""
    chance = Chance("http_connect")
    dialect = cryptonote(chance)
    client = Endpoint(MINER_IP, chance.integer(32768, 60999))
    talk = Talk(client, PROXY, chance=chance, start_s=DNS_BEFORE_S)
    target = f"{POOL_NAME}:{dialect.port}"
    talk.up(request("CONNECT", target, target))
    talk.down(b"HTTP/1.1 200 Connection established\r\n\r\n")
    mine(talk, dialect, chance)
    talk.close()
    return Capture(frames=merge(talk.frames()))


def _talk(chance: Chance, port: int) -> Talk:
    client = Endpoint(MINER_IP, chance.integer(32768, 60999))
    return Talk(client, Endpoint(POOL_IP, port), chance=chance)


def _short(make: Callable[[Chance], Dialect]) -> Callable[[Chance], Dialect]:
    """The same conversation, one minute long."""
    return lambda chance: replace(make(chance), duration_s=60.0)
