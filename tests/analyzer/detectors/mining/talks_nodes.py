"""Full nodes, wallets, explorers and web pages of pools, and who asks them."""

from __future__ import annotations

from tests.analyzer.detectors.mining.wire import Case, answer, digits, post
from tests.analyzer.detectors.mining.wire_words import MONERO, ask, eth_work, rpc, say

PAGE = b"GET /api/stats HTTP/1.1\r\nHost: pool.example.org\r\nUser-Agent: Mozilla/5.0\r\n\r\n"


NODES: tuple[Case, ...] = (
    Case(
        tier="quiet",
        name="monero wallet rpc",
        port=18083,
        lines=[
            (
                ">",
                post(
                    rpc("0", "get_balance", {"account_index": 0}), target="/json_rpc", agent="curl"
                ),
            ),
            ("<", answer({"id": "0", "result": {"balance": 1}})),
            (">", post(rpc("0", "get_address", {}), target="/json_rpc")),
            ("<", answer({"id": "0", "result": {"address": MONERO}})),
        ],
    ),
    Case(
        tier="quiet",
        name="monerod get_block_template tool",
        port=18081,
        inside=True,
        lines=[
            (
                ">",
                post(
                    rpc("0", "get_block_template", {"wallet_address": MONERO, "reserve_size": 60}),
                    target="/json_rpc",
                    agent="",
                ),
            ),
            (
                "<",
                answer(
                    {
                        "id": "0",
                        "result": {
                            "blocktemplate_blob": digits(400, 1),
                            "blockhashing_blob": digits(152, 2),
                            "difficulty": 3,
                            "height": 4,
                            "prev_hash": digits(64, 3),
                            "seed_hash": digits(64, 4),
                            "status": "OK",
                        },
                    }
                ),
            ),
        ],
    ),
    Case(
        tier="quiet",
        name="eth node polling getWork",
        port=8545,
        lines=[
            (">", post(rpc(1, "eth_getWork", []), agent="python-requests/2")),
            ("<", answer(eth_work(answers=1))),
        ]
        * 5,
    ),
    Case(
        tier="quiet",
        name="eth node ws polling getWork over tcp ipc",
        port=8545,
        lines=[(">", rpc(1, "eth_getWork", [])), ("<", eth_work(answers=1))] * 5,
    ),
    Case(
        tier="quiet",
        name="eth monitor getWork error",
        port=8545,
        lines=[
            (">", post(rpc(1, "eth_getWork", []))),
            (
                "<",
                answer(
                    {"id": 1, "error": {"code": -32000, "message": "no mining work available yet"}}
                ),
            ),
        ]
        * 3,
    ),
    Case(
        tier="quiet",
        name="eth infura mixed",
        port=80,
        lines=[
            (">", post(rpc(1, "eth_hashrate", []), target="/v3/" + digits(32, 1))),
            ("<", answer({"id": 1, "result": "0x0"})),
            (">", post(rpc(2, "eth_mining", []), target="/v3/" + digits(32, 1))),
            ("<", answer({"id": 2, "result": False})),
            (">", post(rpc(2, "eth_getWork", []), target="/v3/" + digits(32, 1))),
            ("<", answer(eth_work(answers=2))),
        ],
    ),
    Case(
        tier="quiet",
        name="eth getLogs result array of hashes",
        port=8545,
        lines=[
            (">", rpc(0, "eth_getFilterChanges", ["0x1"])),
            (
                "<",
                {
                    "id": 0,
                    "jsonrpc": "2.0",
                    "result": ["0x" + digits(64, 1), "0x" + digits(64, 2), "0x" + digits(64, 3)],
                },
            ),
        ],
    ),
    Case(
        tier="quiet",
        name="eth filter changes one way midstream id0",
        port=8545,
        one_way="<",
        handshake=False,
        lines=[
            (
                "<",
                {
                    "id": 0,
                    "jsonrpc": "2.0",
                    "result": ["0x" + digits(64, 1), "0x" + digits(64, 2), "0x" + digits(64, 3)],
                },
            )
        ]
        * 3,
    ),
    Case(
        tier="quiet",
        name="bitcoind gbt internal pool",
        port=8332,
        inside=True,
        lines=[
            (">", post(ask(1, "getblocktemplate", [{"rules": ["segwit"]}]), agent="")),
            (
                "<",
                answer(
                    say(
                        1,
                        {
                            "version": 2,
                            "previousblockhash": digits(64, 1),
                            "transactions": [],
                            "coinbasevalue": 5,
                            "target": "0" * 8 + "f" * 56,
                            "bits": "1d00ffff",
                            "height": 3,
                        },
                    )
                ),
            ),
            (">", post(ask(2, "submitblock", [digits(400, 1)]))),
            ("<", answer(say(2, None))),
        ],
    ),
    Case(
        tier="quiet",
        name="bitcoind gbt outside",
        port=8332,
        lines=[
            (
                ">",
                post(
                    ask(1, "getblocktemplate", [{"rules": ["segwit"]}]), agent="python-bitcoinrpc"
                ),
            ),
            (
                "<",
                answer(
                    say(
                        1,
                        {
                            "version": 2,
                            "previousblockhash": digits(64, 1),
                            "transactions": [],
                            "coinbasevalue": 5,
                            "target": "0" * 8 + "f" * 56,
                            "bits": "1d00ffff",
                            "height": 3,
                        },
                    )
                ),
            ),
        ],
    ),
    Case(
        tier="quiet",
        name="bitcoind getmininginfo",
        port=8332,
        lines=[
            (">", post(ask(1, "getmininginfo", []))),
            ("<", answer(say(1, {"blocks": 1, "difficulty": 1.0}))),
        ],
    ),
    Case(
        tier="quiet",
        name="pool api",
        port=80,
        lines=[
            (">", PAGE),
            (
                "<",
                answer(
                    {
                        "difficulty": 5,
                        "height": 3,
                        "blob": digits(152, 1),
                        "target": "b88d0600",
                        "job_id": "x",
                    }
                ),
            ),
        ],
    ),
    Case(
        tier="quiet",
        name="pool api post",
        port=80,
        lines=[
            (">", post({"address": MONERO}, target="/api/stats_address")),
            ("<", answer({"result": {"difficulty": 5, "height": 3, "hash": digits(64, 1)}})),
        ],
    ),
    Case(
        tier="quiet",
        name="block explorer post graphql",
        port=80,
        lines=[
            (">", post({"query": "{block{hash}}"}, target="/graphql")),
            (
                "<",
                answer(
                    {
                        "data": {
                            "block": {
                                "previousblockhash": digits(64, 1),
                                "bits": "1d00ffff",
                                "coinbasevalue": 1,
                            }
                        }
                    }
                ),
            ),
        ],
    ),
    Case(
        tier="quiet",
        name="explorer rpc proxied getblockheader",
        port=80,
        lines=[
            (">", post(ask(1, "getblock", [digits(64, 1)]))),
            (
                "<",
                answer(
                    say(
                        1,
                        {
                            "previousblockhash": digits(64, 1),
                            "bits": "1d00ffff",
                            "height": 2,
                            "target": digits(64, 2),
                        },
                    )
                ),
            ),
        ],
    ),
    Case(
        tier="quiet",
        name="electrum",
        port=50001,
        lines=[
            (">", ask(0, "server.version", ["electrum/4.5", "1.4"])),
            ("<", say(0, ["ElectrumX 1.16", "1.4"])),
            (">", ask(1, "blockchain.headers.subscribe", [])),
            ("<", say(1, {"height": 5, "hex": digits(160, 1)})),
            (">", ask(2, "blockchain.scripthash.subscribe", [digits(64, 1)])),
            ("<", say(2, digits(64, 2))),
            (
                "<",
                {
                    "jsonrpc": "2.0",
                    "method": "blockchain.headers.subscribe",
                    "params": [{"height": 6, "hex": digits(160, 2)}],
                },
            ),
            (">", ask(3, "blockchain.transaction.get_merkle", [digits(64, 2), 5])),
            ("<", say(3, {"merkle": [digits(64, 1), digits(64, 2)], "pos": 1, "block_height": 5})),
        ],
    ),
    Case(
        tier="quiet",
        name="tezos/solana rpc",
        port=80,
        lines=[(">", post(rpc(1, "getBlockTemplate", []))), ("<", answer({"id": 1, "result": {}}))],
    ),
)
