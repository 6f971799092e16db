"""Services that share words with miners and pools."""

from __future__ import annotations

from tests.analyzer.detectors.mining.wire import Case, answer, line, post
from tests.analyzer.detectors.mining.wire_words import SUBSCRIBE, ask, rpc, say

SERVICES: tuple[Case, ...] = (
    Case(
        tier="quiet",
        name="chatbot",
        lines=[
            (">", {"type": "auth", "params": {"token": "x"}}),
            ("<", {"type": "authed", "params": {"user": "bob"}}),
            ("<", {"type": "job", "params": {"id": 1}}),
            (">", {"type": "submit", "params": {"job_id": "1", "text": "x"}}),
            ("<", {"type": "hash_accepted", "params": {}}),
        ],
    ),
    Case(
        tier="quiet",
        name="chatbot with site_key (captcha)",
        lines=[
            (
                ">",
                {
                    "type": "auth",
                    "params": {"site_key": "6LeIxAcTAAAAAJcZVRqyHh71UMIEGNQ_MXjiZKhI"},
                },
            ),
            ("<", {"type": "authed", "params": {"token": "t"}}),
        ],
    ),
    Case(
        tier="quiet",
        name="json-rpc mining.* data mining",
        lines=[
            (">", rpc(1, "mining.submit", {"dataset": "x"})),
            ("<", {"id": 1, "result": {"task": 5}}),
            (">", rpc(2, "mining.status", [5])),
            ("<", {"id": 2, "result": "running"}),
            (">", rpc(3, "mining.authorize", {"token": "abc"})),
            ("<", {"id": 3, "result": True}),
        ],
    ),
    Case(
        tier="quiet",
        name="json-rpc mining.subscribe topic array",
        lines=[
            (">", rpc(1, "mining.subscribe", ["clusters"])),
            ("<", {"id": 1, "jsonrpc": "2.0", "result": "sub-1"}),
            ("<", rpc(None, "mining.notify", ["clusters", {"k": 5}])),
        ],
    ),
    Case(
        tier="quiet",
        name="json-rpc mining.subscribe topic array w/ other methods",
        lines=[
            (">", rpc(1, "mining.list", [])),
            ("<", {"id": 1, "result": ["a"]}),
            (">", rpc(2, "mining.submit", ["a", "b", "c"])),
            ("<", {"id": 2, "result": True}),
        ],
    ),
    Case(
        tier="quiet",
        name="generic submit",
        lines=[
            (">", rpc(1, "submit", {"job_id": "7", "nonce": "deadbeef", "result": "ok"})),
            ("<", {"id": 1, "result": True}),
        ],
    ),
    Case(
        tier="quiet",
        name="set_extranonce-like / set_target iot",
        lines=[
            (">", {"id": 1, "method": "set_target", "params": [21.5]}),
            ("<", {"id": 1, "result": True}),
            (">", {"id": 2, "method": "set_difficulty", "params": [3]}),
            ("<", {"id": 2, "result": True}),
        ],
    ),
    Case(
        tier="quiet",
        name="game with mining.set_difficulty",
        lines=[("<", rpc(1, "mining.set_difficulty", ["hard"])), (">", {"id": 1, "result": True})],
    ),
    Case(
        tier="quiet",
        name="game server mining.set_target",
        lines=[("<", rpc(1, "mining.set_target", ["beef"])), (">", {"id": 1, "result": True})],
    ),
    Case(
        tier="quiet",
        name="mcp",
        lines=[
            (">", rpc(1, "initialize", {"protocolVersion": "1", "capabilities": {}})),
            ("<", {"id": 1, "result": {}}),
            (">", rpc(2, "tools/call", {"name": "mining.submit", "arguments": {"job": 1}})),
            (
                "<",
                {
                    "id": 2,
                    "result": {"content": [{"type": "text", "text": line(SUBSCRIBE).decode()}]},
                },
            ),
        ],
    ),
    Case(
        tier="quiet",
        name="client.get_version",
        lines=[
            ("<", ask(1, "client.get_version", [])),
            (">", say(1, "x")),
            ("<", ask(2, "client.reconnect", ["h", 1])),
            ("<", ask(3, "client.show_message", ["hi"])),
        ],
    ),
    Case(
        tier="quiet",
        name="xatum like job~",
        lines=[(">", b'submit~{"data":"aGVsbG8="}\n'), ("<", b'success~{"msg":"ok"}\n')],
    ),
    Case(
        tier="quiet",
        name="shake~ app",
        lines=[
            (">", b'shake~{"addr":"10.0.0.1","agent":"x"}\n'),
            ("<", b'job~{"blob":"hello","diff":"x"}\n'),
        ],
    ),
    Case(
        tier="quiet",
        name="openai batch",
        port=80,
        lines=[
            (">", post({"method": "POST", "params": {"model": "x"}, "id": "job-1"})),
            ("<", answer({"id": "job-1", "result": {"job": {"blob": "x", "target": "y"}}})),
        ],
    ),
)
