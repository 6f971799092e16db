import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.detectors.evidence import Case, confidence_of, frame_numbers
from analyzer.model import MAX_EVIDENCE_FRAMES

REASONS = st.lists(
    st.tuples(
        st.sampled_from(["signature", "protocol", "intel", "timing", "other"]),
        st.floats(-20, 20, allow_nan=False),
    ),
    max_size=12,
)


@given(st.floats(-15, -0.01), REASONS)
def test_the_printed_weights_add_up_to_the_printed_confidence(
    prior: float, reasons: list[tuple[str, float]]
) -> None:
    case = Case(prior=prior)
    for kind, weight in reasons:
        case.add(kind, "reason", weight)

    total = sum(float(f"{reason.weight:.2f}") for reason in case.evidence)

    assert case.confidence == pytest.approx(1 / (1 + math.exp(-total)), abs=1e-6)
    assert 0 <= case.confidence <= 1


@given(REASONS)
def test_no_family_adds_more_than_its_cap(reasons: list[tuple[str, float]]) -> None:
    caps = {"intel": 1.5, "protocol": 3.0}
    case = Case(prior=-5, caps=caps)
    for kind, weight in reasons:
        case.add(kind, "reason", weight)

    for family, cap in caps.items():
        added = sum(r.weight for r in case.evidence if r.kind == family and r.weight > 0)
        assert added <= cap + 1e-9


def test_the_prior_is_the_first_reason_and_speaks_against() -> None:
    first = Case(prior=-4.6, prior_summary="one in a hundred").evidence[0]

    assert (first.kind, first.summary, first.weight) == ("prior", "one in a hundred", -4.6)


def test_a_prior_that_is_not_negative_is_refused() -> None:
    with pytest.raises(ValueError, match="must be negative"):
        Case(prior=0.0)


def test_a_weight_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number of log-odds"):
        Case(prior=-1).add("protocol", "reason", math.nan)


def test_reasons_of_two_kinds_may_share_a_family() -> None:
    case = Case(prior=-1, caps={"wire": 2.0})

    case.add("size", "sizes", 1.5, family="wire").add("timing", "times", 1.5, family="wire")

    assert [reason.weight for reason in case.evidence[1:]] == [1.5, 0.5]


def test_even_odds_are_a_half() -> None:
    assert Case(prior=-2).add("protocol", "reason", 2).confidence == 0.5


def test_huge_sums_do_not_overflow() -> None:
    case = Case(prior=-12, caps={})
    for n in range(100):
        case.add(f"k{n}", "against", -12)

    assert confidence_of(case.evidence) == 0.0


@given(st.lists(st.integers(0, 1000)))
def test_frames_are_distinct_ascending_bounded_and_never_zero(frames: list[int]) -> None:
    numbers = frame_numbers(frames)

    assert list(numbers) == sorted(set(numbers))
    assert len(numbers) <= MAX_EVIDENCE_FRAMES
    assert 0 not in numbers
