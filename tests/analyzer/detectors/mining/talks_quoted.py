"""Text that quotes miners and pools: logs, chats, pages, queues."""

from __future__ import annotations

import json

from tests.analyzer.detectors.mining.wire import Case, answer, digits, line, post
from tests.analyzer.detectors.mining.wire_words import (
    ACCOUNT,
    BITCOIN,
    MONERO,
    SESSION,
    SUBSCRIBE,
    ask,
    rpc,
    v1_job,
    v1_share,
)

LOG_LINE = line(SUBSCRIBE).decode().strip()
"""What a miner's log may hold."""


QUOTED: tuple[Case, ...] = (
    Case(
        tier="quiet",
        name="miner log lines verbatim, one-way, acked",
        lines=[
            (">", SUBSCRIBE),
            (">", ask(2, "mining.authorize", [ACCOUNT, "x"])),
            (">", v1_share(3)),
            (">", v1_share(4)),
        ],
    ),
    Case(
        tier="quiet",
        name="miner log lines verbatim, json acks",
        lines=[
            (">", SUBSCRIBE),
            ("<", {"ack": 1}),
            (">", ask(2, "mining.authorize", [ACCOUNT, "x"])),
            ("<", {"ack": 2}),
            (">", v1_share(3)),
            ("<", {"ack": 3}),
        ],
    ),
    Case(tier="quiet", name="both directions logged", lines=[(">", x[1]) for x in [*SESSION]]),
    Case(
        tier="quiet",
        name="json logs",
        lines=[(">", {"level": "info", "msg": LOG_LINE, "method": "mining.submit", "time": 1})] * 5,
    ),
    Case(
        tier="quiet",
        name="fluentd forward json",
        lines=[(">", {"tag": "miner", "time": 1, "record": {"log": LOG_LINE, "stream": "stdout"}})]
        * 5,
    ),
    Case(
        tier="quiet",
        name="fluentd parsed json records",
        lines=[(">", {"tag": "miner", "time": 1, "record": SUBSCRIBE})] * 5,
    ),
    Case(
        tier="quiet",
        name="fluentd array",
        lines=[(">", json.dumps(["miner", [[1, SUBSCRIBE]]]) + "\n")] * 3,
    ),
    Case(
        tier="quiet",
        name="syslog with json line",
        port=514,
        lines=[(">", "<134>Jan  1 00:00:00 node14 cgminer[12]: " + LOG_LINE + "\n")] * 10,
    ),
    Case(
        tier="quiet",
        name="syslog with json on own lines",
        port=514,
        lines=[(">", "<134>Jan  1 00:00:00 node14 cgminer[12]: sending\n" + LOG_LINE + "\n")] * 3,
    ),
    Case(
        tier="quiet",
        name="logstash json line with message",
        port=5000,
        lines=[
            (
                ">",
                {
                    "@timestamp": "x",
                    "message": "recv: " + LOG_LINE,
                    "host": "n",
                    "method": "mining.notify",
                    "params": ["a"],
                },
            )
        ]
        * 3,
    ),
    Case(
        tier="quiet",
        name="irc quoting",
        port=6667,
        lines=[
            ("<", ":irc.example NOTICE * :hello\r\n"),
            (">", "NICK bob\r\nUSER bob 0 * :bob\r\n"),
            ("<", ":al!a@h PRIVMSG #miners :" + LOG_LINE + "\r\n"),
            ("<", ':al!a@h PRIVMSG #miners :{"id":2,"method":"mining.authorize"}\r\n'),
        ],
    ),
    Case(
        tier="quiet",
        name="chat lines raw text",
        port=9000,
        lines=[
            (">", "hello there\n"),
            ("<", "try this:\n" + LOG_LINE + "\n"),
            ("<", '{"id":2,"method":"mining.authorize","params":["user","x"]}\n'),
        ],
    ),
    Case(
        tier="quiet",
        name="http page",
        port=80,
        lines=[
            (">", b"GET /doc HTTP/1.1\r\nHost: x.example\r\n\r\n"),
            ("<", answer(LOG_LINE + "\n" + json.dumps(v1_job()) + "\n", "text/plain")),
        ],
    ),
    Case(
        tier="quiet",
        name="http page json",
        port=80,
        lines=[
            (">", b"GET /doc HTTP/1.1\r\nHost: x.example\r\n\r\n"),
            ("<", answer(json.dumps(v1_job()))),
        ],
    ),
    Case(
        tier="quiet",
        name="http post paste json",
        port=80,
        lines=[(">", post(SUBSCRIBE, target="/paste")), ("<", answer({"ok": True}))],
    ),
    Case(
        tier="quiet",
        name="http post bulk elasticsearch",
        port=9200,
        lines=[
            (
                ">",
                post(
                    '{"index":{}}\n'
                    + json.dumps({"log": LOG_LINE})
                    + "\n"
                    + '{"index":{}}\n'
                    + json.dumps({"log": LOG_LINE})
                    + "\n",
                    target="/_bulk",
                ),
            ),
            ("<", answer({"took": 1})),
        ],
    ),
    Case(
        tier="quiet",
        name="http post bulk elasticsearch verbatim",
        port=9200,
        lines=[
            (">", post('{"index":{}}\n' + LOG_LINE + "\n", target="/_bulk")),
            ("<", answer({"took": 1})),
        ],
    ),
    Case(
        tier="quiet",
        name="loki push",
        port=3100,
        lines=[
            (
                ">",
                post(
                    {
                        "streams": [
                            {
                                "stream": {"a": "b"},
                                "values": [["1", LOG_LINE], ["2", json.dumps(v1_job())]],
                            }
                        ]
                    },
                    target="/loki/api/v1/push",
                ),
            ),
            ("<", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ],
    ),
    Case(
        tier="quiet",
        name="job queue login submit",
        lines=[
            (">", rpc(1, "login", {"login": "alice", "pass": "x", "agent": "runner/1"})),
            ("<", {"id": 1, "result": {"status": "OK", "id": "s"}}),
            ("<", {"method": "job", "params": {"job_id": "1", "target": "gpu", "blob": "abc"}}),
            (
                ">",
                {
                    "id": 2,
                    "method": "submit",
                    "params": {"id": "s", "job_id": "1", "result": digits(64, 1)},
                },
            ),
            ("<", {"id": 2, "result": {"status": "OK"}}),
        ],
    ),
    Case(
        tier="quiet",
        name="job queue login uuid",
        lines=[
            (
                ">",
                rpc(
                    1,
                    "login",
                    {
                        "login": "svc1234567890abcdef1234567890abcdef",
                        "pass": "x",
                        "agent": "runner/1",
                    },
                ),
            ),
            ("<", {"id": 1, "result": {"status": "OK", "id": "s"}}),
        ],
    ),
    Case(
        tier="quiet",
        name="job queue login token as login",
        lines=[
            (">", rpc(1, "login", {"login": "550e8400e29b41d4a716446655440000", "pass": "secret"})),
            ("<", {"id": 1, "result": {"session": "x"}}),
            (">", rpc(2, "submit", {"job_id": "x", "nonce": "00000001", "payload": "x"})),
            ("<", {"id": 2, "result": True}),
        ],
    ),
    Case(
        tier="quiet",
        name="kafka",
        port=9092,
        lines=[
            (
                ">",
                b"\x00\x00\x01\x00\x00\x00\x00\x03\x00\x00\x00\x01\x00\x08producer"
                + LOG_LINE.encode() * 3,
            ),
            ("<", b"\x00\x00\x00\x10\x00\x00\x00\x01" + bytes(12)),
        ],
    ),
    Case(
        tier="quiet",
        name="redis pubsub",
        port=6379,
        lines=[
            (
                ">",
                b"*3\r\n$7\r\nPUBLISH\r\n$2\r\nch\r\n$%d\r\n%s\r\n"
                % (len(LOG_LINE), LOG_LINE.encode()),
            ),
            ("<", b":1\r\n"),
        ],
    ),
    Case(
        tier="quiet",
        name="grin-like status/login",
        lines=[
            (">", rpc("1", "login", {"login": "bob", "pass": "x", "agent": "client"})),
            ("<", {"id": "1", "method": "login", "result": "ok", "error": None}),
            (">", rpc("2", "status", None)),
            ("<", {"id": "2", "method": "status", "result": {"height": 5, "difficulty": 1}}),
            (">", rpc("3", "getjobtemplate", None)),
            ("<", {"id": "3", "method": "getjobtemplate", "result": {"job_id": 1}}),
        ],
    ),
    Case(
        tier="quiet",
        name="vote api login/solution",
        lines=[
            (">", {"id": "login", "method": "login", "api_key": "abc", "jsonrpc": "2.0"}),
            (
                "<",
                {"id": "login", "method": "result", "code": 0, "description": "Login successful"},
            ),
            (">", {"id": "1", "method": "solution", "nonce": "ab", "output": "cd"}),
            ("<", {"id": "1", "method": "result", "code": 1}),
        ],
    ),
    Case(
        tier="quiet",
        name="api_key hex login",
        lines=[
            (">", {"id": "login", "method": "login", "api_key": digits(64, 1), "jsonrpc": "2.0"}),
            ("<", {"id": "login", "method": "result", "code": 0, "description": "ok"}),
        ],
    ),
    Case(
        tier="quiet",
        name="wallet in chat",
        lines=[(">", rpc(1, "login", {"login": MONERO})), ("<", {"id": 1, "result": {"ok": True}})],
    ),
    Case(
        tier="quiet",
        name="payment api: login w wallet",
        lines=[
            (">", rpc(1, "login", {"login": BITCOIN, "pass": "pw"})),
            ("<", {"id": 1, "result": {"session": 1}}),
        ],
    ),
)
