"""The mining samples: every dialect once, then variants of circumstance."""

from __future__ import annotations

from collections.abc import Callable

from pcaps.recipes import (
    mine_bitcoin,
    mine_cryptonote,
    mine_ethereum,
    mine_pearl,
    mine_v2,
    mine_web,
    variants,
    wallets,
)
from pcaps.recipes.chance import Chance
from pcaps.recipes.golden import attempt, mining
from pcaps.recipes.model import Capture, Expect, Recipe
from pcaps.recipes.stratum import Dialect, mining_capture

Make = Callable[[Chance], Dialect]

# Name, maker, wallet, what the capture shows. The file's name is the dialect's.
PLAIN: tuple[tuple[str, Make, str, str], ...] = (
    (
        "stratum_v1",
        mine_bitcoin.stratum_v1,
        wallets.BITCOIN,
        "Bitcoin stratum with mining.configure and version rolling (BIP 310)",
    ),
    (
        "nicehash",
        mine_bitcoin.nicehash,
        wallets.BITCOIN,
        "NiceHash's stratum: agent, millisecond time and keyed hash in mining.subscribe",
    ),
    (
        "ethereumstratum_v1",
        mine_ethereum.ethereumstratum_v1,
        wallets.ETHEREUM,
        "EthereumStratum/1.0.0 with a two-byte extranonce",
    ),
    (
        "ethereumstratum_v2",
        mine_ethereum.ethereumstratum_v2,
        wallets.ETHEREUM,
        "EthereumStratum/2.0.0 (EIP 1571), plain",
    ),
    (
        "eth_proxy",
        mine_ethereum.eth_proxy,
        wallets.ETHEREUM,
        "eth_submitLogin, eth_getWork, eth_submitWork, eth_submitHashrate; pushed work has id 0",
    ),
    (
        "cryptonote",
        mine_cryptonote.cryptonote,
        wallets.MONERO,
        "Monero as XMRig 6.26 speaks it, algorithm list and keepalived included",
    ),
    (
        "equihash",
        mine_bitcoin.equihash,
        wallets.ZCASH,
        "Zcash: every mining.submit takes two segments",
    ),
    ("grin", mine_cryptonote.grin, "", "Grin: string ids, pre_pow, a cycle of 42 edges"),
    ("beam", mine_cryptonote.beam, "", "Beam: job and solution with fields at the top level"),
    (
        "kawpow",
        mine_bitcoin.kawpow,
        wallets.RAVENCOIN,
        "Ravencoin (KawPow): header, seed and target in the job, header and mix in the share",
    ),
    (
        "kaspa",
        mine_bitcoin.kaspa,
        wallets.KASPA,
        "Kaspa: four numbers for the header, set_extranonce without prefix, a job every 2 s",
    ),
    (
        "ergo",
        mine_bitcoin.ergo,
        wallets.ERGO,
        "Ergo (Autolykos 2): difficulty 1, the target as a decimal number",
    ),
    (
        "conflux",
        mine_bitcoin.conflux,
        wallets.CONFLUX,
        "Conflux (Octopus): height, header and boundary in the job",
    ),
    (
        "xelis",
        mine_cryptonote.xelis,
        wallets.XELIS,
        "Xelis stratum: xel/v2 in the subscription, public key in the answer, ping and pong",
    ),
    (
        "xatum",
        mine_cryptonote.xatum,
        wallets.XELIS,
        "Xatum: method, tilde, JSON; normally in TLS, here in clear",
    ),
    (
        "pearl",
        mine_pearl.pearl,
        wallets.PEARL,
        "PEARL version 1: each share is one line of about 368 kB",
    ),
    (
        "pearl_v2",
        mine_pearl.pearl_v2,
        wallets.PEARL,
        "PEARL type v2: shares of about 74 kB, gzip in base64",
    ),
    (
        "ethereumstratum_v2_gzip",
        mine_ethereum.ethereumstratum_v2_gzip,
        "",
        "EthereumStratum/2.0.0 where all that follows the hello is gzip",
    ),
    (
        "alephium",
        mine_ethereum.alephium,
        "",
        "AlephiumStratum/1.0.0, gzip after connection.set_gzip",
    ),
    ("ironfish", mine_cryptonote.ironfish, "", "Iron Fish: body for params, replies are methods"),
)

# Dialects too close to Bitcoin's stratum to have a name of their own in a finding.
NAMELESS: tuple[tuple[str, Make, str], ...] = (
    ("kadena", mine_bitcoin.kadena, "Kadena: one work header, more than a job a second"),
    ("warthog", mine_bitcoin.warthog, "Warthog: seven parameters in mining.notify"),
)

