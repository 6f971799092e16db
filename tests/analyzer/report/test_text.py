import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.model import Report
from analyzer.report import TextOptions, writer_for
from analyzer.report.text import bytes_text, duration_text, frames_text, shown_confidence
from tests.analyzer.report.samples import HOSTILE, failed_report, mining_report, quiet_report

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def shown(report: Report, options: TextOptions | None = None) -> str:
    stream = io.StringIO()
    writer = writer_for("table", stream, options or TextOptions())
    writer.add(report)
    writer.close()
    return stream.getvalue()


def test_one_screen_has_verdict_finding_reasons_quality_and_commands() -> None:
    report = mining_report()

    text = shown(report)

    assert text.splitlines()[0].strip().startswith("MINING CONFIRMED")
    for words in (
        "critical 0.97  mining.stratum",
        "XMRig logs in to a pool",
        "10.20.0.1:49152 → 198.51.100.20:3333 tcp",
        "+5.20 login as 4A  frame 100",
        "+3.10 shares are accepted  frame 100",
        "good · 20 frames, 1 flow",
        f"outgate why {report.findings[0].id}",
        f"outgate carve {report.findings[0].id} -o",
    ):
        assert words in text
    assert len(text.splitlines()) <= 24


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    text = shown(mining_report(wallet="4" * 95), TextOptions(width=width))

    assert max(len(line) for line in text.splitlines()) <= width


def test_an_empty_result_says_what_was_looked_at_and_left_out() -> None:
    text = shown(quiet_report())

    for words in (
        "nothing found in what could be judged",
        "20 frames read",
        "not IP: ARP 3",
        "content of 1 encrypted flow",
        "mining.stratum: no message of a mining protocol was seen",
        "outgate flows sample.pcap",
    ):
        assert words in text


def test_a_capture_without_frames_is_not_called_clean() -> None:
    assert "nothing to judge: the capture holds no frame" in shown(quiet_report(frames=0))


def test_a_detector_that_failed_is_never_silent() -> None:
    for many in (False, True):
        assert "tunnel.broken failed" in shown(failed_report(), TextOptions(many=many))


def test_quiet_captures_among_many_take_one_line() -> None:
    assert len(shown(quiet_report(), TextOptions(many=True)).splitlines()) == 1


def test_findings_past_the_limit_are_counted() -> None:
    text = shown(mining_report(flows=5), TextOptions(limit=2))

    assert text.count("logs in to a pool") == 2
    assert "3 more findings not shown; --limit 0 shows all" in text


def test_markup_from_the_wire_is_shown_and_not_obeyed() -> None:
    text = COLOUR.sub("", shown(mining_report(HOSTILE), TextOptions(colour=True)))

    assert "\\x1b[2J\\u202e=cmd()[red]x[/red]\\x3cb\\x3e\\x0a logs in to a pool" in text


@given(st.text(max_size=40), st.text(max_size=40), st.booleans())
@settings(max_examples=40)
def test_nothing_from_the_wire_controls_the_terminal(agent: str, wallet: str, colour: bool) -> None:
    text = COLOUR.sub("", shown(mining_report(agent, wallet), TextOptions(colour=colour)))

    assert all(line.isprintable() for line in text.split("\n"))


def test_no_confidence_reads_as_certainty() -> None:
    assert [shown_confidence(value) for value in (1.0, 0.999, 0.57, 0.0)] == [
        "0.99",
        "0.99",
        "0.57",
        "0.00",
    ]


def test_numbers_read_like_words() -> None:
    assert frames_text([]) == ""
    assert frames_text([120]) == "frame 120"
    assert frames_text([1, 2, 3], most=2) == "frames 1, 2 and 1 more"
    assert [bytes_text(n) for n in (0, 1023, 1536, 5 * 2**30)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "5.0 GiB",
    ]
    assert [duration_text(seconds * 10**9) for seconds in (2, 63, 7500, 200_000)] == [
        "2 s",
        "1 min 3 s",
        "2 h 5 min",
        "2 d 7 h",
    ]
