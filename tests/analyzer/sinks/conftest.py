"""Fixtures of the sinks' tests."""

import pytest

from tests.analyzer.sinks.authority import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority and a server certificate for localhost."""
    return Authority(tmp_path_factory.mktemp("authority"))
