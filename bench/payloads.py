"""How the conversations of the generated captures begin."""

import json
import random
import struct
from dataclasses import dataclass, field

NOISE = random.Random(7).randbytes(1 << 20)
RECORD = b"\x17\x03\x03"  # application data, TLS 1.2 on the wire
HOSTS = tuple(f"host{number}.example" for number in range(500))


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The first messages of a conversation: who sends (true: the client) and what.

    `records` says that what follows them is TLS records.
    """

    port: int
    udp: bool = False
    records: bool = False
    messages: list[tuple[bool, bytes]] = field(default_factory=list)


def no_opening(rng: random.Random) -> Opening:
    """A conversation of which nothing is known."""
    return Opening(port=rng.choice((80, 443, 8080, 9000, 27017)))


def any_opening(rng: random.Random) -> Opening:
    """Draw a protocol: mostly TLS and DNS, a little of the rest."""
    kinds = (tls_opening, dns_opening, http_opening, ssh_opening, stratum_opening, no_opening)
    return rng.choices(kinds, weights=(46.6, 25, 15, 3, 0.4, 10))[0](rng)


def tls_opening(rng: random.Random) -> Opening:
    """A TLS 1.3 ClientHello with a name, a ServerHello, and encrypted records (RFC 8446)."""
    name = rng.choice(HOSTS).encode()
    sni = struct.pack(">HBH", len(name) + 3, 0, len(name)) + name
    extensions = b"".join(
        (
            extension(0, sni),
            extension(10, bytes.fromhex("0006001d00170018")),
            extension(13, bytes.fromhex("00080403080404010503")),
            extension(16, bytes.fromhex("000c02683208687474702f312e31")),
            extension(43, bytes.fromhex("0403040303")),
            extension(51, bytes.fromhex("0024001d0020") + rng.randbytes(32)),
        )
    )
    ciphers = bytes.fromhex("0010130113021303c02bc02fc02cc030cca9")
    hello = b"\x03\x03" + rng.randbytes(32) + b"\x00" + ciphers + b"\x01\x00"
    client = hello + struct.pack(">H", len(extensions)) + extensions
    chosen = extension(43, b"\x03\x04")
    server = b"\x03\x03" + rng.randbytes(32) + b"\x00\x13\x01\x00"
    answer = handshake(2, server + struct.pack(">H", len(chosen)) + chosen)
    return Opening(
        port=443,
        records=True,
        messages=[(True, handshake(1, client)), (False, answer + application(rng, 900))],
    )


def extension(kind: int, body: bytes) -> bytes:
    """Return a TLS extension."""
    return struct.pack(">HH", kind, len(body)) + body


def handshake(kind: int, body: bytes) -> bytes:
    """Return a handshake message in a record of its own."""
    message = struct.pack(">I", kind << 24 | len(body)) + body
    return b"\x16\x03\x01" + struct.pack(">H", len(message)) + message


def application(rng: random.Random, size: int) -> bytes:
    """Return an encrypted record."""
    return RECORD + struct.pack(">H", size) + rng.randbytes(size)


def dns_opening(rng: random.Random) -> Opening:
    """A question for an address and its answer (RFC 1035)."""
    labels = rng.choice(HOSTS).split(".")
    name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\x00"
    asked = name + struct.pack(">HH", 1, 1)
    ident = rng.randrange(1 << 16)
    question = struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0) + asked
    address = struct.pack(">HHHIH4s", 0xC00C, 1, 1, 300, 4, rng.randbytes(4))
    answer = struct.pack(">HHHHHH", ident, 0x8180, 1, 1, 0, 0) + asked + address
    return Opening(port=53, udp=True, messages=[(True, question), (False, answer)])


def http_opening(rng: random.Random) -> Opening:
    """A request and the beginning of a response (RFC 9112)."""
    request = (
        f"GET /item/{rng.randrange(10**6)} HTTP/1.1\r\nHost: {rng.choice(HOSTS)}\r\n"
        "User-Agent: example/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n"
    )
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
        "Content-Length: 100000\r\n\r\n"
    )
    return Opening(port=80, messages=[(True, request.encode()), (False, head.encode())])


def ssh_opening(rng: random.Random) -> Opening:
    """Both banners and two packets of the size of a key exchange (RFC 4253)."""
    return Opening(
        port=22,
        messages=[
            (True, b"SSH-2.0-OpenSSH_9.6\r\n"),
            (False, b"SSH-2.0-OpenSSH_9.2p1\r\n"),
            (True, kexinit(rng)),
            (False, kexinit(rng)),
        ],
    )


def kexinit(rng: random.Random) -> bytes:
    """Return a KEXINIT that offers one algorithm of each kind."""
    lists = (
        "curve25519-sha256", "ssh-ed25519", "aes256-gcm@openssh.com", "aes256-gcm@openssh.com",
        "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", "",
    )  # fmt: skip
    names = b"".join(struct.pack(">I", len(text)) + text.encode() for text in lists)
    body = b"\x14" + rng.randbytes(16) + names + b"\x00" * 5
    padding = 8 - (len(body) + 5) % 8 + 4
    return struct.pack(">IB", len(body) + padding + 1, padding) + body + bytes(padding)


def stratum_opening(rng: random.Random) -> Opening:
    """The first exchange of a Bitcoin miner with its pool."""
    lines: list[tuple[bool, dict[str, object]]] = [
        (True, {"id": 1, "method": "mining.subscribe", "params": ["example-miner/1.0"]}),
        (False, {"id": 1, "result": [[["mining.notify", "1"]], "0a0b0c0d", 4], "error": None}),
        (True, {"id": 2, "method": "mining.authorize", "params": ["worker.one", "x"]}),
        (False, {"id": 2, "result": True, "error": None}),
        (False, {"id": None, "method": "mining.set_difficulty", "params": [8192]}),
        (False, {"id": None, "method": "mining.notify", "params": job(rng)}),
    ]
    return Opening(
        port=3333,
        messages=[(up, json.dumps(line).encode() + b"\n") for up, line in lines],
    )


def job(rng: random.Random) -> list[object]:
    """Return the parameters of a mining.notify."""
    return [
        rng.randbytes(4).hex(), rng.randbytes(32).hex(), rng.randbytes(60).hex(),
        rng.randbytes(90).hex(), [rng.randbytes(32).hex() for _ in range(11)],
        "20000000", "1703a30c", rng.randbytes(4).hex(), True,
    ]  # fmt: skip
