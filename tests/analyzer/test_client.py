"""The Python client against the real service."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from analyzer.client import ApiError, Client
from tests.service import Service

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "pcaps" / "rome-incident.pcapng"
OTHER = ROOT / "pcaps" / "synthetic" / "dialects" / "stratum_v1.pcap"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for all tests of the module."""
    with Service(tmp_path_factory.mktemp("client") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    """Its administrator."""
    with Client(service.url, service.key) as made:
        yield made


@pytest.fixture(scope="module")
def analysed(client: Client) -> str:
    """The sample, sent and analysed; the job's id."""
    job = client.upload(SAMPLE)
    assert client.wait(job["id"])["state"] == "succeeded"
    return str(job["id"])


def test_events_lead_to_the_jobs_end_and_go_on_where_they_were_left(
    client: Client, analysed: str
) -> None:
    events = list(client.events(analysed))

    assert events[-1]["event"] == "done"
    assert events[-1]["data"]["state"] == "succeeded"
    assert list(client.events(analysed, after=int(events[0]["id"]))) == events[1:]


def test_findings_come_page_by_page_and_a_poller_is_told_what_is_new(
    client: Client, analysed: str
) -> None:
    everything = list(client.findings(limit=1))
    _, cursor, more = client.poll()
    while more:
        _, cursor, more = client.poll(cursor)

    assert {finding["detector"] for finding in everything} >= {
        "mining.stratum",
        "tunnel.ssh_reverse",
    }
    assert client.poll(cursor) == ([], cursor, False)

    changed = everything[0]
    client.comment(changed["id"], "seen by the owner of the host")

    (new,), _, _ = client.poll(cursor)
    assert (new["id"], new["version"]) == (changed["id"], changed["version"] + 1)


def test_triage_names_the_version_it_was_made_on(client: Client, analysed: str) -> None:
    finding = next(iter(client.findings(sort="worst")))
    before = finding["version"]

    after = client.triage(
        finding["id"], version=before, reason="the host was seized", status="acknowledged"
    )

    assert after["status"] == "acknowledged"
    with pytest.raises(ApiError) as caught:
        client.triage(finding["id"], version=before, reason="late", status="resolved")
    assert (caught.value.status, caught.value.code) == (412, "stale-version")
    assert client.finding(finding["id"])["status"] == "acknowledged"


def test_evidence_is_carved_to_a_file(client: Client, analysed: str, tmp_path: Path) -> None:
    finding = next(iter(client.findings(sort="worst")))
    output = tmp_path / "evidence.pcapng"

    size = client.carve(finding["id"], output)

    assert output.stat().st_size == size
    assert output.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


def test_an_upload_that_was_cut_is_finished_from_where_it_was(
    client: Client, service: Service
) -> None:
    where = client.begin_upload(OTHER, name="cut.pcap")
    headers = {
        **service.headers(),
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
    }
    first = OTHER.read_bytes()[:100]
    with httpx.Client(base_url=service.url) as plain:
        assert plain.patch(where, content=first, headers=headers).headers["Upload-Offset"] == "100"

    job = client.upload_resumable(OTHER, url=where)

    assert client.wait(job["id"])["state"] == "succeeded"
    assert client.get(f"captures/{job['capture']}")["name"] == "cut.pcap"


def test_the_same_bytes_again_give_the_job_there_is(client: Client, analysed: str) -> None:
    assert client.upload(SAMPLE, name="again.pcapng")["id"] == analysed


def test_a_refusal_is_an_error_with_its_code_and_hint(service: Service, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no capture")

    with Client(service.url, service.key) as client, pytest.raises(ApiError) as caught:
        client.upload(text)
    assert caught.value.code == "not-a-capture"
    assert "pcapng" in caught.value.hint

    with Client(service.url, "og_0") as stranger, pytest.raises(ApiError) as refused:
        stranger.get("findings")
    assert refused.value.status == 401


def test_an_answer_that_is_not_ours_is_an_error_too() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(502, text="<html>bad gateway"))

    with (
        Client("http://outgate.example", transport=transport) as client,
        pytest.raises(ApiError, match="the service answered 502"),
    ):
        client.get("findings")
