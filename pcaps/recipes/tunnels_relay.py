"""Tunnel tools and services by their clear marks (names, paths, first bytes)."""

from __future__ import annotations

import base64
import json
import struct

from pcaps.recipes import tls
from pcaps.recipes.chance import Chance
from pcaps.recipes.dns import lookup
from pcaps.recipes.model import Capture, Frame, merge
from pcaps.recipes.packets import Endpoint
from pcaps.recipes.ssh import CHACHA20, Session
from pcaps.recipes.talk import DOWN, UP, Talk
from pcaps.recipes.tunnels_ssh import NODE_IP, node_talk
from pcaps.recipes.web import OPCODE_BINARY, frame, masked, request, response, upgrade

GS_PACKET_BYTES = 128
GS_LISTEN, GS_PING, GS_PONG = 1, 3, 4
DERP_MAGIC = b"DERP\xf0\x9f\x94\x91"
DERP_SERVER_KEY, DERP_CLIENT_INFO, DERP_SERVER_INFO, DERP_KEEPALIVE = 1, 2, 3, 6


def chisel() -> Capture:
    """Chisel: its WebSocket subprotocol, its own SSH banners inside, a ping every 25 s."""
    chance = Chance("chisel")
    talk = node_talk(chance, Endpoint("203.0.113.71", 8080))
    agent = "User-Agent: Go-http-client/1.1"
    upgrade(talk, chance, "203.0.113.71:8080", "/", agent, protocol="chisel-v3")

    def carrier(upward: bool, octets: bytes) -> bytes:
        if upward:
            return masked(chance, octets, OPCODE_BINARY)
        return frame(octets, opcode=OPCODE_BINARY)

    session = Session(talk, CHACHA20, carrier=carrier)
    session.open("SSH-chisel-v3-client", "SSH-chisel-v3-server")
    session.client(17, after_s=0.044)
    session.server(17)
    session.client(70)
    session.server(1)
    session.client(130)
    session.server(1)
    for _ in range(6):
        session.client(10, after_s=25.0)
        session.server(5)
    talk.close()
    return Capture(frames=merge(talk.frames()))


def _named(chance: Chance, name: str, server: Endpoint) -> tuple[list[Frame], Talk]:
    names = lookup(NODE_IP, name, server.ip, chance=chance, at_s=0.0)
    return names, node_talk(chance, server, start_s=0.05)


def ngrok() -> Capture:
    """The ngrok agent: the name it dials, then TLS with a heartbeat."""
    chance = Chance("ngrok")
    name = "connect.ngrok-agent.com"
    names, talk = _named(chance, name, Endpoint("198.51.100.140", 443))
    tls.start(talk, chance, name)
    tls.exchange(talk, chance, 420, 260)
    for _ in range(8):
        tls.say(talk, chance, UP, 12, 10.0)
        tls.say(talk, chance, DOWN, 12, 0.041)
    talk.close()
    return Capture(frames=merge(names, talk.frames()))


def _frp(kind: str, body: dict[str, object]) -> bytes:
    text = json.dumps(body, separators=(",", ":")).encode()
    return kind.encode() + struct.pack("!q", len(text)) + text


def frp() -> Capture:
    """The frp client with TLS and multiplexing off: login in clear, encrypted from there."""
    chance = Chance("frp")
    talk = node_talk(chance, Endpoint("203.0.113.72", 7000))
    about = {"version": "0.58.1", "hostname": "", "os": "linux", "arch": "amd64", "user": ""}
    keys = {"privilege_key": chance.hex(16), "timestamp": 1_772_442_000, "run_id": ""}
    talk.up(_frp("o", {**about, **keys, "metas": None, "pool_count": 1}))
    talk.down(_frp("1", {"version": "0.58.1", "run_id": chance.hex(8), "error": ""}))
    talk.up(chance.bytes(16 + 211))
    talk.down(chance.bytes(16 + 74))
    for _ in range(4):
        talk.up(chance.bytes(26), 30.0)
        talk.down(chance.bytes(26))
    talk.close()
    return Capture(frames=merge(talk.frames()))


def bore() -> Capture:
    """The tool bore: JSON ended by a zero byte, a heartbeat twice a second."""
    chance = Chance("bore")
    talk = node_talk(chance, Endpoint("203.0.113.73", 7835))
    talk.up(b'{"Hello":0}\0')
    talk.down(b'{"Hello":41235}\0')
    for beat in range(60):
        talk.down(b'"Heartbeat"\0', 0.5)
        if beat == 40:
            talk.down(b'{"Connection":"5d3c1f3e-8f59-4d25-9c3b-6f0f6a1f2b7c"}\0', 0.1)
    talk.close()
    return Capture(frames=merge(talk.frames()))


