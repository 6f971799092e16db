"""Look-alikes that are not JSON: full nodes, time, names, databases, telemetry, bulk."""

from __future__ import annotations

import hashlib
import struct

from pcaps.recipes import tls
from pcaps.recipes.alike_json import HOST_IP, Turn, played
from pcaps.recipes.chance import Chance
from pcaps.recipes.dns import datagram, lookup
from pcaps.recipes.model import EPOCH_NS, NS_PER_S, Capture, Frame, merge
from pcaps.recipes.packets import Endpoint
from pcaps.recipes.stratum import START_SECONDS
from pcaps.recipes.talk import DOWN, UP, Talk

BITCOIN_MAGIC = bytes.fromhex("f9beb4d9")
LEVIN_SIGNATURE = bytes.fromhex("0121010101010101")
LEVIN_HANDSHAKE, LEVIN_TIMED_SYNC = 1001, 1002
NTP_EPOCH_OFFSET_S = 2_208_988_800
NTP_SERVER = Endpoint("203.0.113.123", 123)
POOL_NAMES = (
    "xmr.2miners.com",
    "rvn.2miners.com",
    "pool.supportxmr.com",
    "pool.hashvault.pro",
    "xmr-eu1.nanopool.org",
    "kawpow.auto.nicehash.com",
)
RULE_TEXT = (
    'alert tcp any any -> any any (msg:"coin miner"; content:"mining.subscribe"; sid:1;)',
    'alert tcp any any -> any any (content:"{\\"method\\":\\"login\\",\\"params\\":"; sid:2;)',
    "pool.supportxmr.com:3333 stratum+tcp mining.notify mining.submit",
)


def _bitcoin(command: str, payload: bytes) -> bytes:
    digest = hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    head = BITCOIN_MAGIC + command.encode().ljust(12, b"\0") + struct.pack("<I", len(payload))
    return head + digest + payload


def bitcoin_node() -> Capture:
    """A Bitcoin full node and its peer."""
    chance = Chance("bitcoin_node data")
    address = bytes(8) + bytes(10) + b"\xff\xff" + bytes([203, 0, 113, 20]) + b"\x20\x8d"
    agent = b"/Satoshi:27.0.0/"
    version = struct.pack("<IQQ", 70016, 1033, START_SECONDS) + address * 2 + chance.bytes(8)
    version += bytes([len(agent)]) + agent + struct.pack("<IB", 938_000, 1)
    turns: list[Turn] = [
        (UP, 0.001, _bitcoin("version", version)),
        (DOWN, 0.043, _bitcoin("version", version)),
        (DOWN, 0.001, _bitcoin("verack", b"")),
        (UP, 0.001, _bitcoin("verack", b"")),
    ]
    for number in range(20):
        inventory = b"\x01" + struct.pack("<I", 1) + chance.bytes(32)
        turns.append((DOWN, chance.exponential(6.0), _bitcoin("inv", inventory)))
        if number % 5 == 4:
            nonce = chance.bytes(8)
            turns += [
                (UP, 1.0, _bitcoin("ping", nonce)),
                (DOWN, 0.043, _bitcoin("pong", nonce)),
            ]
    return played("bitcoin_node", 8333, turns)


def _levin(command: int, payload: bytes, *, answer: bool) -> bytes:
    head = LEVIN_SIGNATURE + struct.pack("<QBI", len(payload), 0 if answer else 1, command)
    return head + struct.pack("<iII", 1 if answer else 0, 2 if answer else 1, 1) + payload


def monero_node() -> Capture:
    """A Monero full node and its peer (Levin)."""
    chance = Chance("monero_node data")
    storage = bytes.fromhex("0111010101010201") + b"\x01"
    turns: list[Turn] = [
        (UP, 0.001, _levin(LEVIN_HANDSHAKE, storage + chance.bytes(217), answer=False)),
        (DOWN, 0.043, _levin(LEVIN_HANDSHAKE, storage + chance.bytes(2210), answer=True)),
    ]
    for _ in range(6):
        turns += [
            (UP, 60.0, _levin(LEVIN_TIMED_SYNC, storage + chance.bytes(92), answer=False)),
            (DOWN, 0.043, _levin(LEVIN_TIMED_SYNC, storage + chance.bytes(1180), answer=True)),
        ]
    return played("monero_node", 18080, turns)


def _ntp(mode: int, stratum: int, at_s: float, chance: Chance) -> bytes:
    head = struct.pack("!BBbb", 4 << 3 | mode, stratum, 6, -23) + struct.pack("!II", 660, 1570)
    reference = bytes([192, 0, 2, 1]) if stratum else bytes(4)
    whole = NTP_EPOCH_OFFSET_S + EPOCH_NS // NS_PER_S + int(at_s)
    stamp = struct.pack("!I", whole) + chance.bytes(4)
    return head + reference + (stamp * 4 if stratum else bytes(24) + stamp)


def ntp_frames(host_ip: str, chance: Chance, times_s: list[float]) -> list[Frame]:
    """Queries and answers of a time client."""
    client = Endpoint(host_ip, 123)
    frames = []
    for at_s in times_s:
        query, answer = _ntp(3, 0, at_s, chance), _ntp(4, 2, at_s, chance)
        frames.append(datagram(client, NTP_SERVER, query, at_s=at_s, chance=chance))
        frames.append(datagram(NTP_SERVER, client, answer, at_s=at_s + 0.021, chance=chance))
    return frames


def ntp() -> Capture:
    """Time synchronisation: the word stratum belongs to it."""
    times_s = [64.0 * number for number in range(8)]
    return Capture(frames=merge(ntp_frames(HOST_IP, Chance("ntp"), times_s)))


