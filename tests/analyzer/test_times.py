import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.times import fraction_digits, parse_rfc3339, rfc3339
from tests.builders import EPOCH_NS


@pytest.mark.parametrize(
    ("resolution_ns", "text"),
    [
        (1, "2026-01-01T00:00:00.123456789Z"),
        (1000, "2026-01-01T00:00:00.123456Z"),
        (1_000_000, "2026-01-01T00:00:00.123Z"),
        (1_000_000_000, "2026-01-01T00:00:00Z"),
    ],
)
def test_a_time_has_the_digits_its_clock_had(resolution_ns: int, text: str) -> None:
    assert rfc3339(EPOCH_NS + 123_456_789, resolution_ns) == text


def test_a_time_no_calendar_has_is_clamped() -> None:
    assert rfc3339(2**63 * 10**9).startswith("9999-12-31")
    assert rfc3339(-(2**63) * 10**9).startswith("0001-01-01")


@given(st.integers(0, 2**63 - 1), st.sampled_from([1, 10, 1000, 1_000_000, 1_000_000_000]))
def test_times_survive_being_written_and_read_back(time_ns: int, resolution_ns: int) -> None:
    told = time_ns - time_ns % resolution_ns

    assert parse_rfc3339(rfc3339(told, resolution_ns)) == (told, resolution_ns)


def test_a_binary_clock_tick_gets_enough_digits() -> None:
    assert fraction_digits(10**9 // 2**20) == 7
