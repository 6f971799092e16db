from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analyzer import ruleset
from analyzer.detectors.evidence import confidence_of
from analyzer.detectors.mining.stratum import Stratum
from analyzer.model import Severity
from tests.analyzer.detectors.mining.mining_rows import answered, said
from tests.builders import context, flow, observations, row
from tests.builders_rules import folder
from tests.builders_wallets import ethereum, monero_address

if TYPE_CHECKING:
    from analyzer.model import Finding
    from analyzer.ruleset import RuleSet
    from tests.conftest import CheckFinding

HOST, POOL_IP = "10.0.0.1", "198.51.100.20"
WALLET = monero_address(1)
SUBSCRIBE = said(">", "subscribe", agent="a/1.0")
JOB = said("<", "job", at_s=1, job_id="j1")
SHARE = said(">", "submit", at_s=2, job_id="j1", nonce="01")
REFUSED = answered("rejected", at_s=1, method="subscribe")
QUIET_POOL: dict[str, Any] = {"down_payload": 0}


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    """The pool `Example` below pool.example: RVN on 6060."""
    return ruleset.load(folder(tmp_path_factory.mktemp("rules")))


def judge(*rows: dict[str, Any], rules: RuleSet | None = None, **values: Any) -> list[Finding]:
    ends = [flow(f"{HOST}:4000", f"{POOL_IP}:6060", **values)]
    return list(Stratum().run(observations(ends, mining=rows), context(rules)))


def only(*rows: dict[str, Any], **values: Any) -> Finding:
    (found,) = judge(*rows, **values)
    return found


@pytest.mark.parametrize(
    ("rows", "values", "tier"),
    [
        pytest.param([SUBSCRIBE, JOB], {}, "confirmed", id="two that play their roles"),
        pytest.param(
            [said(">", "login", wallet=WALLET)], {}, "confirmed", id="a wallet that holds"
        ),
        pytest.param([JOB, {**JOB, "job_id": "j2"}], {}, "confirmed", id="pushes of a pool"),
        pytest.param([SUBSCRIBE, SHARE], {"down_packets": 0}, "confirmed", id="one way captured"),
        pytest.param([SUBSCRIBE], QUIET_POOL, "attempt", id="unanswered"),
        pytest.param([SUBSCRIBE] * 5, QUIET_POOL, "attempt", id="said again"),
        pytest.param([SUBSCRIBE, REFUSED], {}, "attempt", id="refused"),
        pytest.param([JOB], {}, "attempt", id="one job"),
        pytest.param(
            [said(">", "login", wallet="account")], QUIET_POOL, "attempt", id="an account"
        ),
        pytest.param(
            [said(">", "login", wallet=ethereum(1).lower())], QUIET_POOL, "attempt", id="unchecked"
        ),
        pytest.param([{**SUBSCRIBE, "specific": False}], {}, "suspect", id="a word"),
        pytest.param(
            [{**SUBSCRIBE, "specific": False}, {**JOB, "specific": False}],
            {},
            "suspect",
            id="words",
        ),
    ],
)
def test_what_was_said_makes_the_tier(
    rows: list[dict[str, Any]], values: dict[str, Any], tier: str, check_finding: CheckFinding
) -> None:
    found = only(*rows, **values)

    assert found.attributes["tier"] == tier
    assert found.confidence == confidence_of(found.evidence)
    severity, low, high = {
        "confirmed": (Severity.HIGH, 0.9, 1.0),
        "attempt": (Severity.MEDIUM, 0.5, 0.8),
        "suspect": (Severity.LOW, 0.0, 0.5),
    }[tier]
    assert found.severity is severity
    assert low <= found.confidence <= high
    check_finding(found.to_dict())


def test_nothing_valid_is_no_finding() -> None:
    assert judge(said(">", "login", shape="partial"), said(">", "submit", shape="invalid")) == []


def test_a_known_pool_never_lifts_an_attempt_above_its_range(rules: RuleSet) -> None:
    name = {"kind": "answer", "rtype": "A", "data": POOL_IP, "name": "rvn.pool.example"}
    ends = [flow(f"{HOST}:4000", f"{POOL_IP}:6060", **QUIET_POOL)]
    seen = observations(ends, mining=[SUBSCRIBE], dns=[row("dns", flow_id=7, **name)])

    (found,) = Stratum().run(seen, context(rules))

    assert 0.7 < found.confidence <= 0.8
    assert found.attributes["pool"]["operator"] == "Example"
    assert found.attributes["pool"]["name_source"] == "dns"
    assert any(reason.kind == "intel" and reason.signature for reason in found.evidence)


def test_words_stay_below_alarm_whatever_stands_beside_them(rules: RuleSet) -> None:
    words = [{**SUBSCRIBE, "specific": False, "wallet": WALLET}, {**JOB, "specific": False}]
    words += [{**SHARE, "specific": False}, answered("accepted", at_s=3)]

    assert only(*words, rules=rules).confidence < 0.5