def dns_pool_lookups() -> Capture:
    """Names of pools are looked up; nobody connects."""
    chance = Chance("dns_pool_lookups")
    frames: list[Frame] = []
    for number, name in enumerate(POOL_NAMES):
        address = f"198.51.100.{60 + number}"
        frames += lookup(HOST_IP, name, address, chance=chance, at_s=4.0 * number)
    return Capture(frames=merge(frames))


def _postgres(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def postgres_rows() -> Capture:
    """A database query whose rows hold pools' names and the text of mining rules."""
    startup = struct.pack("!I", 196608) + b"user\0report\0database\0rules\0\0"
    column = b"rule\0" + struct.pack("!IHIHIH", 0, 0, 25, 0xFFFF, 0xFFFFFFFF, 0)
    ready = _postgres(b"Z", b"I")
    rows = b""
    for number in range(240):
        texts = (*RULE_TEXT, f"{POOL_NAMES[number % len(POOL_NAMES)]}:{3333 + number}")
        text = f"{number}: {texts[number % len(texts)]}".encode()
        rows += _postgres(b"D", struct.pack("!HI", 1, len(text)) + text)
    turns: list[Turn] = [
        (UP, 0.001, struct.pack("!I", len(startup) + 4) + startup),
        (DOWN, 0.043, _postgres(b"R", struct.pack("!I", 0)) + ready),
        (UP, 0.001, _postgres(b"Q", b"SELECT rule FROM rules ORDER BY id\0")),
        (
            DOWN,
            0.05,
            _postgres(b"T", struct.pack("!H", 1) + column)
            + rows
            + _postgres(b"C", b"SELECT 240\0")
            + ready,
        ),
        (UP, 0.4, _postgres(b"X", b"")),
    ]
    return played("postgres_rows", 5432, turns)


def mqtt_telemetry() -> Capture:
    """A sensor: messages of one size at even intervals, PINGREQ and PINGRESP."""
    chance = Chance("mqtt_telemetry data")
    connect = b"\0\x04MQTT\x04\x02\0\x3c\0\x07rack-03"
    turns: list[Turn] = [
        (UP, 0.001, bytes([0x10, len(connect)]) + connect),
        (DOWN, 0.043, b"\x20\x02\0\0"),
    ]
    for number in range(30):
        topic = b"\0\x0fcluster/rack-03"
        body = topic + f'{{"inlet":{21 + chance.between(0, 2):.2f},"n":{number:04d}}}'.encode()
        turns.append((UP, 10.0, bytes([0x30, len(body)]) + body))
        if number % 5 == 4:
            turns += [(UP, 0.5, b"\xc0\0"), (DOWN, 0.043, b"\xd0\0")]
    return played("mqtt_telemetry", 1883, turns)


def _tls_talk(chance: Chance, name: str, alpn: tuple[str, ...], server_ip: str) -> Talk:
    client = Endpoint(HOST_IP, chance.integer(32768, 60999))
    talk = Talk(client, Endpoint(server_ip, 443), chance=chance, start_s=0.05)
    tls.start(talk, chance, name, alpn)
    return talk


def _with_name(chance: Chance, name: str, server_ip: str, talk: Talk) -> Capture:
    talk.close()
    names = lookup(HOST_IP, name, server_ip, chance=chance, at_s=0.0)
    return Capture(frames=merge(names, talk.frames()))


def metrics_remote_write() -> Capture:
    """A monitoring agent: an upload every 15 s over HTTP/2 in TLS."""
    chance = Chance("metrics_remote_write")
    name, server_ip = "metrics.example.com", "203.0.113.30"
    talk = _tls_talk(chance, name, ("h2",), server_ip)
    for number in range(24):
        talk.wait(14.95)
        tls.exchange(talk, chance, 1800 + 30 * number, 60)
    return _with_name(chance, name, server_ip, talk)


def checkpoint_upload() -> Capture:
    """A checkpoint goes to an object store in parts of equal size."""
    chance = Chance("checkpoint_upload")
    name, server_ip = "checkpoints.s3.example.com", "203.0.113.31"
    talk = _tls_talk(chance, name, ("http/1.1",), server_ip)
    for _ in range(4):
        talk.wait(2.0)
        tls.exchange(talk, chance, 100_000, 240)
    return _with_name(chance, name, server_ip, talk)


def pool_web_site() -> Capture:
    """Someone reads a pool's web site."""
    return _page("pool_web_site", "www.2miners.com", "198.51.100.61")


def block_explorer() -> Capture:
    """A block explorer with pool and mining in its name; it is no pool."""
    return _page("block_explorer", "poolstats.mining-explorer.example.com", "203.0.113.32")


def _page(seed: str, name: str, server_ip: str) -> Capture:
    chance = Chance(seed)
    talk = _tls_talk(chance, name, ("h2", "http/1.1"), server_ip)
    for size in (14_200, 31_000, 8_800, 5_100):
        tls.exchange(talk, chance, 380, size)
    return _with_name(chance, name, server_ip, talk)


def collective_inside() -> Capture:
    """Two training nodes exchange gradients for a long time; none of it leaves the cluster."""
    chance = Chance("collective_inside data")
    turns: list[Turn] = [(UP, 0.001, chance.bytes(64)), (DOWN, 0.0004, chance.bytes(64))]
    for _ in range(60):
        turns += [(UP, 5.0, chance.bytes(1024)), (DOWN, 0.0005, chance.bytes(1024))]
    return played("collective_inside", 41_733, turns, server_ip="10.20.0.32")
