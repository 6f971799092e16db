"""Sessions of the dialects with arrays, as miners and pools in the wild hold them."""

from __future__ import annotations

from tests.analyzer.detectors.mining.wire import Case, digits
from tests.analyzer.detectors.mining.wire_words import (
    ACCOUNT,
    DIFFICULTY,
    OPENING,
    RAVEN,
    SESSION,
    SUBSCRIBE,
    SUBSCRIBED,
    ZCASH,
    ask,
    say,
    v1_job,
    v1_share,
)

ARRAYS: tuple[Case, ...] = (
    *(
        Case(
            name=f"a session on port {port}",
            port=port,
            lines=SESSION,
            attributes={"dialect": "stratum_v1"},
        )
        for port in (22, 25, 53, 80, 443, 4444)
    ),
    Case(
        name="behind a SOCKS proxy",
        lines=[
            (">", b"\x05\x01\x00"),
            ("<", b"\x05\x00"),
            (">", b"\x05\x01\x00\x03\x0cpool.example\x11\x5c"),
            ("<", b"\x05\x00\x00\x01" + bytes(6)),
            *OPENING,
        ],
    ),
    Case(name="proxy header", lines=[(">", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"), *OPENING]),
    Case(
        name="behind an HTTP proxy",
        port=3128,
        lines=[
            (">", b"CONNECT pool.example.org:3333 HTTP/1.1\r\n\r\n"),
            ("<", b"HTTP/1.1 200 OK\r\n\r\n"),
            *OPENING,
        ],
        attributes={"proxy": "198.51.100.23:3128"},
    ),
    Case(
        name="a banner before the first message", lines=[("<", b"Welcome to the pool\n"), *OPENING]
    ),
    Case(
        name="nobody answers subscribe and authorize",
        tier="attempt",
        lines=[(">", SUBSCRIBE), (">", ask(2, "mining.authorize", [ACCOUNT, "x"]))],
    ),
    Case(name="frames cut behind 68 bytes", tier="silent", snaplen_bytes=68, lines=OPENING[:4]),
    Case(name="only the miner captured", one_way=">", lines=SESSION),
    Case(name="only the pool captured", one_way="<", lines=SESSION),
    Case(
        name="extranonce subscription with odd parameters",
        lines=[
            (">", ask(1, "mining.subscribe", ["NiceHash/1.0.0"])),
            ("<", say(1, [["mining.notify", "ae"], "0800", 4])),
            (">", ask(2, "mining.extranonce.subscribe", [])),
            ("<", say(2, True)),
            (">", {"id": 3, "method": "mining.extranonce.subscribe", "params": None}),
            ("<", ask(None, "mining.set_extranonce", ["af0001", 4])),
        ],
    ),
    Case(
        name="pool pushes midstream",
        handshake=False,
        lines=[("<", b'8",true]}\n'), ("<", v1_job(2)), ("<", DIFFICULTY), ("<", v1_job(3))],
    ),
    Case(
        name="shares and answers in mid-stream",
        handshake=False,
        lines=[
            (">", b'j0","00","5b","aa"]}\n'),
            (">", v1_share(7)),
            ("<", say(7, True)),
            (">", v1_share(8)),
            ("<", say(8, None, [23, "Low difficulty share", None])),
        ],
    ),
    Case(
        name="one notify midstream",
        tier="attempt",
        handshake=False,
        lines=[("<", b'8",true]}\n'), ("<", v1_job(2))],
    ),
    Case(
        name="refused subscribe",
        tier="attempt",
        lines=[(">", SUBSCRIBE), ("<", say(1, None, [20, "Not supported", None]))],
    ),
    Case(
        name="refused subscribe object",
        tier="attempt",
        lines=[(">", SUBSCRIBE), ("<", {"id": 1, "error": {"code": -32601}})],
    ),
    Case(
        name="refused subscribe false",
        tier="attempt",
        lines=[(">", SUBSCRIBE), ("<", {"id": 1, "result": False})],
    ),
    Case(name="null subscribe", tier="attempt", lines=[(">", SUBSCRIBE), ("<", say(1, None))]),
    Case(name="subscribe repeated", tier="attempt", lines=[(">", SUBSCRIBE)] * 4),
    Case(
        name="subscribe without params unanswered",
        tier="suspect",
        lines=[(">", ask(1, "mining.subscribe", []))],
    ),
    Case(
        name="subscribe to http server",
        tier="attempt",
        lines=[(">", SUBSCRIBE), ("<", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")],
    ),
    Case(
        name="subscribe answered authorise refused",
        lines=[
            *OPENING[:2],
            (">", ask(2, "mining.authorize", ["bad", "x"])),
            ("<", say(2, None, [24, "Unauthorized worker", None])),
        ],
    ),
    Case(
        name="claymore dual decred",
        lines=[
            (">", ask(1, "mining.subscribe", ["gominer/0.2"])),
            (
                "<",
                say(
                    1,
                    [
                        [["mining.set_difficulty", "d"], ["mining.notify", "n"]],
                        "0000000000000000e31ba2c3",
                        12,
                    ],
                ),
            ),
            (">", ask(2, "mining.authorize", ["DsabcdefghijkLMNopqrstuvwxyz123456.w", "x"])),
            ("<", say(2, True)),
            (
                "<",
                ask(
                    None,
                    "mining.notify",
                    [
                        "76df",
                        digits(64, 1),
                        digits(352, 2),
                        "00000000",
                        [],
                        "05000000",
                        "1a0ec4a5",
                        "5b646541",
                        True,
                    ],
                ),
            ),
            (
                ">",
                ask(
                    4,
                    "mining.submit",
                    ["Ds.w", "76df", "0000000000000000e31ba2c3", "5b646541", digits(8, 3)],
                ),
            ),
            ("<", say(4, True)),
        ],
    ),
    Case(
        name="jobs with fields of another coin",
        lines=[
            (">", ask(1, "mining.subscribe", ["Claymore"])),
            ("<", say(1, [[["mining.notify", "n"]], "00000001", 4])),
            (">", ask(2, "mining.authorize", ["5" + digits(75, 3) + ".w", "x"])),
            ("<", say(2, True)),
            (
                "<",
                ask(
                    None,
                    "mining.notify",
                    [
                        "a",
                        digits(64, 1),
                        digits(120, 2),
                        digits(20, 2),
                        [],
                        "",
                        "1a0ec4a5",
                        "0000000059f2a0b3",
                        True,
                    ],
                ),
            ),
        ],
    ),
    Case(
        name="ewbf zec",
        lines=[
            (
                ">",
                ask(1, "mining.subscribe", ["EWBF 0.3.4b", None, "eu1-zcash.example.org", "3333"]),
            ),
            ("<", say(1, [None, "90a0000003"])),
            (
                "<",
                ask(
                    None,
                    "mining.set_target",
                    ["0083126e978d4fdf3b645a1cac083126e978d4fdf3b645a1cac083126e978d4f"],
                ),
            ),
            (">", ask(2, "mining.authorize", [ZCASH + ".w", "x"])),
            ("<", say(2, True)),
            (
                "<",
                ask(
                    None,
                    "mining.notify",
                    [
                        "7c",
                        "04000000",
                        digits(64, 1),
                        digits(64, 2),
                        "0" * 64,
                        "5b64655a",
                        "5b64651c",
                        True,
                    ],
                ),
            ),
            (
                ">",
                ask(
                    3,
                    "mining.submit",
                    [ZCASH + ".w", "7c", "5b64655a", digits(54, 3), "fd4005" + digits(2688, 4)],
                ),
            ),
            ("<", say(3, True)),
        ],
        attributes={"dialect": "equihash", "coin": "ZEC", "shares_accepted": 1},
    ),
    Case(
        name="Equihash in mid-stream",
        lines=[
            (
                "<",
                ask(
                    None,
                    "mining.notify",
                    [
                        "7c",
                        "04000000",
                        digits(64, 1),
                        digits(64, 2),
                        "0" * 64,
                        "5b64655a",
                        "5b64651c",
                        True,
                    ],
                ),
            ),
            (
                ">",
                ask(
                    3,
                    "mining.submit",
                    ["acct.w", "7c", "5b64655a", digits(54, 3), "fd4005" + digits(2688, 4)],
                ),
            ),
        ],
        handshake=False,
        attributes={"dialect": "equihash"},
    ),
    Case(
        name="scrypt on a test network",
        lines=[
            (">", ask(0, "mining.subscribe", ["cgminer/3.7.2"])),
            ("<", say(0, [["mining.set_difficulty", "1", "mining.notify", "1"], "90000002", 4])),
            (">", ask(1, "mining.authorize", ["mn4jUMneEBjZuDPEdFuj6BmFPmehmrT2Zc", "x"])),
            ("<", say(1, True)),
            ("<", ask(None, "mining.set_difficulty", [16])),
        ],
    ),
    Case(name="frames cut behind 96 bytes", lines=SESSION, snaplen_bytes=96, tier="silent"),
    Case(name="frames cut behind 200 bytes", lines=SESSION, snaplen_bytes=200),
    Case(
        name="authorize account only",
        tier="attempt",
        lines=[(">", ask(2, "mining.authorize", ["f2pooluser.w1", "123"]))],
    ),
    Case(
        name="JSON with blanks and line ends",
        lines=[
            (
                ">",
                '{ "id" : 1 ,\r\n "method" : "mining.subscribe" , "params" : [ "a/2.5" ] }\r\n',
            ),
            (
                "<",
                '{"error": null, "id": 1, "result": [["mining.notify", "ae"], "f8", 4]}\r\n',
            ),
        ],
    ),
    Case(
        name="a job of ten parameters beside good ones",
        lines=[
            (
                "<",
                ask(
                    None,
                    "mining.notify",
                    [
                        "j1",
                        digits(64, 1),
                        digits(64, 9),
                        digits(100, 1),
                        digits(80, 1),
                        [digits(64, 3)],
                        "20000000",
                        "1a05db8b",
                        "5b646541",
                        True,
                    ],
                ),
            ),
            ("<", ask(None, "mining.set_difficulty", [1])),
            (">", v1_share(3)),
        ],
    ),
    Case(
        name="KawPow",
        lines=[
            (">", ask(1, "mining.subscribe", ["T-Rex/0.26.8"])),
            ("<", say(1, [None, "2f4e"])),
            (">", ask(2, "mining.authorize", [RAVEN + ".rig", "x"])),
            ("<", say(2, True)),
            ("<", ask(None, "mining.set_target", ["00000000ffff" + "0" * 52])),
            (
                "<",
                ask(
                    None,
                    "mining.notify",
                    [
                        "a1",
                        digits(64, 1),
                        digits(64, 2),
                        "00000000ffff" + "0" * 52,
                        True,
                        1234567,
                        "1b00f1a2",
                    ],
                ),
            ),
            (
                ">",
                ask(
                    4,
                    "mining.submit",
                    [
                        RAVEN + ".rig",
                        "a1",
                        "0x" + digits(16, 1),
                        "0x" + digits(64, 2),
                        "0x" + digits(64, 3),
                    ],
                ),
            ),
            ("<", say(4, True)),
        ],
        attributes={"dialect": "kawpow", "coin": "RVN"},
    ),
    Case(
        name="server opened",
        lines=[
            ("<", SUBSCRIBE),
            (">", SUBSCRIBED),
            ("<", ask(2, "mining.authorize", [ACCOUNT, "x"])),
            (">", say(2, True)),
            (">", v1_job()),
            ("<", v1_share(3)),
            (">", say(3, True)),
        ],
        attributes={"pool_opened_connection": True},
    ),
)
