from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.detectors.mining.request_login import login_of, with_request_logins
from tests.analyzer.detectors.mining.mining_rows import messages, said
from tests.builders import observations, row
from tests.builders_wallets import ethereum

WALLET = ethereum(3)


@pytest.mark.parametrize(
    ("target", "wallet", "worker"),
    [
        (f"/{WALLET}/rig1", WALLET, "rig1"),
        (f"/{WALLET}.rig1", WALLET, "rig1"),
        (f"/api/{WALLET}", WALLET, ""),
        (f"/?miner=15&wallet={WALLET}&rig=rig1", WALLET, "rig1"),
        (f"/?Wallet={WALLET[2:].lower()}&worker=r", WALLET.lower(), "r"),
    ],
)
def test_a_request_names_who_asks(target: str, wallet: str, worker: str) -> None:
    login = login_of(target)

    assert login is not None
    assert (login.wallet, login.worker) == (wallet, worker)


@pytest.mark.parametrize(
    "target",
    ["/", "/v3/" + "ab" * 16, "/?wallet=me", "/0x" + "zz" * 20, "/?id=" + "ab" * 20, "//["],
)
def test_keys_and_ids_are_no_wallets(target: str) -> None:
    assert login_of(target) is None


@given(st.text())
def test_any_target_is_read(target: str) -> None:
    login_of(target)


def test_work_asked_for_with_a_wallet_is_a_miners() -> None:
    asked = row("http", frame=1, kind="request", up=True, target=f"/{WALLET}/rig1")
    requests = observations(http=[asked]).rows("http", 0)
    rows = messages(
        said(">", "get_job", at_s=1, carrier="http", specific=False),
        said("<", "job", at_s=2, carrier="http", specific=False),
    )

    ask, job = with_request_logins(rows, requests)

    assert (ask["wallet"], ask["worker"], ask["specific"]) == (WALLET, "rig1", True)
    assert (job["wallet"], job["specific"]) == ("", False)


def test_messages_that_http_does_not_carry_are_left_alone() -> None:
    rows = messages(said(">", "submit"))

    assert with_request_logins(rows, []) is rows
