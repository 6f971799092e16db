"""Sessions of Ethereum miners and of miners over HTTP, as they are in the wild."""

from __future__ import annotations

from tests.analyzer.detectors.mining.wire import Case, answer, digits, post
from tests.analyzer.detectors.mining.wire_words import (
    BITCOIN,
    ETHER,
    ETHER_UNCHECKED,
    ask,
    eth_work,
    rpc,
    say,
)

ETHEREUM: tuple[Case, ...] = (
    Case(
        name="ethminer probes",
        lines=[
            (
                ">",
                ask(
                    1,
                    "mining.hello",
                    {
                        "agent": "ethminer-0.19",
                        "host": "pool.example.org",
                        "port": "115c",
                        "proto": "EthereumStratum/2.0.0",
                    },
                ),
            ),
            ("<", {"id": 1, "error": {"code": -1, "message": "method"}}),
            (">", ask(1, "mining.subscribe", ["ethminer-0.19", "EthereumStratum/1.0.0"])),
            ("<", say(1, None, "no")),
            (">", rpc(1, "eth_submitLogin", [ETHER_UNCHECKED], worker="rig")),
            ("<", {"id": 1, "jsonrpc": "2.0", "result": True}),
            (">", rpc(5, "eth_getWork", [])),
            ("<", eth_work(answers=5)),
            ("<", eth_work(2)),
        ],
        attributes={"dialect": "eth_proxy"},
    ),
    Case(
        name="ethminer probes all refused",
        tier="attempt",
        lines=[
            (
                ">",
                ask(
                    1,
                    "mining.hello",
                    {
                        "agent": "ethminer-0.19",
                        "host": "pool.example.org",
                        "port": "115c",
                        "proto": "EthereumStratum/2.0.0",
                    },
                ),
            ),
            ("<", {"id": 1, "error": {"code": -1, "message": "method"}}),
            (">", ask(1, "mining.subscribe", ["ethminer-0.19", "EthereumStratum/1.0.0"])),
            ("<", say(1, None, "no")),
            (">", rpc(1, "eth_submitLogin", [ETHER_UNCHECKED], worker="rig")),
            ("<", {"id": 1, "jsonrpc": "2.0", "result": False}),
        ],
    ),
    Case(
        name="claymore",
        lines=[
            (
                ">",
                {
                    "worker": "eth1.0",
                    "jsonrpc": "2.0",
                    "params": [ETHER_UNCHECKED, "x"],
                    "id": 2,
                    "method": "eth_submitLogin",
                },
            ),
            ("<", {"id": 2, "jsonrpc": "2.0", "result": True}),
            (">", {"worker": "", "jsonrpc": "2.0", "params": [], "id": 3, "method": "eth_getWork"}),
            ("<", eth_work(answers=3)),
            ("<", eth_work(2)),
            (
                ">",
                {
                    "id": 6,
                    "jsonrpc": "2.0",
                    "method": "eth_submitHashrate",
                    "params": [
                        "0x0000000000000000000000000000000000000000000000000000000001d2e8d0",
                        "0x" + digits(64, 5),
                    ],
                },
            ),
            ("<", {"id": 6, "jsonrpc": "2.0", "result": True}),
            (
                ">",
                {
                    "id": 4,
                    "method": "eth_submitWork",
                    "params": ["0x" + digits(16, 1), "0x" + digits(64, 2), "0x" + digits(64, 3)],
                    "worker": "eth1.0",
                },
            ),
            ("<", {"id": 4, "jsonrpc": "2.0", "result": True}),
        ],
        attributes={"dialect": "eth_proxy", "shares_accepted": 1},
    ),
    Case(
        name="nicehash eth",
        lines=[
            (">", ask(1, "mining.subscribe", ["nheqminer/0.1", "EthereumStratum/1.0.0"])),
            (
                "<",
                say(
                    1,
                    [
                        [
                            "mining.notify",
                            "ae6812eb4cd7735a302a8a9dd95cf71f",
                            "EthereumStratum/1.0.0",
                        ],
                        "080c",
                    ],
                ),
            ),
            (">", ask(2, "mining.extranonce.subscribe", [])),
            ("<", say(2, True)),
            (">", ask(3, "mining.authorize", [BITCOIN + ".w", "x"])),
            ("<", say(3, True)),
            ("<", ask(None, "mining.set_difficulty", [0.5])),
            ("<", ask(None, "mining.notify", ["bf", digits(64, 1), digits(64, 2), True])),
            (">", ask(4, "mining.submit", ["t1", "bf", digits(12, 5)])),
            ("<", say(4, True)),
        ],
        attributes={"dialect": "ethereumstratum_v1"},
    ),
    Case(
        name="getwork with the wallet in the path",
        port=80,
        lines=[
            (">", post(rpc(1, "eth_getWork", []), target=f"/{ETHER_UNCHECKED}/rig1", agent="")),
            ("<", answer(eth_work(answers=1))),
            (
                ">",
                post(
                    rpc(
                        1,
                        "eth_submitWork",
                        ["0x" + digits(16, 1), "0x" + digits(64, 2), "0x" + digits(64, 3)],
                    ),
                    target=f"/{ETHER_UNCHECKED}/rig1",
                ),
            ),
            ("<", answer({"id": 1, "jsonrpc": "2.0", "result": True})),
        ],
        attributes={"dialect": "eth_proxy", "wallet": ETHER_UNCHECKED, "worker": "rig1"},
    ),
    Case(
        name="getwork with the wallet in the query",
        port=8080,
        lines=[
            (
                ">",
                post(
                    rpc(1, "eth_getWork", []),
                    target=f"/?miner=15&wallet={ETHER_UNCHECKED[2:]}&rig=rig1",
                ),
            ),
            ("<", answer(eth_work(answers=1))),
            (
                ">",
                post(
                    rpc(1, "eth_submitHashrate", ["0x" + digits(64, 1), "0x" + digits(64, 2)]),
                    target=f"/?miner=15&wallet={ETHER_UNCHECKED[2:]}&rig=rig1",
                ),
            ),
        ],
        attributes={"dialect": "eth_proxy", "worker": "rig1"},
    ),
    Case(
        name="http getwork polls only, wallet in path",
        port=80,
        lines=[
            (">", post(rpc(1, "eth_getWork", []), target=f"/{ETHER_UNCHECKED}/rig1")),
            ("<", answer(eth_work(answers=1))),
        ]
        * 3,
        attributes={"wallet": ETHER_UNCHECKED},
    ),
    Case(
        name="http getwork polls, checksummed wallet",
        port=80,
        lines=[
            (">", post(rpc(1, "eth_getWork", []), target=f"/{ETHER}/rig1")),
            ("<", answer(eth_work(answers=1))),
        ]
        * 3,
        attributes={"wallet": ETHER},
    ),
    Case(
        name="getwork longpoll",
        lines=[
            (
                ">",
                post(
                    ask(0, "getwork", []),
                    agent="cgminer 2.7.5",
                    extra="X-Mining-Extensions: longpoll midstate rollntime submitold\r\n",
                ),
            ),
            (
                "<",
                answer(
                    say(
                        0,
                        {
                            "data": digits(256, 1),
                            "target": "f" * 56 + "0" * 8,
                            "midstate": digits(64, 2),
                            "hash1": digits(128, 3),
                        },
                    )
                ),
            ),
            (
                ">",
                "GET /LP HTTP/1.1\r\nHost: a.example\r\nX-Mining-Extensions: longpoll\r\n\r\n",
            ),
            (
                "<",
                answer(
                    say(
                        0,
                        {
                            "data": digits(256, 4),
                            "target": "f" * 56 + "0" * 8,
                            "midstate": digits(64, 2),
                            "hash1": digits(128, 3),
                        },
                    )
                ),
            ),
            (">", post(ask(1, "getwork", [digits(256, 9)]), agent="cgminer 2.7.5")),
            ("<", answer(say(1, True))),
        ],
        attributes={"dialect": "getwork", "shares_accepted": 1},
    ),
    Case(
        name="cpuminer gbt submitblock",
        lines=[
            (
                ">",
                post(
                    ask(0, "getblocktemplate", [{"capabilities": ["coinbasetxn"]}]),
                    agent="cpuminer/2.5.0",
                ),
            ),
            (
                "<",
                answer(
                    say(
                        0,
                        {
                            "version": 2,
                            "previousblockhash": digits(64, 1),
                            "transactions": [],
                            "coinbasevalue": 5000000000,
                            "target": "0" * 8 + "f" * 56,
                            "bits": "1d00ffff",
                            "height": 3,
                        },
                    )
                ),
            ),
            (">", post(ask(1, "submitblock", [digits(400, 2)]), agent="cpuminer/2.5.0")),
            ("<", answer(say(1, None))),
        ],
        attributes={"dialect": "getblocktemplate"},
    ),
    Case(
        name="eth login unanswered",
        tier="attempt",
        lines=[(">", rpc(1, "eth_submitLogin", [ETHER_UNCHECKED]))],
    ),
    Case(
        name="eth-proxy login refused",
        tier="attempt",
        lines=[
            (">", rpc(1, "eth_submitLogin", [ETHER_UNCHECKED])),
            (
                "<",
                {
                    "id": 1,
                    "jsonrpc": "2.0",
                    "result": False,
                    "error": {"code": -1, "message": "Invalid login"},
                },
            ),
        ],
    ),
    Case(
        name="Ethash in plain stratum",
        lines=[
            (">", ask(1, "mining.subscribe", [])),
            ("<", say(1, [["mining.notify", "00"], ""])),
            (">", ask(2, "mining.authorize", [ETHER + ".w", "x"])),
            ("<", say(2, True)),
            (
                "<",
                ask(
                    None,
                    "mining.notify",
                    [
                        "0",
                        "0x" + digits(64, 1),
                        "0x" + digits(64, 2),
                        "0x00000000ffff" + "0" * 52,
                        True,
                    ],
                ),
            ),
            (
                ">",
                ask(
                    4,
                    "mining.submit",
                    [ETHER, "0", "0x" + digits(16, 1), "0x" + digits(64, 2), "0x" + digits(64, 3)],
                ),
            ),
            ("<", say(4, True)),
        ],
    ),
    Case(
        name="only signs of life, in the words of one protocol",
        lines=[
            (">", {"id": 1, "method": "keepalived", "params": {"id": "s1"}}),
            ("<", {"id": 1, "result": {"status": "KEEPALIVED"}}),
        ],
    ),
)
