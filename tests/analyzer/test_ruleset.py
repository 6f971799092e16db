"""Reading, checking and asking rule data."""

from __future__ import annotations

import contextlib
import json
from datetime import date
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer import ruleset
from analyzer.errors import RulesetError, UnknownRuleError
from analyzer.ruleset import HttpFacts
from tests.builders_rules import COIN, PAYLOAD, POOL, RELAY, folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def rules(tmp_path: Path) -> ruleset.RuleSet:
    return ruleset.load(folder(tmp_path))


@pytest.mark.parametrize(
    ("name", "web"),
    [
        ("rvn.pool.example", False),
        ("RVN.Pool.Example.", False),
        ("a.b.pool.example", False),
        ("pool.example", True),
        ("www.pool.example", True),
        ("eu.mine.example.net", False),
        ("one.example.org", False),
    ],
)
def test_a_name_belongs_to_its_pool(rules: ruleset.RuleSet, name: str, web: bool) -> None:
    found = rules.match_name(name)

    assert found is not None
    assert (found.pool.id, found.web, found.by) == ("example", web, "name")


@pytest.mark.parametrize(
    "name",
    [
        "notpool.example",
        "pool.example.evil.example.com",
        "mine.example.net",
        "x.one.example.org",
        "example",
        "",
        ".",
        "..",
        "a" * 300 + ".pool.example",
    ],
)
def test_a_name_that_only_looks_alike_belongs_to_none(rules: ruleset.RuleSet, name: str) -> None:
    assert rules.match_name(name) is None


@given(st.text(max_size=400))
def test_any_text_can_be_asked_for(text: str) -> None:
    rules = ruleset.RuleSet(version="")

    assert rules.match_name(text) is None
    assert rules.match_address(text) is None
    assert rules.match_relay_name(text) is None


@pytest.mark.parametrize("address", ["192.0.2.1", "192.0.2.255", "2001:db8::7"])
def test_an_address_belongs_to_its_pool(rules: ruleset.RuleSet, address: str) -> None:
    found = rules.match_address(address)

    assert found is not None
    assert (found.pool.id, found.by) == ("example", "address")


@pytest.mark.parametrize("address", ["192.0.3.1", "2001:db8::8", "::192.0.2.1", "pool", "", "1"])
def test_other_addresses_belong_to_none(rules: ruleset.RuleSet, address: str) -> None:
    assert rules.match_address(address) is None


def test_the_port_says_what_a_contact_is_for(rules: ruleset.RuleSet) -> None:
    miner_host = rules.match_name("rvn.pool.example")
    page_host = rules.match_name("www.pool.example")

    assert miner_host is not None
    assert page_host is not None
    assert [miner_host.role(port) for port in (6060, 443, 22)] == ["mining", "web", "unknown"]
    assert page_host.role(6060) == "web"


@pytest.mark.parametrize(
    ("host", "port", "coin"),
    [
        ("rvn.pool.example", 6060, "RVN"),
        ("", 6060, "RVN"),
        ("solo-rvn.pool.example", 0, "RVN"),
        ("ravencoin.pool.example", 1010, "RVN"),
        ("rvn.pool.example", 1050, ""),
        ("", 1010, ""),
        ("pool.example", 9, ""),
    ],
)
def test_host_and_port_tell_the_coin(
    rules: ruleset.RuleSet, host: str, port: int, coin: str
) -> None:
    assert rules.coin_of(rules.pools[0], host, port) == coin


def test_a_relay_is_known_by_its_names(rules: ruleset.RuleSet) -> None:
    agent, visitor = (
        rules.match_relay_name("x.agent.example.com"),
        rules.match_relay_name("example.com"),
    )

    assert agent is not None
    assert visitor is not None
    assert (agent.strength, visitor.strength) == ("clear", "weak")
    assert rules.match_relay_name("example.net") is None


def test_all_conditions_of_an_http_mark_must_hold(rules: ruleset.RuleSet) -> None:
    full = HttpFacts(target="/ws?x=1", user_agent="An Agent/7.2", upgrade="WebSocket")

    assert [match.mark for match in rules.match_http(full)] == ["http"]
    assert rules.match_http(HttpFacts(target="/ws", user_agent="An Agent/7.2")) == ()
    assert rules.match_http(HttpFacts()) == ()
    assert len(rules.match_http(HttpFacts(ws_protocol="chat, extun-v3"))) == 1


