from dataclasses import replace

import numpy as np
import pytest

from analyzer.detectors.base import finding_id, make_finding, plain_attributes
from analyzer.detectors.evidence import Case
from analyzer.model import CaptureRef, Finding, Severity
from tests.builders import at_ns, flow, observations
from tests.conftest import CheckFinding
from tests.detectors import EveryLogin

META = EveryLogin.meta
SEEN = observations(
    [
        flow("10.0.0.1:1000", "198.51.100.20:3333", start_s=5, lasting_s=10),
        flow("10.0.0.1:1001", "198.51.100.20:3333", flow_id=1, start_s=1, lasting_s=2),
    ]
)


def finding(first_ns: int | None = None) -> Finding:
    case = Case(prior=-1).add("protocol", "reason", 3, frames=[4])
    flows = [SEEN.flow(0), SEEN.flow(1)]
    return make_finding(
        META, SEEN, case, flows, title="t", severity=Severity.HIGH, first_ns=first_ns
    )


def test_a_finding_spans_its_flows_and_names_the_first(
    check_finding: CheckFinding,
) -> None:
    made = finding()

    assert (made.first_ns, made.last_ns) == (at_ns(1), at_ns(15))
    assert (made.flow.src_port, made.flows, made.flow_ids) == (1000, 2, (0, 1))
    check_finding(made.to_dict())


def test_a_finding_may_be_narrower_than_its_flows() -> None:
    assert finding(first_ns=at_ns(7)).first_ns == at_ns(7)


def test_a_finding_about_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="about no flow"):
        make_finding(META, SEEN, Case(prior=-1), [], title="t", severity=Severity.LOW)


def test_an_id_depends_on_bytes_and_detector_and_not_on_the_path() -> None:
    refs = [SEEN.flow(0).ref]
    here = CaptureRef(path="a", sha256="1" * 64)

    first = finding_id(META, here, refs, 1)

    assert first == finding_id(META, replace(here, path="elsewhere/b"), refs, 1)
    assert first.startswith("f-")
    assert len(first) == 18
    for other in (
        finding_id(replace(META, version=2), here, refs, 1),
        finding_id(META, replace(here, sha256="2" * 64), refs, 1),
        finding_id(META, here, [SEEN.flow(1).ref], 1),
        finding_id(META, here, refs, 2),
    ):
        assert other != first


def test_attributes_are_plain_and_say_something() -> None:
    given = {
        "count": np.int64(3),
        "coins": {"XMR"},
        "rates": (1.5, float("nan")),
        "empty": "",
        "none": None,
        "zero": 0,
        "no": False,
    }

    assert plain_attributes(given) == {
        "count": 3,
        "coins": ["XMR"],
        "rates": [1.5, None],
        "zero": 0,
        "no": False,
    }
