"""`/v1/flows`: pages, filters, formats, sums; what is refused, and how."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from analyzer.store import Store
from analyzer.store.records import SERVICE, Scope
from api.main import create_app
from api.settings import ServiceSettings
from tests.asgi import ApiClient
from tests.tables import FIRST, SECOND, Two, two_captures

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

EVERY = len(FIRST) + len(SECOND)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Two captures; tests of this module only read them."""
    with Store.open(tmp_path_factory.mktemp("flows") / "data") as store:
        yield two_captures(store)


@pytest.fixture(scope="module")
def client(two: Two) -> Iterator[ApiClient]:
    """A client that may read captures and nothing else."""
    settings = ServiceSettings(data=two.store.folder.root, rate_per_minute=100_000)
    _, text = two.store.keys.create("reader", [Scope.CAPTURES_READ], by=SERVICE)
    headers = {"Authorization": f"Bearer {text}"}
    with ApiClient(create_app(settings, two.store), headers) as made:
        yield made


def good(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def test_a_page_says_what_it_shows_of_how_many(client: ApiClient, two: Two) -> None:
    answer = good(client.get("/v1/flows", params={"limit": 3}))
    assert len(answer["data"]) == answer["page"]["shown"] == 3
    assert answer["page"]["total"] == EVERY
    assert answer["page"]["has_more"]
    assert (answer["not_read"], answer["not_read_total"]) == ([], 0)
    first = answer["data"][0]
    assert first["start"] == "2026-01-01T00:00:00.000000000Z"
    assert first["capture"] in {two.first.capture, two.second.capture}


def test_cursors_lead_through_all_pages(client: ApiClient) -> None:
    seen: list[tuple[str, int]] = []
    params: dict[str, Any] = {"limit": 3, "sort": "-bytes"}
    while True:
        response = client.get("/v1/flows", params=params)
        answer = good(response)
        seen += [(row["capture"], row["flow_id"]) for row in answer["data"]]
        assert (response.headers.get("Outgate-Next-Cursor", "")) == answer["page"]["next_cursor"]
        if not answer["page"]["has_more"]:
            break
        params["cursor"] = answer["page"]["next_cursor"]
    assert len(seen) == len(set(seen)) == EVERY


@pytest.mark.parametrize(
    ("params", "flows"),
    [
        ({"src": "10.20.0.7", "dst_port": "3333"}, 2),
        ({"host": "2001:db8::/32"}, 1),
        ({"q": "src:10.20.0.7 -app:tls"}, 2),
        ({"app": "tls,ssh"}, 3),
        ({"name": "*.example.org"}, 2),
        ({"sni": "files.example.com"}, 1),
        ({"min_bytes": 4001}, 1),
        ({"max_bytes": 3999}, 1),
        ({"since": "2026-01-01T01:00:00Z"}, 2),
        ({"until": "2026-01-01T01:00:00Z", "proto": "tcp"}, 4),
        ({"port": ">50000", "app": "ssh"}, 1),
        ({"finding": "f-0000000000000001"}, 1),
        ({"q": '"198.51.100.77"', "port": "3333"}, 2),
    ],
)
def test_parameters_and_words_filter_together(
    client: ApiClient, params: dict[str, Any], flows: int
) -> None:
    assert good(client.get("/v1/flows", params=params))["page"]["total"] == flows


def test_a_capture_is_named_as_often_as_needed(client: ApiClient, two: Two) -> None:
    captures = [two.first.capture, two.second.capture]
    assert good(client.get("/v1/flows", params={"capture": captures}))["page"]["total"] == EVERY
    assert good(client.get("/v1/flows", params={"capture": captures[:1]}))["page"]["total"] == len(
        FIRST
    )


def test_columns_come_in_the_order_they_were_named(client: ApiClient) -> None:
    answer = good(client.get("/v1/flows", params={"columns": "dst_ip,bytes,src_ip", "limit": 1}))
    assert list(answer["data"][0]) == ["dst_ip", "bytes", "src_ip"]
    everything = good(client.get("/v1/flows", params={"columns": "all", "limit": 1}))["data"][0]
    assert not {"prefix_up", "prefix_down"} & set(everything)  # payload is evidence


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("*/*", "application/json"),
        ("application/json;q=0.1, text/csv", "text/csv; charset=utf-8"),
    ],
)
def test_accept_chooses_the_format(client: ApiClient, accept: str, media_type: str) -> None:
    response = client.get("/v1/flows", headers={"Accept": accept})
    assert response.headers["content-type"] == media_type
    assert response.headers["Outgate-Total-Count"] == str(EVERY)
    assert "Accept" in response.headers["vary"]


def test_all_formats_hold_the_same_rows(client: ApiClient) -> None:
    def content(name: str) -> bytes:
        params: dict[str, Any] = {"format": name, "sort": "-bytes", "limit": 1000}
        return client.get("/v1/flows", params=params).content

    rows = json.loads(content("json"))["data"]
    assert [json.loads(line) for line in content("ndjson").splitlines()] == rows
    arrow = pa.ipc.open_stream(content("arrow")).read_all()
    assert arrow.equals(parquet.read_table(io.BytesIO(content("parquet"))))
    assert arrow.column("flow_id").to_pylist() == [row["flow_id"] for row in rows]
    assert str(arrow.schema.field("start").type) == "timestamp[ns, tz=UTC]"
    cells = list(csv.DictReader(io.StringIO(content("csv").decode(), newline="")))
    assert [int(cell["up_bytes"]) for cell in cells] == [row["up_bytes"] for row in rows]