def test_a_banner_counts_for_its_side_only(rules: ruleset.RuleSet) -> None:
    assert len(rules.match_ssh(server_banner="SSH-2.0-extun_1")) == 1
    assert rules.match_ssh(client_banner="SSH-2.0-extun_1") == ()


def test_a_datagram_needs_bytes_direction_and_size(rules: ruleset.RuleSet) -> None:
    assert len(rules.match_udp(b"\x01\x02\x03", "up", 10)) == 1
    assert rules.match_udp(b"\x01\x02\x03", "down", 10) == ()
    assert rules.match_udp(b"\x01\x02\x03", "up", 11) == ()
    assert rules.match_udp(b"\x01", "up", 10) == ()


def test_the_other_marks_of_a_relay(rules: ruleset.RuleSet) -> None:
    query = rules.match_relay_query("extun.abcdef.example.net")

    assert query is not None
    assert rules.match_relay_query("other.extun.example.net") is None
    assert [match.rule for match in rules.match_alpn("h2,extun/1")] == ["extun/1"]
    assert [match.strength for match in rules.relays_of_payload("payload.hello")] == ["clear"]
    assert [match.strength for match in rules.match_relay_port(7000)] == ["weak"]
    assert rules.match_relay_port(7001) == ()
    assert len(rules.match_relay_port(7001, "udp")) == 1


def test_patterns_go_to_the_core_as_it_takes_them(rules: ruleset.RuleSet) -> None:
    assert rules.patterns() == [("payload.hello", b"HELLO", "up", True)]


def test_the_version_changes_with_the_content(tmp_path: Path) -> None:
    first = ruleset.load(folder(tmp_path / "a")).version
    same = ruleset.load(folder(tmp_path / "b")).version
    other = ruleset.load(folder(tmp_path / "c", coins__c=COIN + "# a comment\n")).version

    assert first == same
    assert other != first


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        (
            ("checked_on = 2026-01-01", "checked_at = 2026-01-01"),
            "pool[0].checked_at",
            "unknown key",
        ),
        (('source = "made up"\n', ""), "pool[0]", "source is missing"),
        (("192.0.2.0/24", "192.0.2.1/24"), "pool[0].networks[0].cidr", "host bits set"),
        (("192.0.2.0/24", "192.0.2"), "pool[0].networks[0].cidr", "no address or network"),
        (("2026-01-01 },", '"2026-01-01" },'), "pool[0].networks[0].seen", "not a date"),
        (("= 6060", "= 66060"), "pool[0].ports[0].port", "out of range"),
        (("= 6060", "= 60.5"), "pool[0].ports[0].port", "not a whole number"),
        (("= 6060", "= true"), "pool[0].ports[0].port", "not a number"),
        (("through = 1099", "through = 999"), "pool[0].ports[1].through", "below port"),
        (('"RVN", "ETC"]', '"RVN", "XYZ"]'), "pool[0].coins", "XYZ is described nowhere"),
        (('coins = ["RVN"] }', 'coins = ["ABC"] }'), "pool[0].ports[0].coins", "described nowhere"),
        (('"pool.example", "*', '"Pool Example", "*'), "pool[0].domains[0]", "is no host name"),
        (('"pool.example", "*', '"a.*.example", "*'), "pool[0].domains[0]", "is no host name"),
        (
            ("exact = true }]\nnet", 'exact = "yes" }]\nnet'),
            "pool[0].not_mining[1].exact",
            "neither",
        ),
        (("confidence = 0.5", "confidence = 5"), "pool[0].confidence", "out of range"),
        (("[[pool]]", "[[pol]]"), "pol", "unknown table"),
        (("[[pool]]", "[pool]"), "pool", "not an array of tables"),
        (("[[pool]]", "[[pool]"), "", "no valid TOML"),
        (('id = "example"', 'id = "RVN"'), "pool[0].id", "wrong form"),
        (('id = "example"', 'id = "example-tunnel"'), "relay[0].id", "used twice"),
        (
            ("confidence = 0.5", "confidence = 0.5\nfirst_seen = 2027-01-01"),
            "pool[0].checked_on",
            "before",
        ),
    ],
)
def test_a_mistake_in_a_pool_is_named_with_its_place(
    tmp_path: Path, change: tuple[str, str], where: str, words: str
) -> None:
    assert change[0] in POOL

    with pytest.raises(RulesetError) as caught:
        ruleset.load(folder(tmp_path, pools__p=POOL.replace(*change, 1)))

    assert caught.value.where == where
    assert words in caught.value.problem
    assert caught.value.file.endswith(".toml")
    assert caught.value.exit_status == 2
    assert str(caught.value).startswith("cannot use rules in ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('text = "HELLO"\n', 'hex = "4Z"\n'), "bad hexadecimal"),
        (('text = "HELLO"\n', 'hex = "48"\ntext = "H"\n'), "exactly one of text and hex"),
        (('text = "HELLO"\n', ""), "exactly one of text and hex"),
        (("match = false", "match = true"), "needs a test with match = true and one with false"),
        (('direction = "up"\nat', 'direction = "left"\nat'), "'left' is not known"),
        (('category = "tunnel"', 'category = "tunnels"'), "'tunnels' is not known"),
    ],
)
def test_a_mistake_in_a_pattern_is_named(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    assert change[0] in PAYLOAD

    with pytest.raises(RulesetError, match=words):
        ruleset.load(folder(tmp_path, payload__b=PAYLOAD.replace(*change, 1)))


def test_a_relay_needs_a_mark_and_known_patterns(tmp_path: Path) -> None:
    bare = RELAY.split("names = ")[0] + RELAY[RELAY.rindex("source = ") :]
    with pytest.raises(RulesetError, match="no mark at all"):
        ruleset.load(folder(tmp_path / "a", relays__r=bare))

    unknown = RELAY.replace('["payload.hello"]', '["payload.bye"]')
    with pytest.raises(RulesetError, match=r"payload\.bye is described nowhere"):
        ruleset.load(folder(tmp_path / "b", relays__r=unknown))


def test_a_hint_says_what_was_meant(tmp_path: Path) -> None:
    with pytest.raises(RulesetError) as caught:
        ruleset.load(folder(tmp_path, pools__p=POOL.replace("operator", "operater")))

    assert caught.value.lines()[1] == "hint: did you mean operator"


def test_a_folder_without_rules_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RulesetError, match="no such folder"):
        ruleset.load(tmp_path / "absent")
    with pytest.raises(RulesetError, match="no rule files"):
        ruleset.load(tmp_path)


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (path / "pools" / "p.toml").write_bytes(b"a = '\xff'")

    with pytest.raises(RulesetError, match="no UTF-8 at byte 5"):
        ruleset.load(path)


