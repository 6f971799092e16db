"""The incident sample."""

from __future__ import annotations

from pcaps.recipes import wallets
from pcaps.recipes.golden import mining, reverse_ssh
from pcaps.recipes.incident import incident
from pcaps.recipes.model import Expect, Recipe


def recipes() -> list[Recipe]:
    """One sample: the tunnel and the miner are found, each once, and nothing else alarms high."""
    miner = mining("cryptonote", wallet=wallets.MONERO_TUNNEL)[0]
    tunnel = reverse_ssh()[0]
    return [
        Recipe(
            name="rome-incident.pcapng",
            shows="ordinary cluster egress, an SSH reverse tunnel on 443 in use, probes of "
            "neighbours, XMRig at a pool found by name: half an hour at the gateway",
            make=incident,
            expect=(
                miner,
                tunnel,
                Expect(count=1, match={"category": "mining", "alarm": True}),
                Expect(count=1, match={"category": "reverse_tunnel", "alarm": True}),
            ),
        )
    ]
