"""`/v1/hosts`, `/v1/pools`, `/v1/wallets` and `/v1/timeline` of an analysed sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from analyzer.store import Store
from analyzer.store.records import SERVICE, Scope
from api.main import create_app
from api.settings import ServiceSettings
from tests.asgi import ApiClient
from tests.tables import found_in, keep_tables, observed

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLIC = ("198.51.100.0/24",)
SAMPLE = Path(__file__).resolve().parents[2] / "pcaps" / "rome-incident.pcapng"
MINER = "10.20.0.14"
POOL = "xmr.2miners.com"


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ApiClient]]:
    """Clients of one service with the sample, by the scope of their key."""
    seen = observed(SAMPLE)
    with Store.open(tmp_path_factory.mktemp("rome") / "data") as store:
        keep_tables(store, seen, found_in(seen), b"rome")
        app = create_app(ServiceSettings(data=store.folder.root, rate_per_minute=100_000), store)
        made: dict[str, ApiClient] = {}
        for scope in (Scope.CAPTURES_READ, Scope.FINDINGS_READ, Scope.ADMIN):
            _, text = store.keys.create(scope, [scope], by=SERVICE)
            made[scope.value] = ApiClient(app, {"Authorization": f"Bearer {text}"})
        yield made
        for client in made.values():
            client.close()


def ask(clients: dict[str, ApiClient], path: str, **params: Any) -> Any:
    response = clients["admin"].get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


def test_hosts_inside_come_with_their_findings(clients: dict[str, ApiClient]) -> None:
    answer = ask(clients, "/v1/hosts", side="inside", sort="-findings", with_findings=True)
    assert [host["address"] for host in answer["data"]] == [MINER]
    host = answer["data"][0]
    assert host["inside"] is True
    assert host["findings"] == {"critical": 1, "high": 1, "medium": 1, "low": 0, "info": 0}
    assert host["first_seen"] < host["last_seen"]


def test_a_server_outside_comes_with_its_names(clients: dict[str, ApiClient]) -> None:
    answer = ask(clients, "/v1/hosts", side="outside", limit=1000)
    names = {host["address"]: host["names"] for host in answer["data"]}
    assert names["198.51.100.77"] == [{"name": POOL, "source": "dns"}]
    assert answer["page"]["total"] == len(answer["data"])


def test_networks_that_count_as_inside_can_be_named(clients: dict[str, ApiClient]) -> None:
    answer = ask(clients, "/v1/hosts", side="inside", inside_network="198.51.100.0/24")
    assert {host["address"].rpartition(".")[0] for host in answer["data"]} == {"198.51.100"}


def test_one_host_shows_titles_of_findings_to_whom_may_read_them(
    clients: dict[str, ApiClient],
) -> None:
    whole = ask(clients, f"/v1/hosts/{MINER}")
    assert [finding["severity"] for finding in whole["findings"]] == ["critical", "high", "medium"]
    assert whole["total_findings"] == 3
    part = clients["captures:read"].get(f"/v1/hosts/{MINER}").json()
    assert part["findings"] == []
    assert part["total_findings"] == 3
    assert part["peers"] == whole["peers"]


@pytest.mark.parametrize(
    ("address", "status"),
    [("192.0.2.250", 404), ("nobody", 400), ("10.0.0.1%00", 400), ("x" * 65, 422)],
)
def test_a_host_that_is_not_there_is_a_problem(
    clients: dict[str, ApiClient], address: str, status: int
) -> None:
    assert clients["admin"].get(f"/v1/hosts/{address}").status_code == status


def test_pools_and_wallets_tell_of_each_other(clients: dict[str, ApiClient]) -> None:
    pool = ask(clients, "/v1/pools")["data"][0]
    wallet = ask(clients, "/v1/wallets")["data"][0]
    assert pool["pool"] == POOL
    assert pool["wallets"] == [wallet["wallet"]]
    assert wallet["pools"] == [POOL]
    assert pool["miners"] == wallet["miners"] == [MINER]
    assert pool["shares"] == wallet["shares"] == {"submitted": 49, "accepted": 49, "rejected": 0}


def test_a_masked_wallet_cannot_be_read_back(clients: dict[str, ApiClient]) -> None:
    plain = ask(clients, "/v1/wallets")["data"][0]
    response = clients["admin"].get("/v1/wallets", params={"mask": True})
    assert plain["wallet"] not in response.text
    assert response.json()["data"][0]["id"] == plain["id"]
    pools = clients["admin"].get("/v1/pools", params={"mask": True})
    assert plain["wallet"] not in pools.text


def test_pools_and_wallets_need_the_scope_of_findings(clients: dict[str, ApiClient]) -> None:
    for path in ("/v1/pools", "/v1/wallets"):
        assert clients["captures:read"].get(path).status_code == 403
        assert clients["findings:read"].get(path).status_code == 200
    for path in ("/v1/flows", "/v1/hosts", "/v1/timeline"):
        assert clients["findings:read"].get(path).status_code == 403
        assert clients["captures:read"].get(path).status_code == 200


def test_the_timeline_has_all_flows_and_findings(clients: dict[str, ApiClient]) -> None:
    line = ask(clients, "/v1/timeline")
    assert sum(part["flows"] for part in line["data"]) == line["total_flows"]
    assert sum(sum(part["findings"].values()) for part in line["data"]) == 3
    minutes = ask(clients, "/v1/timeline", bucket="5m", host=MINER)
    assert minutes["bucket_s"] == 300
    assert len(minutes["data"]) == 6


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v1/timeline", {"bucket": "1ms"}),
        ("/v1/timeline", {"bucket": "soon"}),
        ("/v1/timeline", {"host": "nobody"}),
        ("/v1/timeline", {"since": "2026-03-03", "until": "2026-03-02"}),
        ("/v1/hosts", {"sort": "name"}),
        ("/v1/hosts", {"inside_network": "nowhere"}),
        ("/v1/hosts", {"cursor": "x"}),
        ("/v1/pools", {"sort": "name"}),
        ("/v1/pools", {"miner": "nobody"}),
        ("/v1/wallets", {"since": "soon"}),
    ],
)
def test_what_makes_no_sense_is_a_problem(
    clients: dict[str, ApiClient], path: str, params: dict[str, str]
) -> None:
    response = clients["admin"].get(path, params=params)
    assert response.status_code == 400
    assert response.json()["hint"]


def test_inside_is_what_the_service_is_set_to(tmp_path: Path) -> None:
    seen = observed(SAMPLE)
    with Store.open(tmp_path / "data") as store:
        keep_tables(store, seen, found_in(seen), b"rome")
        settings = ServiceSettings(data=store.folder.root, inside=",".join(PUBLIC), auth=False)
        client = ApiClient(create_app(settings, store), {})

        rows = client.get("/v1/hosts", params={"side": "inside"}).json()["data"]
        one = client.get("/v1/hosts/198.51.100.77").json()["host"]
        client.close()

    assert {row["address"].rsplit(".", 1)[0] for row in rows} == {"198.51.100"}
    assert one["inside"] is True