@given(st.text(max_size=200))
def test_any_text_is_rules_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = folder(tmp_path_factory.mktemp("rules"))
    (path / "pools" / "p.toml").write_text(text, errors="replace")

    with contextlib.suppress(RulesetError):
        assert ruleset.load(path).pools == ()


def test_the_nursery_is_off_unless_asked_for(tmp_path: Path) -> None:
    path = folder(tmp_path, nursery__n=POOL.replace('"example"', '"young"'))

    assert [pool.id for pool in ruleset.load(path).pools] == ["example"]
    assert {pool.id for pool in ruleset.load(path, nursery=True).pools} == {"example", "young"}


def test_lint_counts_ages_to_the_day_given(rules: ruleset.RuleSet) -> None:
    soon = ruleset.lint(rules, date(2026, 2, 1))
    spring = ruleset.lint(rules, date(2026, 5, 1))
    later = ruleset.lint(rules, date(2028, 1, 1))

    assert {notice.rule_id for notice in soon} == set()
    assert {notice.rule_id for notice in spring} == {"example"}
    assert {notice.rule_id for notice in later} == {"example", "example-tunnel", "payload.hello"}


def test_a_pattern_that_fails_its_own_tests_is_reported(tmp_path: Path) -> None:
    wrong = PAYLOAD.replace("HELLO you", "WELCOME", 1)

    notices = ruleset.run_tests(ruleset.load(folder(tmp_path, payload__b=wrong)))

    assert [(notice.rule_id, notice.problem) for notice in notices] == [
        ("payload.hello", "tests[0]: no match, but one is expected")
    ]


def test_explain_tells_a_rule_in_words(rules: ruleset.RuleSet) -> None:
    text = ruleset.explain(rules, "example")

    assert text.startswith("example (pool)\n")
    assert "source: made up" in text
    assert "cidr=192.0.2.0/24 seen=2026-01-01" in text


def test_explain_offers_what_looks_alike(rules: ruleset.RuleSet) -> None:
    with pytest.raises(UnknownRuleError) as caught:
        ruleset.explain(rules, "exampel")

    assert "example" in caught.value.hint


def test_the_schema_is_json_and_closed() -> None:
    schema = json.loads(ruleset.schema_text())

    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {"pool", "relay", "coin", "payload"}
