import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from analyzer.names import MAX_NAMES_PER_ADDRESS
from tests.builders import COLUMNS, at_ns, flow, observations, row, table

POOL = "198.51.100.20"


def test_a_flow_is_found_by_its_id_and_knows_how_a_finding_names_it() -> None:
    seen = observations([flow("10.0.0.1:1000", f"{POOL}:3333", flow_id=7, start_s=2)])

    found = seen.flow(7)

    assert (found.start_ns, found.transport) == (at_ns(2), "tcp")
    assert (found.ref.src, found.ref.dst) == ("10.0.0.1:1000", f"{POOL}:3333")


def test_a_flow_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        observations().flow(1)


def test_icmp_has_no_ports() -> None:
    seen = observations([flow("10.0.0.1:0", "10.0.0.2:0", transport="icmp")])

    assert seen.flow(0).ref.src_port is None


@pytest.mark.parametrize("at_once", [0, 10_000])
def test_rows_of_one_flow_come_in_order_though_flows_are_mixed(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analyzer.observations.MAX_ROWS_AT_ONCE", at_once)
    seen = observations(
        mining=[
            row("mining", flow_id=2, frame=5, kind="login"),
            row("mining", flow_id=1, frame=6, kind="job"),
            row("mining", flow_id=2, frame=9, kind="submit"),
        ]
    )

    assert seen.flow_ids("mining") == [1, 2]
    assert [item["kind"] for item in seen.rows("mining", 2)] == ["login", "submit"]
    assert list(seen.events("mining", 2)["frame"]) == [5, 9]
    assert seen.rows("mining", 3) == []
    first = seen.first_row("mining", 2)
    assert first is not None
    assert first["kind"] == "login"


def test_times_are_integers_of_nanoseconds_in_every_view() -> None:
    seen = observations(labels=[row("labels", at_s=1.5, name="mqtt")])

    assert seen.rows("labels", 0)[0]["ts_ns"] == at_ns(1.5)
    assert list(seen.table("labels")["ts_ns"]) == [at_ns(1.5)]


def test_a_caller_cannot_change_what_another_sees() -> None:
    seen = observations(labels=[row("labels", name="mqtt")])

    mine = seen.table("labels")
    mine["name"] = "changed"

    assert list(seen.table("labels")["name"]) == ["mqtt"]


def test_a_row_given_out_may_be_changed_without_harm() -> None:
    seen = observations(mining=[row("mining", flow_id=1, kind="login")])

    seen.rows("mining", 1)[0]["kind"] = "mine now"

    assert seen.rows("mining", 1)[0]["kind"] == "login"


def test_there_are_only_the_tables_of_the_architecture() -> None:
    with pytest.raises(KeyError, match="no table 'sessions'"):
        observations().arrow("sessions")


def test_a_dns_answer_names_the_flows_after_it_and_not_before() -> None:
    seen = observations(
        dns=[row("dns", at_s=5, kind="answer", name="pool.example", rtype="A", data=POOL, frame=3)]
    )

    assert [name.name for name in seen.names_for(POOL, at_ns(6))] == ["pool.example"]
    assert seen.names_for(POOL, at_ns(4)) == ()


def test_an_alias_is_followed_back_to_the_name_that_was_asked_for() -> None:
    chain = [("www.example", "CNAME", "edge.example"), ("edge.example", "CNAME", "b.example")]
    chain.append(("b.example", "A", POOL))
    seen = observations(
        dns=[
            row("dns", kind="answer", name=name, rtype=rtype, data=data, frame=8)
            for name, rtype, data in chain
        ]
    )

    names = [name.name for name in seen.names_for(POOL, at_ns(1))]

    assert set(names) == {"www.example", "edge.example", "b.example"}


def test_aliases_in_a_circle_come_to_an_end() -> None:
    seen = observations(
        dns=[
            row("dns", kind="answer", name="a.example", rtype="CNAME", data="b.example", frame=8),
            row("dns", kind="answer", name="b.example", rtype="CNAME", data="a.example", frame=8),
            row("dns", kind="answer", name="a.example", rtype="A", data=POOL, frame=8),
        ]
    )

    assert {name.name for name in seen.names_for(POOL, at_ns(1))} == {"a.example", "b.example"}


def test_a_flows_own_sni_comes_before_what_dns_said() -> None:
    seen = observations(
        [flow("10.0.0.1:1000", f"{POOL}:443", start_s=10)],
        dns=[row("dns", flow_id=9, kind="answer", name="dns.example", rtype="A", data=POOL)],
        tls=[row("tls", hello="client", up=True, sni="SNI.example", at_s=10)],
    )

    names = [(name.name, name.source) for name in seen.names_of(seen.flow(0))]

    assert names == [("sni.example", "sni"), ("dns.example", "dns")]


@pytest.mark.parametrize(
    ("host", "name"),
    [("pool.example:8080", "pool.example"), ("[2001:db8::1]:80", "2001:db8::1")],
)
def test_a_host_header_loses_its_port(host: str, name: str) -> None:
    seen = observations(
        [flow("10.0.0.1:1000", f"{POOL}:80")],
        http=[row("http", kind="request", up=True, host=host)],
    )

    assert [item.name for item in seen.names_of(seen.flow(0))] == [name]


def test_an_address_with_a_thousand_names_keeps_the_latest() -> None:
    count = MAX_NAMES_PER_ADDRESS + 10
    seen = observations(
        dns=[
            row("dns", at_s=n, kind="answer", name=f"n{n}.example", rtype="A", data=POOL, frame=n)
            for n in range(1, count + 1)
        ]
    )

    names = seen.names_for(POOL, at_ns(count + 1))

    assert len(names) == MAX_NAMES_PER_ADDRESS
    assert names[0].name == f"n{count}.example"


def test_inside_is_what_the_settings_say() -> None:
    seen = observations(inside=("192.0.2.0/24", "2001:db8::/32"))

    assert seen.is_inside("192.0.2.9")
    assert seen.is_inside("2001:db8::9")
    assert not seen.is_inside("10.0.0.1")
    assert not seen.is_inside("no address")


def test_rows_do_not_need_pandas(tmp_path: Path) -> None:
    for name in COLUMNS:
        rows = [row("mining", kind="login")] if name == "mining" else []
        rows += [flow("10.0.0.1:1000", f"{POOL}:3333")] if name == "flows" else []
        written = table(name, rows)
        with pa.ipc.new_file(tmp_path / name, written.schema) as file:
            file.write_table(written)
    program = (
        "import sys\n"
        "import pyarrow as pa\n"
        "from analyzer.model import CaptureRef\n"
        "from analyzer.observations import Observations\n"
        "def source(name):\n"
        f"    return pa.ipc.open_file({str(tmp_path)!r} + '/' + name).read_all()\n"
        "seen = Observations(\n"
        "    capture=CaptureRef(path='a', sha256=''), stats={}, source=source)\n"
        "assert seen.rows('mining', 0)[0]['kind'] == 'login'\n"
        "assert seen.names_for('192.0.2.1', 0) == () and len(list(seen.all_flows())) == 1\n"
        "from analyzer.quality import count_flows\n"
        "assert count_flows(seen).with_payload == 1\n"
        "assert 'pandas' not in sys.modules\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
