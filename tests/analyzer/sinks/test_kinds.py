"""What all kinds of sinks have in common: options, and secrets that stay hidden."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analyzer.errors import ConfigError
from analyzer.sinks import KINDS, Guard, completed, open_sender, redacted
from analyzer.sinks.elastic import ElasticConfig
from analyzer.sinks.kafka import KafkaConfig
from analyzer.sinks.options import HIDDEN, Options, Secret
from analyzer.sinks.splunk import SplunkConfig
from analyzer.sinks.syslog import SyslogConfig
from analyzer.sinks.webhook import WebhookConfig
from tests.analyzer.pushing import SECRET
from tests.analyzer.sinks.authority import Authority
from tests.analyzer.sinks.receivers import HERE, Reply, message, receiver
from tests.shared import ROOT

LEAK = "s3cr3t"
GOOD: dict[str, dict[str, Any]] = {
    "webhook": {"url": "https://example.com/", "secrets": [SECRET], "headers": {"X-Key": LEAK}},
    "syslog": {"host": "example.com"},
    "splunk": {"url": "https://example.com/", "token": LEAK},
    "elastic": {"url": "https://example.com/", "user": "ana", "password": LEAK},
    "kafka": {
        "bootstrap": "example.com",
        "topic": "t",
        "security": "sasl_tls",
        "user": "ana",
        "password": LEAK,
    },
    "file": {"path": "x"},
}
CONFIGS: dict[str, Any] = {
    "webhook": WebhookConfig,
    "syslog": SyslogConfig,
    "splunk": SplunkConfig,
    "elastic": ElasticConfig,
    "kafka": KafkaConfig,
}


def options_of(kind: str, folder: Path) -> list[str]:
    """The options of a kind, as its complaint about an unknown one lists them."""
    around = replace(HERE, folder=folder)
    with pytest.raises(ConfigError, match="option no_such of the") as caught:
        open_sender(kind, {**GOOD[kind], "no_such": 1}, around)
    return caught.value.hint.removeprefix("its options are ").split(", ")


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_is_documented_and_either_shown_or_secret(kind: str, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "sinks.md").read_text()
    options = options_of(kind, tmp_path)

    assert set(KINDS[kind].destination) <= set(options)
    assert KINDS[kind].shown <= set(options)
    for name in options:
        assert f"`{name}`" in page, f"docs/sinks.md does not mention {name}"
    secret = set(options) - KINDS[kind].shown
    assert secret <= {"secrets", "headers", "token", "api_key", "password", "client_key_pem"}


@pytest.mark.parametrize("kind", CONFIGS)
def test_no_printed_configuration_holds_a_secret(kind: str) -> None:
    config = CONFIGS[kind].read(GOOD[kind])

    for text in (repr(config), str(config), f"{config}"):
        assert LEAK not in text
        assert SECRET not in text


def test_a_secret_equals_itself_and_shows_nothing() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert repr([Secret("a")]) == f"[{HIDDEN}]"
    assert not Secret("")


def test_what_is_not_known_is_hidden() -> None:
    assert redacted("webhook", {"key": LEAK, "b": [LEAK]}) == {"key": HIDDEN, "b": [HIDDEN]}
    assert redacted("no such kind", {"url": "https://example.com/?a=b", "x": LEAK}) == {
        "url": f"https://example.com/?{HIDDEN}",
        "x": HIDDEN,
    }
    assert redacted("splunk", {"token": "", "url": f"https://a:{LEAK}@b/"}) == {
        "token": "",
        "url": HIDDEN,
    }


def test_an_unknown_kind_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="of the kind pigeon") as caught:
        open_sender("pigeon", {}, HERE)
    assert "webhook, syslog" in caught.value.hint


def test_what_was_hidden_comes_back_from_what_is_stored() -> None:
    stored = {"url": "https://a/?t=1", "secrets": ["one", "two"], "headers": {"A": "x", "B": "y"}}
    shown = redacted("webhook", stored)

    assert completed("webhook", shown, stored) == stored
    changed = {**shown, "secrets": ["new", HIDDEN], "headers": {"B": HIDDEN, "C": "z"}}
    assert completed("webhook", changed, stored) == {
        "url": "https://a/?t=1",
        "secrets": ["new", "one"],
        "headers": {"B": "y", "C": "z"},
    }


def test_what_was_never_stored_stays_hidden_and_cannot_be_used() -> None:
    stored = {"url": "https://example.com/", "token": "t"}
    given = {"url": "https://example.com/", "token": "t", "client_key_pem": HIDDEN}

    result = completed("splunk", given, stored)
    assert result["client_key_pem"] == HIDDEN
    with pytest.raises(ConfigError, match=r"option client_key_pem .* stands for no stored one"):
        open_sender("splunk", result, HERE)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("webhook", {"url": "https://evil.example.com/"}),
        ("splunk", {"url": "http://example.com/"}),
        ("elastic", {"url": "https://example.com:9201/"}),
        ("kafka", {"bootstrap": "evil.example.com"}),
        ("kafka", {"security": "plaintext"}),
    ],
)
def test_a_stored_secret_goes_nowhere_else(kind: str, change: dict[str, Any]) -> None:
    given = {**redacted(kind, GOOD[kind]), **change}

    with pytest.raises(ConfigError, match="cannot keep the secrets"):
        completed(kind, given, GOOD[kind])


def test_failures_put_no_secret_into_outcomes_and_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with receiver(lambda _: Reply(status=500, body=b"no")) as server:
        for kind, more in (
            ("webhook", {}),
            ("splunk", {}),
            ("elastic", {}),
            ("kafka", {"bootstrap": f"127.0.0.1:{server.port}", "timeout_s": 1}),
        ):
            config = {**GOOD[kind], **(more or {"url": f"{server.url}/?{LEAK}"})}
            sender = open_sender(kind, config, HERE)
            outcomes = sender.deliver([message()])
            sender.close()
            assert LEAK not in repr(outcomes)
            assert SECRET not in repr(outcomes)

    assert LEAK not in caplog.text
    assert SECRET not in caplog.text


def test_certificates_that_cannot_be_used_are_refused_when_the_sink_is_made(
    authority: Authority,
) -> None:
    one, other = authority.issue("a.example.com"), authority.issue("b.example.com")
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    for kind in ("webhook", "syslog", "splunk", "elastic"):
        for tls in (
            {"ca_pem": broken},
            {"client_cert_pem": one.cert_pem, "client_key_pem": other.key_pem},
            {"client_cert_pem": one.cert_pem},
        ):
            with pytest.raises(ConfigError, match="cannot use the certificates"):
                open_sender(kind, {**GOOD[kind], **tls}, HERE)


def test_text_options_are_bounded_and_printable() -> None:
    values: list[Any] = ["a\nb", "a\x1b[31m", "\u202eabc", "x" * 3000, 5, [], {"a": 1}]
    for value in values:
        with pytest.raises(ConfigError, match="option index of the splunk sink"):
            Options("splunk", {"index": value}).text("index", "")


def test_networks_are_checked_when_the_settings_are_read() -> None:
    with pytest.raises(ConfigError, match="cannot read 'nonsense' as a network"):
        Guard.of(["10.0.0.0/8", "nonsense"])
