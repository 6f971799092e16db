"""The kit the samples are made with: TCP, SSH sizes, gzip, wallets."""

from __future__ import annotations

import gzip

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcaps.recipes import ssh, wallets
from pcaps.recipes.chance import Chance
from pcaps.recipes.deflate import gzip_literals
from pcaps.recipes.mine_cryptonote import cryptonote
from pcaps.recipes.packets import Endpoint
from pcaps.recipes.ssh import AES_GCM, CHACHA20, CTR_ETM, CTR_MAC, Suite
from pcaps.recipes.stratum import Setting, mining_frames
from pcaps.recipes.talk import Talk
from tests import builders_wallets

CLIENT = Endpoint("10.20.0.9", 40_000)
SERVER = Endpoint("198.51.100.9", 3333)
ETHERNET_HEADER_BYTES = 14


def talk(*, handshake: bool = True) -> Talk:
    return Talk(CLIENT, SERVER, chance=Chance("test"), handshake=handshake)


def segments(conversation: Talk) -> list[tuple[str, dpkt.tcp.TCP, int]]:
    """Who sent it, the segment, and when."""
    found = []
    for frame in sorted(conversation.frames(), key=lambda item: item.ts_ns):
        packet = dpkt.ip.IP(frame.data[ETHERNET_HEADER_BYTES:])
        side = "up" if packet.data.sport == CLIENT.port else "down"
        found.append((side, packet.data, frame.ts_ns))
    return found


def stream(conversation: Talk, side: str) -> bytes:
    """One direction's bytes, put together by sequence number."""
    parts = {tcp.seq: tcp.data for who, tcp, _ts in segments(conversation) if who == side}
    return b"".join(parts[seq] for seq in sorted(parts) if parts[seq])


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=4000)), max_size=6))
def test_both_streams_arrive_whole_and_in_order(writes: list[tuple[bool, bytes]]) -> None:
    conversation = talk()

    for upward, data in writes:
        (conversation.up if upward else conversation.down)(data)

    for side, upward in (("up", True), ("down", False)):
        assert stream(conversation, side) == b"".join(d for way, d in writes if way == upward)


def test_nobody_acknowledges_what_was_not_sent_yet() -> None:
    conversation = talk()
    for _ in range(20):
        conversation.up(b"x" * 3000)
        conversation.down(b"y" * 5000)
    conversation.close()
    sent = {"up": 0, "down": 0}

    for side, tcp, _ts in segments(conversation):
        other = "down" if side == "up" else "up"
        if sent[other]:
            assert tcp.ack <= sent[other]
        control = tcp.flags & (dpkt.tcp.TH_SYN | dpkt.tcp.TH_FIN)
        sent[side] = max(sent[side], tcp.seq + len(tcp.data) + bool(control))


def test_a_lost_write_leaves_a_gap_that_is_acknowledged() -> None:
    conversation = talk()
    conversation.up(b"first ")
    conversation.up(b"second ", 0.2, fault="lost")
    conversation.up(b"third", 0.2)
    conversation.down(b"ok")

    captured = stream(conversation, "up")
    last_ack = max(tcp.ack for side, tcp, _ts in segments(conversation) if side == "down")
    first_seq = min(tcp.seq for side, tcp, _ts in segments(conversation) if side == "up") + 1

    assert captured == b"first third"
    assert last_ack - first_seq == len(b"first second third")


def test_a_retransmitted_write_is_captured_twice() -> None:
    conversation = talk()
    conversation.up(b"share", fault="retransmitted")
    conversation.wait(1.0)

    copies = [tcp for _side, tcp, _ts in segments(conversation) if tcp.data == b"share"]

    assert len(copies) == 2
    assert copies[0].seq == copies[1].seq


def test_a_conversation_that_began_earlier_has_no_handshake() -> None:
    conversation = talk(handshake=False)
    conversation.down(b"job")

    assert all(not tcp.flags & dpkt.tcp.TH_SYN for _side, tcp, _ts in segments(conversation))


@pytest.mark.parametrize(
    ("suite", "sizes"),
    [
        (CHACHA20, (28, 68, 92, 44, 60, 76)),
        (AES_GCM, (36, 68, 100, 52, 68, 84)),
        (CTR_ETM, (52, 84, 116, 68, 84, 100)),
        (CTR_MAC, (48, 80, 112, 64, 80, 96)),
    ],
    ids=["chacha20", "gcm", "ctr-etm", "ctr-mac"],
)
def test_ssh_packets_have_the_sizes_openssh_gives_them(
    suite: Suite, sizes: tuple[int, ...]
) -> None:
    payloads = (
        ssh.REQUEST_ANSWER,
        ssh.FORWARD_REQUEST,
        ssh.OPEN_FORWARDED,
        ssh.OPEN_CONFIRMED,
        ssh.NO_MORE_SESSIONS,
        ssh.NESTED_KEY,
    )

    assert tuple(suite.wire(payload) for payload in payloads) == sizes


@settings(deadline=None)
@given(st.binary(max_size=2000))
def test_any_gzip_reader_can_undo_the_literal_encoder(data: bytes) -> None:
    assert gzip.decompress(gzip_literals(data)) == data


def test_the_wallets_are_the_ones_the_encoders_give() -> None:
    made = builders_wallets

    assert (
        made.monero_address(7),
        made.monero_address(8),
    ) == (wallets.MONERO, wallets.MONERO_TUNNEL)
    assert made.bitcoin_p2wpkh(7) == wallets.BITCOIN
    assert made.zcash_t1(7) == wallets.ZCASH
    assert made.ravencoin(7) == wallets.RAVENCOIN
    assert made.ethereum(7) == wallets.ETHEREUM
    assert made.kaspa(7) == wallets.KASPA
    assert made.conflux(7) == wallets.CONFLUX
    assert made.pearl(7) == wallets.PEARL
    assert made.xelis(7) == wallets.XELIS
    assert made.ergo(7) == wallets.ERGO
    assert made.alephium(7) == wallets.ALEPHIUM


def test_a_pool_that_connects_is_the_one_that_sends_the_syn() -> None:
    chance = Chance("test")
    where = Setting(pool_connects=True, port=41_414, pool_name="")

    first = min(mining_frames(cryptonote(chance), chance, where), key=lambda item: item.ts_ns)

    packet = dpkt.ip.IP(first.data[ETHERNET_HEADER_BYTES:])
    assert packet.src == bytes([198, 51, 100, 23])
    assert packet.data.flags == dpkt.tcp.TH_SYN
