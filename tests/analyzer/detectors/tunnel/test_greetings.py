import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.detectors.tunnel.greetings import of_label, of_opening, wstunnel_token

FRP_LOGIN = b"o" + (186).to_bytes(8) + b'{"version":"0.61.0"'


def bearer(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"v1, authorization.bearer.e30.{body}.c2ln"


def test_a_login_of_frp_is_known_by_type_length_and_json() -> None:
    greeting = of_opening(FRP_LOGIN, b"")

    assert greeting is not None
    assert (greeting.relay, greeting.is_clear) == ("frp", True)


@pytest.mark.parametrize(
    "opening",
    [
        b"",
        b"o",
        b"options\r\n",
        b"o" + (2**40).to_bytes(8) + b'{"version":',
        b"o" + (3).to_bytes(8) + b'{"version":',
        b"o" + (186).to_bytes(8) + b'{"hello":',
        bytes.fromhex("010103ff"),
    ],
)
def test_near_misses_are_no_greeting(opening: bytes) -> None:
    assert of_opening(opening, b"") is None


@pytest.mark.parametrize(
    ("answer", "clear"), [("04010300", True), ("", False), ("48545450", False)]
)
def test_gs_netcat_is_clear_when_its_relay_answers(answer: str, *, clear: bool) -> None:
    greeting = of_opening(bytes.fromhex("010103") + bytes(61), bytes.fromhex(answer))

    assert greeting is not None
    assert (greeting.relay, greeting.is_clear) == ("gsocket", clear)


@pytest.mark.parametrize(
    ("name", "detail", "relay", "clear"),
    [
        ("bore", '{"Hello":0}', "bore", True),
        ("http_upgrade", "DERP", "tailscale", True),
        ("wireguard", "initiation", "wireguard", True),
        ("wireguard", "data", "wireguard", False),
        ("socks", "5", "socks", True),
    ],
)
def test_labels_of_the_core_name_tools(name: str, detail: str, relay: str, *, clear: bool) -> None:
    greeting = of_label(name, detail)

    assert greeting is not None
    assert (greeting.relay, greeting.is_clear) == (relay, clear)


@pytest.mark.parametrize(("name", "detail"), [("http_upgrade", "h2c"), ("ntp", "")])
def test_other_labels_name_nothing(name: str, detail: str) -> None:
    assert of_label(name, detail) is None


@pytest.mark.parametrize(
    ("claims", "mode", "target"),
    [
        ({"p": {"ReverseTcp": {}}, "r": "127.0.0.1", "rp": 22}, "ReverseTcp", "127.0.0.1:22"),
        ({"p": "ReverseSocks5", "r": "::", "rp": 99999}, "ReverseSocks5", ""),
        ({"p": {"Tcp": None}}, "Tcp", ""),
    ],
)
def test_the_token_of_wstunnel_says_what_is_asked_for(
    claims: dict[str, Any], mode: str, target: str
) -> None:
    token = wstunnel_token(bearer(claims))

    assert token is not None
    assert (token.mode, token.target) == (mode, target)
    assert token.is_reverse is mode.startswith("Reverse")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "chat",
        "authorization.bearer.",
        "authorization.bearer.a.b",
        "authorization.bearer.a.!!!!.c",
        "authorization.bearer.a." + "A" * 5000 + ".c",
        bearer([1]),
        bearer({"p": {}}),
        bearer({"p": 7}),
    ],
)
def test_other_subprotocols_have_no_token(text: str) -> None:
    assert wstunnel_token(text) is None


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_any_bytes_may_open_a_flow(up: bytes, down: bytes) -> None:
    of_opening(up, down)
    of_opening(b"o" + up, down)


@given(st.text(max_size=300), st.binary(max_size=200))
def test_any_text_may_be_a_subprotocol(text: str, body: bytes) -> None:
    wstunnel_token(text)
    wstunnel_token(f"authorization.bearer.a.{base64.urlsafe_b64encode(body).decode()}.c")