@pytest.mark.parametrize(
    ("params", "status", "said"),
    [
        ({"q": "bytez:>3"}, 400, "cannot read the filter at character 1"),
        ({"q": 'app:"x'}, 400, "at character 5: the quote that begins here"),
        ({"q": "x" * 5000}, 422, "query/q"),
        ({"src": "10.0.0.0/64"}, 400, "cannot read src"),
        ({"name": "a b"}, 400, "cannot read name at character 2"),
        ({"min_bytes": 5, "max_bytes": 3}, 400, "max_bytes is below min_bytes"),
        ({"min_bytes": "nan"}, 422, "query/min_bytes"),
        ({"columns": "prefix_up"}, 400, "no such column"),
        ({"columns": "1; DROP TABLE flows"}, 400, "no such column"),
        ({"sort": "name"}, 400, "cannot sort by name"),
        ({"limit": 0}, 422, "query/limit"),
        ({"limit": 10**7}, 422, "query/limit"),
        ({"limit": 10_001}, 400, "1 to 10000"),
        ({"cursor": "AAAA"}, 400, "cursor"),
        ({"capture": "../../etc/passwd"}, 422, "query/capture"),
        ({"capture": "0" * 64}, 404, "cannot find a capture"),
        ({"finding": "f-none"}, 404, "cannot find a finding"),
        ({"format": "xml"}, 422, "query/format"),
        ({"scr": "10.0.0.1"}, 422, "query/scr"),
        ({"q": "name:" + "*a" * 100}, 400, "wildcards"),
    ],
)
def test_what_makes_no_sense_is_a_problem_that_says_where(
    client: ApiClient, params: dict[str, Any], status: int, said: str
) -> None:
    response = client.get("/v1/flows", params=params)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert said in response.json()["detail"]


def test_an_unknown_media_type_is_answered_with_the_known_ones(client: ApiClient) -> None:
    response = client.get("/v1/flows", headers={"Accept": "image/png"})
    assert response.status_code == 406
    assert "text/csv" in response.json()["detail"]


def test_text_from_the_wire_stays_text(client: ApiClient) -> None:
    hostile = "\u202e<script>'; DROP TABLE flows; --"
    quoted = hostile.replace('"', '\\"')
    assert good(client.get("/v1/flows", params={"q": f'"{quoted}"'}))["data"] == []
    assert good(client.get("/v1/flows"))["page"]["total"] == EVERY


def test_sums_say_how_many_groups_there_are(client: ApiClient) -> None:
    params: dict[str, Any] = {
        "group_by": "dst_ip",
        "aggregate": "count,sum(bytes),max(end)",
        "limit": 2,
    }
    answer = good(client.get("/v1/flows/aggregate", params=params))
    assert answer["shown"] == len(answer["data"]) == 2
    assert answer["total_groups"] == len({one["dst_ip"] for one in FIRST + SECOND})
    assert answer["total_flows"] == EVERY
    assert list(answer["data"][0]) == ["dst_ip", "count", "sum(bytes)", "max(end)"]
    assert answer["data"][0]["max(end)"].endswith("Z")


def test_sums_come_as_files_too(client: ApiClient) -> None:
    params = {"group_by": "app", "format": "csv"}
    response = client.get("/v1/flows/aggregate", params=params)
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert sum(int(row["count"]) for row in rows) == EVERY


@pytest.mark.parametrize(
    "params",
    [
        {"group_by": "history"},
        {"aggregate": "sum(bytes)) FROM x --"},
        {"aggregate": "sum(src_ip)"},
        {"group_by": "app", "sort": "vlan"},
        {"group_by": "a,b,c,d,e"},
    ],
)
def test_a_sum_that_makes_no_sense_is_a_problem(client: ApiClient, params: dict[str, str]) -> None:
    assert client.get("/v1/flows/aggregate", params=params).json()["code"] == "bad-request"


def test_a_damaged_table_is_named_and_the_rest_answered(tmp_path: Any) -> None:
    with Store.open(tmp_path / "data") as store:
        made = two_captures(store)
        settings = ServiceSettings(data=store.folder.root)
        _, text = store.keys.create("reader", [Scope.CAPTURES_READ], by=SERVICE)
        (store.folder.tables_path(made.first.id) / "flows.parquet").write_bytes(b"PAR1")
        with ApiClient(create_app(settings, store), {"X-Api-Key": text}) as client:
            response = client.get("/v1/flows")
            answer = good(response)
            assert response.headers["Outgate-Not-Read"] == "1"
            for path in ("/v1/hosts", "/v1/timeline", "/v1/flows/aggregate"):
                assert good(client.get(path))["not_read"][0]["capture"] == made.first.capture
    assert len(answer["data"]) == len(SECOND)
    gap = answer["not_read"][0]
    assert (gap["capture"], gap["table"]) == (made.first.capture, "flows")
    assert str(tmp_path) not in gap["reason"]
