"""Captures that were taken: listed, shown, given back, held, deleted, analysed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analyzer.store.records import SERVICE, Scope
from tests.api.bodies import PCAP, SHA256, send

if TYPE_CHECKING:
    from collections.abc import Callable

    from analyzer.store import Store
    from tests.asgi import ApiClient


@pytest.fixture
def kept(admin: ApiClient) -> dict[str, Any]:
    """One capture that was sent."""
    body: dict[str, Any] = send(admin, query="?name=gateway.pcap").json()
    return body


def test_captures_are_listed_newest_first_page_by_page(admin: ApiClient) -> None:
    for number in range(5):
        send(admin, PCAP + bytes([number]), f"?name=day{number}.pcap")
    names, after, more = [], "", True
    while more:
        page = admin.get("/v1/captures", params={"limit": 2, "after": after}).json()
        names += [entry["name"] for entry in page["data"]]
        after, more = page["next_after"], page["has_more"]
    assert names == [f"day{number}.pcap" for number in (4, 3, 2, 1, 0)]

    found = admin.get("/v1/captures", params={"name": "DAY3"}).json()["data"]
    assert [entry["name"] for entry in found] == ["day3.pcap"]
    assert admin.get("/v1/captures", params={"after": "unknown"}).status_code == 404


def test_one_capture_is_shown_with_its_analysis(
    admin: ApiClient, store: Store, kept: dict[str, Any]
) -> None:
    assert admin.get(f"/v1/captures/{SHA256}").json()["analysis"] is None
    [job] = store.jobs.claim(limit=1)
    report = {
        "findings": [],
        "quality": {"grade": "poor", "frames": 3, "flows": 1},
        "coverage": [{"detector": "mining.stratum", "status": "ran", "findings": 0}],
        "funnel": [{"name": "frames read", "count": 3, "dropped": {}}],
        "tool_version": "0.1.0",
        "ruleset_version": "abc",
    }
    store.jobs.finish(job.id, job.attempt, report, None)

    shown = admin.get(f"/v1/captures/{SHA256}").json()["analysis"]
    assert shown["counts"] == {"frames": 3, "flows": 1, "findings": 0}
    assert shown["quality"]["grade"] == "poor"
    assert shown["coverage"][0]["detector"] == "mining.stratum"
    assert shown["funnel"][0]["count"] == 3
    listed = admin.get(f"/v1/captures/{SHA256}/analyses").json()["data"]
    assert [entry["id"] for entry in listed] == [shown["id"]]


@pytest.mark.parametrize("sha256", ["0" * 64, "0" * 63, "../../etc/passwd", "Z" * 64])
def test_a_capture_that_is_not_there_is_a_clear_problem(admin: ApiClient, sha256: str) -> None:
    assert admin.get(f"/v1/captures/{sha256}").status_code in {404, 422}


def test_the_content_comes_back_byte_for_byte_and_is_audited(
    admin: ApiClient, store: Store, kept: dict[str, Any]
) -> None:
    answer = admin.get(f"/v1/captures/{SHA256}/content")
    assert answer.content == PCAP
    assert answer.headers["content-type"] == "application/vnd.tcpdump.pcap"
    assert answer.headers["etag"] == f'"{SHA256}"'
    assert answer.headers["content-disposition"].startswith('attachment; filename="gateway.pcap"')
    entry = store.audit.page(subject=SHA256)[-1]
    assert entry.action == "capture.read"
    assert entry.actor.startswith("key:")


@pytest.mark.parametrize(
    ("given", "status", "body"),
    [
        ("bytes=0-3", 206, PCAP[:4]),
        ("bytes=-4", 206, PCAP[-4:]),
        ("bytes=400-", 206, PCAP[400:]),
        ("bytes=5-2", 200, PCAP),
        ("bytes=0-1,3-4", 200, PCAP),
        ("lines=1-2", 200, PCAP),
        ("bytes=-", 200, PCAP),
    ],
)
def test_a_range_of_the_content_is_given(
    admin: ApiClient, kept: dict[str, Any], given: str, status: int, body: bytes
) -> None:
    answer = admin.get(f"/v1/captures/{SHA256}/content", headers={"Range": given})
    assert (answer.status_code, answer.content) == (status, body)


@pytest.mark.parametrize("given", ["bytes=9999-", "bytes=-0"])
def test_a_range_outside_the_content_is_a_problem(
    admin: ApiClient, kept: dict[str, Any], given: str
) -> None:
    answer = admin.get(f"/v1/captures/{SHA256}/content", headers={"Range": given})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(PCAP)}"
    assert answer.json()["code"] == "range-not-satisfiable"


def test_a_hostile_name_cannot_break_the_header_of_the_content(admin: ApiClient) -> None:
    send(admin, query="?name=a%22%0d%0aSet-Cookie:x%3d1;%20%E2%80%AEexe.pcap")
    answer = admin.get(f"/v1/captures/{SHA256}/content")
    assert "set-cookie" not in answer.headers
    value = answer.headers["content-disposition"]
    assert value.isascii()
    assert value.count('"') == 2
    assert "\r" not in value


def test_a_held_capture_cannot_be_deleted_until_the_hold_ends(
    admin: ApiClient, store: Store, kept: dict[str, Any]
) -> None:
    admin.delete(f"/v1/jobs/{kept['job']['id']}")
    url = f"/v1/captures/{SHA256}"
    held = admin.put(f"{url}/hold", json={"on": True, "reason": "case 7"})
    assert held.json()["legal_hold"] is True
    assert admin.delete(url, params={"reason": "old"}).status_code == 409

    admin.put(f"{url}/hold", json={"on": False, "reason": "case closed"})
    gone = admin.delete(url, params={"reason": "old"})
    assert gone.status_code == 200
    assert gone.json()["deleted"] is True
    assert gone.json()["delete_reason"] == "old"
    assert not store.folder.capture_path(SHA256).exists()
    assert admin.get(f"{url}/content").status_code == 410


@pytest.mark.parametrize("reason", ["", " ", "a" * 2001])
def test_nothing_is_deleted_or_held_without_a_reason(
    admin: ApiClient, kept: dict[str, Any], reason: str
) -> None:
    url = f"/v1/captures/{SHA256}"
    assert admin.delete(url, params={"reason": reason}).status_code == 422
    assert admin.put(f"{url}/hold", json={"on": True, "reason": reason}).status_code == 422


def test_a_capture_can_be_analysed_again(
    admin: ApiClient, kept: dict[str, Any], store: Store
) -> None:
    store.jobs.cancel(kept["job"]["id"], by=SERVICE)
    answer = admin.post(f"/v1/captures/{SHA256}/analyses", params={"priority": 9})
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    assert answer.json()["id"] != kept["job"]["id"]
    assert answer.json()["priority"] == 9
    assert admin.post(f"/v1/captures/{'0' * 64}/analyses").status_code == 404


def test_asking_again_and_again_queues_one_analysis(
    admin: ApiClient, kept: dict[str, Any], store: Store
) -> None:
    url = f"/v1/captures/{SHA256}/analyses"
    for _ in range(3):
        answer = admin.post(url)
        assert (answer.status_code, answer.json()["id"]) == (202, kept["job"]["id"])
        assert answer.headers["Location"] == f"/v1/jobs/{kept['job']['id']}"
    assert [job.id for job in store.jobs.claim(limit=5)] == [kept["job"]["id"]]
    assert admin.post(url).json()["id"] == kept["job"]["id"]
    assert len(store.jobs.list()) == 1


def test_sending_reading_and_the_bytes_themselves_are_three_scopes(
    client_with: Callable[..., ApiClient],
) -> None:
    writer = client_with(Scope.CAPTURES_WRITE)
    reader = client_with(Scope.CAPTURES_READ)
    assert send(writer).status_code == 202
    assert send(reader).status_code == 403
    assert reader.get(f"/v1/captures/{SHA256}").status_code == 200
    assert writer.get(f"/v1/captures/{SHA256}").status_code == 403
    assert reader.get(f"/v1/captures/{SHA256}/content").status_code == 403
    assert client_with(Scope.EVIDENCE_READ).get(f"/v1/captures/{SHA256}/content").is_success