def _jwt(body: dict[str, object], chance: Chance) -> str:
    parts = [{"typ": "JWT", "alg": "HS256"}, body]
    texts = [json.dumps(part, separators=(",", ":")).encode() for part in parts]
    encoded = [base64.urlsafe_b64encode(text) for text in (*texts, chance.bytes(32))]
    return b".".join(item.rstrip(b"=") for item in encoded).decode()


def wstunnel() -> Capture:
    """The tool wstunnel: /v1/events, and a token that names the reverse target."""
    chance = Chance("wstunnel")
    talk = node_talk(chance, Endpoint("203.0.113.74", 80))
    target: dict[str, object] = {"ReverseTcp": {}}
    token = _jwt({"id": chance.hex(16), "p": target, "r": "127.0.0.1", "rp": 22}, chance)
    protocol = f"v1, authorization.bearer.{token}"
    upgrade(talk, chance, "wst.example.net", "/v1/events", protocol=protocol)
    for _ in range(5):
        talk.up(masked(chance, b"", opcode=9), 30.0)
        talk.down(frame(b"", opcode=10))
    talk.close()
    return Capture(frames=merge(talk.frames()))


def _gs_packet(kind: int, chance: Chance) -> bytes:
    head = bytes([kind, 1, 3, 0]) + bytes(28)
    return (head + chance.bytes(32)).ljust(GS_PACKET_BYTES, b"\0")


def gsocket() -> Capture:
    """A gs-netcat listener: the relay's name, a fixed binary packet on 443, ping every 45 s."""
    chance = Chance("gsocket")
    names, talk = _named(chance, "q.gs.thc.org", Endpoint("198.51.100.141", 443))
    talk.up(_gs_packet(GS_LISTEN, chance))
    for _ in range(4):
        talk.up(_gs_packet(GS_PING, chance), 45.0)
        talk.down(_gs_packet(GS_PONG, chance))
    talk.close()
    return Capture(frames=merge(names, talk.frames()))


def cloudflared() -> Capture:
    """The tool cloudflared: the SRV look-up of its edge, then TLS to h2.cftunnel.com on 7844."""
    chance = Chance("cloudflared")
    edge = Endpoint("198.51.100.142", 7844)
    service = "_v2-origintunneld._tcp.argotunnel.com"
    region = "region1.v2.argotunnel.com"
    srv = lookup(NODE_IP, service, f"SRV 7844 {region}", chance=chance, at_s=0.0, kind="SRV")
    address = lookup(NODE_IP, region, edge.ip, chance=chance, at_s=0.03)
    talk = node_talk(chance, edge, start_s=0.08)
    tls.start(talk, chance, "h2.cftunnel.com", ("h2",))
    tls.exchange(talk, chance, 310, 520)
    for _ in range(4):
        tls.say(talk, chance, DOWN, 17, 30.0)
        tls.say(talk, chance, UP, 17, 0.0008)
    talk.close()
    return Capture(frames=merge(srv, address, talk.frames()))


def _derp(kind: int, body: bytes) -> bytes:
    return struct.pack("!BI", kind, len(body)) + body


def derp() -> Capture:
    """A Tailscale relay: one connection in TLS by name, one whose upgrade is in clear."""
    chance = Chance("derp")
    name = "derp9.tailscale.com"
    names, hidden = _named(chance, name, Endpoint("198.51.100.143", 443))
    tls.start(hidden, chance, name, ("http/1.1",))
    for _ in range(3):
        tls.say(hidden, chance, DOWN, 5, 60.0)
    hidden.close()
    clear = node_talk(chance, Endpoint("203.0.113.75", 80), start_s=2.0)
    clear.up(request("GET", "/derp", "derp.example.net", "Upgrade: DERP", "Connection: Upgrade"))
    clear.down(response("101 Switching Protocols", "Upgrade: DERP", "Connection: Upgrade"))
    clear.down(_derp(DERP_SERVER_KEY, DERP_MAGIC + chance.bytes(32)), 0.001)
    clear.up(_derp(DERP_CLIENT_INFO, chance.bytes(32 + 24 + 60)))
    clear.down(_derp(DERP_SERVER_INFO, chance.bytes(24 + 40)))
    for _ in range(3):
        clear.down(_derp(DERP_KEEPALIVE, b""), 60.0)
    clear.close()
    return Capture(frames=merge(names, hidden.frames(), clear.frames()))
