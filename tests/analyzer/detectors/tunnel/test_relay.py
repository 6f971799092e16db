from typing import Any

import pytest

from analyzer import ruleset
from analyzer.detectors.evidence import confidence_of
from analyzer.detectors.tunnel.relay import Relay
from analyzer.model import Category, Finding, Severity
from analyzer.ruleset import RuleSet
from tests.builders import context, flow, observations, row
from tests.conftest import CheckFinding

HOST = "10.0.0.1"
SERVER = "198.51.100.7"


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return ruleset.load()


def judge(rules: RuleSet, *flows: dict[str, Any], **tables: Any) -> list[Finding]:
    given = list(flows) or [flow(f"{HOST}:40000", f"{SERVER}:443")]
    return list(Relay().run(observations(given, **tables), context(rules)))


def is_alarm(found: Finding) -> bool:
    loud = found.severity.rank >= Severity.MEDIUM.rank
    return found.category is Category.REVERSE_TUNNEL and loud and found.confidence >= 0.5


def hello(sni: str = "", alpn: str = "") -> dict[str, Any]:
    return row("tls", frame=4, hello="client", up=True, sni=sni, alpn=alpn, ja4="t13d")


def request(**values: Any) -> dict[str, Any]:
    return row("http", frame=4, kind="request", up=True, method="GET", **values)


SWITCHED = row("http", frame=5, kind="response", status=101)


def ssh(client: str, server: str) -> dict[str, Any]:
    return row("ssh", frame=6, client_banner=client, server_banner=server)


def asked(name: str, address: str = SERVER) -> list[dict[str, Any]]:
    common: dict[str, Any] = {"flow_id": 1, "name": name, "rtype": "A"}
    return [
        row("dns", frame=1, kind="query", up=True, **common),
        row("dns", frame=2, kind="answer", data=address, **common),
    ]


DNS_FLOW = flow(f"{HOST}:4000", "192.0.2.53:53", flow_id=1, transport="udp")


@pytest.mark.parametrize(
    ("tool", "severity", "tables"),
    [
        ("chisel", "high", {"http": [request(ws_protocol="chisel-v3"), SWITCHED]}),
        ("chisel", "high", {"ssh": [ssh("SSH-chisel-v3-client", "SSH-chisel-v3-server")]}),
        ("reverse-ssh", "high", {"ssh": [ssh("SSH-v2.6-linux_amd64", "SSH-2.0-Go")]}),
        ("sish", "high", {"ssh": [ssh("SSH-2.0-OpenSSH_9.6", "SSH-2.0-sish")]}),
        ("upterm", "high", {"ssh": [ssh("SSH-2.0-upterm-host-client", "SSH-2.0-uptermd-1")]}),
        ("frp", "high", {"labels": [row("labels", frame=4, name="frp")]}),
        ("frp", "high", {"http": [request(target="/~!frp"), SWITCHED]}),
        ("bore", "high", {"labels": [row("labels", frame=4, name="bore", detail='{"Hello":0}')]}),
        ("ngrok", "medium", {"tls": [hello("connect.ngrok-agent.com")]}),
        ("cloudflared", "medium", {"tls": [hello("h2.cftunnel.com", "h2")]}),
        ("devtunnels", "medium", {"tls": [hello("x.rel.tunnels.api.visualstudio.com")]}),
    ],
)
def test_a_tool_that_exposes_the_inside_is_an_alarm(
    rules: RuleSet,
    check_finding: CheckFinding,
    tool: str,
    severity: str,
    tables: dict[str, Any],
) -> None:
    (found,) = judge(rules, **tables)

    assert is_alarm(found)
    assert found.severity == severity
    assert found.attributes["tool"] == tool
    assert found.attributes["host"] == HOST
    assert found.frames
    assert found.confidence == confidence_of(found.evidence)
    check_finding(found.to_dict())


@pytest.mark.parametrize(
    "tables",
    [
        {"tls": [hello("abc.ngrok-free.app")]},
        {"tls": [hello("x.trycloudflare.com")]},
        {"http": [request(host="serveo.net")]},
        {"http": [request(target="/push", user_agent="curl/8")]},
        {"http": [request(ws_protocol="chat", user_agent="Go-http-client/1.1"), SWITCHED]},
        {"hits": [row("hits", pattern="payload.chisel_banner", offset=40_000)]},
        {"hits": [row("hits", pattern="payload.bore_hello", up=True)]},
        {"hits": [row("hits", pattern="payload.bore_heartbeat", offset=9)]},
        {"ssh": [ssh("SSH-2.0-OpenSSH_9.6", "SSH-2.0-Go")]},
        {"labels": [row("labels", name="http_upgrade", detail="h2c")]},
    ],
)
def test_what_others_say_too_is_no_alarm(rules: RuleSet, tables: dict[str, Any]) -> None:
    found = judge(rules, **tables)

    assert not any(is_alarm(item) or item.severity.rank > Severity.LOW.rank for item in found)
    assert all(item.category is not Category.REVERSE_TUNNEL for item in found)


@pytest.mark.parametrize(
    ("name", "severity"),
    [("connect.ngrok-agent.com", Severity.LOW), ("abc.ngrok-free.app", Severity.INFO)],
)
def test_a_lookup_is_a_note_and_no_reverse_tunnel(
    rules: RuleSet, name: str, severity: Severity
) -> None:
    (found,) = judge(rules, DNS_FLOW, dns=asked(name))

    assert (found.category, found.severity) == (Category.TUNNEL, severity)
    assert "looked up" in found.title
    assert found.frames == (1, 2)