# What a finding calls the dialect, where that is not the sample's name.
READ_AS = {
    "nicehash": "stratum_v1",
    "ethereumstratum_v2_gzip": "ethereumstratum_v2",
    "pearl_v2": "pearl",
    "getwork_http": "getwork",
    "getblocktemplate_http": "getblocktemplate",
    "browser_websocket": "browser",
}

HTTP: tuple[tuple[str, Callable[[], Capture], str], ...] = (
    ("getwork_http", mine_web.getwork_http, "getwork over HTTP from cgminer"),
    (
        "getblocktemplate_http",
        mine_web.getblocktemplate_http,
        "getblocktemplate and submitblock over HTTP from bfgminer",
    ),
    (
        "browser_websocket",
        mine_web.browser_websocket,
        "a miner in a web page: auth, job, submit in masked WebSocket frames",
    ),
)

VERSION_2: tuple[tuple[str, Make, str], ...] = (
    ("stratum_v2", mine_v2.stratum_v2, "Stratum V2 under Noise: 64, 234, then 44, 62, 58, 83, 86"),
    ("stratum_v2_plain", mine_v2.stratum_v2_plain, "Stratum V2 without encryption"),
)

ONE_MINER = mining()
VARIANTS: tuple[tuple[str, Callable[[], Capture], str, tuple[Expect, ...]], ...] = (
    ("midstream.pcap", variants.midstream, "the capture begins after the login", ONE_MINER),
    ("split_segments.pcap", variants.split_segments, "shares of one byte a segment", ONE_MINER),
    ("retransmission.pcap", variants.retransmission, "shares captured twice", ONE_MINER),
    ("out_of_order.pcap", variants.out_of_order, "shares captured out of order", ONE_MINER),
    ("lost_segments.pcap", variants.lost_segments, "shares missing from the capture", ONE_MINER),
    ("ipv6.pcap", variants.ipv6, "miner and pool on IPv6", mining(wallet=wallets.ETHEREUM)),
    ("on_port_443.pcap", variants.on_port_443, "plain stratum on port 443", ONE_MINER),
    (
        "server_initiated.pcap",
        variants.server_initiated,
        "the pool's relay opens the connection",
        mining(),
    ),
    ("vlan_qinq.pcap", variants.vlan_qinq, "behind two VLAN tags", ONE_MINER),
    ("sll2.pcap", variants.linux_sll2, "Linux cooked capture v2", ONE_MINER),
    ("raw_ip.pcap", variants.raw_link, "no link layer (LINKTYPE_RAW)", ONE_MINER),
    ("fragmented_ip.pcap", variants.fragmented_ip, "jobs and shares in IP fragments", ONE_MINER),
    (
        "big_endian_nanoseconds.pcap",
        variants.big_endian_nanoseconds,
        "big-endian pcap with nanosecond times",
        ONE_MINER,
    ),
    (
        "two_interfaces.pcapng",
        variants.two_interfaces,
        "pcapng with an Ethernet and a raw IP interface, a miner on each",
        mining(count=2),
    ),
    (
        "http_connect.pcap",
        variants.http_connect,
        "stratum behind HTTP CONNECT",
        (mining()[0],),
    ),
    (
        "subscribe_unanswered.pcap",
        variants.subscribe_unanswered,
        "one mining.subscribe without an answer",
        attempt(),
    ),
    (
        "login_refused.pcap",
        variants.login_refused,
        "an XMRig login by account name, refused",
        attempt(),
    ),
)


def recipes() -> list[Recipe]:
    """All of them, dialects first."""
    folder = "synthetic/dialects"
    found = [
        _recipe(name, make, shows, mining(READ_AS.get(name, name), wallet=wallet))
        for name, make, wallet, shows in PLAIN
    ]
    found += [_recipe(name, make, shows, mining()) for name, make, shows in NAMELESS]
    found += [
        Recipe(name=f"{folder}/{name}.pcap", shows=shows, make=make, expect=mining(READ_AS[name]))
        for name, make, shows in HTTP
    ]
    found += [
        _recipe(name, make, shows, mining(detector="mining.stratum_v2"))
        for name, make, shows in VERSION_2
    ]
    found += [
        Recipe(name=f"synthetic/variants/{name}", shows=shows, make=make, expect=expect)
        for name, make, shows, expect in VARIANTS
    ]
    return found


def _recipe(name: str, make: Make, shows: str, expect: tuple[Expect, ...]) -> Recipe:
    suffix = ".pcap.gz" if name.startswith("pearl") else ".pcap"
    return Recipe(
        name=f"synthetic/dialects/{name}{suffix}",
        shows=shows,
        make=lambda: mining_capture(make, name),
        expect=expect,
    )