def test_most_fields_misshapen_take_an_attempt_below_alarm() -> None:
    odd = [said("<", "job", shape="invalid", specific=False)] * 3

    assert only(SUBSCRIBE, *odd).confidence < 0.5


def test_accepted_shares_of_an_outside_pool_are_critical() -> None:
    accepted = answered("accepted", at_s=3)

    assert only(SUBSCRIBE, JOB, SHARE, accepted).severity is Severity.CRITICAL
    inside = [flow(f"{HOST}:4000", "10.0.0.2:3333")]
    (found,) = Stratum().run(
        observations(inside, mining=[SUBSCRIBE, JOB, SHARE, accepted]), context()
    )
    assert found.severity is Severity.HIGH


def test_shares_are_counted_by_their_answers() -> None:
    found = only(SUBSCRIBE, JOB, SHARE, SHARE, answered("accepted"), answered("rejected"))

    counts = [found.attributes[f"shares_{what}"] for what in ("submitted", "accepted", "rejected")]
    assert counts == [2, 1, 1]


def test_difficulties_are_listed_as_they_change() -> None:
    levels = [said("<", "difficulty", at_s=n, difficulty=d) for n, d in enumerate([1.0, 1.0, 8.0])]

    found = only(SUBSCRIBE, *levels)

    assert [entry["difficulty"] for entry in found.attributes["difficulties"]] == [1.0, 8.0]
    assert found.attributes["difficulties"][1]["frame"] == 3


def test_the_algorithm_is_the_jobs_not_the_list_of_the_software() -> None:
    login = said(">", "login", algo="cn/r,rx/0")

    assert "algorithm" not in only(login, JOB).attributes
    assert only(login, {**JOB, "algo": "rx/0"}).attributes["algorithm"] == "rx/0"


def test_flows_of_one_miner_to_one_pool_are_one_finding() -> None:
    ends = [flow(f"{HOST}:{4000 + n}", f"{POOL_IP}:6060", flow_id=n) for n in range(3)]
    rows = [{**row_, "flow_id": n} for n in range(2) for row_ in (SUBSCRIBE, JOB)]
    rows.append({**SUBSCRIBE, "flow_id": 2, "dialects": "getwork"})

    (found,) = Stratum().run(observations(ends, mining=rows), context())

    assert (found.flows, found.attributes["dialect"]) == (3, "stratum_v1")
    assert any("1 further flow" in reason.summary for reason in found.evidence)
    assert found.confidence == confidence_of(found.evidence)


def test_two_dialects_that_both_work_are_two_findings() -> None:
    ends = [flow(f"{HOST}:{4000 + n}", f"{POOL_IP}:6060", flow_id=n) for n in range(2)]
    rows = [
        {**row_, "flow_id": n, "dialects": dialect}
        for n, dialect in enumerate(("kawpow", "kaspa"))
        for row_ in (SUBSCRIBE, JOB)
    ]

    found = list(Stratum().run(observations(ends, mining=rows), context()))

    assert sorted(finding.attributes["dialect"] for finding in found) == ["kaspa", "kawpow"]


def test_a_pool_that_connects_to_its_miner_is_told_so() -> None:
    swapped = [{**row_, "up": not row_["up"]} for row_ in (SUBSCRIBE, JOB)]
    ends = [flow(f"{POOL_IP}:4000", f"{HOST}:6060")]

    (found,) = Stratum().run(observations(ends, mining=swapped), context())

    assert found.attributes["miner"] == HOST
    assert found.attributes["pool"]["ip"] == POOL_IP
    assert found.attributes["pool_opened_connection"] is True


def test_dialects_and_coins_in_doubt_are_listed_and_not_claimed() -> None:
    found = only({**SUBSCRIBE, "dialects": "stratum_v1|ergo"}, **QUIET_POOL)

    assert "dialect" not in found.attributes
    assert found.attributes["dialect_candidates"] == ["stratum_v1", "ergo"]
    assert any("stratum_v1 or ergo fit equally well" in text for text in found.not_visible)
    assert any(text.startswith("which coin is mined") for text in found.not_visible)


def test_every_reason_says_where_it_is_seen() -> None:
    login = said(">", "login", at_s=0, wallet=WALLET)
    found = only(login, JOB, SHARE, answered("accepted", at_s=3))

    assert found.frames == (1, 2, 3, 4)
    assert all(reason.packets for reason in found.evidence if reason.kind != "prior")


def test_quoted_messages_are_below_alarm_unless_both_sides_speak() -> None:
    text = b"<13>Jan  1 00:00:00 node: {"

    quoted = only(SUBSCRIBE, prefix_up=text, **QUIET_POOL)
    spoken = only(SUBSCRIBE, JOB, prefix_up=text, prefix_down=text)

    assert (quoted.severity, quoted.attributes["tier"]) == (Severity.LOW, "suspect")
    assert quoted.confidence < 0.5
    assert spoken.attributes["tier"] == "confirmed"
