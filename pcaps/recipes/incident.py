"""The incident sample: a training node that does more than train.

Half an hour at the gateway. Among ordinary egress, node 10.20.0.14 opens SSH to port 443 with a
port forwarded back, somebody comes in through it, neighbours are probed, and a miner runs. The
shape follows the published ROME incident, where a model in training built itself such a way out;
hosts, keys and traffic here are made up.
"""

from __future__ import annotations

from dataclasses import replace

from pcaps.recipes import tls, wallets
from pcaps.recipes.alike_binary import ntp_frames
from pcaps.recipes.alike_ssh import git_fetch_session
from pcaps.recipes.chance import Chance
from pcaps.recipes.dns import lookup
from pcaps.recipes.mine_cryptonote import cryptonote
from pcaps.recipes.model import Capture, Frame, Interface, merge
from pcaps.recipes.packets import Endpoint
from pcaps.recipes.ssh import CHACHA20, Session
from pcaps.recipes.stratum import mine
from pcaps.recipes.talk import Talk, refused
from pcaps.recipes.web import request, response

NODE_IP = "10.20.0.14"
OTHER_NODES = ("10.20.0.15", "10.20.0.16")
RELAY = Endpoint("203.0.113.66", 443)
POOL = Endpoint("198.51.100.77", 2222)
POOL_NAME = "xmr.2miners.com"
PACKAGES = ("packages.example.org", "203.0.113.10")
METRICS = ("metrics.example.com", "203.0.113.30")
MODELS = ("models.example.net", "203.0.113.12")
APT = ("deb.example.net", "203.0.113.11")
GIT = ("git.example.com", "203.0.113.40")

DURATION_S = 1800.0
TUNNEL_AT_S = 184.0
FIRST_VISIT_AT_S = 312.0
SECOND_VISIT_AT_S = 1240.0
PROBE_AT_S = 342.0
MINER_AT_S = 421.0
MINING_S = 1260.0
TUNNEL_KEEPALIVE_S = 60.0
PROBED_HOSTS = range(15, 27)
PROBED_PORTS = (22, 2375, 6443, 10250)


def incident() -> Capture:
    """All of it in one pcapng."""
    chance = Chance("rome-incident")
    return Capture(
        frames=merge(
            *_background(chance),
            _tunnel(chance),
            _probes(chance),
            _miner(chance),
        ),
        container="pcapng",
        interfaces=(Interface(name="gw0", description="cluster gateway, inside"),),
        comment="Synthetic sample: nothing in it happened. Addresses are for documentation.",
    )


def _background(chance: Chance) -> list[list[Frame]]:
    streams = [
        _install(chance),
        _apt(chance),
        _git(chance, at_s=96.0),
        _git(chance, at_s=1010.0),
        _download(chance),
    ]
    for number, host_ip in enumerate((NODE_IP, *OTHER_NODES)):
        streams.append(_metrics(chance, host_ip, 7.0 * number))
        times_s = [11.0 + 5.0 * number + 256.0 * turn for turn in range(7)]
        streams.append(ntp_frames(host_ip, chance, times_s))
    return streams


def _https(
    chance: Chance, host_ip: str, site: tuple[str, str], at_s: float, sizes: tuple[int, ...]
) -> list[Frame]:
    name, server_ip = site
    frames = lookup(host_ip, name, server_ip, chance=chance, at_s=at_s)
    client = Endpoint(host_ip, chance.integer(32768, 60999))
    talk = Talk(client, Endpoint(server_ip, 443), chance=chance, start_s=at_s + 0.014)
    tls.start(talk, chance, name, ("h2", "http/1.1"))
    for size in sizes:
        tls.exchange(talk, chance, chance.integer(280, 460), size)
    talk.close()
    return frames + talk.frames()


def _install(chance: Chance) -> list[Frame]:
    """Package installation: many small answers and one large."""
    return _https(chance, NODE_IP, PACKAGES, 3.0, (2100, 5400, 3100, 21_000, 1800))


def _download(chance: Chance) -> list[Frame]:
    return _https(chance, OTHER_NODES[0], MODELS, 140.0, (900, 18_000))


