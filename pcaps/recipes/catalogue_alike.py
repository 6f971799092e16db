"""The look-alikes: what must stay silent."""

from __future__ import annotations

from pcaps.recipes import alike_binary, alike_json, alike_ssh
from pcaps.recipes.golden import never, pool_contact, silent
from pcaps.recipes.model import Recipe

SILENT = (
    ("electrum", alike_json.electrum, "an Electrum wallet: line JSON with pushes, blockchain.*"),
    ("json_rpc", alike_json.json_rpc, "a JSON-RPC service over TCP lines"),
    ("language_server", alike_json.language_server, "a language server over TCP"),
    ("ethereum_rpc", alike_json.ethereum_rpc, "a client of an Ethereum node over HTTP"),
    ("job_queue", alike_json.job_queue, "a batch queue that says login, job and submit"),
    ("websocket_chat", alike_json.websocket_chat, "a chat over WebSocket with auth messages"),
    ("chia_pool", alike_json.chia_pool, "Chia farming over HTTP, nothing is pushed"),
    ("bitcoin_node", alike_binary.bitcoin_node, "a Bitcoin full node and its peer"),
    ("monero_node", alike_binary.monero_node, "a Monero full node and its peer (Levin)"),
    ("ntp", alike_binary.ntp, "time synchronisation, stratum 2"),
    ("postgres_rows", alike_binary.postgres_rows, "database rows with pool names and rule text"),
    ("mqtt_telemetry", alike_binary.mqtt_telemetry, "a sensor publishing every 10 s"),
    (
        "metrics_remote_write",
        alike_binary.metrics_remote_write,
        "a monitoring agent, an upload every 15 s in TLS",
    ),
    (
        "checkpoint_upload",
        alike_binary.checkpoint_upload,
        "checkpoint parts of equal size to an object store in TLS",
    ),
    ("block_explorer", alike_binary.block_explorer, "an SNI with pool and mining in it, no pool"),
    (
        "collective_inside",
        alike_binary.collective_inside,
        "two training nodes, long and steady, inside the cluster",
    ),
    ("ssh_shell", alike_ssh.shell, "a person in a shell"),
    ("ssh_exec", alike_ssh.execute, "one command over SSH"),
    ("ssh_git_fetch", alike_ssh.git_fetch, "git fetch over SSH, AES-GCM"),
    ("ssh_scp", alike_ssh.copy, "a file copied out over SSH, AES-CTR with ETM"),
    ("ssh_local_forward", alike_ssh.local_forward, "ssh -N -L in use"),
    ("ssh_agent_forwarding", alike_ssh.agent_forwarding, "agent forwarding: the server opens"),
    ("ssh_server_keepalive", alike_ssh.server_keepalive, "a shell kept alive by the server"),
    ("ssh_x11_forwarding", alike_ssh.x11_forwarding, "X11 forwarding: the server opens"),
)


def recipes() -> list[Recipe]:
    """All look-alikes; two of them may give a policy note."""
    folder = "synthetic/lookalikes"
    found = [
        Recipe(
            name=f"{folder}/{name}.pcap",
            shows=shows,
            make=make,
            expect=silent(),
        )
        for name, make, shows in SILENT
    ]
    found.append(
        Recipe(
            name=f"{folder}/dns_pool_lookups.pcap",
            shows="pools' names are looked up, nobody connects",
            make=alike_binary.dns_pool_lookups,
            expect=(*silent(), pool_contact("low")),
        )
    )
    found.append(
        Recipe(
            name=f"{folder}/pool_web_site.pcap",
            shows="someone reads a pool's web site",
            make=alike_binary.pool_web_site,
            expect=(never("mining"), never("tunnel"), never("reverse_tunnel")),
        )
    )
    return found
