"""Sessions of Monero miners and their kin, as they are in the wild."""

from __future__ import annotations

from tests.analyzer.detectors.mining.wire import Case, digits
from tests.analyzer.detectors.mining.wire_words import MONERO, rpc, say, xmr_job, xmr_share

CRYPTONOTE: tuple[Case, ...] = (
    Case(
        name="xmr-stak",
        lines=[
            (
                ">",
                {
                    "method": "login",
                    "params": {"login": MONERO, "pass": "x", "agent": "xmr-stak-cpu/1.3.0-1.5.0"},
                    "id": 1,
                },
            ),
            (
                "<",
                {
                    "id": 1,
                    "jsonrpc": "2.0",
                    "error": None,
                    "result": {"id": "87", "job": xmr_job(), "status": "OK"},
                },
            ),
            ("<", {"jsonrpc": "2.0", "method": "job", "params": xmr_job(2)}),
            (
                ">",
                {
                    "method": "submit",
                    "params": {
                        "id": "87",
                        "job_id": digits(15, 2),
                        "nonce": "9f000000",
                        "result": digits(64, 9),
                    },
                    "id": 1,
                },
            ),
            ("<", {"id": 1, "jsonrpc": "2.0", "error": None, "result": {"status": "OK"}}),
        ],
        attributes={"dialect": "cryptonote", "coin": "XMR", "shares_accepted": 1},
    ),
    Case(
        name="coinhive proxy",
        lines=[
            (
                ">",
                {
                    "id": 1,
                    "method": "login",
                    "params": {"login": MONERO, "pass": "x", "agent": "deepMiner"},
                },
            ),
            (
                "<",
                {
                    "id": 1,
                    "jsonrpc": "2.0",
                    "error": None,
                    "result": {"id": "87", "job": xmr_job(), "status": "OK"},
                },
            ),
            (">", {"id": 2, "method": "keepalived", "params": {"id": "87"}}),
            ("<", {"id": 2, "jsonrpc": "2.0", "error": None, "result": {"status": "KEEPALIVED"}}),
        ],
    ),
    Case(
        name="login by mail address",
        lines=[
            (
                ">",
                {
                    "method": "login",
                    "params": {
                        "login": "someone@mail.example",
                        "pass": "x",
                        "agent": "xmr-stak-cpu/1.1",
                    },
                    "id": 1,
                },
            ),
            (
                "<",
                {
                    "id": 1,
                    "jsonrpc": "2.0",
                    "error": None,
                    "result": {"id": "87", "job": xmr_job(), "status": "OK"},
                },
            ),
            ("<", {"jsonrpc": "2.0", "method": "job", "params": xmr_job(2)}),
        ],
        attributes={"wallet": "someone@mail.example"},
    ),
    Case(
        name="login by mail address, refused",
        tier="silent",
        lines=[
            (
                ">",
                {
                    "method": "login",
                    "params": {
                        "login": "someone@mail.example",
                        "pass": "x",
                        "agent": "xmr-stak-cpu/1.1",
                    },
                    "id": 1,
                },
            ),
            ("<", {"id": 1, "jsonrpc": "2.0", "error": {"code": -1, "message": "Invalid"}}),
        ],
    ),
    Case(
        name="xmrig malware midstream one-way jobs",
        handshake=False,
        one_way="<",
        lines=[
            ("<", b'aaa","target":"b88d0600"}}\n'),
            ("<", {"jsonrpc": "2.0", "method": "job", "params": xmr_job(2)}),
            ("<", {"jsonrpc": "2.0", "method": "job", "params": xmr_job(3)}),
        ],
    ),
    Case(
        name="xmrig midstream shares only",
        handshake=False,
        one_way=">",
        lines=[(">", xmr_share(4)), (">", xmr_share(5, "9f000001"))],
    ),
    Case(
        name="xmrig one share midstream",
        tier="attempt",
        handshake=False,
        one_way=">",
        lines=[(">", xmr_share(4))],
    ),
    Case(
        name="login by name, job names RandomX",
        lines=[
            (
                ">",
                {
                    "id": 1,
                    "jsonrpc": "2.0",
                    "method": "login",
                    "params": {
                        "login": "anon",
                        "pass": "x",
                        "agent": "XMRig/6.21",
                        "algo": ["rx/0", "cn/r"],
                    },
                },
            ),
            (
                "<",
                {
                    "id": 1,
                    "jsonrpc": "2.0",
                    "error": None,
                    "result": {
                        "id": "87",
                        "job": xmr_job()
                        | {"algo": "rx/0", "height": 3, "seed_hash": digits(64, 1)},
                        "extensions": ["algo"],
                        "status": "OK",
                    },
                },
            ),
        ],
    ),
    Case(
        name="named parameters alone, refused",
        tier="suspect",
        lines=[
            (">", rpc(2, "mining.subscribe", {"agent": "lolMiner 1.76"})),
            ("<", say(2, None, [20, "x", None])),
        ],
    ),
    Case(
        name="login without agent",
        lines=[
            (">", {"id": 1, "method": "login", "params": {"login": MONERO, "pass": ""}}),
            (
                "<",
                {"id": 1, "error": None, "result": {"id": "1", "job": xmr_job(), "status": "OK"}},
            ),
        ],
    ),
    Case(
        name="xmrig login unanswered, algo list",
        tier="attempt",
        lines=[
            (
                ">",
                {
                    "id": 1,
                    "jsonrpc": "2.0",
                    "method": "login",
                    "params": {
                        "login": "x",
                        "pass": "x",
                        "agent": "XMRig/6.21",
                        "algo": ["rx/0", "cn/r"],
                    },
                },
            )
        ],
    ),
)
