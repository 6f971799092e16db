"""SSH reverse tunnels: per cipher, used, beside a shell, reversed, and inside carriers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcaps.recipes.chance import Chance
from pcaps.recipes.dns import lookup
from pcaps.recipes.model import Capture, merge
from pcaps.recipes.packets import Endpoint
from pcaps.recipes.ssh import AES_GCM, CHACHA20, CTR_ETM, CTR_MAC, Session, Suite
from pcaps.recipes.talk import Talk
from pcaps.recipes.web import OPCODE_BINARY, frame, masked, request, upgrade

if TYPE_CHECKING:
    from collections.abc import Callable

NODE_IP = "10.20.0.21"
RELAY = Endpoint("203.0.113.66", 22)
PROXY = Endpoint("203.0.113.80", 3128)
KEEPALIVES = 6
KEEPALIVE_EVERY_S = 15.0


def node_talk(chance: Chance, server: Endpoint, start_s: float = 0.0) -> Talk:
    """A connection from the node to an outside server."""
    client = Endpoint(NODE_IP, chance.integer(32768, 60999))
    return Talk(client, server, chance=chance, start_s=start_s)


def idle(suite: Suite, seed: str) -> Callable[[], Capture]:
    """The recipe of `ssh -N -R` that nobody uses; the client sends keepalives."""

    def make() -> Capture:
        chance = Chance(seed)
        talk = node_talk(chance, RELAY)
        session = Session(talk, suite)
        session.open()
        session.login()
        session.forward()
        for _ in range(KEEPALIVES):
            talk.wait(KEEPALIVE_EVERY_S)
            session.keepalive(by_server=False)
        talk.close()
        return Capture(frames=merge(talk.frames()))

    return make


def used(suite: Suite, seed: str) -> Callable[[], Capture]:
    """The recipe of `ssh -N -R` through which someone outside logs in to the node."""

    def make() -> Capture:
        chance = Chance(seed)
        talk = node_talk(chance, RELAY)
        session = Session(talk, suite)
        session.open()
        session.login()
        session.forward()
        talk.wait(4.0)
        session.use_tunnel(keys=60)
        talk.wait(30.0)
        session.use_tunnel(keys=25)
        talk.close()
        return Capture(frames=merge(talk.frames()))

    return make


def with_shell() -> Capture:
    """`ssh -R` with an ordinary shell in the same connection."""
    chance = Chance("ssh_r_shell")
    talk = node_talk(chance, RELAY)
    session = Session(talk, CHACHA20)
    session.open()
    session.login()
    session.forward(session=True)
    talk.wait(2.0)
    session.type_keys(30)
    talk.close()
    return Capture(frames=merge(talk.frames()))


def reversed_roles() -> Capture:
    """The node connects outward and then is the SSH server: messages 30 and 31 change places."""
    chance = Chance("ssh_reversed_roles")
    talk = node_talk(chance, Endpoint("203.0.113.67", 443))
    session = Session(talk, AES_GCM, reversed_roles=True)
    session.open()
    session.login()
    session.forward(requested=False, session=True)
    session.type_keys(20)
    talk.close()
    return Capture(frames=merge(talk.frames()))


def in_websocket() -> Capture:
    """`ssh -N -R` through a WebSocket relay, used once."""
    chance = Chance("ssh_in_websocket")
    talk = node_talk(chance, Endpoint("203.0.113.70", 80))
    upgrade(talk, chance, "relay.example.net", "/ssh", protocol="binary")

    def carrier(upward: bool, octets: bytes) -> bytes:
        if upward:
            return masked(chance, octets, OPCODE_BINARY)
        return frame(octets, opcode=OPCODE_BINARY)

    session = Session(talk, AES_GCM, carrier=carrier)
    session.open()
    session.login()
    session.forward()
    talk.wait(3.0)
    session.use_tunnel(keys=20)
    talk.close()
    return Capture(frames=merge(talk.frames()))


def behind_connect() -> Capture:
    """`ssh -N -R` through an HTTP proxy, used once."""
    chance = Chance("ssh_behind_connect")
    talk = node_talk(chance, PROXY)
    target = "relay.example.net:22"
    talk.up(request("CONNECT", target, target, "User-Agent: corkscrew"))
    talk.down(b"HTTP/1.0 200 Connection established\r\n\r\n")
    session = Session(talk, CHACHA20)
    session.open()
    session.login()
    session.forward()
    talk.wait(3.0)
    session.use_tunnel(keys=20)
    talk.close()
    return Capture(frames=merge(talk.frames()))


def serveo() -> Capture:
    """`ssh -R 80:localhost:8888 serveo.net`: the service's name, then a reverse forward."""
    chance = Chance("serveo")
    server = Endpoint("198.51.100.138", 22)
    names = lookup(NODE_IP, "serveo.net", server.ip, chance=chance, at_s=0.0)
    talk = node_talk(chance, server, start_s=0.05)
    session = Session(talk, CTR_ETM)
    session.open(server_banner="SSH-2.0-Go")
    session.login()
    session.forward()
    talk.wait(20.0)
    talk.close()
    return Capture(frames=merge(names, talk.frames()))


SUITES = {
    "chacha20": CHACHA20,
    "aes_gcm": AES_GCM,
    "ctr_etm": CTR_ETM,
    "ctr_mac": CTR_MAC,
}
