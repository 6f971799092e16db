import pytest

from analyzer.errors import ConfigError
from analyzer.settings import PRIVATE_NETWORKS, AnalysisSettings


def test_without_a_word_the_private_ranges_are_inside() -> None:
    assert AnalysisSettings.of().inside == PRIVATE_NETWORKS


def test_given_networks_replace_the_default_and_lose_their_host_bits() -> None:
    assert AnalysisSettings.of(["192.0.2.77/24", "2001:db8::1"]).inside == (
        "192.0.2.0/24",
        "2001:db8::1/128",
    )


def test_what_is_no_network_is_refused_with_an_example() -> None:
    with pytest.raises(ConfigError, match="cannot read 'ten' as a network") as caught:
        AnalysisSettings.of(["ten"])

    assert "10.20.0.0/16" in caught.value.hint
