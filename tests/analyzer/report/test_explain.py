import io

from analyzer.report import TextOptions
from analyzer.report.explain import print_finding
from tests.analyzer.report.samples import HOSTILE, mining_report


def test_the_reasons_are_added_up_to_the_confidence() -> None:
    stream = io.StringIO()
    finding = mining_report(agent=HOSTILE).findings[0]

    print_finding(finding, ["tunnel.x: looked at 1 flow, nothing found"], stream, TextOptions())

    text = stream.getvalue()
    assert "-4.60  -4.60" in text
    assert "+5.20  +0.60" in text
    assert "+3.10  +3.70" in text
    assert "1 / (1 + e^-3.70) = 0.97587" in text
    assert "https://attack.mitre.org/techniques/T1496/001/" in text
    assert "tunnel.x: looked at 1 flow" in text
    assert all(line.isprintable() for line in text.split("\n"))
