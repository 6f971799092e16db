"""The tunnel samples."""

from __future__ import annotations

from pcaps.recipes import tunnels_relay, tunnels_ssh
from pcaps.recipes.golden import relay, reverse_ssh
from pcaps.recipes.model import Recipe

IDLE_SHOWS = "ssh -N -R, idle, client keepalives every 15 s"
USED_SHOWS = "ssh -N -R through which someone outside logs in to the node and types"

RELAYS = (
    ("chisel", tunnels_relay.chisel, "chisel: WebSocket subprotocol and inner SSH banners"),
    ("ngrok", tunnels_relay.ngrok, "ngrok agent: name looked up and in SNI"),
    ("frp", tunnels_relay.frp, "frp client without TLS on port 7000"),
    ("bore", tunnels_relay.bore, "bore: Hello, Heartbeat, Connection in clear on 7835"),
    ("wstunnel", tunnels_relay.wstunnel, "wstunnel upgrade whose token asks for ReverseTcp"),
    ("gsocket", tunnels_relay.gsocket, "gs-netcat listener on 443"),
    ("cloudflared", tunnels_relay.cloudflared, "cloudflared: SRV look-up, h2.cftunnel.com on 7844"),
    ("derp", tunnels_relay.derp, "Tailscale DERP: by name in TLS, by upgrade in clear"),
)

SSH = (
    ("ssh_r_shell", tunnels_ssh.with_shell, "ssh -R beside a shell in the same connection"),
    (
        "ssh_reversed_roles",
        tunnels_ssh.reversed_roles,
        "the node dials out and is the SSH server: key exchange messages change places",
    ),
    ("ssh_in_websocket", tunnels_ssh.in_websocket, "ssh -N -R in WebSocket frames, used"),
    ("ssh_behind_connect", tunnels_ssh.behind_connect, "ssh -N -R behind HTTP CONNECT, used"),
)


def recipes() -> list[Recipe]:
    """Reverse SSH first, then relays."""
    folder = "synthetic/tunnels"
    found = []
    for name, suite in tunnels_ssh.SUITES.items():
        for use, make, shows in (
            ("idle", tunnels_ssh.idle, IDLE_SHOWS),
            ("used", tunnels_ssh.used, USED_SHOWS),
        ):
            stem = f"ssh_r_{use}_{name}"
            found.append(
                Recipe(
                    name=f"{folder}/{stem}.pcap",
                    shows=f"{shows}; {suite.cipher}"
                    + ("" if suite.tag == 16 else f" with {suite.mac}"),
                    make=make(suite, stem),
                    expect=reverse_ssh(),
                )
            )
    found += [
        Recipe(name=f"{folder}/{name}.pcap", shows=shows, make=make, expect=reverse_ssh())
        for name, make, shows in SSH
    ]
    found.append(
        Recipe(
            name=f"{folder}/serveo.pcap",
            shows="ssh -R to serveo.net: the name, and the reverse forward",
            make=tunnels_ssh.serveo,
            expect=(*reverse_ssh(), relay()[0]),
        )
    )
    found += [
        Recipe(name=f"{folder}/{name}.pcap", shows=shows, make=make, expect=relay())
        for name, make, shows in RELAYS
    ]
    return found