def test_lookup_and_connection_are_one_finding(rules: RuleSet) -> None:
    flows = [DNS_FLOW, flow(f"{HOST}:40000", f"{SERVER}:443", start_s=1)]

    (found,) = judge(
        rules, *flows, dns=asked("connect.ngrok-agent.com"), tls=[hello("connect.ngrok-agent.com")]
    )

    assert (found.flows, found.flow.dst_ip) == (2, SERVER)
    assert found.attributes["sni"] == ["connect.ngrok-agent.com"]


def test_ssh_to_a_service_that_is_used_over_ssh_opens_a_tunnel(rules: RuleSet) -> None:
    over_ssh = flow(f"{HOST}:40000", f"{SERVER}:22", app="ssh")
    over_http = flow(f"{HOST}:40000", f"{SERVER}:80", app="http")

    (opened,) = judge(rules, DNS_FLOW, over_ssh, dns=asked("serveo.net"))
    (visited,) = judge(rules, DNS_FLOW, over_http, dns=asked("serveo.net"))

    assert is_alarm(opened)
    assert not is_alarm(visited)


def test_a_name_without_an_answer_is_an_attempt(rules: RuleSet) -> None:
    silent = flow(f"{HOST}:40000", f"{SERVER}:443", down_payload=0)

    (found,) = judge(rules, silent, tls=[hello("connect.ngrok-agent.com")])

    assert (found.severity, found.category) == (Severity.LOW, Category.TUNNEL)
    assert "tried to use ngrok" in found.title


def test_a_scanner_that_nobody_answers_is_low(rules: RuleSet) -> None:
    scan = flow("203.0.113.9:40000", "10.0.0.9:80")

    (found,) = judge(rules, scan, http=[request(ws_protocol="chisel-v3")])

    assert (found.severity, found.attributes["host"]) == (Severity.LOW, "10.0.0.9")
    assert found.title == "203.0.113.9 tried to use chisel at 10.0.0.9"


def test_a_tunnel_within_the_inside_is_medium(rules: RuleSet) -> None:
    (found,) = judge(
        rules,
        flow(f"{HOST}:40000", "10.0.0.2:8080"),
        ssh=[ssh("SSH-chisel-v3-client", "SSH-chisel-v3-server")],
    )

    assert is_alarm(found)
    assert found.severity is Severity.MEDIUM


def test_the_token_of_wstunnel_makes_it_a_reverse_tunnel(rules: RuleSet) -> None:
    # the bodies ask for ReverseTcp to 127.0.0.1 port 22, and for Tcp
    body = "eyJwIjp7IlJldmVyc2VUY3AiOnt9fSwiciI6IjEyNy4wLjAuMSIsInJwIjoyMn0"
    protocol = f"v1, authorization.bearer.e30.{body}.c2ln"
    forward = "v1, authorization.bearer.e30.eyJwIjp7IlRjcCI6e319fQ.c2ln"

    (reverse,) = judge(rules, http=[request(target="/v1/events", ws_protocol=protocol), SWITCHED])
    (local,) = judge(rules, http=[request(target="/v1/events", ws_protocol=forward), SWITCHED])

    assert is_alarm(reverse)
    assert reverse.attributes["target"] == "127.0.0.1:22"
    assert local.category is Category.TUNNEL


@pytest.mark.parametrize(
    ("label", "detail", "tool", "category"),
    [
        ("wireguard", "initiation", "wireguard", Category.VPN),
        ("tailscale", "disco", "tailscale", Category.VPN),
        ("socks", "5", "socks", Category.TUNNEL),
    ],
)
def test_vpns_and_proxies_have_their_own_category(
    rules: RuleSet, label: str, detail: str, tool: str, category: Category
) -> None:
    (found,) = judge(rules, labels=[row("labels", name=label, detail=detail, frame=1)])

    assert (found.attributes["tool"], found.category) == (tool, category)
    assert found.severity is Severity.MEDIUM


def test_a_network_of_peers_is_one_finding_and_servers_of_ones_own_are_several(
    rules: RuleSet,
) -> None:
    flows = [flow(f"{HOST}:5000", f"198.51.100.{number}:99", flow_id=number) for number in (1, 2)]

    def labelled(name: str) -> list[dict[str, Any]]:
        return [row("labels", flow_id=number, name=name, frame=number) for number in (1, 2)]

    assert [item.flows for item in judge(rules, *flows, labels=labelled("tailscale"))] == [2]
    assert [item.flows for item in judge(rules, *flows, labels=labelled("frp"))] == [1, 1]


def test_first_bytes_that_no_parser_took_are_compared(rules: RuleSet) -> None:
    login = b"o" + (186).to_bytes(8) + b'{"version":"0.61.0"'
    segments = [row("segments", frame=4, up=True, size=195)]
    unknown = flow(f"{HOST}:40000", f"{SERVER}:7000", prefix_up=login)
    raw_iodine = flow(
        f"{HOST}:40000", f"{SERVER}:53", transport="udp", prefix_up=bytes.fromhex("10d19e20")
    )

    (found,) = judge(rules, unknown, segments=segments)

    assert found.attributes["marks"] == ["greeting: frp login", "port: tcp/7000"]
    assert found.frames == (4,)
    assert judge(rules, raw_iodine) == []


def test_a_quiet_capture_is_silent(rules: RuleSet) -> None:
    assert judge(rules, tls=[hello("packages.example.org", "h2,http/1.1")]) == []
    assert judge(rules, http=[request(host="example.org", target="/", user_agent="curl/8")]) == []