def _metrics(chance: Chance, host_ip: str, offset_s: float) -> list[Frame]:
    """An agent that uploads every minute and a half on one connection."""
    name, server_ip = METRICS
    frames = lookup(host_ip, name, server_ip, chance=chance, at_s=offset_s)
    client = Endpoint(host_ip, chance.integer(32768, 60999))
    talk = Talk(client, Endpoint(server_ip, 443), chance=chance, start_s=offset_s + 0.014)
    tls.start(talk, chance, name, ("h2",))
    while talk.now_s + 90.0 < DURATION_S:
        talk.wait(89.9)
        tls.exchange(talk, chance, chance.integer(700, 1300), 60)
    return frames + talk.frames()


def _apt(chance: Chance) -> list[Frame]:
    """The nightly refresh of package lists, over plain HTTP."""
    name, server_ip = APT
    frames = lookup(OTHER_NODES[1], name, server_ip, chance=chance, at_s=30.0)
    client = Endpoint(OTHER_NODES[1], chance.integer(32768, 60999))
    talk = Talk(client, Endpoint(server_ip, 80), chance=chance, start_s=30.014)
    agent = "User-Agent: Debian APT-HTTP/1.3 (2.6.1)"
    for suite in ("stable", "stable-updates", "stable-security"):
        talk.up(request("GET", f"/debian/dists/{suite}/InRelease", name, agent), 0.01)
        talk.down(response("304 Not Modified", "Server: Apache"))
    talk.up(request("GET", "/debian/pool/main/n/nvtop/nvtop_3.0.2-1_amd64.deb", name, agent), 0.4)
    kind = "Content-Type: application/vnd.debian.binary-package"
    talk.down(response("200 OK", kind, body=b"!<arch>\n" + chance.bytes(24_000)))
    talk.close()
    return frames + talk.frames()


def _git(chance: Chance, *, at_s: float) -> list[Frame]:
    name, server_ip = GIT
    frames = lookup(NODE_IP, name, server_ip, chance=chance, at_s=at_s)
    client = Endpoint(NODE_IP, chance.integer(32768, 60999))
    talk = Talk(client, Endpoint(server_ip, 22), chance=chance, start_s=at_s + 0.014)
    session = Session(talk, CHACHA20)
    session.open()
    session.login()
    git_fetch_session(session)
    talk.close()
    return frames + talk.frames()


def _tunnel(chance: Chance) -> list[Frame]:
    """`ssh -N -R` to port 443 without a look-up, and two visits through it."""
    client = Endpoint(NODE_IP, chance.integer(32768, 60999))
    talk = Talk(
        client,
        RELAY,
        chance=chance,
        start_s=TUNNEL_AT_S,
        comment="SSH to port 443 with a port forwarded back begins here",
    )
    session = Session(talk, CHACHA20)
    session.open()
    session.login()
    session.forward()
    for visit_at_s, keys in ((FIRST_VISIT_AT_S, 110), (SECOND_VISIT_AT_S, 45)):
        _keepalives(session, visit_at_s)
        talk.now_s = visit_at_s
        session.use_tunnel(keys=keys)
    _keepalives(session, DURATION_S)
    return talk.frames()


def _keepalives(session: Session, until_s: float) -> None:
    while session.talk.now_s + TUNNEL_KEEPALIVE_S < until_s:
        session.talk.wait(TUNNEL_KEEPALIVE_S)
        session.keepalive(by_server=False)


def _probes(chance: Chance) -> list[Frame]:
    """The node tries its neighbours' ports; all are closed."""
    frames: list[Frame] = []
    at_s = PROBE_AT_S
    for host in PROBED_HOSTS:
        for port in PROBED_PORTS:
            source = Endpoint(NODE_IP, chance.integer(32768, 60999))
            target = Endpoint(f"10.20.0.{host}", port)
            frames += refused(source, target, chance=chance, at_s=at_s)
            at_s += chance.between(0.02, 0.09)
    frames[0] = replace(frames[0], comment="probes of neighbouring nodes begin here")
    return frames


def _miner(chance: Chance) -> list[Frame]:
    """XMRig against a pool found by name, for as long as the capture lasts."""
    names = lookup(NODE_IP, POOL_NAME, POOL.ip, chance=chance, at_s=MINER_AT_S)
    client = Endpoint(NODE_IP, chance.integer(32768, 60999))
    talk = Talk(
        client,
        POOL,
        chance=chance,
        start_s=MINER_AT_S + 0.014,
        comment="the miner logs in at its pool",
    )
    dialect = replace(
        cryptonote(chance, wallets.MONERO_TUNNEL),
        duration_s=MINING_S,
        share_every_s=21.0,
        job_every_s=38.0,
    )
    mine(talk, dialect, chance)
    return names + talk.frames()
