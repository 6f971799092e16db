"""A small folder of rules, whole and valid, for tests to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

COIN = """
[[coin]]
id = "RVN"
name = "Ravencoin"
dialects = ["kawpow"]
algorithms = ["kawpow"]
tag = "K"
source = "made up"

[[coin]]
id = "ETC"
name = "Ethereum Classic"
dialects = ["eth_proxy"]
algorithms = ["etchash"]
tag = "K"
source = "made up"
"""
POOL = """
[[pool]]
id = "example"
operator = "Example"
coins = ["RVN", "ETC"]
domains = ["pool.example", "*.mine.example.net", { name = "one.example.org", exact = true }]
not_mining = ["www.pool.example", { name = "pool.example", exact = true }]
networks = [
  { cidr = "192.0.2.0/24", seen = 2026-01-01 },
  { cidr = "2001:db8::7", seen = 2026-01-01 },
]
ports = [
  { port = 6060, coins = ["RVN"] },
  { port = 1000, through = 1099, coins = ["ETC"] },
  { port = 1010 },
]
source = "made up"
checked_on = 2026-01-01
confidence = 0.5
"""
PAYLOAD = """
[[payload]]
id = "payload.hello"
title = "A greeting"
text = "HELLO"
direction = "up"
at_start = true
category = "tunnel"
strength = "clear"
source = "made up"
checked_on = 2026-01-01
tests = [
  { text = "HELLO you", direction = "up", match = true },
  { text = "HELLO you", direction = "down", match = false },
]
"""
RELAY = """
[[relay]]
id = "example-tunnel"
title = "Example tunnel"
kind = "tunnel"
names = ["agent.example.com", { name = "example.com", strength = "weak" }]
query_prefixes = ["extun"]
alpn = ["extun/1"]
http = [{ path = "/ws", user_agent = "*Agent/7*", upgrade = "websocket", strength = "clear" },
        { ws_protocol = "extun-v*", strength = "clear" }]
ssh = [{ side = "server", prefix = "SSH-2.0-extun", strength = "clear" }]
udp = [{ hex = "01 02", size_bytes = 10, direction = "up", strength = "weak" }]
payload = ["payload.hello"]
ports = [{ port = 7000 }, { port = 7001, transport = "udp" }]
source = "made up"
checked_on = 2026-01-01
confidence = 0.5
"""


def folder(path: Path, **files: str) -> Path:
    """A rule folder: `pools__a="…"` becomes `pools/a.toml`; the four kinds have defaults."""
    texts = {"coins__c": COIN, "pools__p": POOL, "payload__b": PAYLOAD, "relays__r": RELAY} | files
    for name, text in texts.items():
        file = path / (name.replace("__", "/") + ".toml")
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(text)
    return path
