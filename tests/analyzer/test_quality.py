from typing import Any

import pytest

from analyzer.model import Quality
from analyzer.quality import capture_quality, count_flows, funnel, plural
from tests.builders import flow, observations, stats

A, B = "10.0.0.1:1000", "198.51.100.20:443"


def quality_of(**counters: Any) -> Quality:
    seen = observations(counters=stats(**counters))
    return capture_quality(seen, count_flows(seen))


def test_a_whole_capture_is_good_and_has_nothing_to_note() -> None:
    quality = quality_of()

    assert (quality.grade, quality.notes) == ("good", ())


def test_a_cut_tail_is_said_first() -> None:
    quality = quality_of(truncated_tail=True, snaplen_cut=1)

    assert quality.grade == "fair"
    assert "the last packet is cut off" in quality.notes[0]


@pytest.mark.parametrize(("cut", "grade"), [(3, "fair"), (4, "poor")])
def test_a_fifth_of_the_frames_cut_makes_a_capture_poor(cut: int, grade: str) -> None:
    assert quality_of(frames=20, snaplen_cut=cut).grade == grade


def test_an_empty_capture_is_called_empty() -> None:
    quality = quality_of(frames=0, first_ns=0, last_ns=0)

    assert (quality.grade, quality.notes) == ("empty", ("the capture holds no frame",))
    assert quality.to_dict()["first_seen"] is None


def test_every_issue_kind_is_counted() -> None:
    quality = quality_of(issue_counts={"capture.bad_length": 3})

    assert "3 issues of kind capture.bad_length" in quality.notes


def test_what_cannot_be_judged_is_named() -> None:
    seen = observations(
        [flow(A, B, encrypted=True, app="tls"), flow(A, B, flow_id=1, down_packets=0)],
        counters=stats(not_ip={"ARP": 3}, not_tcp_udp=2, tunnelled_undecoded={"GRE": 1}),
    )

    lines = "\n".join(capture_quality(seen, count_flows(seen)).not_judged)

    for words in ("1 encrypted flow", "unknown protocol", "one way", "GRE", "ARP 3", "2 frames of"):
        assert words in lines


def test_rows_that_found_no_room_are_named() -> None:
    quality = quality_of(rows_dropped={"mining": 1200, "dns": 0})

    assert "1 200 rows of mining: a memory bound was reached" in quality.not_judged


def test_the_funnel_says_what_was_left_out_at_each_step() -> None:
    seen = observations(
        [
            flow(A, B, app="tls", up_packets=4, down_packets=4),
            flow(A, B, flow_id=1, up_packets=2, down_packets=2),
            flow(A, B, flow_id=2, up_packets=1, down_packets=0, up_payload=0, down_payload=0),
        ],
        counters=stats(frames=20, not_ip={"ARP": 3}),
    )

    stages = funnel(seen, count_flows(seen), judged=1)

    assert [(stage.name, stage.count) for stage in stages] == [
        ("frames read", 20),
        ("frames in flows", 13),
        ("flows", 3),
        ("flows with payload", 2),
        ("flows whose protocol was recognised", 1),
        ("flows a detector had facts on", 1),
    ]
    assert stages[1].dropped == {"not IP: ARP": 3, "damaged, cut short or part of a fragment": 4}
    assert stages[3].dropped == {"no payload in either direction": 1}


def test_counts_read_like_words() -> None:
    assert plural(1, "frame") == "1 frame"
    assert plural(12_000, "frame") == "12 000 frames"
